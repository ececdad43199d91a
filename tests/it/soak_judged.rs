//! The soak of `benches/fleet` fails where something is wrong: each way to fail, one by one.

use std::collections::BTreeMap;

#[path = "../../benches/fleet/judge.rs"]
mod judge;
use judge::{Length, Seen};

const CAMERAS: usize = 500;

fn reasons(names: &[&str]) -> BTreeMap<String, f64> {
    names.iter().map(|name| (format!("{{reason=\"{name}\"}}"), 7.0)).collect()
}

/// Half an hour in which all went well.
fn well() -> Seen {
    Seen {
        rss_kb: [250e3].into_iter().chain((0..30).map(|minute| 289e3 + 0.5e3 * f64::from(minute))).collect(),
        longest_offline: 172.0,
        longest_unseen: 40.0,
        least_streaming: 0,
        most_streaming: CAMERAS,
        failed: reasons(&["rtsp", "stalled", "ended", "timeout", "unauthorized"]),
        failed_looks: reasons(&["corrupt"]),
    }
}

/// With this one thing changed exactly that is wrong.
#[track_caller]
fn check(change: impl FnOnce(&mut Seen), expect: &[&str]) {
    let mut seen = well();
    change(&mut seen);
    let faults = seen.faults(CAMERAS, 60, Length::Long);
    assert_eq!(faults.len(), expect.len(), "{faults:?}");
    faults.iter().zip(expect).for_each(|(fault, says)| assert!(fault.contains(says), "{fault:?} lacks {says:?}"));
}

#[test]
fn a_soak_in_which_all_goes_well_has_no_faults() {
    check(|_| (), &[]);
    // What a wrong password is left alone for, and the fault before.
    check(|seen| seen.longest_offline = 720.0, &[]);
    // Before each fault was there once memory may grow as it likes.
    check(|seen| seen.rss_kb[..5].fill(90e3), &[]);
}

#[test]
fn memory_that_grows_is_a_fault() {
    check(|seen| seen.rss_kb.push(350e3), &["memory grows: 294 MB after a third of the time, 350 MB at the end"]);
    check(|seen| seen.rss_kb.clear(), &["nothing was seen"]);
}

#[test]
fn a_camera_that_is_stuck_is_a_fault() {
    check(|seen| seen.longest_offline = 721.0, &["it is offline for 721 s, 720 s may be"]);
    check(|seen| seen.longest_unseen = 1500.0, &["streams and is not looked at for 1500 s"]);
    check(|seen| seen.most_streaming = CAMERAS * 9 / 10 - 1, &["cameras do not come back"]);
}

#[test]
fn a_fault_that_shows_in_no_state_is_one() {
    check(|seen| seen.least_streaming = CAMERAS / 2 + 1, &["still said to stream"]);
    for (reason, fault) in [
        ("stalled", "stall "),
        ("ended", "drop "),
        ("rtsp", "refuse "),
        ("timeout", "hang "),
        ("unauthorized", "wrong_password "),
    ] {
        let forget = |seen: &mut Seen| seen.failed.retain(|labels, _| !labels.contains(reason));
        check(forget, &[&format!("the fault {fault}")]);
    }
    check(|seen| seen.failed_looks.clear(), &["the fault corrupt_keyframes"]);
    // That looks failed for another reason is no sign of it.
    check(|seen| seen.failed_looks = reasons(&["abandoned"]), &["the fault corrupt_keyframes"]);
}

#[test]
fn a_panic_is_a_fault() {
    check(|seen| seen.failed.extend(reasons(&["panic"])), &["a connection ended in a panic"]);
    check(|seen| seen.failed_looks.extend(reasons(&["panic"])), &["a look ended in a panic"]);
}

#[test]
fn a_short_soak_need_not_meet_cameras_that_connect() {
    let seen = Seen { failed: reasons(&["stalled", "ended"]), ..well() };
    assert!(seen.faults(CAMERAS, 6, Length::Short).is_empty());
    assert_eq!(seen.faults(CAMERAS, 60, Length::Long).len(), 3);
}
