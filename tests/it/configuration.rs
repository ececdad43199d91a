//! Configuration files: the samples parse, mistakes are named with their file, line, key and remedy.

use std::path::Path;

use gridwatch::config::Config;

#[track_caller]
fn check(text: &str, expect: &[&str]) {
    let error = Config::parse(Path::new("gridwatch.toml"), text).expect_err("a mistake").to_string();
    for part in expect {
        assert!(error.contains(part), "{error:?} lacks {part:?}");
    }
}

#[test]
fn every_sample_configuration_parses() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let mut n_samples = 0;
    for folder in ["config", "compose"].map(|folder| deploy.join(folder)) {
        for entry in std::fs::read_dir(&folder).expect("a folder of samples") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                Config::load(&path).unwrap_or_else(|error| panic!("{error}"));
                n_samples += 1;
            }
        }
    }
    assert!(n_samples >= 3, "{n_samples} samples");
}

#[test]
fn an_empty_configuration_is_a_configuration() {
    Config::parse(Path::new("empty.toml"), "").expect("defaults");
}

#[test]
fn mistakes_are_named_with_their_place_and_remedy() {
    check("[node]\nidd = \"x\"\n", &["gridwatch.toml:2:1", "node", "unknown field `idd`", "expected one of", "`id`"]);
    check("[node\n", &["gridwatch.toml:1:"]);
    check("[ingest]\nlook_interval = 10\n", &["gridwatch.toml:2:17", "ingest.look_interval", "string"]);
    check("[ingest]\nlook_interval = \"10\"\n", &["no length of time", "\"90s\""]);
    check("[node]\ntimezone = \"Asia/Shangai\"\n", &["node.timezone", "Asia/Shangai"]);
    check("[node]\ndistrict = \"310104007\"\n", &["node.district", "6-digit"]);
    check("[deadlines]\nyellow_share = 20\n", &["deadlines", "yellow_share is 20", "0 to 1"]);
    check("[rules.\"lane.motor\"]\ndwel = \"5s\"\n", &["rules", "dwel"]);
}

#[test]
fn a_permit_for_what_is_not_there_is_refused() {
    let permit = |place: &str| format!("{CAMERA}[[permits]]\nnumber = \"117\"\n{place}\n");
    check(&permit("camera = \"b\"\nzone = \"z\""), &["permits.\"117\".camera", "no camera \"b\""]);
    check(&permit("camera = \"a\"\nzone = \"z\""), &["permits.\"117\".zone", "no zone \"z\""]);
    check(&permit("camera = \"a\""), &["permits", "permit \"117\": zone: give either zone or polygon"]);
}

const CAMERA: &str = "[[cameras]]\nid = \"a\"\nstream = { main = \"rtsp://10.0.0.1/1\" }\n";

#[test]
fn cameras_with_mistakes_are_refused_with_their_id() {
    check(&format!("{CAMERA}{CAMERA}"), &["cameras.a", "twice in this file", "an id of its own"]);
    check("[[cameras]]\nid = \"a b\"\nstream = {}\n", &["gridwatch.toml:2:6", "camera id", "letters"]);
    check("[[cameras]]\nid = \"a\"\nstream = {}\n", &["cameras.a.stream", "main"]);
    check("[[cameras]]\nid = \"a\"\nstream = { main = \"ftp://h/1\" }\n", &["cameras.a.stream", "rtsp://"]);
    let zone =
        |polygon: &str| format!("{CAMERA}zones = [{{ id = \"z\", purpose = \"fire_lane\", polygon = {polygon} }}]\n");
    check(&zone("[[0, 0], [1.5, 0], [1, 1]]"), &["cameras[0].zones", "corner 1 (1.5, 0)", "outside the picture"]);
    check(&zone("[[0, 0], [1, 1], [1, 0], [0, 1]]"), &["cross"]);
    check(&zone("[[0, 0], [1, 1]]"), &["at least 3 corners"]);
    check(
        &zone("[[0, 0], [1, 0], [1, 1]]").replace("fire_lane", "parking"),
        &["unknown variant `parking`", "`no_stopping`"],
    );
}

#[test]
fn models_of_cameras_are_checked() {
    check(&format!("{CAMERA}models = []\n"), &["cameras.a.models", "at least one", "detect.model"]);
    check(&format!("{CAMERA}models = [\"x\", \"x\"]\n"), &["cameras.a.models", "none twice"]);
    let only = "[detect]\nonly = { garbage-net = [\"garbage\"] }\n";
    check(only, &["detect.only.garbage-net", "nor a camera names this model"]);
    let used = format!("{only}{CAMERA}models = [\"nanodet-g\", \"garbage-net\"]\n");
    Config::parse(Path::new("gridwatch.toml"), &used).expect("a camera has that model");
}

