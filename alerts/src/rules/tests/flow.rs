//! Traffic: at every look some vehicle is at the spot, and none of them stands.

use proptest::prelude::*;

use super::*;

/// Cars one behind the other on one lane, each of its own size, at a speed in picture widths per second.
struct Traffic {
    speed: f32,
    /// From one car's front to the next one's, in picture widths.
    spacing: f32,
    seed: u32,
}

impl Traffic {
    fn at(&self, second: f32) -> Vec<Detection> {
        let travelled = self.speed * second;
        let first = (-travelled / self.spacing).floor() as i32 - 1;
        (first..first + (1.4 / self.spacing) as i32 + 3)
            .filter_map(|k| {
                let own = self.seed.wrapping_add((k as u32).wrapping_mul(7));
                let width = 0.13 + 0.04 * noise(own);
                let x = k as f32 * self.spacing + noise(own.wrapping_add(1)) * 0.15 * self.spacing + travelled;
                let height = 0.1 + 0.04 * noise(own.wrapping_add(2));
                let inside = x > -0.5 * width && x < 1.0 - 0.5 * width;
                inside.then(|| {
                    jitter(thing("vehicle", 0.75, x, 0.6, width, height), own.wrapping_add(second as u32), 0.03)
                })
            })
            .collect()
    }
}

#[track_caller]
fn check_flow(traffic: &Traffic, every: Millis, config: &str) {
    let mut scene = Scene::new(config, &[zone("z", ZonePurpose::NoStopping, [0.0, 0.0, 1.0, 1.0])]);
    for n in 0..600 {
        scene.look(&traffic.at(n as f32 * every.0 as f32 / 1000.0));
        scene.wait(every);
    }
    assert!(scene.confirmed.is_empty(), "{}", scene.confirmed[0].reason);
}

const SHORT: &str = "[\"lane.motor\"]\ndwell = \"20s\"";

#[test]
fn dense_traffic_at_two_second_looks_is_no_blocked_lane() {
    for seed in 0..6 {
        check_flow(&Traffic { speed: 0.31, spacing: 0.24, seed }, Millis::secs(2), "");
        check_flow(&Traffic { speed: 0.31, spacing: 0.24, seed }, Millis::secs(2), SHORT);
    }
}

#[test]
fn slow_and_dense_traffic_is_no_blocked_lane() {
    for seed in 0..6 {
        check_flow(&Traffic { speed: 0.02, spacing: 0.2, seed }, Millis::secs(2), SHORT);
        check_flow(
            &Traffic { speed: 0.05, spacing: 0.22, seed },
            Millis::secs(10),
            "[\"lane.motor\"]\ndwell = \"100s\"",
        );
    }
}

#[test]
fn a_crawl_that_the_looks_keep_step_with_is_no_blocked_lane() {
    // Each second or third look shows cars at nearly the same places as before.
    for seed in (0..12).chain([1573]) {
        for every in [5124, 6736, 7000] {
            let dwell = format!("\"lane.motor\" = {{ dwell = \"{}ms\", max_gap = \"{}ms\" }}", every * 10, every * 8);
            check_flow(&Traffic { speed: 0.02, spacing: 0.20494793, seed }, Millis(every), &dwell);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_traffic_that_moves_is_a_blocked_lane(
        speed in 0.02_f32..0.6,
        spacing in 0.2_f32..0.6,
        seed in 0_u32..10_000,
        every in 2_000_i64..10_000,
        looks_a_dwell in 10_i64..30,
    ) {
        // Looks that keep step with the traffic show the same picture each time; no chance sampling does that for long.
        let step = (speed * every as f32 / 1000.0 / spacing).fract();
        prop_assume!((0.1..0.9).contains(&step));
        let dwell = format!("\"lane.motor\" = {{ dwell = \"{}ms\", max_gap = \"{}ms\" }}", every * looks_a_dwell, every * 8);
        check_flow(&Traffic { speed, spacing, seed }, Millis(every), &dwell);
    }
}

/// A traffic light: for `red` looks the first car stands at the stop line and others behind it, for `green` looks the
/// queue runs off.
fn at_the_light(n: u32, red: u32, green: u32) -> Vec<Detection> {
    let (cycle, phase) = (n / (red + green), n % (red + green));
    let queue = (0..4).map(|k| {
        let own = cycle * 31 + k * 5;
        let halt = 0.62 - 0.19 * k as f32 + (noise(own) - 0.5) * 0.05;
        let size = (0.14 + 0.03 * noise(own.wrapping_add(1)), 0.1 + 0.03 * noise(own.wrapping_add(2)));
        (halt, size)
    });
    let moved = phase.saturating_sub(red) as f32 * 0.17;
    queue
        .map(|(halt, (w, h))| jitter(thing("vehicle", 0.75, halt + moved, 0.6, w, h), n, 0.03))
        .filter(|d| d.bbox.x0 < 0.95)
        .collect()
}

#[test]
fn the_queue_at_a_traffic_light_is_no_blocked_lane() {
    for (red, green) in [(15, 10), (30, 15), (40, 12), (45, 20)] {
        let mut scene = Scene::street();
        scene.play(Millis::mins(60), |n| at_the_light(n, red, green));
        assert!(
            scene.confirmed.is_empty(),
            "{red} {green}: {} at {:?}",
            scene.confirmed[0].reason,
            scene.confirmed[0].bbox
        );
    }
}

#[test]
fn a_car_parked_behind_passing_traffic_is_found() {
    // The kerb is at 0.5; traffic passes on the near lane and hides part of the parked car or all of it.
    let traffic = Traffic { speed: 0.3, spacing: 0.5, seed: 3 };
    let mut scene = Scene::street();
    scene.play(Millis::mins(12), |n| {
        let passing: Vec<_> = traffic
            .at(n as f32 * 2.0)
            .into_iter()
            .map(|mut d| {
                d.bbox.y0 += 0.05;
                d.bbox.y1 += 0.05;
                d
            })
            .collect();
        let parked = thing("vehicle", 0.7, 0.4, 0.58, 0.15, 0.11);
        let hidden = passing.iter().any(|d| d.bbox.iou(parked.bbox) > 0.25);
        let mut seen = passing;
        if !hidden {
            seen.push(jitter(parked, n, 0.03));
        }
        seen
    });
    scene.check(&["lane.motor"]);
    assert!((scene.confirmed[0].bbox.x0 - 0.4).abs() < 0.03);
}
