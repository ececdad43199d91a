//! Back-testing: scenes of known truth through the whole pipeline.

use std::{fs, path::Path, process::Output};

use gridwatch::backtest::Scene;
use serde_json::Value;

use crate::support::program::command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Plays scenes of the repository, with what set-up has installed, and gives the report.
fn backtest(scenes: &[&str], more: &[&str], folder: &Path) -> (Output, Value) {
    let json = folder.join("report.json");
    let output = command()
        .arg("backtest")
        .args(scenes.iter().map(|scene| root().join("tests/scenes").join(scene)))
        .args(["--media", ".deps/clips", "--html"])
        .arg(folder.join("page"))
        .arg("--json")
        .arg(&json)
        .args(more)
        .current_dir(root())
        .output()
        .expect("gridwatch starts");
    let report = fs::read(&json).map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).expect("JSON"));
    (output, report)
}

#[test]
fn every_scene_of_the_suite_can_be_read() {
    let mut n_scenes = 0;
    for entry in fs::read_dir(root().join("tests/scenes")).expect("the suite") {
        let scene = Scene::load(&entry.expect("an entry").path()).unwrap_or_else(|error| panic!("{error}"));
        assert!(!scene.about.is_empty() && !scene.tags.is_empty(), "{} says what it is", scene.name);
        assert!(!scene.expect.is_empty() || !scene.forbid.is_empty(), "{} asks for nothing", scene.name);
        n_scenes += 1;
    }
    assert!(n_scenes >= 30, "{n_scenes} scenes");
}

#[test]
fn a_van_that_stands_is_told_once_in_time_and_cleared_and_nothing_else_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenes = ["small-van-stands.toml", "small-van-passes.toml", "small-drawn-street.toml"];
    let (output, report) = backtest(&scenes, &["--min-precision", "1.0", "--min-recall", "1.0"], folder.path());
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(report["totals"], serde_json::json!({ "right": 1, "wrong": 0, "missed": 0 }), "{report:#}");
    let scene = &report["scenes"][0];
    let ticket = &scene["tickets"][0];
    assert_eq!(
        (&ticket["kind"], &ticket["worth"], &ticket["zone"]),
        (&"lane.motor".into(), &"right".into(), &"kerb".into())
    );
    assert!(ticket["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    assert!(scene["awaited"][0]["to_ticket"].is_string(), "{scene:#}");
    let page = fs::read_to_string(folder.path().join("page/index.html")).expect("a page");
    let picture = fs::read(folder.path().join("page/pictures/0-ticket-0.jpg")).expect("the ticket's picture");
    assert!(page.contains("pictures/0-ticket-0.jpg") && picture.starts_with(b"\xff\xd8"), "a JPEG that the page shows");
}

#[test]
fn what_is_not_there_is_skipped_and_what_is_missed_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    };
    let zone = "[[zones]]\nid = \"z\"\npurpose = \"no_stopping\"\npolygon = [[0, 0], [1, 0], [1, 1], [0, 1]]\n";
    let elsewhere = write("elsewhere.toml", "duration = \"10s\"\nbackdrop.clip = { file = \"no-such-clip.mp4\" }\n");
    let missed = write(
        "missed.toml",
        &format!(
            "duration = \"10s\"\nbackdrop.street = {{ size = [320, 240] }}\n{zone}[[expect]]\nkind = \"lane.motor\"\nplace = [0.2, 0.2, 0.5, 0.5]\n"
        ),
    );
    let run = |path: &Path, more: &[&str]| {
        command().arg("backtest").arg(path).args(more).current_dir(root()).output().expect("starts")
    };
    let skipped = run(&elsewhere, &[]);
    assert!(skipped.status.success() && text(&skipped).contains("no-such-clip.mp4 not found"), "{}", text(&skipped));
    let told = run(&missed, &[]);
    assert!(told.status.success() && text(&told).contains("1 missed"), "{}", text(&told));
    let failed = run(&missed, &["--min-recall", "0.5"]);
    assert!(!failed.status.success() && text(&failed).contains("recall is 0.00, below the 0.50"), "{}", text(&failed));
    let broken = run(&write("broken.toml", "duration = \"10s\"\n"), &[]);
    assert!(
        !broken.status.success() && text(&broken).contains("broken.toml:1:1: missing field `backdrop`"),
        "{}",
        text(&broken)
    );
}

/// The keys that a section of a scene knows, as its own error lists them.
fn keys(section: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("scene.toml");
    let start = "duration = \"1m\"\nbackdrop.street = { size = [320, 240] }\n";
    fs::write(&path, format!("{start}{section}no_such_key = 1\n")).expect("a file");
    let error = Scene::load(&path).expect_err("unknown").to_string();
    let list = error.split("expected").nth(1).unwrap_or_else(|| panic!("{section:?}: {error}")).to_owned();
    list.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

#[test]
fn the_reference_names_every_key_of_a_scene() {
    let reference = fs::read_to_string(root().join("docs/scenes.md")).expect("docs/scenes.md");
    for section in ["", "[[things]]\n", "[[effects]]\n", "[[expect]]\n", "[[forbid]]\n"] {
        for key in keys(section) {
            assert!(reference.contains(&format!("`{key}`")), "docs/scenes.md does not name {key} of {section:?}");
        }
    }
}
