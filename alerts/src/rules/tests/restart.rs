//! Restarts, lost streams, clocks that jump, calendars that close.

use domain::STANDING;

use super::*;

#[test]
fn a_restart_in_the_middle_of_a_ticket_opens_no_second_one() {
    let mut before = Scene::street();
    before.play(Millis::mins(6), |_| vec![car(0.4)]).check(&["lane.motor"]);
    let mut after = Scene::street();
    after.now = before.now + Millis::mins(3);
    after.core.restore([open_ticket(&before.confirmed[0])]);
    assert_eq!(after.core.counts().tickets, 1);
    after.play(Millis::mins(20), |n| vec![jitter(car(0.4), n, 0.05)]).check(&[]);
    assert_eq!(after.still_there.first().map(|(ticket, _)| *ticket), Some(before.confirmed[0].ticket));
    assert!(after.cleared.is_empty() && after.all_suspects.is_empty());
    after.play(Millis::mins(2), |_| vec![]);
    assert_eq!(after.cleared, [before.confirmed[0].ticket]);
}

#[test]
fn a_row_of_cars_that_the_detector_is_unsure_of_outlasts_a_restart() {
    let row = |score: f32, n: u32| {
        let at =
            |place: u32| jitter(thing("vehicle", score, 0.1 + 0.17 * place as f32, 0.6, 0.15, 0.12), n + place, 0.02);
        (0..4).map(at).collect::<Vec<_>>()
    };
    let mut before = Scene::street();
    before.play(Millis::mins(6), |n| row(0.5, n)).check(&["lane.motor"]);
    let mut after = Scene::street();
    after.now = before.now + Millis::mins(3);
    after.core.restore([open_ticket(&before.confirmed[0])]);
    after.play(Millis::mins(5), |n| row(0.3, n)).check(&[]);
    assert!(after.cleared.is_empty());
    after.play(Millis::mins(2), |_| vec![]);
    assert_eq!(after.cleared.len(), 1);
}

#[test]
fn a_ticket_whose_thing_left_during_the_restart_is_cleared() {
    let mut before = Scene::street();
    before.play(Millis::mins(6), |_| vec![car(0.4)]);
    let mut after = Scene::street();
    after.now = before.now + Millis::mins(30);
    after.core.restore([open_ticket(&before.confirmed[0])]);
    after.play(Millis::mins(2), |_| vec![]);
    assert_eq!(after.cleared.len(), 1);
}

fn heap() -> Detection {
    thing(STANDING, 0.6, 0.4, 0.5, 0.08, 0.1)
}

fn garbage_point() -> Scene {
    Scene::new("", &[zone("corner", ZonePurpose::GarbagePoint, [0.0, 0.0, 1.0, 1.0])])
}

/// Another process, that has the ticket of a heap and learns the view for two minutes.
fn learning_anew() -> (Scene, Incident) {
    let mut before = garbage_point();
    before.play(Millis::mins(6), |_| vec![heap()]).check(&["garbage.exposed"]);
    let ticket = before.confirmed[0].clone();
    let mut after = garbage_point();
    (after.now, after.learning) = (before.now + Millis::mins(3), true);
    after.core.restore([open_ticket(&ticket)]);
    after.play(Millis::mins(2), |_| vec![]);
    assert!(after.cleared.is_empty(), "nothing shows that it is gone");
    assert_eq!(after.sight(&ticket, &[]), None);
    after.learning = false;
    (after, ticket)
}

#[test]
fn a_heap_without_a_name_is_not_gone_while_its_view_is_learnt_anew() {
    let (mut after, ticket) = learning_anew();
    after.play(Millis::mins(20), |_| vec![heap()]).check(&[]);
    assert!(after.cleared.is_empty() && !after.still_there.is_empty());
    after.play(Millis::mins(2), |_| vec![]);
    assert_eq!(after.cleared, [ticket.ticket]);
}

#[test]
fn a_heap_without_a_name_that_went_during_the_restart_is_cleared_once_the_view_is_learnt() {
    let (mut after, ticket) = learning_anew();
    assert_eq!(after.sight(&ticket, &[]), Some(Sight::Clear));
    after.play(Millis::mins(9), |_| vec![]);
    assert!(after.cleared.is_empty(), "the view may not tell it apart yet");
    after.play(Millis::mins(3), |_| vec![]);
    assert_eq!(after.cleared, [ticket.ticket]);
}

#[test]
fn a_place_that_rests_goes_on_resting_after_a_restart() {
    let mut before = Scene::street();
    before.play(Millis::mins(6), |_| vec![car(0.4)]);
    let mut after = Scene::street();
    after.now = before.now + Millis::mins(10);
    (after.gone, after.known) = (vec![before.confirmed[0].ticket], before.known.clone());
    after.core.restore_cleared([(open_ticket(&before.confirmed[0]), before.now)]);
    after.play(Millis::mins(40), |_| vec![car(0.4)]).check(&[]);
    assert_eq!(after.came_back, [before.confirmed[0].ticket]);
    after.play(Millis::mins(40), |_| vec![car(0.4)]).check(&[]);
}

#[test]
fn a_ticket_of_a_kind_without_a_rule_is_left_as_it_is() {
    let mut scene = Scene::street();
    let ticket = OpenTicket {
        ticket: ticket_id(1),
        camera: camera(),
        kind: kind("lane.elephants"),
        zone: "street".parse().expect("an id"),
        bbox: car(0.4).bbox,
        first_seen: NOON,
        last_seen: NOON,
        rule: "lane.elephants".to_owned(),
        standing: Vec::new(),
    };
    scene.core.restore([ticket]);
    scene.play(Millis::mins(5), |_| vec![]);
    assert!(scene.cleared.is_empty());
}

