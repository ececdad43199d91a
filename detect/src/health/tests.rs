//! Health on painted pictures: a street whose camera is covered, turned, smeared, frozen, and one that is only looked at in bad
//! weather.

use domain::{CameraFault, Millis, Picture, Timestamp, health::Turn};
use proptest::prelude::*;
use scenery::{Canvas, Effect, Painter, street};

use super::{Gauge, Health, measure};
use crate::config::HealthConfig;

/// Looks, ten seconds apart, within which each fault is found; and after which it is over again.
const FOUND_WITHIN: u32 = 8;
const OVER_WITHIN: u32 = 5;

/// A street with a camera; every look has its own noise.
struct Street {
    canvas: Canvas,
    gauge: Gauge,
    health: Health,
    looks: u32,
}

impl Street {
    fn new() -> Self {
        let mut street = Self {
            canvas: street(352, 288, 7),
            gauge: Gauge::default(),
            health: Health::new(HealthConfig::default()),
            looks: 0,
        };
        let picture = street.paint("noise = 2.0");
        street.health.set_reference(&picture, &mut street.gauge).expect("sound");
        street
    }

    fn paint(&self, effect: &str) -> Picture {
        let effect: Effect = toml::from_str(effect).expect("an effect");
        let painter = Painter::new(Vec::new(), vec![effect], 3).expect("a painter");
        painter.paint(Millis(i64::from(self.looks) * 10_000 + 5), &self.canvas)
    }

    fn look(&mut self, picture: &Picture) -> Vec<CameraFault> {
        self.looks += 1;
        let at = Timestamp(1_795_406_400_000 + i64::from(self.looks) * 10_000);
        let changes = self.health.look(picture, at, &mut self.gauge).expect("sound");
        for change in changes {
            let believed = self.health.ailments().iter().any(|ailment| ailment.fault == change.fault);
            assert_eq!(believed, matches!(change.turn, Turn::Ill(_)), "{change:?}");
        }
        self.health.ailments().iter().map(|ailment| ailment.fault).collect()
    }

    /// So many looks under an effect find nothing.
    #[track_caller]
    fn well(&mut self, effect: &str, looks: u32) -> &mut Self {
        for _ in 0..looks {
            let picture = self.paint(effect);
            assert_eq!(self.look(&picture), [], "{effect}, look {}", self.looks);
        }
        self
    }

    /// The fault, and no other, is found in these pictures, and over after some good ones.
    #[track_caller]
    fn finds(&mut self, fault: CameraFault, within: u32, mut picture: impl FnMut(&Self) -> Picture) -> &mut Self {
        let mut found = false;
        for _ in 0..within {
            let picture = picture(self);
            let faults = self.look(&picture);
            found |= faults == [fault];
            assert!(faults.iter().all(|f| *f == fault), "{faults:?} instead of {fault}");
        }
        assert!(found, "{fault} was not found within {within} looks");
        for look in 0.. {
            let picture = self.paint("noise = 2.0");
            if self.look(&picture).is_empty() {
                break;
            }
            assert!(look < OVER_WITHIN, "{fault} is not over after {look} looks");
        }
        self
    }

    /// The view moved by so many pixels.
    fn moved(&self, dx: isize, dy: isize) -> Picture {
        let mut other = Self {
            canvas: self.canvas.clone(),
            gauge: Gauge::default(),
            health: Health::new(HealthConfig::default()),
            ..*self
        };
        let (w, h) = (self.canvas.width as isize, self.canvas.height as isize);
        for y in 0..h {
            for x in 0..w {
                let from = ((y + dy).rem_euclid(h) * w + (x + dx).rem_euclid(w)) as usize;
                other.canvas.pixels[(y * w + x) as usize] = self.canvas.pixels[from];
            }
        }
        other.paint("noise = 2.0")
    }
}

#[test]
fn weather_light_and_time_are_no_fault() {
    let mut street = Street::new();
    for effect in [
        "noise = 2.0",
        "noise = 6.0",
        "rain = 1.0\nnoise = 2.0",
        "fog = 0.6\nnoise = 2.0",
        "night = 1.0\nnoise = 3.0\nheadlights = \"20s\"",
        "gain = 0.5\nnoise = 2.0",
        "gain = 1.5\nnoise = 2.0",
        "clouds = \"60s\"\nnoise = 2.0",
        "shake = 1.0\nnoise = 2.0",
    ] {
        street.well(effect, 20);
    }
}

#[test]
fn each_fault_is_found_and_is_over_again() {
    let mut street = Street::new();
    street
        .well("noise = 2.0", 5)
        .finds(CameraFault::Blurred, FOUND_WITHIN, |s| s.paint("blur = 3.0\nnoise = 2.0"))
        .finds(CameraFault::Dark, FOUND_WITHIN, |s| s.paint("gain = 0.06\nnoise = 1.0"))
        .finds(CameraFault::Moved, FOUND_WITHIN, |s| s.moved(35, -18))
        .finds(CameraFault::Blind, FOUND_WITHIN, |_| Picture::uniform(352, 288, [120, 128, 128]))
        .well("noise = 2.0", 5);
}

#[test]
fn what_seems_to_be_wrong_is_in_doubt_before_it_is_believed() {
    let mut street = Street::new();
    street.well("noise = 2.0", 5);
    assert_eq!(street.health.doubt(), None);
    assert_eq!(street.look(&Picture::uniform(352, 288, [120, 128, 128])), []);
    assert_eq!(street.health.doubt(), Some(CameraFault::Blind));
    let moved = street.moved(35, -18);
    assert_eq!(street.look(&moved), []);
    assert_eq!(street.health.doubt(), Some(CameraFault::Moved));
    street.well("noise = 2.0", 1);
    assert_eq!(street.health.doubt(), None);
}