#[test]
fn close_ups_are_of_zones_that_the_camera_has() {
    let zone = "zones = [{ id = \"z\", purpose = \"pavement\", polygon = [[0, 0], [1, 0], [1, 1]] }]\n";
    let camera = |close_ups: &str| format!("{CAMERA}{zone}close_ups = {close_ups}\n");
    check(&camera("{ y = \"crop\" }"), &["cameras.a.close_ups.y", "no zone of that id"]);
    check(&camera("{ z = \"zoom\" }"), &["close_ups", "unknown variant `zoom`", "`tiles`"]);
    Config::parse(Path::new("gridwatch.toml"), &camera("{ z = \"tiles\" }")).expect("that zone is there");
}

#[test]
fn sensors_are_of_cameras_and_zones_that_are_there() {
    let device = |more: &str| format!("{CAMERA}[[sensors.devices]]\nid = \"s\"\nmeasure = \"smoke\"\n{more}\n");
    check(&device("camera = \"b\""), &["sensors.devices.\"s\".camera", "no camera \"b\""]);
    check(&device("camera = \"a\"\nzone = \"z\""), &["sensors.devices.\"s\".zone", "no zone \"z\""]);
    check(
        "[[sensors.sources]]\nname = \"x\"\ntopic = \"a/#/b\"\n",
        &["sensors.sources.\"x\".topic", "at the end only"],
    );
    check("[sensors.rules.smoke]\nat_leest = 1\n", &["sensors.rules.smoke", "at_leest", "`at_least`"]);
    Config::parse(Path::new("gridwatch.toml"), &device("camera = \"a\"")).expect("a sensor of a camera");
}

#[test]
fn control_points_that_fix_no_ground_are_refused_with_their_line() {
    let ground = |crs: &str, points: &str| format!("{CAMERA}[cameras.ground]\ncrs = \"{crs}\"\npoints = [{points}]\n");
    let pair = |pixel: [f64; 2], at: [f64; 2]| format!("{{ pixel = {pixel:?}, at = {at:?} }}");
    let corners =
        [([0.2, 0.9], [0.0, 0.0]), ([0.8, 0.9], [6.0, 0.0]), ([0.65, 0.4], [6.0, 18.0]), ([0.35, 0.4], [0.0, 18.0])];
    let square = corners.map(|(pixel, at)| pair(pixel, at)).join(", ");
    let config = Config::parse(Path::new("gridwatch.toml"), &ground("local:square", &square)).expect("a ground");
    assert_eq!(config.cameras[0].ground.as_ref().expect("it is there").fit().points, 4);
    check(
        &ground("local:square", &pair([0.2, 0.9], [0.0, 0.0])),
        &["gridwatch.toml:4", "cameras[0].ground", "4 or more"],
    );
    check(
        &ground("GCJ-02", &square),
        &["gridwatch.toml:5:7", "cameras[0].ground.crs", "\"EPSG:4326\"", "\"local:NAME\""],
    );
    check(&ground("EPSG:4326", &square), &["cameras[0].ground", "counts in degrees"]);
    let row = [0.1, 0.3, 0.6, 0.9].map(|x| pair([x, 0.5], [x * 10.0, 0.0])).join(", ");
    check(&ground("local:square", &row), &["cameras[0].ground", "on one line"]);
}

#[test]
fn overlaps_name_zones_that_are_there() {
    let zone = |overlaps: &str| {
        format!(
            "{CAMERA}zones = [{{ id = \"z\", purpose = \"pavement\", polygon = [[0, 0], [1, 0], [1, 1]],\n overlaps = [{overlaps}] }}]\n"
        )
    };
    let other = zone("").replace("id = \"a\"", "id = \"b\"");
    let both = |overlaps: &str| format!("{}{other}", zone(overlaps));
    Config::parse(Path::new("gridwatch.toml"), &both("\"b/z\"")).expect("that zone is there");
    check(&both("\"b/z\",\n \"c/z\""), &["gridwatch.toml:6:2", "cameras.a.zones.z.overlaps", "no camera \"c\""]);
    check(&both("\"b/y\""), &["gridwatch.toml:5:14", "camera \"b\" has no zone \"y\", only: z"]);
    check(&both("\"a/z\""), &["gridwatch.toml:5:14", "a zone of the same camera"]);
    check(&both("\"z\""), &["gridwatch.toml:", "names no zone of a camera", "CAMERA/ZONE"]);
}