#[test]
fn a_lost_stream_pauses_the_dwell() {
    let mut scene = Scene::street();
    scene.play(Millis::mins(3), |_| vec![car(0.4)]);
    scene.lose();
    scene.wait(Millis::mins(8));
    scene.tick();
    scene.play(Millis::secs(110), |_| vec![car(0.4)]).check(&[]);
    scene.play(Millis::secs(30), |_| vec![car(0.4)]).check(&["lane.motor"]);
    assert_eq!(scene.confirmed[0].dwell, Millis::mins(5));
    assert_eq!(scene.all_suspects.len(), 1);
}

#[test]
fn a_stream_lost_for_too_long_starts_the_count_anew() {
    let mut scene = Scene::street();
    scene.play(Millis::mins(4), |_| vec![car(0.4)]);
    scene.lose();
    scene.wait(Millis::mins(11));
    scene.tick();
    assert_eq!((scene.dropped.clone(), scene.pace), (vec!["lost_camera"], Pace::Idle));
    scene.play(Millis::mins(4), |_| vec![car(0.4)]).check(&[]);
    scene.play(Millis::mins(2), |_| vec![car(0.4)]).check(&["lane.motor"]);
}

#[test]
fn a_thing_that_left_while_the_stream_was_lost_is_forgotten() {
    let mut scene = Scene::street();
    scene.play(Millis::mins(4), |_| vec![car(0.4)]);
    scene.lose();
    scene.wait(Millis::mins(5));
    scene.play(Millis::mins(4), |n| if n > 30 { vec![car(0.4)] } else { vec![] }).check(&[]);
    assert_eq!(scene.dropped, ["gone"]);
}

#[test]
fn time_without_looks_does_not_count_as_standing() {
    let mut scene = Scene::street();
    scene.look(&[car(0.4)]);
    scene.wait(Millis::secs(2));
    scene.look(&[car(0.4)]);
    scene.wait(Millis::mins(9));
    scene.look(&[car(0.4)]);
    scene.wait(Millis::secs(2));
    scene.look(&[car(0.4)]);
    scene.check(&[]);
}

#[test]
fn a_look_out_of_order_says_nothing() {
    let mut scene = Scene::street();
    scene.play(Millis::mins(4), |_| vec![car(0.4)]);
    let now = scene.now;
    scene.now = now - Millis::secs(30);
    scene.look(&[]);
    scene.look(&[]);
    scene.now = now;
    scene.play(Millis::secs(70), |_| vec![car(0.4)]).check(&["lane.motor"]);
    assert_eq!(scene.confirmed[0].looks, scene.confirmed[0].hits);
}

#[test]
fn a_clock_set_back_loses_nothing_and_gains_nothing() {
    let mut scene = Scene::street();
    scene.play(Millis::mins(4), |_| vec![car(0.4)]);
    scene.now = scene.now - Millis::mins(60);
    scene.play(Millis::secs(50), |_| vec![car(0.4)]).check(&[]);
    scene.play(Millis::secs(30), |_| vec![car(0.4)]).check(&["lane.motor"]);
    let incident = &scene.confirmed[0];
    assert!(incident.first_seen <= incident.confirmed_at);
    assert_eq!(incident.dwell, Millis::mins(5));
}

#[test]
fn outside_its_hours_a_rule_neither_counts_nor_opens() {
    let config = "[\"lane.motor\"]\ncalendar = { hours = [\"12:03-13:00\"] }";
    let mut scene = Scene::new(config, &[zone("z", ZonePurpose::NoStopping, [0.0, 0.0, 1.0, 1.0])]);
    scene.play(Millis::secs(170), |_| vec![car(0.4)]);
    assert!(scene.all_suspects.is_empty());
    scene.play(Millis::secs(300), |_| vec![car(0.4)]).check(&[]);
    scene.play(Millis::secs(30), |_| vec![car(0.4)]).check(&["lane.motor"]);
}

#[test]
fn a_suspect_is_dropped_when_the_hours_end() {
    let config = "[\"lane.motor\"]\ncalendar = { hours = [\"09:00-12:02\"] }";
    let mut scene = Scene::new(config, &[zone("z", ZonePurpose::NoStopping, [0.0, 0.0, 1.0, 1.0])]);
    scene.play(Millis::mins(1), |_| vec![car(0.4)]);
    scene.wait(Millis::mins(1));
    scene.tick();
    assert_eq!((scene.dropped.clone(), scene.pace), (vec!["calendar"], Pace::Idle));
}

#[test]
fn a_zone_taken_away_drops_its_suspects() {
    let mut scene = Scene::street();
    scene.play(Millis::mins(1), |_| vec![car(0.4)]);
    let effects = scene.core.set_cameras(scene.now, []).expect("cameras");
    scene.take(effects);
    assert_eq!((scene.dropped.clone(), scene.pace), (vec!["zone_removed"], Pace::Idle));
}

#[test]
fn the_same_looks_give_the_same_tickets() {
    let run = || {
        let mut scene = Scene::street();
        scene.play(Millis::mins(6), |n| vec![jitter(car(0.0), n, 0.05), jitter(car(0.7), n + 7, 0.05)]);
        scene.confirmed
    };
    assert_eq!(run(), run());
    assert_eq!(run().len(), 2);
}
