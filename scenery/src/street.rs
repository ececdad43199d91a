//! A drawn street for scenes that need no photograph: carriageway, kerb, pavement and house fronts in perspective, with
//! the grain of real surfaces.

use crate::{Canvas, grain};

/// Where the house fronts end and the ground begins, as a share of the height.
const HORIZON: f32 = 0.3;
/// Where the kerb runs, as shares of the width at the horizon and at the lower edge.
const KERB: (f32, f32) = (0.62, 0.72);

/// A street of this size. Left is the carriageway with a dashed middle line, right the pavement behind the kerb.
#[must_use]
pub fn street(width: usize, height: usize, seed: u64) -> Canvas {
    let mut canvas = Canvas::uniform(width, height, [0.0; 3]);
    for row in 0..height {
        for column in 0..width {
            let (x, y) = (column as f32 / width as f32, row as f32 / height as f32);
            let base = if y < HORIZON { front(x, y) } else { ground(x, (y - HORIZON) / (1.0 - HORIZON), seed) };
            let fine = grain::normal(seed, (row * width + column) as u64) * 4.0;
            let patch = grain::normal(grain::seed(seed, 9), (row / 11 * 997 + column / 17) as u64) * 3.0;
            canvas.pixels[row * width + column] = base.map(|c| (c + fine + patch).clamp(0.0, 255.0));
        }
    }
    canvas.blurred(1)
}

fn front(x: f32, y: f32) -> [f32; 3] {
    let house = (x * 5.0) as u32;
    let wall = [
        [150.0, 120.0, 100.0],
        [172.0, 166.0, 154.0],
        [132.0, 96.0, 82.0],
        [160.0, 150.0, 120.0],
        [120.0, 124.0, 130.0],
    ];
    let (across, up) = ((x * 15.0).fract(), (y / HORIZON * 3.0).fract());
    if (0.25..0.75).contains(&across) && (0.2..0.75).contains(&up) {
        [52.0, 60.0, 70.0]
    } else {
        wall[house.min(4) as usize]
    }
}

/// `depth` from 0 at the horizon to 1 at the lower edge.
fn ground(x: f32, depth: f32, seed: u64) -> [f32; 3] {
    let kerb = KERB.0 + (KERB.1 - KERB.0) * depth;
    // What is twice as far away is twice as small.
    let scale = 0.12 + 0.88 * depth;
    let along = (1.0 / scale * 6.0).fract();
    if x > kerb + 0.012 * scale {
        let across = ((x - kerb) / scale * 14.0).fract();
        let joint = across < 0.08 || (1.0 / scale * 24.0).fract() < 0.1;
        if joint { [128.0, 122.0, 116.0] } else { [158.0, 152.0, 146.0] }
    } else if x > kerb {
        [188.0, 188.0, 184.0]
    } else {
        let middle = 0.34 - 0.14 * depth;
        let dash = (x - middle).abs() < 0.006 * scale && along < 0.5;
        let worn = grain::normal(seed, (x * 40.0) as u64) * 3.0;
        if dash { [206.0, 204.0, 196.0] } else { [92.0 + worn, 93.0 + worn, 96.0 + worn] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_street_has_a_dark_carriageway_and_a_light_pavement() {
        let street = street(320, 240, 1);
        let mean = |x: std::ops::Range<usize>| {
            let pixels: Vec<f32> = (160..230)
                .flat_map(|y| x.clone().map(move |x| (x, y)))
                .map(|(x, y)| street.pixels[y * 320 + x][1])
                .collect();
            pixels.iter().sum::<f32>() / pixels.len() as f32
        };
        assert!(mean(20..60) < 110.0 && mean(260..310) > 135.0, "{} and {}", mean(20..60), mean(260..310));
    }
}
