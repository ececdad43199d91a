//! Quiet streets of real footage: the clip without its people, with a sensor's noise, and now and then somebody of it.

use domain::{AccessUnit, Detection, Picture, PixelFormat, Rect, Timestamp};
use ingest::Encoder;

/// In so many looks somebody is there for `VISIT` of them, a second of the clip each.
const EVERY: usize = 20;
const VISIT: usize = 2;
/// Score from which a detection of the clip is somebody who may walk by.
const SURE: f32 = 0.5;
/// Drift of exposure: share of the luma, and looks for one up and down.
const DRIFT: f32 = 0.06;
const DRIFT_LOOKS: f32 = 180.0;
/// Where something lies, in shares of the picture's sides.
const PLACE: [f32; 4] = [0.55, 0.72, 0.61, 0.82];

pub(crate) struct Street<'a> {
    clip: &'a [Picture],
    found: &'a [Vec<Detection>],
    empty: [Vec<u8>; 3],
    encoder: Encoder,
    gain: f32,
    noise: f32,
    random: u32,
    visits: usize,
}

/// What a camera sends at one look.
pub(crate) struct Moment {
    pub(crate) keyframe: AccessUnit,
    /// Whether the thing lies there.
    pub(crate) lies: bool,
    /// Whether nobody and nothing came or went since the look before.
    pub(crate) same_as_before: bool,
}

/// Rows and columns of a plane.
fn sides(picture: &Picture, plane: usize) -> (usize, usize) {
    let half = usize::from(plane > 0);
    (picture.width as usize >> half, picture.height as usize >> half)
}

fn sample(picture: &Picture, plane: usize, x: usize, y: usize) -> u8 {
    picture.planes[plane][y * picture.strides[plane] + x]
}

/// What most pictures show at each place: nobody stands everywhere for long.
fn median(clip: &[Picture], plane: usize) -> Vec<u8> {
    let (width, height) = sides(&clip[0], plane);
    let mut values = vec![0; clip.len()];
    let mut at = |i: usize| {
        values.iter_mut().zip(clip).for_each(|(value, p)| *value = sample(p, plane, i % width, i / width));
        let middle = values.len() / 2;
        *values.select_nth_unstable(middle).1
    };
    (0..width * height).map(&mut at).collect()
}

impl<'a> Street<'a> {
    /// The street of a clip with what was found in each picture, in `gain` of its light and with noise of
    /// `noise` levels.
    pub(crate) fn new(clip: &'a [Picture], found: &'a [Vec<Detection>], gain: f32, noise: f32) -> Self {
        assert!(clip.iter().all(|p| p.format == PixelFormat::I420), "the decoder gives planes");
        let encoder = Encoder::new(clip[0].width, clip[0].height, 26).unwrap();
        let empty = [0, 1, 2].map(|plane| median(clip, plane));
        Self { clip, found, empty, encoder, gain, noise, random: 1, visits: 0 }
    }

    pub(crate) fn place(&self) -> Rect {
        PLACE.into()
    }

    fn below(&mut self, n: usize) -> usize {
        // Marsaglia's xorshift: the same street in each run.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random as usize % n
    }

    /// Look `n` of `looks`.
    pub(crate) fn moment(&mut self, n: usize, looks: usize) -> Moment {
        let lies = |n: usize| (looks / 3..looks * 2 / 3).contains(&n);
        let visitor = |n: usize| (n % EVERY).checked_sub(EVERY - VISIT);
        let mut planes = self.empty.clone();
        if let Some(step) = visitor(n) {
            if step == 0 {
                self.visits = self.below(self.clip.len() - VISIT);
            }
            self.walk_by(&mut planes, self.visits + step);
        }
        if lies(n) {
            self.put_down(&mut planes);
        }
        self.expose(&mut planes, n);
        let picture = Picture {
            strides: [0, 1, 2].map(|plane| sides(&self.clip[0], plane).0),
            planes: planes.map(Into::into),
            ..self.clip[0].clone()
        };
        let keyframe = self.encoder.encode(&picture, Timestamp(n as i64)).unwrap();
        let same_as_before = n > 0 && visitor(n).is_none() && visitor(n - 1).is_none() && lies(n) == lies(n - 1);
        Moment { keyframe, lies: lies(n), same_as_before }
    }

