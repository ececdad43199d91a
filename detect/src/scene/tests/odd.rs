//! Input that no camera should send.

use proptest::prelude::*;

use super::*;
use crate::config::{GateConfig, StandingConfig};

#[test]
fn planes_that_do_not_hold_the_picture_are_an_error_and_cost_nothing() {
    let mut camera = Camera::new();
    camera.look(Canvas::street());
    let picture = Picture { height: 2000, ..Canvas::street().picture() };
    let seen = camera.scene.look(&picture, camera.at, Need::IfChanged, &mut camera.scratch, |_, _| Ok(Vec::new()));
    assert!(seen.expect_err("no picture").to_string().contains("2000"));
    assert_eq!(camera.look(Canvas::street()).outcome, Outcome::Unchanged);
}

#[test]
fn a_picture_of_another_size_is_another_view() {
    let mut camera = Camera::learnt(&Canvas::street());
    let picture = Picture::uniform(640, 480, [90, 120, 130]);
    let seen = camera.scene.look(&picture, camera.at, Need::IfChanged, &mut camera.scratch, |_, _| Ok(Vec::new()));
    let seen = seen.expect("a look");
    assert_eq!((seen.outcome, seen.relearn), (Outcome::Due, Some(super::super::Relearn::Size)));
}

#[derive(Debug, Clone)]
struct OddLook {
    size: (u32, u32),
    levels: [u8; 3],
    seed: u32,
    rough: bool,
    step: i64,
    always: bool,
    boxes: Vec<[f32; 4]>,
}

fn odd_look() -> impl Strategy<Value = OddLook> {
    let size = prop_oneof![
        Just((2, 2)),
        Just((3, 701)),
        Just((1001, 2)),
        Just((64, 48)),
        Just((64, 48)),
        Just((64, 48)),
        (2_u32..300, 2_u32..300),
    ];
    let step = prop_oneof![0_i64..20_000, Just(i64::MIN / 2), Just(i64::MAX / 2), -100_000_i64..0];
    let side = prop_oneof![-2.0_f32..3.0, Just(f32::NAN), Just(f32::INFINITY)];
    let boxes = prop::collection::vec([side.clone(), side.clone(), side.clone(), side], 0..4);
    (size, any::<[u8; 3]>(), any::<u32>(), any::<bool>(), step, any::<bool>(), boxes).prop_map(
        |(size, levels, seed, rough, step, always, boxes)| OddLook { size, levels, seed, rough, step, always, boxes },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_panics(looks in prop::collection::vec(odd_look(), 1..25), learn in 0_i64..30_000) {
        let standing = StandingConfig { learn: Millis(learn), after: Millis(learn / 3), ..StandingConfig::default() };
        let mut scene = Scene::new(SceneConfig { gate: GateConfig::default(), standing });
        let (mut scratch, mut at) = (Scratch::default(), Timestamp(0));
        for look in looks {
            at = Timestamp(at.0.saturating_add(look.step));
            let mut picture = Picture::uniform(look.size.0, look.size.1, look.levels);
            if look.rough {
                let width = look.size.0 as usize;
                let luma = (0..picture.planes[0].len()).map(|i| (grain(i % width / 9, i / width / 7, look.seed) * 255.0) as u8);
                picture.planes[0] = luma.collect::<Vec<u8>>().into();
            }
            let found: Vec<Detection> = look.boxes.iter().map(|b| Detection { bbox: (*b).into(), ..detection("car", [0; 4]) }).collect();
            let need = if look.always { Need::Always } else { Need::IfChanged };
            let seen = scene.look(&picture, at, need, &mut scratch, |_, _| Ok(found)).expect("a sound picture");
            for thing in standing_of(&seen) {
                prop_assert!((0.0..=1.0).contains(&thing.score));
                prop_assert!(thing.bbox == thing.bbox.clamped() && thing.bbox.area() > 0.0);
            }
        }
    }
}

fn standing_of(seen: &Seen) -> Vec<Detection> {
    super::standing(seen)
}
