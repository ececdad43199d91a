//! Scenes on painted pictures: a street with what happens on it, one look after the other.

mod changes;
mod odd;
mod things;

use bytes::Bytes;
use domain::{
    Detection, Label, Millis, Picture, PixelFormat, Rect, STANDING, Timestamp,
    picture::{ColorMatrix, ColorRange},
};

use super::{Need, Outcome, Sampler, Scene, Scratch, Seen};
use crate::config::SceneConfig;

const WIDTH: usize = 352;
const HEIGHT: usize = 288;
const IDLE: Millis = Millis::secs(10);
const ACTIVE: Millis = Millis::secs(2);

/// A box in pixels: left, top, width, height.
type Area = [usize; 4];

const ROAD: [f32; 3] = [105.0, 3.0, -2.0];

/// A picture in the making: luma and the two colour differences of each pixel.
#[derive(Clone)]
struct Canvas {
    pixels: Vec<[f32; 3]>,
}

/// A number from 0 to 1 that follows from a place and nothing else.
fn grain(x: usize, y: usize, seed: u32) -> f32 {
    let mut h =
        (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca6b) ^ seed.wrapping_mul(0xc2b2_ae35);
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    ((h ^ (h >> 15)) >> 8) as f32 / (1 << 24) as f32
}

impl Canvas {
    /// Houses with windows above, a pavement with slabs, a road with a line, a lawn; all with texture.
    fn street() -> Self {
        let pixel = |x: usize, y: usize| {
            let rough = |by: f32| (grain(x / 2, y / 2, 1) - 0.5) * by;
            match y {
                0..90 if (x / 22).is_multiple_of(2) && (y / 18) % 2 == 1 => [60.0 + rough(6.0), 6.0, -4.0],
                0..90 => [150.0 + rough(10.0), -8.0, 10.0],
                90..140 if x.is_multiple_of(24) || y.is_multiple_of(16) => [120.0, 0.0, 0.0],
                90..140 => [140.0 + rough(8.0), -2.0, 3.0],
                140..240 if (188..192).contains(&y) && (x / 30).is_multiple_of(2) => [200.0, 0.0, 0.0],
                140..240 => [ROAD[0] + rough(12.0), ROAD[1], ROAD[2]],
                _ => [90.0 + rough(40.0), -18.0, -12.0],
            }
        };
        Self { pixels: (0..WIDTH * HEIGHT).map(|i| pixel(i % WIDTH, i / WIDTH)).collect() }
    }

    fn each(mut self, change: impl Fn(usize, usize, [f32; 3]) -> [f32; 3]) -> Self {
        for (i, pixel) in self.pixels.iter_mut().enumerate() {
            *pixel = change(i % WIDTH, i / WIDTH, *pixel);
        }
        self
    }

    /// A thing with some folds or windows.
    fn thing(self, [left, top, width, height]: Area, [luma, u, v]: [f32; 3]) -> Self {
        self.each(|x, y, old| {
            let inside = (left..left + width).contains(&x) && (top..top + height).contains(&y);
            let fold = 14.0 * ((x - left.min(x)) as f32 * 0.7).sin() * ((y - top.min(y)) as f32 * 0.5).cos();
            if inside { [luma + fold, u, v] } else { old }
        })
    }

    fn bag(self, area: Area) -> Self {
        self.thing(area, [40.0, 2.0, -3.0])
    }

    fn person(self, [left, top, width, height]: Area) -> Self {
        let head = height / 5;
        self.thing([left + width / 4, top, width / 2, head], [170.0, -12.0, 18.0])
            .thing([left, top + head, width, height * 2 / 5], [60.0, 25.0, -14.0])
            .thing([left + width / 5, top + head + height * 2 / 5, width * 3 / 5, height * 2 / 5], [45.0, 0.0, 0.0])
    }

    fn car(self, area: Area) -> Self {
        let [left, top, width, height] = area;
        self.thing(area, [180.0, -6.0, 30.0])
            .thing([left + width / 5, top + height / 8, width * 3 / 5, height / 3], [50.0, 0.0, 0.0])
    }

    /// A shadow with an edge of `blur` pixels.
    fn shadow(self, [left, top, width, height]: Area, to: f32, blur: f32) -> Self {
        self.each(|x, y, old| {
            let beside = |at: usize, from: usize, length: usize| {
                (from as f32 - at as f32).max(at as f32 - (from + length) as f32).max(0.0)
            };
            let far = beside(x, left, width).max(beside(y, top, height));
            let share = (1.0 - far / blur.max(0.1)).clamp(0.0, 1.0);
            old.map(|c| c * (1.0 - (1.0 - to) * share))
        })
    }

    fn exposed(self, gain: f32, offset: f32) -> Self {
        self.each(|_, _, [y, u, v]| [y * gain + offset, u * gain, v * gain])
    }

    fn noisy(self, levels: f32, seed: u32) -> Self {
        self.each(|x, y, [l, u, v]| [l + (grain(x, y, seed) - 0.5) * 2.0 * levels, u, v])
    }