#[test]
fn a_password_is_never_quoted_in_an_error() {
    for text in [
        "[mqtt]\npassword = 12345678\n",
        "[mqtt]\npassword = \"hunter2secret\n",
        "[[cameras]]\nid = \"a\"\nstream = { main = \"rtsp://u:hunter2secret@10.0.0.1:99999/1\" }\n",
        "[[cameras]]\nid = \"a\"\nstream = { main = \"rtsp://u:hunter2secret@\", password = 5 }\n",
    ] {
        let error = Config::parse(Path::new("gridwatch.toml"), text).expect_err("a mistake").to_string();
        assert!(!error.contains("hunter2secret") && !error.contains("12345678"), "{error}");
    }
}

#[test]
fn two_files_with_one_camera_are_refused_with_both_names() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("cameras")).expect("a folder");
    let main = folder.path().join("gridwatch.toml");
    std::fs::write(&main, format!("include = [\"cameras/*.toml\"]\n{CAMERA}")).expect("a file");
    std::fs::write(folder.path().join("cameras/more.toml"), CAMERA).expect("a file");
    let error = Config::load(&main).expect_err("a mistake").to_string();
    assert!(
        error.contains("more.toml: cameras.a") && error.contains("also in") && error.contains("gridwatch.toml"),
        "{error}"
    );
}

#[test]
fn working_time_and_holidays_that_cannot_be_are_refused() {
    #[track_caller]
    fn load(text: &str, expect: &[&str]) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("gridwatch.toml");
        std::fs::write(&file, text).expect("a file");
        std::fs::write(folder.path().join("bad.csv"), "date,day\n2026-13-01,off\n").expect("a file");
        let error = Config::load(&file).expect_err("a mistake").to_string();
        for part in expect {
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
    }
    load("[deadlines]\nwork_hours = [\"09:00-13:00\", \"12:00-17:00\"]\n", &["gridwatch.toml", "deadlines", "overlap"]);
    load("[deadlines]\nwork_days = []\n", &["deadlines", "nobody ever works"]);
    load("[deadlines]\nholidays = [\"2027.toml\"]\n", &["cannot read", "2027.toml"]);
    load("[deadlines]\nholidays = [\"bad.csv\"]\n", &["bad.csv: line 2", "\"2026-13-01\" is no date"]);
}

/// The keys that a section knows, as its own error lists them.
fn keys(section: &str) -> Vec<String> {
    let error = Config::parse(Path::new("gridwatch.toml"), &format!("{section}no_such_key = 1\n"))
        .expect_err("unknown")
        .to_string();
    let list = error.split("expected").nth(1).unwrap_or_else(|| panic!("{section:?}: {error}")).to_owned();
    list.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

#[test]
fn the_reference_names_every_key() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let read = |name: &str| std::fs::read_to_string(docs.join(name)).expect(name);
    let (reference, rules) = (read("configuration.md"), read("rules.md"));
    let camera = "[[cameras]]\nid = \"a\"\n";
    let sections = [
        "".to_owned(),
        "[node]\n".into(),
        "[ingest]\n".into(),
        "[ingest.decoders]\n".into(),
        "[detect]\n".into(),
        "[detect.gate]\n".into(),
        "[detect.standing]\n".into(),
        "[deadlines]\n".into(),
        "[database]\n".into(),
        "[retention]\n".into(),
        "[grid]\n".into(),
        "[zero_report]\n".into(),
        "[evidence]\n".into(),
        "[mqtt]\n".into(),
        "[broker]\n".into(),
        "[console]\n".into(),
        camera.into(),
        format!("{camera}[cameras.stream]\n"),
        "[[permits]]\nnumber = \"1\"\ncamera = \"a\"\n".into(),
        "[sensors]\n".into(),
        "[[sensors.devices]]\nid = \"a\"\nmeasure = \"fill\"\n".into(),
        format!("{camera}[cameras.place]\n"),
        format!("{camera}[[cameras.zones]]\n"),
    ];
    for section in &sections {
        for key in keys(section) {
            let named = reference.contains(&format!("`{key}`"))
                || reference.contains(&format!(".{key}`"))
                || reference.contains(&format!(" {key}"));
            assert!(named, "docs/configuration.md does not name {key} of {section:?}");
        }
    }
    let sensors = read("sensors.md");
    for section in ["[[sensors.sources]]\nname = \"a\"\n", "[sensors.rules.smoke]\n"] {
        for key in keys(section) {
            assert!(sensors.contains(&format!("`{key}`")), "docs/sensors.md does not name {key} of {section:?}");
        }
    }
    for key in keys("[rules.\"lane.motor\"]\n") {
        assert!(rules.contains(&format!("`{key}`")), "docs/rules.md does not name {key}");
    }
}
