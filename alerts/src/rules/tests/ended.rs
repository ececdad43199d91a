//! Tickets that are rejected or closed while their problem stands.

use super::*;

const HOUR: Millis = Millis::mins(60);

/// A car that has stood for six minutes and got its ticket, on a street with these rules.
fn ticketed(config: &str) -> Scene {
    let mut scene = Scene::new(config, &[zone("street", ZonePurpose::NoStopping, [0.0, 0.0, 1.0, 1.0])]);
    scene.play(Millis::mins(6), |_| vec![car(0.4)]).check(&["lane.motor"]);
    scene
}

/// The same street after a restart of the program.
fn restarted(mut scene: Scene, config: &str) -> Scene {
    let mut fresh = Scene::new(config, &[zone("street", ZonePurpose::NoStopping, [0.0, 0.0, 1.0, 1.0])]);
    fresh.now = scene.now;
    fresh.core.restore(scene.open.iter().map(open_ticket));
    fresh.core.restore_ended(scene.ended.iter().map(|(i, ending, at)| (open_ticket(i), *ending, *at)));
    (fresh.open, fresh.ended) = (std::mem::take(&mut scene.open), std::mem::take(&mut scene.ended));
    fresh
}

fn stands(_: u32) -> Vec<Detection> {
    vec![car(0.4)]
}

#[test]
fn a_rejected_place_stays_quiet_while_the_thing_stands() {
    let mut scene = ticketed("[\"lane.motor\"]\nreject_cooldown = \"3h\"");
    scene.end(0, Ending::Rejected);
    assert_eq!((scene.core.counts().tickets, scene.core.counts().quiet), (0, 1));
    scene.play(Millis::mins(170), stands).check(&["lane.motor"]);
    assert!(scene.still_there.len() < 7 && scene.again.is_empty(), "nobody is told of it");
    scene.play(Millis::mins(20), stands).check(&["lane.motor", "lane.motor"]);
}

#[test]
fn a_rejected_place_that_was_clear_is_like_any_other() {
    let mut scene = ticketed("");
    scene.end(0, Ending::Rejected);
    scene.play(Millis::mins(2), |_| vec![]);
    assert_eq!(scene.cleared.len(), 1, "its place was seen clear");
    scene.play(Millis::mins(50), stands).check(&["lane.motor"]);
    scene.play(Millis::mins(20), stands).check(&["lane.motor", "lane.motor"]);
}

#[test]
fn somebody_in_front_does_not_make_a_rejected_place_clear() {
    let mut scene = ticketed("");
    scene.end(0, Ending::Rejected);
    scene.play(Millis::mins(5), |_| vec![thing("person", 0.8, 0.35, 0.65, 0.3, 0.25)]);
    assert!(scene.cleared.is_empty());
    scene.play(HOUR, stands).check(&["lane.motor"]);
}

#[test]
fn another_kind_and_another_place_are_not_quiet() {
    let mut scene = ticketed("");
    scene.end(0, Ending::Rejected);
    scene.play(Millis::mins(6), |_| vec![car(0.4), car(0.0)]).check(&["lane.motor"]);
    let mut far = ticketed("[\"lane.motor\"]\nmerge = 0.2");
    far.end(0, Ending::Rejected);
    far.play(Millis::mins(6), |_| vec![car(0.4), car(0.0)]).check(&["lane.motor", "lane.motor"]);
}

#[test]
fn a_rejection_outlasts_a_restart() {
    let mut scene = ticketed("");
    scene.end(0, Ending::Rejected);
    let mut scene = restarted(scene, "");
    assert_eq!(scene.core.counts().quiet, 1);
    scene.play(Millis::mins(23 * 60), stands).check(&[]);
    scene.play(Millis::mins(70), stands).check(&["lane.motor"]);
}

#[test]
fn an_open_ticket_gets_another_picture_now_and_then() {
    let mut scene = ticketed("");
    scene.play(Millis::mins(130), stands).check(&["lane.motor"]);
    assert_eq!(scene.again, [scene.confirmed[0].ticket; 2]);
}

#[test]
fn what_still_stands_after_its_ticket_was_closed_is_reopened() {
    let mut scene = ticketed("");
    scene.end(0, Ending::Closed);
    scene.play(Millis::mins(58), stands).check(&["lane.motor"]);
    assert!(scene.came_back.is_empty() && scene.core.counts().tickets == 0);
    scene.play(Millis::mins(4), stands).check(&["lane.motor"]);
    assert_eq!((scene.came_back.len(), scene.core.counts().tickets), (1, 1));
    scene.play(Millis::mins(2), |_| vec![]);
    assert_eq!(scene.cleared.len(), 1);
}

#[test]
fn or_gets_a_new_ticket_or_only_a_picture() {
    let mut new = ticketed("[\"lane.motor\"]\nrealarm_by = \"ticket\"");
    new.end(0, Ending::Closed);
    new.play(Millis::mins(70), stands).check(&["lane.motor", "lane.motor"]);
    assert_ne!(new.confirmed[0].ticket, new.confirmed[1].ticket);
    let mut picture = ticketed("[\"lane.motor\"]\nrealarm_by = \"evidence\"");
    picture.end(0, Ending::Closed);
    picture.play(Millis::mins(130), stands).check(&["lane.motor"]);
    assert_eq!((picture.again.len(), picture.core.counts().tickets), (2, 0));
}

#[test]
fn what_comes_back_to_a_closed_place_that_was_clear_goes_on_with_its_ticket() {
    let mut scene = ticketed("");
    scene.end(0, Ending::Closed);
    scene.play(Millis::mins(2), |_| vec![]);
    assert_eq!((scene.cleared.len(), scene.core.counts().resting), (1, 1));
    scene.play(Millis::mins(50), stands).check(&["lane.motor"]);
    assert_eq!((scene.came_back.len(), scene.core.counts().tickets), (1, 1));
}

#[test]
fn a_closed_ticket_comes_back_after_a_restart_too() {
    let mut scene = ticketed("");
    scene.end(0, Ending::Closed);
    let mut scene = restarted(scene, "");
    scene.play(Millis::mins(62), stands).check(&[]);
    assert_eq!(scene.came_back.len(), 1);
}

#[test]
fn the_end_of_a_ticket_that_is_gone_or_unknown_changes_nothing() {
    let mut scene = ticketed("");
    scene.play(Millis::mins(2), |_| vec![]);
    let before = scene.core.counts();
    scene.end(0, Ending::Rejected);
    assert_eq!(scene.core.counts(), before);
    let (camera, ticket) = (&camera(), ticket_id(9));
    assert!(scene.core.apply(scene.now, Input::Ended { camera, ticket, ending: Ending::Closed }).is_empty());
}

#[test]
fn a_newer_ticket_keeps_a_place_from_an_older_end() {
    let config = "[\"lane.motor\"]\nrealarm_by = \"ticket\"";
    let mut scene = ticketed(config);
    scene.end(0, Ending::Closed);
    scene.play(Millis::mins(70), stands).check(&["lane.motor", "lane.motor"]);
    let mut scene = restarted(scene, "");
    scene.play(Millis::mins(130), stands).check(&[]);
    assert!(scene.came_back.is_empty() && scene.core.counts().tickets == 1);
}
