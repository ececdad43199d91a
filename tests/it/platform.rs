//! A case from the first look to its end: gridwatch, a broker, and the platform at the other side.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use serde_json::Value;

use crate::support::{
    clip,
    mosquitto::Mosquitto,
    program::command,
    site::{self, Site},
    subscriber::Subscriber,
    wait_for,
};

/// How long the whole loop may take on a slow machine.
const PATIENCE: &str = "240s";

/// Looks again for some seconds only.
const RECHECK: &str = "[recheck]\nlooks = 4\nwindow = \"4s\"\nmin_clear = 3\n\n";

/// An officer who says "handled" at once; what still stands is sent out again, and again.
fn script(folder: &Path) -> PathBuf {
    let path = folder.join("script.toml");
    let out = "{ after = \"200ms\", verdict = \"dispatched\" }, { after = \"200ms\", verdict = \"handling\" }, \
               { after = \"200ms\", verdict = \"handled\" }";
    let text = format!(
        "[[plans]]\nrounds = 100\nack = {{ after = \"0s\" }}\nsteps = [{out}]\nstill_there = [{out}]\n\
         unclear = [{{ after = \"1s\", verdict = \"verify_requested\" }}]\ncleared = [{{ verdict = \"closed\" }}]\n"
    );
    fs::write(&path, text).expect("a script");
    path
}

/// Plays the platform until one case got so far; the report's lines, and the totals.
fn play(broker: &Mosquitto, folder: &Path, word: &str) -> (Vec<Value>, Value) {
    let output: Output = command()
        .args(["platform", "--url", &broker.url(), "--json", "--strict", "--timeout", PATIENCE])
        .args(["--until", "1", word, "--script"])
        .arg(script(folder))
        .arg("--pictures")
        .arg(folder.join("pictures"))
        .output()
        .expect("gridwatch starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let mut lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let totals = lines.pop().expect("totals")["totals"].clone();
    (lines, totals)
}

#[test]
fn what_is_gone_is_closed_with_a_picture_before_and_after() {
    let folder = tempfile::tempdir().expect("a folder");
    let film = folder.path().join("van.mp4");
    // It stands for half a minute, and a minute and a half show the street without it.
    clip::write(&film, 120, |t| (t < 30.0).then_some(site::STAND));
    let cameras = site::serve(&[("gate", &film)], None);
    let broker = Mosquitto::start();
    let watcher = Subscriber::connect(broker.address, None);
    let mut site = Site::new(&broker.url());
    site.camera("gate", &format!("main = \"{}\"", cameras.url("gate"))).section(RECHECK);
    let _program = site.start();
    let (lines, totals) = play(&broker, folder.path(), "agreed");

    let [line] = &lines[..] else { panic!("one case: {lines:#?}") };
    assert_eq!((line["state"].as_str(), totals["rivals"].as_u64()), (Some("closed"), Some(0)), "{lines:#?}");
    let checks = line["checks"].as_array().expect("checks");
    assert_eq!(checks.last().and_then(Value::as_str), Some("cleared"), "{line:#}");
    for picture in ["before", "after"] {
        let file = folder.path().join("pictures").join(format!("{}.jpg", line[picture].as_str().expect("a digest")));
        assert_eq!(&fs::read(&file).expect("a picture")[..2], b"\xff\xd8", "{}", file.display());
    }
    assert_ne!(line["before"], line["after"]);

    // The pictures of the second look came before it, and it says how it came about.
    let is_checked = |m: &crate::support::subscriber::Message| m.topic.ends_with("/checked");
    let messages = watcher.messages();
    let checked = messages.iter().rfind(|m| is_checked(m)).expect("a result").json();
    let data = &checked["data"];
    assert_eq!((data["result"].as_str(), data["reason"].as_str()), (Some("cleared"), Some("clear")));
    assert_eq!(data["looks"].as_u64(), Some(4));
    assert!(data["clear_looks"].as_u64() >= Some(3), "{data:#}");
    let after = data["after"][0]["sha256"].as_str().expect("a picture");
    let at = |found: &dyn Fn(&crate::support::subscriber::Message) -> bool| messages.iter().rposition(found);
    assert!(at(&|m| m.topic.ends_with(after)) < at(&is_checked), "the picture comes first");
}

#[test]
fn what_still_stands_is_said_to_stand() {
    let folder = tempfile::tempdir().expect("a folder");
    let parked = site::parked(folder.path());
    let cameras = site::serve(&[("gate", &parked)], None);
    let broker = Mosquitto::start();
    let mut site = Site::new(&broker.url());
    site.camera("gate", &format!("main = \"{}\"", cameras.url("gate"))).section(RECHECK);
    let _program = site.start();
    let (lines, _) = play(&broker, folder.path(), "still_there");
    let [line] = &lines[..] else { panic!("one case: {lines:#?}") };
    assert_eq!(line["checks"][0], "still_there", "{line:#}");
    assert!(line["before"].is_string() && line["after"].is_string(), "{line:#}");
}

#[test]
fn a_check_that_was_cut_off_is_taken_up_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let parked = site::parked(folder.path());
    let cameras = site::serve(&[("gate", &parked)], None);
    let broker = Mosquitto::start();
    let mut site = Site::new(&broker.url());
    // So long that it cannot end before the process is killed.
    let slow = "[recheck]\nlooks = 30\nwindow = \"600s\"\nmin_clear = 3\n\n";
    site.camera("gate", &format!("main = \"{}\"", cameras.url("gate"))).section(slow);
    let mut program = site.start();
    let watcher = Subscriber::connect(broker.address, None);
    let (lines, _) = play(&broker, folder.path(), "handled");
    assert_eq!(lines.len(), 1);
    program.wait_for_log("case=verifying");
    program.kill();
    assert!(!watcher.messages().iter().any(|m| m.topic.ends_with("/checked")));
    site.replace_section(slow, RECHECK);
    let _program = site.start();
    let result = wait_for("the result of the check", Duration::from_secs(120), || {
        watcher.messages().iter().find(|m| m.topic.ends_with("/checked")).map(|m| m.json()["data"].clone())
    });
    assert_eq!((&result["ticket_id"], result["result"].as_str()), (&lines[0]["ticket_id"], Some("still_there")));
}
