//! The command line as its user meets it.

use std::{fs, net::TcpListener, process::Output};

use crate::support::{
    clip, free_address,
    mosquitto::Mosquitto,
    program::{command, run},
    site::{self, Site},
};

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn help_names_every_command() {
    let help = text(&run(&["--help"]));
    for command in ["demo", "run", "check", "probe", "cameras", "tickets", "models", "simulate"] {
        assert!(help.contains(command), "{help}");
    }
}

#[test]
fn probe_tells_what_a_camera_sends_and_keeps_its_first_picture() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("street.mp4");
    clip::write(&file, 10, |_| None);
    let camera = site::serve(&[("street", &file)], Some(("viewer", "pr0be-pass")));
    let password = folder.path().join("password");
    fs::write(&password, "pr0be-pass\n").expect("a file");
    let picture = folder.path().join("first.jpg");
    let probe = |password: &std::path::Path| {
        command()
            .args(["probe", &camera.url("street"), "--username", "viewer", "--duration", "6s", "--password-file"])
            .arg(password)
            .arg("--picture")
            .arg(&picture)
            .output()
            .expect("gridwatch starts")
    };
    let output = probe(&password);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    for part in ["h264", "768x576", "keyframe interval  1s"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(&fs::read(&picture).expect("a picture")[..2], b"\xff\xd8", "a JPEG");

    fs::write(&password, "wr0ng-pass\n").expect("a file");
    let refused = probe(&password);
    assert!(!refused.status.success());
    assert!(text(&refused).contains("password") && !text(&refused).contains("wr0ng-pass"), "{}", text(&refused));
}

#[test]
fn check_tells_good_from_bad_and_fails_when_anything_is_bad() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("street.mp4");
    clip::write(&file, 10, |_| None);
    let camera = site::serve(&[("street", &file)], None);
    let broker = Mosquitto::start();
    let mut good = Site::new(&broker.url());
    good.camera("street", &format!("main = \"{}\"", camera.url("street")));
    let check = |site: &Site| {
        command().args(["check", "--timeout", "5s", "--config"]).arg(site.config()).output().expect("gridwatch starts")
    };
    let output = check(&good);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("768x576"), "{}", text(&output));

    let mut bad = Site::new(&format!("mqtt://{}", free_address()));
    bad.camera("street", &format!("main = \"{}\"", camera.url("street")))
        .camera("gone", &format!("main = \"rtsp://{}/live\"", free_address()));
    let output = check(&bad);
    assert!(!output.status.success());
    let said = text(&output);
    assert!(said.contains("PROBLEM  broker") && said.contains("1 of 2 streams cannot be used"), "{said}");
}

#[test]
fn cameras_come_on_board_from_a_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("gridwatch.toml");
    fs::write(&config, "include = [\"cameras/*.toml\"]\n").expect("a file");
    let csv = folder.path().join("cameras.csv");
    fs::write(&csv, "id,name,main,username,password\na,东门,rtsp://10.0.0.1/1,u,t4ble-pass\nb,西门,http://x/,,\n")
        .expect("a file");
    let import = |more: &[&str]| {
        command()
            .args(["cameras", "import", "--config"])
            .arg(&config)
            .arg(&csv)
            .args(more)
            .output()
            .expect("gridwatch starts")
    };
    let dry = import(&["--dry-run"]);
    assert!(!folder.path().join("cameras").exists(), "a dry run writes nothing");
    assert!(text(&dry).contains("would be written"), "{}", text(&dry));
    let output = import(&[]);
    assert!(!output.status.success(), "a bad row shows in the exit status");
    assert!(text(&output).contains("1 new, 0 changed, 0 unchanged, 1 bad"), "{}", text(&output));
    let list = command().args(["cameras", "list", "--config"]).arg(&config).output().expect("gridwatch starts");
    let said = text(&list);
    assert!(said.contains("东门") && said.contains("10.0.0.1") && !said.contains("t4ble-pass"), "{said}");
}

#[test]
fn models_are_listed_and_verified() {
    let list = run(&["models", "list"]);
    assert!(text(&list).contains("nanodet-g") && text(&list).contains("deimv2-femto"), "{}", text(&list));
    let verify = run(&["models", "verify", "nanodet-g"]);
    assert!(verify.status.success(), "{}", text(&verify));
    let unknown = run(&["models", "verify", "no-such-model"]);
    assert!(!unknown.status.success() && text(&unknown).contains("no-such-model"), "{}", text(&unknown));
}

#[test]
fn simulate_says_which_address_is_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("street.mp4");
    clip::write(&file, 5, |_| None);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = command()
        .args(["simulate", "--listen", &address])
        .arg(&file)
        .current_dir(folder.path())
        .output()
        .expect("starts");
    assert!(!output.status.success() && text(&output).contains(&address), "{}", text(&output));
}

#[test]
fn simulate_says_what_is_wrong_with_a_script_of_faults() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("street.mp4");
    clip::write(&file, 5, |_| None);
    let script = folder.path().join("bad-day.toml");
    for (text_of_script, part) in [
        ("[[fault]]\nkind = \"explode\"\n", "unknown variant `explode`"),
        ("[[fault]]\nkind = \"stall\"\ncameras = \"north-*\"\n", "no camera has such a name"),
        ("[[fault]]\nkind = \"stall\"\nevery = \"5s\"\n", "needs \"for\""),
    ] {
        fs::write(&script, text_of_script).expect("a script");
        let output = command()
            .args(["simulate", "--listen", "127.0.0.1:0", "--faults"])
            .args([&script, &file])
            .current_dir(folder.path())
            .output()
            .expect("starts");
        assert!(!output.status.success() && text(&output).contains(part), "{}", text(&output));
    }
}

#[test]
fn two_programs_do_not_share_a_data_folder() {
    let broker = Mosquitto::start();
    let site = Site::new(&broker.url());
    let _first = site.start();
    let second =
        command().args(["run", "--config"]).arg(site.path("gridwatch.toml")).output().expect("gridwatch starts");
    assert!(
        !second.status.success() && text(&second).contains("another gridwatch uses this folder"),
        "{}",
        text(&second)
    );
}
