//! Weather, light and camera faults: what lies between a street and a look at it.

use domain::{Millis, Point};
use serde::Deserialize;

use crate::{Canvas, grain};

/// What changes the whole picture, for a while. Strengths are from 0 to 1 unless said otherwise; several effects at one
/// time all work.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Effect {
    /// When it begins.
    pub from: Millis,
    /// When it ends; never where absent.
    pub until: Option<Millis>,
    /// How long it takes to reach its full strength; at once where absent.
    pub fade: Millis,
    /// Brightness of the picture as a factor: a camera that changes its exposure.
    pub gain: Option<f32>,
    /// Night under street lamps: dark, bluish, low in contrast.
    pub night: Option<f32>,
    /// A car's headlights sweep over the ground each so often.
    pub headlights: Option<Millis>,
    /// The shadow of a cloud passes each so often, and takes a third of the light with it.
    pub clouds: Option<Millis>,
    /// The shadow of a house: its slanted edge wanders over the picture from the left to the right in so long.
    pub shade: Option<Millis>,
    /// A lamp that somebody has hung up.
    pub lamp: Option<Lamp>,
    /// Streaks of rain, a wet and flat picture.
    pub rain: Option<f32>,
    /// Fog: the farther up the picture, the greyer.
    pub fog: Option<f32>,
    /// A mast in the wind: pixels of deviation from one look to the next.
    pub shake: Option<f32>,
    /// Out of focus: a radius in pixels.
    pub blur: Option<f32>,
    /// Noise of the sensor: its deviation, in steps of 255.
    pub noise: Option<f32>,
}

/// A lamp and the light around it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lamp {
    /// Where it hangs, relative to the picture.
    pub at: Point,
    /// How far its light reaches, as a share of the picture's width.
    pub reach: f32,
}

impl Effect {
    /// How much of it works at `t`, 0 to 1.
    fn strength(&self, t: Millis) -> f32 {
        if t < self.from || self.until.is_some_and(|until| t >= until) {
            return 0.0;
        }
        if self.fade > Millis::ZERO { ((t.0 - self.from.0) as f32 / self.fade.0 as f32).min(1.0) } else { 1.0 }
    }

    /// What is wrong with it, if anything: the key and what it must be.
    pub(crate) fn fault(&self) -> Option<(&'static str, &'static str)> {
        let shares = [("night", self.night), ("rain", self.rain), ("fog", self.fog)];
        if let Some((key, _)) = shares.into_iter().find(|(_, v)| v.is_some_and(|v| !(0.0..=1.0).contains(&v))) {
            return Some((key, "must be from 0 to 1"));
        }
        let pixels = [("shake", self.shake), ("blur", self.blur), ("noise", self.noise)];
        if let Some((key, _)) = pixels.into_iter().find(|(_, v)| v.is_some_and(|v| !(0.0..=50.0).contains(&v))) {
            return Some((key, "must be from 0 to 50"));
        }
        if self.gain.is_some_and(|v| !(0.0..=10.0).contains(&v)) {
            return Some(("gain", "must be from 0 to 10"));
        }
        if self.lamp.is_some_and(|lamp| !(0.01..=1.0).contains(&lamp.reach)) {
            return Some(("lamp.reach", "must be from 0.01 to 1"));
        }
        let periods = [("headlights", self.headlights), ("clouds", self.clouds), ("shade", self.shade)];
        periods
            .into_iter()
            .find(|(_, v)| v.is_some_and(|v| v <= Millis::ZERO))
            .map(|(key, _)| (key, "must be longer than nothing"))
    }
}

/// Puts all effects on a picture of the time `t`, in the order in which light takes them.
pub(crate) fn apply(canvas: &mut Canvas, effects: &[Effect], t: Millis, seed: u64) {
    let seed = grain::seed(seed, t.0 as u64);
    let active: Vec<(&Effect, f32)> =
        effects.iter().map(|e| (e, e.strength(t))).filter(|(_, strength)| *strength > 0.0).collect();
    let each = |pick: fn(&Effect) -> Option<f32>| active.iter().filter_map(move |(e, s)| Some((pick(e)?, *s)));
    for (period, strength) in active.iter().filter_map(|(e, s)| Some((e.clouds?, *s))) {
        clouds(canvas, t, period, strength);
    }
    for (period, strength) in active.iter().filter_map(|(e, s)| Some((e.shade?, *s))) {
        shade(canvas, t, period, strength);
    }
    for (night, strength) in each(|e| e.night) {
        darken(canvas, night * strength);
    }
    for (lamp, strength) in active.iter().filter_map(|(e, s)| Some((e.lamp?, *s))) {
        light(canvas, lamp, strength);
    }
    for (period, strength) in active.iter().filter_map(|(e, s)| Some((e.headlights?, *s))) {
        headlights(canvas, t, period, strength);
    }
    for (fog, strength) in each(|e| e.fog) {
        grey(canvas, fog * strength);
    }
    for (rain, strength) in each(|e| e.rain) {
        streaks(canvas, rain * strength, grain::seed(seed, 1));
    }
    for (radius, strength) in each(|e| e.blur) {
        let radius = (radius * strength).round() as usize;
        if radius > 0 {
            *canvas = canvas.blurred(radius);
        }
    }
    for (deviation, strength) in each(|e| e.shake) {
        let d = |n| grain::normal(grain::seed(seed, 2), n) * deviation * strength;
        *canvas = canvas.moved(d(0), d(1));
    }
    for (gain, strength) in each(|e| e.gain) {
        let gain = 1.0 + (gain - 1.0) * strength;
        canvas.pixels.iter_mut().flatten().for_each(|c| *c *= gain);
    }
    for (deviation, strength) in each(|e| e.noise) {
        let seed = grain::seed(seed, 3);
        for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
            let n = grain::normal(seed, i as u64) * deviation * strength;
            // Luma carries most of a sensor's noise by the time that a camera has encoded it.
            *pixel = [pixel[0] + n, pixel[1] + n, pixel[2] + n * 1.2];
        }
    }
    canvas.pixels.iter_mut().flatten().for_each(|c| *c = c.clamp(0.0, 255.0));
}

