//! The command line on a real PostgreSQL server.

use crate::support::{
    clip,
    mosquitto::Mosquitto,
    postgres::PostgresServer,
    program::command,
    site::{self, Site},
};

fn said(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn check_tells_whether_the_database_can_be_used_and_shows_no_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("street.mp4");
    clip::write(&file, 10, |_| None);
    let camera = site::serve(&[("street", &file)], None);
    let broker = Mosquitto::start();
    let server = PostgresServer::shared();
    let url = server.create_database();
    let mut site = Site::new(&broker.url());
    site.camera("street", &format!("main = \"{}\"", camera.url("street")));
    site.section(&format!("[database]\nurl = \"{url}\"\npassword_file = \"database-password\"\n"));
    let check = |password: &str| {
        std::fs::write(site.path("database-password"), password).expect("a file");
        command().args(["check", "--timeout", "5s", "--config"]).arg(site.config()).output().expect("gridwatch starts")
    };
    let output = check(server.password());
    let text = said(&output);
    assert!(output.status.success() && text.contains(&format!("database: {url} holds 0 open tickets")), "{text}");
    let output = check("not-the-pass");
    let text = said(&output);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains(&format!("PROBLEM  database: database {url} refuses")), "{text}");
    assert!(text.contains("check the user in database.url and database.password_file"), "{text}");
    assert!(!text.contains("not-the-pass") && !text.contains(server.password()), "{text}");

    std::fs::write(site.path("database-password"), server.password()).expect("a file");
    let nobody = "01890a5d-ac96-774b-bcce-b302099a8057";
    let hold = |arguments: &[&str]| {
        let mut command = command();
        command.args(["tickets", "hold", nobody]).args(arguments).arg("--config").arg(site.config());
        command.output().expect("gridwatch starts")
    };
    let output = hold(&["--reason", "audit", "--by", "Wang"]);
    assert!(!output.status.success() && said(&output).contains("there is no ticket"), "{}", said(&output));
    let output = hold(&[]);
    assert!(!output.status.success() && said(&output).contains("--reason"), "{}", said(&output));
}
