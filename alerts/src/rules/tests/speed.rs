//! How long a look takes; printed, not judged, since test machines differ.

use std::time::Instant;

use super::*;

#[test]
fn a_look_with_ten_detections_takes_microseconds() {
    let zones = [
        zone("lane", ZonePurpose::NoStopping, [0.0, 0.0, 0.5, 1.0]),
        zone("pavement", ZonePurpose::Pavement, [0.5, 0.0, 1.0, 1.0]),
    ];
    let mut scene = Scene::new("", &zones);
    let picture = |n: u32| -> Vec<Detection> {
        let labels = [
            "vehicle",
            "vehicle",
            "person",
            "person",
            "two_wheeler",
            "two_wheeler",
            "umbrella",
            "table",
            "person",
            "vehicle",
        ];
        labels
            .iter()
            .enumerate()
            .map(|(k, l)| jitter(thing(l, 0.6, 0.09 * k as f32, 0.6, 0.08, 0.1), n + k as u32, 0.04))
            .collect()
    };
    let pictures: Vec<_> = (0..64).map(picture).collect();
    let looks = 2_000_usize;
    let started = Instant::now();
    for n in 0..looks {
        scene.look(&pictures[n % pictures.len()]);
        scene.wait(Millis::secs(2));
    }
    println!("{:?} per look", started.elapsed() / looks as u32);
    assert!(!scene.confirmed.is_empty());
}
