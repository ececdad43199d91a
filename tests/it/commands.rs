//! The command line as its user meets it.

use std::{
    fs,
    net::TcpListener,
    process::{Output, Stdio},
};

use crate::support::{
    clip, free_address,
    mosquitto::Mosquitto,
    program::{command, run, terminate},
    site::{self, Site},
};

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn help_names_every_command() {
    let help = text(&run(&["--help"]));
    for command in
        ["demo", "run", "check", "probe", "cameras", "duty", "tickets", "models", "backtest", "simulate", "platform"]
    {
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
fn one_signal_stops_what_would_take_long() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("rtsp://{}/silent", silent.local_addr().expect("an address"));
    let mut probe = command().args(["probe", &url]).stderr(Stdio::null()).spawn().expect("gridwatch starts");
    let _connection = silent.accept().expect("it connects");
    assert_eq!(terminate(&mut probe).code(), Some(130));
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
    assert!(text(&output).contains("1 new, 0 changed, 0 unchanged, 0 duplicate, 1 bad"), "{}", text(&output));
    let report = |format: &str| String::from_utf8(import(&["--dry-run", "--format", format]).stdout).expect("UTF-8");
    let json: serde_json::Value = serde_json::from_str(&report("json")).expect("JSON");
    assert_eq!((&json["rows"][0]["result"], &json["written"]), (&"unchanged".into(), &false.into()));
    assert!(report("csv").contains("3,b,bad,"), "{}", report("csv"));
    let list = command().args(["cameras", "list", "--config"]).arg(&config).output().expect("gridwatch starts");
    let said = text(&list);
    assert!(said.contains("东门") && said.contains("10.0.0.1") && !said.contains("t4ble-pass"), "{said}");
}

#[test]
fn cameras_are_probed_all_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("street.mp4");
    clip::write(&file, 10, |_| None);
    let served = site::serve(&[("street", &file)], Some(("viewer", "pr0be-pass")));
    let mut site = Site::new("mqtt://127.0.0.1:1");
    let stream = |password: &str| {
        format!("main = \"{}\", username = \"viewer\", password = \"{password}\"", served.url("street"))
    };
    site.camera("good", &stream("pr0be-pass"))
        .camera("wrong", &stream("wr0ng-pass"))
        .camera("gone", &format!("main = \"rtsp://{}/live\"", free_address()));
    let config = site.config();
    let probe = |watch: &str, more: &[&str]| {
        command()
            .args(["cameras", "probe", "--watch", watch, "--config"])
            .arg(&config)
            .args(more)
            .output()
            .expect("gridwatch starts")
    };
    let output = probe("3s", &["--format", "json"]);
    assert!(!output.status.success(), "what cannot be used shows in the exit status");
    assert!(!text(&output).contains("wr0ng-pass"));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let results: Vec<_> = found.as_array().expect("a list").iter().map(|probed| probed["result"].as_str()).collect();
    assert_eq!(results, [Some("ok"), Some("wrong_password"), Some("unreachable")], "{found:#}");
    assert_eq!((&found[0]["codec"], &found[0]["width"]), (&"h264".into(), &768.into()));
    // Watched for less than a keyframe interval, it is still told that looks are due more often.
    let output = probe("100ms", &["--camera", "good"]);
    let said = text(&output);
    assert!(output.status.success() && said.contains("768x576"), "{said}");
    assert!(said.contains("keyframes come each 1s, looks are due each 500ms"), "{said}");
    assert!(text(&probe("3s", &["--format", "csv", "--camera", "gone"])).contains("gone,main,unreachable,"));
}

#[test]
fn models_are_listed_and_verified() {
    let list = run(&["models", "list"]);
    assert!(text(&list).contains("nanodet-g") && text(&list).contains("deimv2-femto"), "{}", text(&list));
    for name in ["nanodet-g", "nanodet-g-int8", "garbage"] {
        let verify = run(&["models", "verify", name]);
        assert!(verify.status.success(), "{}", text(&verify));
    }
    let unknown = run(&["models", "verify", "no-such-model"]);
    assert!(!unknown.status.success() && text(&unknown).contains("no-such-model"), "{}", text(&unknown));
}

/// A folder in YOLO's form: the street of the demo as the model is to find it, a picture of nothing, and what is broken.
fn street_dataset() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for part in ["images", "labels"] {
        fs::create_dir(folder.path().join(part)).expect("a folder");
    }
    let file = |name: &str, content: &[u8]| fs::write(folder.path().join(name), content).expect("a file");
    file("images/street.jpg", include_bytes!("../../src/commands/models/street.jpg"));
    file("labels/street.txt", STREET_LABELS.as_bytes());
    let mut grey = Vec::new();
    let mut encoder = png::Encoder::new(&mut grey, 64, 48);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().expect("a header").write_image_data(&[128; 64 * 48]).expect("a picture");
    file("images/nothing.png", &grey);
    file("images/torn.jpg", b"\xff\xd8\xff");
    file("labels/torn.txt", b"0 0.5 0.5 0.1 0.1\n");
    file("data.yaml", b"names:\n  0: car\n  1: pedestrian\n  2: stall\n");
    folder
}