/// A soft-edged shadow that crosses the picture from the left in a third of its period.
fn clouds(canvas: &mut Canvas, t: Millis, period: Millis, strength: f32) {
    let phase = (t.0 % period.0) as f32 / period.0 as f32 * 3.0;
    let middle = -0.7 + phase * 2.4;
    let width = canvas.width;
    for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
        let x = (i % width) as f32 / width as f32;
        let depth = (1.0 - ((x - middle).abs() - 0.5) / 0.12).clamp(0.0, 1.0);
        let light = 1.0 - 0.35 * strength * depth;
        *pixel = pixel.map(|c| c * light);
    }
}

/// A hard shadow that takes half of the coded light, as the sun's do, behind an edge that leans over.
fn shade(canvas: &mut Canvas, t: Millis, period: Millis, strength: f32) {
    let edge = -0.3 + 1.6 * (t.0 as f32 / period.0 as f32).min(1.0);
    let (columns, width, height) = (canvas.width, canvas.width as f32, canvas.height as f32);
    for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
        let (x, y) = ((i % columns) as f32 / width, (i / columns) as f32 / height);
        let depth = ((edge - 0.25 * y - x) / 0.008 + 0.5).clamp(0.0, 1.0);
        let light = 1.0 - 0.45 * strength * depth;
        // The sky still lights what the sun does not.
        *pixel = [pixel[0] * light, pixel[1] * light, pixel[2] * light.powf(0.85)];
    }
}

/// Warm light that fades with the distance, and the bright bulb.
fn light(canvas: &mut Canvas, lamp: Lamp, strength: f32) {
    let (columns, width, height) = (canvas.width, canvas.width as f32, canvas.height as f32);
    for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
        let (dx, dy) = ((i % columns) as f32 / width - lamp.at.x, ((i / columns) as f32 - lamp.at.y * height) / width);
        let away = (dx * dx + dy * dy) / (lamp.reach * lamp.reach);
        let (lit, bulb) = (1.6 * strength * (-away).exp(), 220.0 * strength * (-away * 60.0).exp());
        let tint = [1.0, 0.9, 0.68];
        for (c, tint) in pixel.iter_mut().zip(tint) {
            *c = *c * (1.0 + lit * tint) + bulb * tint;
        }
    }
}

fn darken(canvas: &mut Canvas, night: f32) {
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    let columns = canvas.width;
    for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
        let (x, y) = ((i % columns) as f32 / width, (i / columns) as f32 / height);
        // Two lamps along the street; between them less light.
        let lamp = |lx: f32, ly: f32| (-((x - lx).powi(2) / 0.07 + (y - ly).powi(2) / 0.11)).exp();
        let light = 0.30 + 0.34 * lamp(0.35, 0.6).max(lamp(0.85, 0.55));
        let tint = [1.04, 0.98, 0.86];
        for (c, tint) in pixel.iter_mut().zip(tint) {
            let dark = *c * light * tint + 6.0;
            *c += (dark - *c) * night;
        }
    }
}

/// Two lamps with a pool of light before them, crossing from the right in four seconds.
fn headlights(canvas: &mut Canvas, t: Millis, period: Millis, strength: f32) {
    let local = (t.0 % period.0) as f32 / 1_000.0;
    let share = local / 4.0;
    if share >= 1.0 {
        return;
    }
    let (cx, cy) = (1.15 - 1.3 * share, 0.55 + 0.25 * share);
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    let columns = canvas.width;
    for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
        let (x, y) = ((i % columns) as f32 / width, (i / columns) as f32 / height);
        let spot = |dx: f32, size: f32| (-((x - cx - dx).powi(2) + (y - cy).powi(2)) / size).exp();
        let pool = (-((x - cx + 0.16).powi(2) / 0.02 + (y - cy - 0.08).powi(2) / 0.008)).exp();
        let light = (spot(-0.03, 0.0006) + spot(0.03, 0.0006)) * 240.0 + pool * 90.0;
        *pixel = [pixel[0] + light * strength, pixel[1] + light * 0.97 * strength, pixel[2] + light * 0.85 * strength];
    }
}