    fn moved(&self, dx: isize, dy: isize) -> Self {
        let from = |i: usize, by: isize, end: usize| (i as isize + by).clamp(0, end as isize - 1) as usize;
        let at = |i: usize| self.pixels[from(i / WIDTH, dy, HEIGHT) * WIDTH + from(i % WIDTH, dx, WIDTH)];
        Self { pixels: (0..self.pixels.len()).map(at).collect() }
    }

    fn infrared(self) -> Self {
        self.each(|_, y, [l, _, v]| [if y < 90 { l * 0.5 } else { l * 0.8 - v * 3.0 }, 0.0, 0.0])
    }

    fn picture(&self) -> Picture {
        let level = |x: f32| x.round().clamp(0.0, 255.0) as u8;
        let luma: Vec<u8> = self.pixels.iter().map(|p| level(p[0])).collect();
        let chroma = |c: usize| -> Bytes {
            let at = |i: usize| self.pixels[(i / (WIDTH / 2)) * 2 * WIDTH + (i % (WIDTH / 2)) * 2][c];
            (0..WIDTH * HEIGHT / 4).map(|i| level(at(i) + 128.0)).collect::<Vec<u8>>().into()
        };
        Picture {
            width: WIDTH as u32,
            height: HEIGHT as u32,
            format: PixelFormat::I420,
            range: ColorRange::Limited,
            matrix: ColorMatrix::Bt601,
            planes: [luma.into(), chroma(1), chroma(2)],
            strides: [WIDTH, WIDTH / 2, WIDTH / 2],
        }
    }
}

fn bbox([left, top, width, height]: Area) -> Rect {
    let [x, y] = [WIDTH as f32, HEIGHT as f32];
    [left as f32 / x, top as f32 / y, (left + width) as f32 / x, (top + height) as f32 / y].into()
}

fn detection(label: &str, area: Area) -> Detection {
    Detection {
        class: Label::new(label),
        group: Label::new(label),
        score: 0.8,
        bbox: bbox(area),
        mask: None,
        model: None,
    }
}

/// A camera with its scene, looked at again and again; each picture has its own noise.
struct Camera {
    scene: Scene,
    scratch: Scratch,
    at: Timestamp,
    pace: Millis,
    n: u32,
}

impl Camera {
    fn new() -> Self {
        Self::with(SceneConfig::default())
    }

    fn with(config: SceneConfig) -> Self {
        let scene = Scene::new(config);
        Self { scene, scratch: Scratch::default(), at: Timestamp(1_700_000_000_000), pace: IDLE, n: 0 }
    }

    /// One that has learnt `canvas`.
    fn learnt(canvas: &Canvas) -> Self {
        let mut camera = Self::new();
        for _ in 0..15 {
            camera.look(canvas.clone());
        }
        assert!(camera.scene.is_learnt());
        camera
    }

    fn look(&mut self, canvas: Canvas) -> Seen {
        self.look_with(canvas, &[])
    }

    /// A look at which the detector, if it runs, finds `found`.
    fn look_with(&mut self, canvas: Canvas, found: &[Detection]) -> Seen {
        self.at = self.at + self.pace;
        self.n += 1;
        let picture = canvas.noisy(4.0, self.n).picture();
        let detect = |_: &Picture, _| Ok(found.to_vec());
        self.scene.look(&picture, self.at, Need::IfChanged, &mut self.scratch, detect).expect("a look")
    }

    /// The outcomes of `looks` looks at what `paint` gives for each.
    fn outcomes(&mut self, looks: u32, paint: impl Fn(u32) -> Canvas) -> Vec<Outcome> {
        (0..looks).map(|n| self.look(paint(n)).outcome).collect()
    }

    /// What stands after `looks` looks at `canvas`.
    fn after(&mut self, looks: u32, canvas: &Canvas) -> Vec<Detection> {
        (0..looks).map(|_| standing(&self.look(canvas.clone()))).last().unwrap_or_default()
    }
}

fn standing(seen: &Seen) -> Vec<Detection> {
    let label = Label::new(STANDING);
    seen.detections.iter().filter(|d| d.class == label && d.group == label).cloned().collect()
}

/// One thing stands, at `area`, and is sure enough for a ticket.
#[track_caller]
fn check_stands(found: &[Detection], area: Area) {
    let [thing] = found else { panic!("{} things stand: {found:?}", found.len()) };
    assert!(thing.bbox.iou(bbox(area)) > 0.5, "{:?} is not at {:?}", thing.bbox, bbox(area));
    assert!(thing.score >= 0.4 && thing.score <= 1.0, "score {}", thing.score);
    let mask = thing.mask.as_ref().expect("a mask");
    assert!(mask.covers_point(thing.bbox, bbox(area).center()), "{mask}");
}

#[track_caller]
fn check_nothing(found: &[Detection]) {
    assert!(found.is_empty(), "{found:?}");
}

fn share_unchanged(outcomes: &[Outcome]) -> f64 {
    // A run that is due says nothing of changes.
    let asked = outcomes.iter().filter(|o| **o != Outcome::Due).count();
    outcomes.iter().filter(|o| **o == Outcome::Unchanged).count() as f64 / asked as f64
}