/// Drawn by hand: six pedestrians and the parked van; the last line is a mistake.
const STREET_LABELS: &str = "\
    1 0.757 0.422 0.041 0.153\n1 0.855 0.622 0.042 0.182\n1 0.896 0.440 0.047 0.152\n1 0.626 0.625 0.075 0.200\n\
    1 0.403 0.874 0.086 0.248\n1 0.258 0.315 0.029 0.119\n0 0.896 0.123 0.098 0.094\n0 320 240 32 32\n";

#[test]
fn a_model_is_judged_on_labelled_pictures() {
    // That in 8-bit integers is as good only where it is the default.
    for model in ["nanodet-g", &detect::DetectConfig::default().model] {
        judge(model);
    }
}

#[track_caller]
fn judge(model: &str) {
    let folder = street_dataset();
    let (json, svg, detections) =
        (folder.path().join("report.json"), folder.path().join("curve.svg"), folder.path().join("found.json"));
    let eval = |more: &[&str]| {
        command()
            .args(["models", "eval", model])
            .arg(folder.path())
            .args(more)
            .arg("--json")
            .arg(&json)
            .arg("--svg")
            .arg(&svg)
            .arg("--detections")
            .arg(&detections)
            .output()
            .expect("gridwatch starts")
    };
    let output = eval(&["--groups", "--classes", "pedestrian=person"]);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    let parts =
        ["no such class: stall", "torn.jpg: damaged JPEG", "street.txt:8: reaches outside", "vehicle", "person"];
    for part in parts.iter().chain(&["1 without a label file"]) {
        assert!(said.contains(part), "{part:?} is missing in {said}");
    }
    let read = |path| serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("JSON");
    let report: serde_json::Value = read(&json);
    assert_eq!((&report["n_pictures"], &report["n_labels"]), (&2.into(), &7.into()));
    assert_eq!(report["mean"]["ap50"], 1.0, "{report:#}");
    let curve = fs::read_to_string(&svg).expect("a picture");
    assert!(curve.contains("mean 平均 (2): AP50 1.000"), "{curve}");
    let found: serde_json::Value = read(&detections);
    assert!(found.as_array().is_some_and(|found| found.len() >= 7 && found[0]["bbox"][3].is_f64()), "{found}");

    let unknown = eval(&["--classes", "pedestrian=walker"]);
    assert!(!unknown.status.success());
    assert!(text(&unknown).contains("no class or group \"walker\""), "{}", text(&unknown));
    let empty = tempfile::tempdir().expect("a folder");
    let output = command().args(["models", "eval", model]).arg(empty.path()).output().expect("gridwatch starts");
    assert!(!output.status.success() && text(&output).contains("no pictures"), "{}", text(&output));
}

#[test]
fn a_model_is_measured() {
    let output = run(&["models", "bench", "nanodet-g", "--seconds", "1", "--threads", "2"]);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    for part in ["768x576", "preprocessing", "inference", "postprocessing", "looks/s"] {
        assert!(said.contains(part), "{said}");
    }
    let none = run(&["models", "bench", "nanodet-g", "--picture", "/nowhere.jpg"]);
    assert!(!none.status.success() && text(&none).contains("/nowhere.jpg"), "{}", text(&none));
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

#[test]
fn a_platform_says_by_its_exit_status_what_came_of_it() {
    let nobody = format!("mqtt://{}", free_address());
    let play = |more: &[&str]| {
        let mut command = command();
        command.args(["platform", "--url", &nobody, "--timeout", "1s"]).args(more).output().expect("gridwatch starts")
    };
    for script in ["deploy/samples/platform.toml", "deploy/samples/platform-demo.toml"] {
        let output = play(&["--script", script, "--json"]);
        assert!(output.status.success(), "{script}: {}", text(&output));
        assert!(text(&output).contains("\"cases\":0"), "{}", text(&output));
    }
    let unmet = play(&["--until", "1", "closed"]);
    assert_eq!(unmet.status.code(), Some(3), "{}", text(&unmet));
    assert!(text(&unmet).contains("--until 1 closed: not reached in time"), "{}", text(&unmet));
    let unknown = play(&["--until", "1", "done"]);
    assert_eq!(unknown.status.code(), Some(1), "{}", text(&unknown));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("script.toml");
    fs::write(&file, "[[plans]]\nname = \"p\"\nsteps = [{ verdict = \"returned\" }]\n").expect("a file");
    let bad = play(&["--script", file.to_str().expect("UTF-8")]);
    assert!(text(&bad).contains("plan \"p\": steps[0].reason: is missing"), "{}", text(&bad));
}