#[test]
fn a_cover_over_most_of_the_view_is_found_though_the_clock_is_still_there() {
    let cover = |s: &Street| {
        let mut canvas = s.canvas.clone();
        for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
            let (x, y) = (i % 352, i / 352);
            let on = (x / 3 + y / 5 + s.looks as usize).is_multiple_of(2);
            *pixel = if y < 16 && x < 100 && on { [230.0; 3] } else { [92.0 + x as f32 * 0.05; 3] };
        }
        canvas.to_picture()
    };
    Street::new().finds(CameraFault::Blind, FOUND_WITHIN, cover);
}

#[test]
fn where_the_view_went_is_told() {
    let mut street = Street::new();
    for _ in 0..FOUND_WITHIN {
        let picture = street.moved(44, 0);
        street.look(&picture);
    }
    let (x, y) = street.health.displacement().expect("a place");
    assert!((x + 44.0 / 352.0).abs() < 0.02 && y.abs() < 0.03, "{x} {y}");
}

#[test]
fn another_view_is_found_even_if_it_is_nowhere_in_the_reference() {
    let mut street = Street::new();
    let other: Canvas = {
        let mut canvas = Canvas::uniform(352, 288, [140.0; 3]);
        for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
            let (x, y) = ((i % 352) as f32, (i / 352) as f32);
            *pixel = [110.0 + 60.0 * (x * 0.09 + y * 0.05).sin() + 40.0 * (y * 0.13 - x * 0.02).cos(); 3];
        }
        canvas
    };
    street.finds(CameraFault::Moved, 20, |s| {
        let painter = Painter::new(Vec::new(), vec![toml::from_str("noise = 2.0").expect("an effect")], 3);
        painter.expect("a painter").paint(Millis(i64::from(s.looks) * 10_000), &other)
    });
}

#[test]
fn a_frozen_picture_is_found_though_its_clock_runs() {
    let mut street = Street::new();
    street.well("noise = 2.0", 3);
    let still = street.paint("noise = 2.0");
    let with_clock = move |s: &Street| {
        let mut luma = still.planes[0].to_vec();
        for (digit, row) in (4..14).enumerate() {
            luma[row * 352 + 10..row * 352 + 60].fill(30 + (s.looks as usize * 37 + digit * 11) as u8 % 200);
        }
        Picture { planes: [luma.into(), still.planes[1].clone(), still.planes[2].clone()], ..still.clone() }
    };
    // Two minutes, and the look that showed it first.
    street.finds(CameraFault::Frozen, 14, with_clock);
}

#[test]
fn a_still_street_with_little_noise_is_not_frozen() {
    Street::new().well("noise = 0.4", 40);
}

#[test]
fn a_lorry_in_front_of_half_the_view_is_no_fault() {
    let mut street = Street::new();
    let clear = street.canvas.clone();
    for (i, pixel) in street.canvas.pixels.iter_mut().enumerate() {
        let (x, y) = (i % 352, i / 352);
        if (60..230).contains(&x) && (70..260).contains(&y) {
            *pixel = if (x / 20 + y / 30).is_multiple_of(3) { [60.0, 70.0, 120.0] } else { [180.0, 176.0, 170.0] };
        }
    }
    street.well("noise = 2.0", 60);
    street.canvas = clear;
    street.well("noise = 2.0", 5);
}

#[test]
fn a_new_reference_ends_moved_at_once() {
    let mut street = Street::new();
    for _ in 0..FOUND_WITHIN {
        let picture = street.moved(35, -18);
        street.look(&picture);
    }
    let picture = street.moved(35, -18);
    let changes = street.health.set_reference(&picture, &mut street.gauge).expect("sound");
    assert_eq!(changes, [super::Change { fault: CameraFault::Moved, turn: Turn::Well }]);
    assert!(street.health.is_well());
}

#[test]
fn a_picture_that_is_none_is_an_error_and_changes_nothing() {
    let mut street = Street::new();
    let mut cut = street.paint("noise = 2.0");
    cut.planes[0] = cut.planes[0].slice(..1000);
    assert!(street.health.look(&cut, Timestamp(0), &mut street.gauge).is_err());
    assert!(street.health.set_reference(&cut, &mut street.gauge).is_err());
    street.well("noise = 2.0", 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Any picture of any size at any time is judged without a panic, and what is believed is told once each time.
    #[test]
    fn anything_in_any_order_is_judged(
        looks in prop::collection::vec((2_u32..400, 2_u32..300, any::<[u8; 3]>(), -100_000_i64..1_000_000), 1..40),
    ) {
        let (mut gauge, mut health) = (Gauge::default(), Health::new(HealthConfig::default()));
        let mut told: Vec<CameraFault> = Vec::new();
        for (n, (width, height, color, at)) in looks.into_iter().enumerate() {
            let picture = Picture::uniform(width, height, color);
            if n == 3 {
                health.set_reference(&picture, &mut gauge).expect("sound");
            }
            for change in health.look(&picture, Timestamp(at), &mut gauge).expect("sound") {
                let known = told.contains(&change.fault);
                prop_assert_eq!(known, change.turn == Turn::Well);
                if known { told.retain(|f| *f != change.fault) } else { told.push(change.fault) }
            }
            let mut believed: Vec<_> = health.ailments().iter().map(|ailment| ailment.fault).collect();
            believed.sort_unstable();
            told.sort_unstable();
            prop_assert_eq!(&believed, &told);
        }
    }
}

#[test]
fn small_pictures_have_no_edges_to_judge() {
    let mut gauge = Gauge::default();
    let picture = Picture::uniform(60, 40, [100, 128, 128]);
    assert!(gauge.edges(&picture, measure::EDGE).iter().all(|edges| edges.n == 0));
}
