//! Cameras that cannot be trusted for a while: moved, covered, frozen.

use super::*;

#[test]
fn an_unfit_camera_opens_no_ticket_and_pauses_the_dwell() {
    let mut scene = Scene::street();
    scene.play(Millis::mins(3), |_| vec![car(0.4)]);
    assert_eq!(scene.pace, Pace::Active);
    scene.trust(false);
    assert_eq!(scene.pace, Pace::Idle, "there is nothing to hurry for");
    scene.play(Millis::mins(8), |_| vec![car(0.4)]).check(&[]);
    scene.trust(true);
    assert_eq!(scene.pace, Pace::Active);
    scene.play(Millis::secs(110), |_| vec![car(0.4)]).check(&[]);
    scene.play(Millis::secs(30), |_| vec![car(0.4)]).check(&["lane.motor"]);
    assert_eq!(scene.confirmed[0].dwell, Millis::mins(5));
    assert_eq!(scene.all_suspects.len(), 1, "what was suspected stayed so");
}

#[test]
fn a_blind_camera_clears_no_ticket() {
    let mut scene = Scene::street();
    scene.play(Millis::mins(6), |_| vec![car(0.4)]).check(&["lane.motor"]);
    scene.trust(false);
    scene.play(Millis::mins(60), |_| vec![]);
    scene.tick();
    assert!(scene.cleared.is_empty());
    scene.trust(true);
    scene.play(Millis::mins(10), |_| vec![]);
    assert_eq!(scene.cleared.len(), 1, "once it sees again it may");
}

#[test]
fn what_is_suspected_outlasts_a_short_distrust_but_not_a_long_one() {
    let mut scene = Scene::street();
    scene.play(Millis::mins(4), |_| vec![car(0.4)]);
    scene.trust(false);
    scene.play(Millis::mins(11), |_| vec![]);
    scene.tick();
    assert_eq!(scene.dropped, ["lost_camera"]);
    scene.trust(true);
    scene.play(Millis::mins(4), |_| vec![car(0.4)]).check(&[]);
    scene.play(Millis::mins(2), |_| vec![car(0.4)]).check(&["lane.motor"]);
}

#[test]
fn distrust_that_is_told_twice_is_told_once() {
    let mut scene = Scene::street();
    scene.play(Millis::mins(3), |_| vec![car(0.4)]);
    scene.trust(true);
    scene.trust(false);
    scene.trust(false);
    scene.trust(true);
    scene.play(Millis::secs(140), |_| vec![car(0.4)]).check(&["lane.motor"]);
}

#[test]
fn looks_that_may_show_another_view_open_no_ticket() {
    let mut scene = Scene::street();
    scene.play(Millis::mins(2), |_| vec![]);
    // It was turned to parked cars, which is not believed yet.
    scene.elsewhere = true;
    scene.play(Millis::mins(8), |_| vec![car(0.4)]).check(&[]);
    // It was only a lorry in front of the lens.
    scene.elsewhere = false;
    scene.play(Millis::mins(1), |_| vec![car(0.4)]).check(&["lane.motor"]);
}
