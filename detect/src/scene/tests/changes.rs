//! The gate: what is a change, and what is none.

use super::*;
use crate::config::GateConfig;

#[track_caller]
fn check_unchanged(least: f64, paint: impl Fn(u32) -> Canvas) {
    let mut camera = Camera::learnt(&Canvas::street());
    let outcomes = camera.outcomes(20, paint);
    assert!(share_unchanged(&outcomes) >= least, "{outcomes:?}");
}

#[track_caller]
fn check_changed(canvas: Canvas) {
    let mut camera = Camera::learnt(&Canvas::street());
    assert_eq!(camera.look(canvas).outcome, Outcome::Changed);
}

#[test]
fn noise_is_no_change_from_the_second_look_on() {
    let mut camera = Camera::new();
    let outcomes = camera.outcomes(20, |n| Canvas::street().noisy(6.0, 1000 + n));
    assert_eq!(outcomes[0], Outcome::Due);
    assert!(outcomes[1..].iter().all(|o| *o == Outcome::Unchanged), "{outcomes:?}");
}

#[test]
fn exposure_is_no_change() {
    check_unchanged(0.95, |n| {
        Canvas::street().exposed([0.7, 1.0, 1.2][n as usize % 3], [12.0, 0.0, -6.0][n as usize % 3])
    });
}

#[test]
fn a_clouds_shadow_is_no_change() {
    check_unchanged(0.8, |n| Canvas::street().shadow([0, 0, 20 * n as usize, 200], 0.65, 60.0));
}

#[test]
fn headlights_that_sweep_the_road_at_night_are_no_change() {
    let night = || Canvas::street().exposed(0.25, 4.0);
    let mut camera = Camera::learnt(&night());
    let outcomes = camera.outcomes(20, |n| {
        let (cx, cy) = (15.0 * n as f32, 190.0);
        night().each(|x, y, old| {
            let far = ((x as f32 - cx).powi(2) / 3600.0 + (y as f32 - cy).powi(2) / 900.0).min(8.0);
            old.map(|c| c * (1.0 + 1.8 * (-far).exp()))
        })
    });
    assert!(share_unchanged(&outcomes) > 0.9, "{outcomes:?}");
}

#[test]
fn rain_is_soon_no_change() {
    let mut camera = Camera::learnt(&Canvas::street());
    let rain = |n: u32| {
        Canvas::street().each(|x, y, [l, u, v]| {
            // Streaks of a pixel's width and some length, elsewhere in each picture.
            let streak = grain((x + y / 6) % WIDTH, y / 14, 77 + n) > 0.993;
            if streak { [l + 25.0, u, v] } else { [l, u, v] }
        })
    };
    let outcomes = camera.outcomes(60, rain);
    assert!(share_unchanged(&outcomes[30..]) >= 0.8, "{outcomes:?}");
}

fn tree(n: u32) -> Canvas {
    let (dx, dy) = ((5.0 * (n as f32 * 1.7).sin()) as isize, (3.0 * (n as f32 * 2.3).sin()) as isize);
    Canvas::street().each(|x, y, old| {
        let (tx, ty) = (x as isize + dx, y as isize + dy);
        let inside = (tx - 70).pow(2) + (ty - 70).pow(2) < 50 * 50;
        let leaf = grain((tx / 6) as usize, (ty / 6) as usize, 5);
        if inside { [50.0 + 35.0 * leaf, -16.0 * leaf, -14.0] } else { old }
    })
}

#[test]
fn a_tree_in_the_wind_is_mostly_no_change_and_a_car_beside_it_is_one() {
    let mut camera = Camera::new();
    let outcomes = camera.outcomes(80, tree);
    assert!(share_unchanged(&outcomes[16..]) >= 0.6, "{outcomes:?}");
    assert_eq!(camera.look(tree(3).car([180, 150, 90, 45])).outcome, Outcome::Changed);
}

