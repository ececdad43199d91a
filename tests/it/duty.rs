//! The responsibility list from its file to a decision that explains itself.

use std::{fs, path::Path};

use crate::support::program::run;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/samples/duty-xuhui-sample.csv");

/// Runs `gridwatch duty ...` with a configuration of its own; what it said, and whether it succeeded.
fn duty(config: &Path, arguments: &[&str]) -> (String, bool) {
    let config = config.to_str().expect("a path");
    let output = run(&[&["duty"], arguments, &["--config", config]].concat());
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (said, output.status.success())
}

#[track_caller]
fn check((said, succeeded): (String, bool), success: bool, expect: &[&str]) {
    assert_eq!(succeeded, success, "{said}");
    for part in expect {
        assert!(said.contains(part), "{said}\n\nlacks {part:?}");
    }
}

#[test]
fn a_list_is_imported_changed_and_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("gridwatch.toml");
    fs::write(&config, "").expect("a file");
    let night = ["explain", "--kind", "lane.motor", "--place", "310104007003012", "--at", "2026-11-20T23:10"];
    check(duty(&config, &night), false, &["the responsibility list is empty", "gridwatch duty import FILE"]);

    check(duty(&config, &["import", SAMPLE, "--dry-run"]), true, &["27 new, 0 changed", "would be written"]);
    check(duty(&config, &["list"]), false, &["the responsibility list is empty"]);
    check(duty(&config, &["history", "S-001"]), false, &["the responsibility list is empty"]);

    // As of a day in the past, so that what follows does not depend on the day of the test.
    let text = fs::read_to_string(SAMPLE).expect("the sample");
    let dated = text.lines().enumerate().map(|(n, line)| {
        let (rest, until) = line.rsplit_once(',').expect("columns");
        let (rest, _) = rest.rsplit_once(',').expect("columns");
        if n == 0 { format!("{line}\n") } else { format!("{rest},2026-01-01,{until}\n") }
    });
    let file = folder.path().join("duty.csv");
    let dated = dated.collect::<String>();
    fs::write(&file, &dated).expect("a file");
    let import = ["import", file.to_str().expect("a path")];
    check(duty(&config, &import), true, &["27 new, 0 changed, 0 unchanged; written to"]);
    check(duty(&config, &import), true, &["0 new, 0 changed, 27 unchanged"]);
    check(duty(&config, &["list", "--on", "2026-11-20"]), true, &["S-102", "22:00-06:00", "310104007"]);

    let expect = [
        "第S-102条第1版,斜土路街道(310104007),四级(社区),由斜土路街道应急值守负责;时段更具体,优先于第S-101条第1版",
        "item S-102 v1, Xietu Road Subdistrict (310104007), level 4 (community)",
        "CJT214-2007:05-05",
        "3紧急工作时 3 urgent hours: by 2026-11-21 02:10:00",
    ];
    check(duty(&config, &night), true, &expect);
    let garbage = ["explain", "--kind", "garbage.exposed", "--place", "310104008", "--at", "2026-09-30T15:00"];
    check(duty(&config, &garbage), true, &["S-004 v1", "徐汇区", "4工作时 4 work hours: by 2026-10-08 11:00:00"]);
    let new_year = ["explain", "--kind", "lane.works", "--place", "310104", "--at", "2026-12-31T15:00"];
    check(duty(&config, &new_year), true, &["S-012 v1", "there is no holiday calendar for 2027"]);
    let nowhere = ["explain", "--kind", "lane.motor", "--place", "310115"];
    check(duty(&config, &nowhere), false, &["no item of the list covers lane.motor at 310115"]);

    fs::write(&file, dated.replace("S-101,lane.motor,310104007", "S-101,lane.motor,310104")).expect("a file");
    let tie = ["line 9 (item S-008)", "line 18 (item S-101)", "both for lane.motor at 310104", "nothing was written"];
    check(duty(&config, &import), false, &tie);
    fs::write(&file, dated.replace(",4 wh,", ",6 wh,")).expect("a file");
    check(duty(&config, &import), true, &["S-004 v2", "solve: {\"amount\":4", "-> {\"amount\":6"]);

    let history = [
        "v1",
        "2026-01-01",
        "duty.csv",
        "new",
        "v2",
        "处置时限 to solve: 4工作时 4 work hours -> 6工作时 6 work hours",
    ];
    check(duty(&config, &["history", "S-004"]), true, &history);
    let (lines, _) = duty(&config, &["history", "S-004", "--json"]);
    let versions: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    assert_eq!(
        (versions[0]["changes"].clone(), &versions[1]["version"]),
        (serde_json::json!([]), &2.into()),
        "{lines}"
    );
    assert_eq!(versions[1]["changes"][0]["field"], "solve");
    assert_eq!(versions[1]["changes"][0]["after"]["en"], "6 work hours");
    check(duty(&config, &["history", "s-104"]), false, &["has no item s-104; near to it are S-104"]);
    check(duty(&config, &["history", "elephant"]), false, &["has no item elephant; see what it has with"]);
}