    /// Whoever is surest of a picture of the clip, with what is around them: the place is the same.
    fn walk_by(&self, planes: &mut [Vec<u8>; 3], second: usize) {
        let sure = self.found[second].iter().filter(|d| d.score >= SURE && d.bbox.area() < 0.1);
        let Some(who) = sure.max_by(|a, b| a.score.total_cmp(&b.score)) else { return };
        let (dx, dy) = (0.3 * who.bbox.width(), 0.1 * who.bbox.height());
        let Rect { x0, y0, x1, y1 } = who.bbox;
        let area = Rect { x0: x0 - dx, y0: y0 - dy, x1: x1 + dx, y1: y1 + dy }.clamped();
        self.each(planes, area, |plane, x, y, _| sample(&self.clip[second], plane, x, y));
    }

    /// A dark bag with folds.
    fn put_down(&self, planes: &mut [Vec<u8>; 3]) {
        let area = self.place();
        self.each(planes, area, |plane, x, y, old| {
            let (width, height) = sides(&self.clip[0], plane);
            let dx = (x as f32 / width as f32 - area.x0) / area.width() - 0.5;
            let dy = (y as f32 / height as f32 - area.y0) / area.height() - 0.5;
            match plane {
                _ if dx * dx + dy * dy > 0.25 => old,
                0 => (45.0 + 30.0 * (dx * 9.0).sin() * (dy * 7.0).cos()) as u8,
                _ => 128,
            }
        });
    }

    fn each(&self, planes: &mut [Vec<u8>; 3], area: Rect, value: impl Fn(usize, usize, usize, u8) -> u8) {
        for (plane, samples) in planes.iter_mut().enumerate() {
            let (width, height) = sides(&self.clip[0], plane);
            let span = |from: f32, to: f32, n: usize| (from * n as f32) as usize..((to * n as f32) as usize).min(n);
            for y in span(area.y0, area.y1, height) {
                for x in span(area.x0, area.x1, width) {
                    let sample = &mut samples[y * width + x];
                    *sample = value(plane, x, y, *sample);
                }
            }
        }
    }

    /// The light and the noise of look `n`.
    fn expose(&mut self, planes: &mut [Vec<u8>; 3], n: usize) {
        let turn = n as f32 / DRIFT_LOOKS * std::f32::consts::TAU;
        let gain = self.gain * (1.0 + DRIFT * turn.sin());
        for (plane, samples) in planes.iter_mut().enumerate() {
            let (width, height) = sides(&self.clip[0], plane);
            let black = if plane == 0 { 16.0 } else { 128.0 };
            let noise = self.noise(width, height, if plane == 0 { self.noise } else { self.noise / 2.0 });
            for (sample, noise) in samples.iter_mut().zip(noise) {
                let level = (f32::from(*sample) - black) * gain + black + noise;
                *sample = level.round().clamp(0.0, 255.0) as u8;
            }
        }
    }

    /// What the sensor adds to a plane: as much as `noise` levels of luma (standard deviation) and half of it of colour, in
    /// grains of two pixels, as pictures have it whose pixels see one colour each.
    fn noise(&mut self, width: usize, height: usize, sigma: f32) -> Vec<f32> {
        // Four uniform numbers make a bell of a variance of a third each.
        let scale = sigma * 3.0_f32.sqrt() / 2.0 / 32_768.0;
        let mut bell = || (0..4).map(|_| self.below(65_536) as f32 - 32_767.5).sum::<f32>() * scale;
        let grains: Vec<f32> = (0..(width + 1) * (height + 1)).map(|_| bell()).collect();
        let row = width + 1;
        let around = |x: usize, y: usize| [y * row + x, y * row + x + 1, (y + 1) * row + x, (y + 1) * row + x + 1];
        let at = |i: usize| around(i % width, i / width).map(|grain| grains[grain]).iter().sum::<f32>() / 2.0;
        (0..width * height).map(at).collect()
    }
}