#[test]
fn a_shaking_pole_is_no_change() {
    check_unchanged(0.8, |n| {
        Canvas::street().moved([3, -2, 0, 4, -4][n as usize % 5], [1, 3, -3, 0, 2][n as usize % 5])
    });
}

#[test]
fn what_comes_is_a_change_however_it_contrasts() {
    check_changed(Canvas::street().car([100, 150, 90, 45]));
    check_changed(Canvas::street().person([200, 120, 14, 40]));
    check_changed(Canvas::street().bag([260, 200, 22, 22]));
    check_changed(Canvas::street().exposed(0.7, 10.0).person([200, 120, 14, 40]));
}

#[test]
fn what_leaves_and_what_moves_on_is_a_change() {
    let mut camera = Camera::new();
    camera.look(Canvas::street().car([100, 150, 90, 45]));
    assert_eq!(camera.look(Canvas::street().car([130, 150, 90, 45])).outcome, Outcome::Changed);
    assert_eq!(camera.look(Canvas::street().car([130, 150, 90, 45])).outcome, Outcome::Unchanged);
    assert_eq!(camera.look(Canvas::street()).outcome, Outcome::Changed);
}

#[test]
fn an_unchanged_look_has_the_detections_of_the_last_run() {
    let mut camera = Camera::new();
    let car = [detection("car", [100, 150, 90, 45])];
    let street = || Canvas::street().car([100, 150, 90, 45]);
    assert_eq!(camera.look_with(street(), &car).detections, car);
    let seen = camera.look_with(street(), &[]);
    assert_eq!((seen.outcome, seen.detections), (Outcome::Unchanged, car.to_vec()));
}

#[test]
fn a_full_look_is_made_at_least_so_often() {
    let gate = GateConfig { full_look_every: Millis::mins(1), ..GateConfig::default() };
    let mut camera = Camera::with(SceneConfig { gate, ..SceneConfig::default() });
    let outcomes = camera.outcomes(13, |_| Canvas::street());
    let due: Vec<usize> = (0..13).filter(|n| outcomes[*n] == Outcome::Due).collect();
    // The second one comes early, so that cameras which begin together are not due together.
    assert!(due[0] == 0 && due[1] <= 6 && due[2] == due[1] + 6, "{due:?}");
    camera.at = camera.at - Millis::mins(60);
    assert_eq!(camera.look(Canvas::street()).outcome, Outcome::Due, "a clock that was set back");
}

#[test]
fn where_something_is_suspected_or_there_is_no_gate_the_detector_always_runs() {
    let mut camera = Camera::new();
    camera.look(Canvas::street());
    let picture = Canvas::street().picture();
    for _ in 0..3 {
        let seen = camera.scene.look(&picture, camera.at, Need::Always, &mut camera.scratch, |_, _| Ok(Vec::new()));
        assert_eq!(seen.expect("a look").outcome, Outcome::Wanted);
    }
    let gate = GateConfig { enabled: false, ..GateConfig::default() };
    let mut camera = Camera::with(SceneConfig { gate, ..SceneConfig::default() });
    let outcomes = camera.outcomes(5, |_| Canvas::street());
    assert!(outcomes[1..].iter().all(|o| *o == Outcome::Wanted), "{outcomes:?}");
}

#[test]
fn what_the_last_run_left_is_done_before_a_run_is_spared() {
    let mut camera = Camera::new();
    camera.look(Canvas::street());
    let mut look = |canvas: Canvas, need| {
        let picture = canvas.picture();
        camera
            .scene
            .look(&picture, camera.at, need, &mut camera.scratch, |_, _| Ok(Vec::new()))
            .expect("a look")
            .outcome
    };
    assert_eq!(look(Canvas::street(), Need::Finish), Outcome::Unfinished);
    assert_eq!(look(Canvas::street(), Need::IfChanged), Outcome::Unchanged);
    assert_eq!(look(Canvas::street().car([100, 150, 90, 45]), Need::Finish), Outcome::Changed);
}
