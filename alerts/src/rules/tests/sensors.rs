//! Parking sensors: what they say confirms or contradicts what the camera suspects in their zone.

use super::*;
use crate::sensor::Word;

const DWELL: &str = "[\"lane.motor\"]\ndwell = \"60s\"\n";

fn zones() -> [Zone; 1] {
    [zone("lane", ZonePurpose::NoStopping, [0.0, 0.0, 1.0, 1.0])]
}

impl Scene {
    /// A parking sensor of the zone speaks.
    #[track_caller]
    fn word(&mut self, device: &str, occupied: Option<bool>) -> &mut Self {
        self.word_about("lane.motor", device, occupied)
    }

    #[track_caller]
    fn word_about(&mut self, kind: &str, device: &str, occupied: Option<bool>) -> &mut Self {
        let word = Word {
            camera: camera(),
            zone: "lane".parse().expect("id"),
            device: device.parse().expect("id"),
            kinds: vec![kind.parse().expect("kind")],
            occupied: occupied.map(|taken| (taken, self.now)),
        };
        let effects = self.core.apply(self.now, Input::Word(&word));
        assert_eq!(effects, [], "a word opens nothing by itself");
        self
    }

    /// A car that the camera sees with this score, for three minutes.
    #[track_caller]
    fn car(&mut self, score: f32) -> &mut Self {
        self.play(Millis::mins(3), |_| vec![thing("vehicle", score, 0.4, 0.6, 0.2, 0.15)])
    }
}

#[test]
fn a_sensor_that_reports_the_place_free_keeps_the_ticket_back() {
    let mut scene = Scene::new(DWELL, &zones());
    scene.word("bay-1", Some(false)).car(0.8).check(&[]);
    // It was mistaken, or the car drove in: from now on the camera is believed.
    scene.word("bay-1", Some(true)).car(0.8).check(&["lane.motor"]);
    assert!(scene.confirmed[0].reason.contains("; parking sensor bay-1 reports the place taken for "));
    assert!(scene.confirmed[0].reason_zh.contains("；车位传感器bay-1报告已占用"));
}

#[test]
fn a_sensor_that_reports_the_place_taken_asks_less_of_the_camera() {
    let unsure = 0.33;
    Scene::new(DWELL, &zones()).car(unsure).check(&[]);
    Scene::new(DWELL, &zones()).word("bay-1", Some(true)).car(unsure).check(&["lane.motor"]);
}

#[test]
fn one_place_that_is_taken_outweighs_those_that_are_free_and_a_silent_sensor_has_no_say() {
    Scene::new(DWELL, &zones()).word("bay-1", Some(false)).word("bay-2", Some(true)).car(0.8).check(&["lane.motor"]);
    Scene::new(DWELL, &zones()).word("bay-1", Some(false)).word("bay-1", None).car(0.8).check(&["lane.motor"]);
}

#[test]
fn a_sensor_speaks_about_its_own_kinds_alone() {
    Scene::new(DWELL, &zones()).word_about("lane.goods", "bay-1", Some(false)).car(0.8).check(&["lane.motor"]);
}
