//! Garbage and goods: what counts only while nobody is at it.

use super::*;

fn point() -> Scene {
    Scene::new("", &[zone("g", ZonePurpose::GarbagePoint, [0.0, 0.0, 1.0, 1.0])])
}

fn bag() -> Detection {
    thing("garbage", 0.6, 0.5, 0.6, 0.05, 0.06)
}

#[test]
fn garbage_with_nobody_near_is_a_ticket() {
    let mut scene = point();
    scene.play(Millis::mins(8), |_| vec![bag(), person(0.9)]).check(&["garbage.exposed"]);
    assert!(
        scene.confirmed[0].reason.ends_with("nobody staying near in 100 % of the looks"),
        "{}",
        scene.confirmed[0].reason
    );
}

#[test]
fn garbage_that_somebody_is_busy_with_is_none() {
    point().play(Millis::mins(8), |_| vec![bag(), person(0.56)]).check(&[]);
}

#[test]
fn somebody_who_passes_now_and_then_does_not_save_it() {
    let picture = |n: u32| if n.is_multiple_of(4) { vec![bag(), person(0.56)] } else { vec![bag()] };
    point().play(Millis::mins(8), picture).check(&["garbage.exposed"]);
}

#[test]
fn a_busy_pavement_does_not_save_it() {
    // Somebody is beside it in every look, and never the same.
    let passing = |n: u32| person(0.375 + 0.065 * (n % 5) as f32);
    point().play(Millis::mins(8), |n| vec![bag(), passing(n)]).check(&["garbage.exposed"]);
}

#[test]
fn what_is_called_a_person_now_and_then_keeps_nothing_from_itself() {
    let heap = || thing("goods", 0.6, 0.4, 0.6, 0.1, 0.1);
    let called = |score| thing("person", score, 0.4, 0.6, 0.1, 0.11);
    let by_turns = |n: u32| if n.is_multiple_of(2) { vec![heap(), called(0.4)] } else { vec![heap()] };
    point().play(Millis::mins(8), by_turns).check(&["garbage.exposed"]);
    // Somebody who sits there is seen in every look.
    point().play(Millis::mins(8), |_| vec![heap(), called(0.4)]).check(&[]);
}

#[test]
fn a_sign_that_is_taken_for_somebody_keeps_nothing() {
    let taken_for = |score: f32, n: u32| jitter(thing("person", score, 0.56, 0.62, 0.05, 0.2), n, 0.02);
    point().play(Millis::mins(8), |n| vec![bag(), taken_for(0.28, n)]).check(&["garbage.exposed"]);
    // Who is surely somebody, and who has come there, do.
    point().play(Millis::mins(8), |n| vec![bag(), taken_for(0.5, n)]).check(&[]);
    let came = || thing("occupied", 0.8, 0.56, 0.62, 0.05, 0.2);
    point().play(Millis::mins(8), |n| vec![bag(), taken_for(0.28, n), came()]).check(&[]);
}

#[test]
fn when_the_cleaner_has_gone_and_left_it_the_dwell_decides() {
    let mut scene = point();
    scene.play(Millis::mins(20), |n| if n < 150 { vec![bag(), person(0.56)] } else { vec![bag()] });
    scene.check(&["garbage.exposed"]);
    let waited = scene.confirmed[0].confirmed_at.since(NOON);
    assert!(waited > Millis::mins(7) && waited < Millis::mins(8), "{waited}");
}

#[test]
fn one_passer_by_after_the_other_is_nobody_who_stays() {
    // Each look shows somebody within a step of where the look before showed another one, and never where that one was.
    let passing = |n: u32| person(if n.is_multiple_of(2) { 0.5 } else { 0.555 });
    point().play(Millis::mins(8), |n| vec![bag(), passing(n)]).check(&["garbage.exposed"]);
    let zones = [zone("p", ZonePurpose::NoVending, [0.0, 0.0, 1.0, 1.0])];
    let left = || vec![thing("tricycle", 0.6, 0.45, 0.6, 0.12, 0.12), thing("goods", 0.6, 0.52, 0.6, 0.06, 0.06)];
    let mut scene = Scene::new("", &zones);
    scene.play(Millis::mins(8), |n| [left(), vec![passing(n)]].concat()).check(&[]);
}