fn grey(canvas: &mut Canvas, fog: f32) {
    let (columns, height) = (canvas.width, canvas.height as f32);
    for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
        let far = 1.0 - (i / columns) as f32 / height;
        let share = fog * (0.25 + 0.7 * far).min(0.92);
        *pixel = pixel.map(|c| c + (198.0 - c) * share);
    }
}

fn streaks(canvas: &mut Canvas, rain: f32, seed: u64) {
    for pixel in &mut canvas.pixels {
        *pixel = pixel.map(|c| c + (118.0 - c) * 0.22 * rain);
    }
    let drops = (rain * (canvas.width * canvas.height) as f32 / 900.0) as u64;
    let length = canvas.height as f32 * 0.035;
    for drop in 0..drops {
        let at = |n| grain::uniform(grain::seed(seed, drop), n);
        let (x, y) = (at(0) * canvas.width as f32, at(1) * canvas.height as f32);
        let long = length * (0.5 + at(2));
        for step in 0..long as usize {
            let (x, y) = ((x - step as f32 * 0.15) as usize, y as usize + step);
            if x < canvas.width && y < canvas.height {
                let pixel = &mut canvas.pixels[y * canvas.width + x];
                *pixel = pixel.map(|c| c + (205.0 - c) * 0.3);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(canvas: &Canvas) -> f32 {
        canvas.pixels.iter().map(|p| p[1]).sum::<f32>() / canvas.pixels.len() as f32
    }

    fn under(text: &str, seconds: i64) -> Canvas {
        let mut canvas = Canvas::uniform(64, 48, [120.0; 3]);
        let effect: Effect = toml::from_str(text).expect("an effect");
        assert_eq!(effect.fault(), None);
        apply(&mut canvas, &[effect], Millis::secs(seconds), 5);
        canvas
    }

    #[test]
    fn exposure_jumps_or_drifts_within_its_time() {
        assert_eq!(mean(&under("gain = 1.5\nfrom = \"10s\"\nuntil = \"20s\"", 9)), 120.0);
        assert_eq!(mean(&under("gain = 1.5\nfrom = \"10s\"\nuntil = \"20s\"", 10)), 180.0);
        assert_eq!(mean(&under("gain = 1.5\nfrom = \"10s\"\nuntil = \"20s\"", 20)), 120.0);
        assert_eq!(mean(&under("gain = 1.5\nfrom = \"10s\"\nfade = \"20s\"", 20)), 150.0);
    }

    #[test]
    fn night_is_dark_fog_is_grey_above_and_noise_is_noise() {
        assert!(mean(&under("night = 1.0", 0)) < 80.0);
        let fog = under("fog = 1.0", 0);
        assert!(fog.pixels[0][1] > fog.pixels[47 * 64][1] + 20.0);
        let noisy = under("noise = 6.0", 0);
        let deviation =
            (noisy.pixels.iter().map(|p| (p[1] - 120.0).powi(2)).sum::<f32>() / noisy.pixels.len() as f32).sqrt();
        assert!((deviation - 6.0).abs() < 0.6, "{deviation}");
    }

    #[test]
    fn lights_and_clouds_come_and_go() {
        assert!(mean(&under("headlights = \"30s\"", 2)) > 122.0);
        assert_eq!(mean(&under("headlights = \"30s\"", 10)), 120.0);
        assert!(mean(&under("clouds = \"60s\"", 10)) < 100.0);
        assert_eq!(mean(&under("clouds = \"60s\"", 40)), 120.0);
    }

    #[test]
    fn a_shadow_wanders_and_a_lamp_lights_what_is_near() {
        let shaded = |seconds| under("shade = \"100s\"", seconds).pixels.iter().filter(|p| p[1] < 100.0).count();
        assert!(shaded(0) == 0 && shaded(30) > 0 && shaded(60) > shaded(30) && shaded(100) == 64 * 48);
        let lit = under("lamp = { at = [0.5, 0.5], reach = 0.1 }", 0);
        assert!(lit.pixels[24 * 64 + 32][0] > 200.0 && lit.pixels[0][0] < 121.0);
    }

    #[test]
    fn the_same_time_gives_the_same_picture_and_another_time_another() {
        assert_eq!(under("rain = 0.7\nshake = 2.0\nnoise = 3.0", 8), under("rain = 0.7\nshake = 2.0\nnoise = 3.0", 8));
        assert!(under("rain = 0.7", 8) != under("rain = 0.7", 9));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let fault = |text: &str| toml::from_str::<Effect>(text).expect("an effect").fault().map(|(key, _)| key);
        assert_eq!(fault("rain = 2.0"), Some("rain"));
        assert_eq!(fault("shake = -1.0"), Some("shake"));
        assert_eq!(fault("clouds = \"0s\""), Some("clouds"));
        assert_eq!(fault("lamp = { at = [0.5, 0.5], reach = 0.0 }"), Some("lamp.reach"));
    }
}
