//! Paths, files and addresses that are no good: each error says what and where.

use std::{fs, path::PathBuf};

use ingest::simulate::{Mount, SimulateConfig, SimulateError, Simulator, Source, recordings};

use crate::{
    clips::{CAMERA, record, run},
    viewer::{Viewer, camera},
};

fn refused(mounts: Vec<Mount>) -> String {
    Simulator::start(SimulateConfig::default(), mounts).map(|_| ()).expect_err("refused").to_string()
}

#[track_caller]
fn check(error: &str, expect: &[&str]) {
    for part in expect {
        assert!(error.contains(part), "\"{error}\" does not say \"{part}\"");
    }
}

#[test]
fn a_folder_gives_its_videos_by_name() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b.AVI", "a street.mp4", "b.mkv", "notes.txt"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    fs::create_dir(dir.path().join("folder.mp4")).unwrap();
    let named = dir.path().join("notes.txt");
    let found = recordings(&[dir.path().to_owned(), named, PathBuf::from("/nowhere/x.mp4")]).unwrap();
    let names: Vec<_> = found.iter().map(|recording| recording.name.as_str()).collect();
    assert_eq!(names, ["a-street", "b", "b-2", "notes"]);
    assert!(found[1].path.ends_with("b.AVI"));
}

#[test]
fn paths_without_recordings_are_refused() {
    check(
        &recordings(&[PathBuf::from("/nowhere/x.mp4")]).unwrap_err().to_string(),
        &["/nowhere/x.mp4", "check the path"],
    );
    let dir = tempfile::tempdir().unwrap();
    let error = recordings(&[dir.path().to_owned()]).unwrap_err().to_string();
    check(&error, &[dir.path().to_str().unwrap(), "no video file", "avi"]);
    assert!(matches!(recordings(&[]), Err(SimulateError::NothingToServe)));
}

#[test]
fn files_that_are_no_video_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    check(&refused(vec![camera("a", file("gone.mp4"))]), &["gone.mp4", "no such file"]);
    check(&refused(vec![camera("a", dir.path())]), &[dir.path().to_str().unwrap(), "directory"]);
    fs::write(file("text.mp4"), "this is no video at all\n".repeat(50)).unwrap();
    check(&refused(vec![camera("a", file("text.mp4"))]), &["text.mp4", "no readable recording"]);
    fs::write(file("empty.mp4"), "").unwrap();
    check(&refused(vec![camera("a", file("empty.mp4"))]), &["empty.mp4", "no readable recording"]);
    run(&format!(
        "audiotestsrc num-buffers=50 ! audioconvert ! wavenc ! filesink location={}",
        file("tone.wav").display()
    ));
    check(&refused(vec![camera("a", file("tone.wav"))]), &["tone.wav", "no video stream", "audio/"]);
    let whole =
        fs::read(record(dir.path(), "whole.mp4", 20, (320, 240), "x264enc tune=zerolatency ! h264parse ! mp4mux"));
    fs::write(file("half.mp4"), &whole.as_ref().unwrap()[..whole.as_ref().unwrap().len() / 2]).unwrap();
    check(&refused(vec![camera("a", file("half.mp4"))]), &["half.mp4", "no readable recording"]);
}

#[tokio::test]
async fn a_bad_file_among_good_ones_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let good = record(dir.path(), "good.mkv", 10, (320, 240), CAMERA);
    let bad = dir.path().join("bad.mkv");
    fs::write(&bad, "no video").unwrap();
    let mounts = vec![camera("bad", &bad), camera("good", good)];
    let simulator = Simulator::start(SimulateConfig::default(), mounts).unwrap();
    assert_eq!(simulator.mounts().len(), 1);
    assert_eq!(simulator.skipped()[0].0, "bad");
    check(&simulator.skipped()[0].1.to_string(), &["bad.mkv"]);
    assert!(Viewer::connect(&simulator.url("good")).await.next().await.unwrap().keyframe);
    let not_found =
        Viewer::try_connect(&simulator.url("bad"), None, Default::default()).await.err().unwrap().to_string();
    check(&not_found, &["404"]);
    check(&refused(vec![camera("a", &bad), camera("b", &bad)]), &["none of 2 cameras", "bad.mkv"]);
}

#[test]
fn mounts_that_cannot_be_are_refused() {
    check(&refused(Vec::new()), &["no camera to serve"]);
    check(&refused(vec![camera("a/b", "x.mp4")]), &["\"a/b\"", "letters"]);
    check(&refused(vec![camera("a", "x.mp4"), camera("a", "y.mp4")]), &["\"a\"", "twice"]);
    check(&refused(vec![Mount::new("a", Source::Sequence(Vec::new()))]), &["\"a\"", "at least one"]);
    let launch = |line: &str| refused(vec![Mount::new("a", Source::Launch(line.to_owned()))]);
    check(&launch("videotestsrc ! nosuchelement name=pay0"), &["\"a\"", "nosuchelement"]);
    check(&launch("videotestsrc ! fakesink"), &["\"a\"", "pay0"]);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let config = SimulateConfig { listen, ..SimulateConfig::default() };
    let error = Simulator::start(config, vec![camera("a", "x.mp4")]).map(|_| ()).unwrap_err().to_string();
    check(&error, &[&listen.to_string(), "in use", "another address"]);
}
