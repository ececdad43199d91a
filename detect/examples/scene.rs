//! What the scene's part of a look costs: `cargo run --release -p detect --example scene`. Under `valgrind --tool=callgrind
//! --toggle-collect='detect::scene::Scene::look'` the instructions, by function.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "the result belongs on standard output")]

use detect::{
    Scene, SceneConfig, Scratch,
    scene::{Need, Outcome},
};
use domain::{Millis, Picture, Timestamp};
use scenery::{Effect, Painter, street};

/// Cameras that are looked at in turn: their scenes do not fit the caches, as those of a city do not.
const CAMERAS: usize = 200;
const PICTURES: i64 = 8;

/// CPU time of this thread, which a busy machine does not stretch.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).expect("nanoseconds") / 1e9
}

fn main() {
    let looks: usize = std::env::args().nth(1).map_or(50, |n| n.parse().expect("looks at each camera"));
    for (width, height) in [(704, 576), (1920, 1080)] {
        let noise: Effect = toml::from_str("noise = 2.0").expect("an effect");
        let painter = Painter::new(Vec::new(), vec![noise], 1).expect("a painter");
        let street = street(width, height, 1);
        let pictures: Vec<_> = (0..PICTURES).map(|n| painter.paint(Millis(n * 10_000), &street)).collect();
        let mut scenes: Vec<_> = (0..CAMERAS).map(|_| Scene::new(SceneConfig::default())).collect();
        let (mut scratch, mut runs) = (Scratch::default(), 0_usize);
        let mut look = |n: usize| {
            let at = Timestamp(1_795_406_400_000 + n as i64 * 10_000);
            for (camera, scene) in scenes.iter_mut().enumerate() {
                let picture = &pictures[(n + camera) % pictures.len()];
                let detect = |_: &Picture, _| Ok(Vec::new());
                let seen = scene.look(picture, at, Need::IfChanged, &mut scratch, detect).expect("a look");
                runs += usize::from(seen.outcome != Outcome::Unchanged);
            }
        };
        (0..20).for_each(&mut look);
        let begun = cpu_seconds();
        (20..20 + looks).for_each(&mut look);
        let each = (cpu_seconds() - begun) * 1e3 / (CAMERAS * looks) as f64;
        println!(
            "{width}x{height}: {each:.3} ms of CPU a look, {runs} runs of the detector in {} looks",
            CAMERAS * (20 + looks)
        );
    }
}
