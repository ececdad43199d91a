//! What judging a camera's health costs: `cargo run --release -p detect --example health`.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "the result belongs on standard output")]

use detect::{Gauge, Health, HealthConfig};
use domain::{Millis, Timestamp};
use scenery::{Effect, Painter, street};

const LOOKS: u32 = 2_000;

/// CPU time of this thread, which a busy machine does not stretch.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).expect("nanoseconds") / 1e9
}

fn main() {
    for (width, height) in [(704, 576), (1920, 1080)] {
        let effect: Effect = toml::from_str("noise = 2.0").expect("an effect");
        let painter = Painter::new(Vec::new(), vec![effect], 1).expect("a painter");
        let street = street(width, height, 1);
        let paint = |n: i64, canvas| painter.paint(Millis(n * 10_000), canvas);
        let pictures: Vec<_> = (0..8).map(|n| paint(n, &street)).collect();
        // The same street turned by a fifth: each look searches for where it has gone.
        let mut turned = street.clone();
        for (i, pixel) in turned.pixels.iter_mut().enumerate() {
            *pixel = street.pixels[i / width * width + (i % width + width / 5) % width];
        }
        let away: Vec<_> = (0..8).map(|n| paint(n, &turned)).collect();
        for (what, pictures) in [("well", &pictures), ("moved", &away)] {
            let (mut health, mut gauge) = (Health::new(HealthConfig::default()), Gauge::default());
            health.set_reference(&paint(9, &street), &mut gauge).expect("sound");
            let begun = cpu_seconds();
            for n in 0..LOOKS {
                let picture = &pictures[n as usize % pictures.len()];
                health.look(picture, Timestamp(i64::from(n) * 10_000), &mut gauge).expect("sound");
            }
            let each = (cpu_seconds() - begun) * 1e3 / f64::from(LOOKS);
            println!("{width}x{height}, {what}: {each:.3} ms of CPU a look, {} faults", health.ailments().len());
        }
    }
}
