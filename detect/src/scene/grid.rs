//! A picture as a small grid: each cell has the mean of its luma and chroma and how much texture it holds. One pass over
//! every second row of the decoder's planes.

use domain::{Picture, PixelFormat};

/// Cells from left to right; 8 pixels each at 704 pixels. A bag of 2.5 % of the width is two cells wide.
const COLUMNS: usize = 88;
/// Least pixels of a cell's side: fewer do not average noise out.
const LEAST_SIDE: usize = 6;
/// About as many rows of a cell are read; the others are passed over.
const LINES: usize = 6;
/// Cells from top to bottom, for pictures of unusual shape.
const ROWS: std::ops::RangeInclusive<usize> = 16..=160;
/// Bands of the picture whose profiles are compared, by axis.
const BANDS: usize = 3;
/// How much less than unmoved a band must differ for a movement to be believed, and how much more it may.
const MUCH_BETTER: f32 = 0.75;
const WORSE: f32 = 1.15;

/// What a cell shows, in levels of 0 to 255: luma, the two colour differences (around 0), and the texture, which is
/// the mean difference of a pixel to its right and lower neighbours together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Look {
    pub(super) y: f32,
    pub(super) u: f32,
    pub(super) v: f32,
    pub(super) t: f32,
}

impl Look {
    /// The same rounded to whole levels, to be kept.
    pub(super) fn pack(self) -> Packed {
        // The conversion takes off what is behind the point, and ends at 0 and 255.
        let rounded = |x: f32| (x + 0.5) as u8;
        Packed([rounded(self.y), rounded(self.u + 128.0), rounded(self.v + 128.0), rounded(self.t * 2.0)])
    }

    /// How unlike the two are, in levels.
    pub(super) fn apart(self, other: Self) -> f32 {
        let texture = 0.5 * (self.t - other.t).abs();
        (self.y - other.y).abs() + (self.u - other.u).abs() + (self.v - other.v).abs() + texture
    }

    /// A step towards `to`.
    pub(super) fn toward(self, to: Self, share: f32) -> Self {
        let step = |a: f32, b: f32| a + (b - a) * share;
        Self { y: step(self.y, to.y), u: step(self.u, to.u), v: step(self.v, to.v), t: step(self.t, to.t) }
    }
}

/// A [`Look`] in four bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Packed([u8; 4]);

impl Packed {
    pub(super) fn open(self) -> Look {
        let [y, u, v, t] = self.0.map(f32::from);
        Look { y, u: u - 128.0, v: v - 128.0, t: t / 2.0 }
    }
}

/// How a picture of one size is divided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Size {
    pub(super) fn of(picture: &Picture) -> Self {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let columns = COLUMNS.min(width / LEAST_SIDE).max(1);
        let rows = (columns * height).div_ceil(width).clamp(*ROWS.start(), *ROWS.end()).min(height / 2).max(1);
        Self { width, height, columns, rows }
    }

    pub(super) fn cells(self) -> usize {
        self.columns * self.rows
    }
}

/// A movement of the whole picture against where it was learnt, in pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shift {
    pub(super) x: i32,
    pub(super) y: i32,
}

/// The cells that one thread reads pictures into; used for all cameras in turn.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    pub(super) size: Size,
    /// Row by row.
    pub(super) cells: Vec<Look>,
    /// The columns and rows that lie inside the picture, whatever its shift.
    inside: [std::ops::Range<usize>; 2],
    pub(super) shift: Shift,
    sums: Vec<u16>,
    texture: Vec<u16>,
}

impl Sampler {
    /// Reads a sound picture (its planes hold what its size says) that has moved by `shift`.
    pub(super) fn sample(&mut self, picture: &Picture, shift: Shift) {
        let size = Size::of(picture);
        (self.size, self.shift) = (size, shift);
        self.cells.clear();
        self.cells.resize(size.cells(), Look::default());
        let columns = Axis { n: size.columns, length: size.width, shift: shift.x };
        let rows = Axis { n: size.rows, length: size.height, shift: shift.y };
        self.inside = [columns.inside(), rows.inside()];
        self.luma(picture, columns, rows);
        match picture.format {
            PixelFormat::I420 => {
                self.chroma::<1, 0>(picture, 1, columns, rows, |cell| &mut cell.u);
                self.chroma::<1, 0>(picture, 2, columns, rows, |cell| &mut cell.v);
            }
            PixelFormat::Nv12 => {
                self.chroma::<2, 0>(picture, 1, columns, rows, |cell| &mut cell.u);
                self.chroma::<2, 1>(picture, 1, columns, rows, |cell| &mut cell.v);
            }
        }
    }

    /// The cells that lie inside the picture, whatever its shift, row by row.
    pub(super) fn inside(&self) -> impl Iterator<Item = usize> + Clone + use<> {
        let ([columns, rows], n) = (self.inside.clone(), self.size.columns);
        rows.flat_map(move |row| row * n + columns.start..row * n + columns.end)
    }

    /// Writes into `pairs` this picture beside another, of every third cell.
    pub(super) fn pair(&self, other: impl Fn(usize) -> Look, pairs: &mut Vec<(Look, Look)>) {
        pairs.clear();
        pairs.extend(self.inside().step_by(3).map(|i| (self.cells[i], other(i))));
    }

    fn luma(&mut self, picture: &Picture, columns: Axis, rows: Axis) {
        let (width, stride, plane) = (columns.length, picture.strides[0], &picture.planes[0]);
        for row in 0..rows.n {
            self.sums.clear();
            self.sums.resize(width, 0);
            self.texture.clear();
            self.texture.resize(width, 0);
            let (from, to) = rows.span(row);
            let step = (to - from).div_ceil(LINES);
            let mut lines = 0_u32;
            for y in (from..to).step_by(step) {
                let line = &plane[y * stride..][..width];
                let below = &plane[(y + 1).min(rows.length - 1) * stride..][..width];
                self.sums.iter_mut().zip(line).for_each(|(sum, &a)| *sum += u16::from(a));
                let pairs = self.texture.iter_mut().zip(line).zip(&line[1..]).zip(below);
                pairs.for_each(|(((sum, &a), &right), &below)| {
                    *sum += u16::from(a.abs_diff(right)) + u16::from(a.abs_diff(below));
                });
                lines += 1;
            }
            for column in 0..columns.n {
                let (from, to) = columns.span(column);
                let n = (lines * (to - from) as u32) as f32;
                let mean = |sums: &[u16]| sums[from..to].iter().map(|&s| u32::from(s)).sum::<u32>() as f32 / n;
                let cell = &mut self.cells[row * columns.n + column];
                (cell.y, cell.t) = (mean(&self.sums), mean(&self.texture));
            }
        }
    }

    /// Reads one colour difference: of every `EVERY`th sample of the plane, from the `FIRST` on.
    fn chroma<const EVERY: usize, const FIRST: usize>(
        &mut self,
        picture: &Picture,
        plane: usize,
        columns: Axis,
        rows: Axis,
        value: impl Fn(&mut Look) -> &mut f32,
    ) {
        let (width, stride) = (columns.length.div_ceil(2) * EVERY, picture.strides[plane]);
        let plane = &picture.planes[plane];
        for row in 0..rows.n {
            self.sums.clear();
            self.sums.resize(width, 0);
            let (from, to) = rows.half_span(row);
            let step = (to - from).div_ceil(LINES);
            let mut lines = 0_u32;
            for y in (from..to).step_by(step) {
                self.sums.iter_mut().zip(&plane[y * stride..][..width]).for_each(|(sum, &a)| *sum += u16::from(a));
                lines += 1;
            }
            for column in 0..columns.n {
                let (from, to) = columns.half_span(column);
                let sums = self.sums[from * EVERY + FIRST..(to - 1) * EVERY + FIRST + 1].iter().step_by(EVERY);
                let mean = sums.map(|&s| u32::from(s)).sum::<u32>() as f32 / (lines * (to - from) as u32) as f32;
                *value(&mut self.cells[row * columns.n + column]) = mean - 128.0;
            }
        }
    }
}

/// `n` cells over `length` pixels, moved by `shift`.
#[derive(Clone, Copy)]
struct Axis {
    n: usize,
    length: usize,
    shift: i32,
}

impl Axis {
    /// The pixels of a cell; one at least.
    fn span(self, i: usize) -> (usize, usize) {
        let edge = |i: usize| ((i * self.length / self.n) as i64 + i64::from(self.shift)).clamp(0, self.length as i64);
        let (from, to) = (edge(i) as usize, edge(i + 1) as usize);
        let from = from.min(self.length - 1);
        (from, to.max(from + 1))
    }

    fn inside(self) -> std::ops::Range<usize> {
        let lost = (self.shift.unsigned_abs() as usize * self.n).div_ceil(self.length).min(self.n);
        if self.shift < 0 { lost..self.n } else { 0..self.n - lost }
    }

    /// The chroma samples of a cell.
    fn half_span(self, i: usize) -> (usize, usize) {
        let (from, to) = self.span(i);
        (from / 2, to.div_ceil(2))
    }
}

/// Steps of a level in which profiles are kept.
const PROFILE_STEPS: f32 = 64.0;
/// The part of the way that a profile goes towards that of a picture that has not moved.
const PROFILE_FOLLOWS: i32 = 20;
/// Samples of which the sum has a place in 16 bits.
const IN_16_BITS: usize = 257;

/// The sums of luma along columns and rows, by bands: what a small movement of the whole picture is found by.
#[derive(Debug, Clone, Default)]
pub(super) struct Profile {
    axes: [[Vec<i16>; BANDS]; 2],
    column_sums: Vec<u16>,
    row_sums: Vec<f32>,
}

impl Profile {
    /// Reads a sound picture.
    pub(super) fn read(&mut self, picture: &Picture) {
        let (w, h) = (picture.width as usize, picture.height as usize);
        let line = |y: usize| &picture.planes[0][y * picture.strides[0]..][..w];
        let [columns, rows] = &mut self.axes;
        for (band, slopes) in columns.iter_mut().enumerate() {
            let sums = &mut self.column_sums;
            sums.clear();
            sums.resize(w, 0);
            let rows = (h * band / BANDS)..(h * (band + 1) / BANDS);
            let step = rows.len().div_ceil(IN_16_BITS).max(4);
            let n = rows.len().div_ceil(step).max(1);
            rows.step_by(step).for_each(|y| sums.iter_mut().zip(line(y)).for_each(|(s, &a)| *s += u16::from(a)));
            slope(sums, n, slopes);
        }
        for (band, slopes) in rows.iter_mut().enumerate() {
            let (from, to) = (w * band / BANDS, w * (band + 1) / BANDS);
            // As floating point without loss: no row of a picture has 65,793 samples in a band.
            self.row_sums.clear();
            self.row_sums.extend((0..h).map(|y| sum(&line(y)[from..to]) as f32));
            slope(&self.row_sums, (to - from).max(1), slopes);
        }
    }

    /// Takes over what `other` has read.
    pub(super) fn set(&mut self, other: &Self) {
        self.axes.clone_from(&other.axes);
    }

    /// How far this picture has moved against `anchor`, as far as its bands agree, up to 2 % of its size.
    pub(super) fn shift_from(&self, anchor: &Self) -> Shift {
        let [x, y] = std::array::from_fn(|axis| best_shift(&self.axes[axis], &anchor.axes[axis]));
        Shift { x, y }
    }

    /// Follows slow changes of light.
    pub(super) fn follow(&mut self, other: &Self) {
        for (axis, now) in self.axes.iter_mut().flatten().zip(other.axes.iter().flatten()) {
            axis.iter_mut().zip(now).for_each(|(a, b)| {
                let way = i32::from(*b) - i32::from(*a);
                *a += ((way + way.signum() * (PROFILE_FOLLOWS / 2)) / PROFILE_FOLLOWS) as i16;
            });
        }
    }
}

/// The sum of samples, first in 16 bits: processors add many such at a time.
fn sum(samples: &[u8]) -> u32 {
    const LANES: usize = 16;
    let part = |samples: &[u8]| {
        let (whole, rest) = samples.as_chunks::<LANES>();
        let mut lanes = [0_u16; LANES];
        whole.iter().for_each(|chunk| lanes.iter_mut().zip(chunk).for_each(|(lane, &a)| *lane += u16::from(a)));
        lanes.iter().map(|&lane| u32::from(lane)).chain(rest.iter().map(|&a| u32::from(a))).sum::<u32>()
    };
    samples.chunks(LANES * IN_16_BITS).map(part).sum()
}

/// Differences over a few samples, each the sum of `n`: without the level that light moves.
fn slope<S: Copy + Into<f32>>(sums: &[S], n: usize, slopes: &mut Vec<i16>) {
    let each = PROFILE_STEPS / n as f32;
    slopes.clear();
    // At most 255 levels: they have a place.
    slopes.extend(sums.windows(4).map(|w| ((w[3].into() - w[0].into()) * each) as i16));
}

fn best_shift(now: &[Vec<i16>; BANDS], anchor: &[Vec<i16>; BANDS]) -> i32 {
    let length = now[0].len();
    let reach = (length / 48) as i32;
    if anchor[0].len() != length || reach < 2 {
        return 0;
    }
    let inner = reach as usize..length - reach as usize;
    let apart = |shift: i32| -> [f32; BANDS] {
        std::array::from_fn(|band| {
            let moved = &now[band][(inner.start as i32 + shift) as usize..][..inner.len()];
            let apart = moved.iter().zip(&anchor[band][inner.clone()]).map(|(a, b)| u32::from(a.abs_diff(*b)));
            apart.sum::<u32>() as f32
        })
    };
    let sum = |bands: [f32; BANDS]| bands.iter().sum::<f32>();
    let still = apart(0);
    // Most cameras stand still: a place that is better than both its neighbours is not left.
    if sum(still) <= sum(apart(-1)) && sum(still) <= sum(apart(1)) {
        return 0;
    }
    let best = (-reach..=reach).min_by(|a, b| sum(apart(*a)).total_cmp(&sum(apart(*b)))).unwrap_or(0);
    // A band without structure has no opinion; one with something large that moves contradicts the others.
    let there = apart(best);
    let agrees = there.iter().zip(still).any(|(there, still)| *there < MUCH_BETTER * still);
    let contradicts = there.iter().zip(still).any(|(there, still)| *there > WORSE * still);
    if agrees && !contradicts { best } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_the_mean_of_its_pixels() {
        let mut picture = Picture::uniform(704, 576, [100, 120, 140]);
        let mut luma = picture.planes[0].to_vec();
        for y in 80..96 {
            luma[y * 704 + 160..y * 704 + 176].fill(200);
        }
        picture.planes[0] = luma.into();
        let mut sampler = Sampler::default();
        sampler.sample(&picture, Shift::default());
        assert_eq!((sampler.size.columns, sampler.size.rows), (88, 72));
        let at = |c: usize, r: usize| sampler.cells[r * 88 + c];
        assert_eq!(at(20, 10), Look { y: 200.0, u: -8.0, v: 12.0, t: 0.0 }.with_t(at(20, 10).t));
        assert_eq!(at(40, 40), Look { y: 100.0, u: -8.0, v: 12.0, t: 0.0 });
        assert!(at(21, 10).t > 10.0, "its right edge is texture");
    }

    impl Look {
        fn with_t(self, t: f32) -> Self {
            Self { t, ..self }
        }
    }

    #[test]
    fn sums_are_those_of_all_samples() {
        let samples: Vec<u8> = (0..40_000_u32).map(|i| (i * 7 % 256) as u8).collect();
        for n in [0, 1, 15, 16, 17, 4111, 4112, 4113, 40_000] {
            let one_by_one: u32 = samples[..n].iter().map(|&a| u32::from(a)).sum();
            assert_eq!(sum(&samples[..n]), one_by_one, "of {n}");
        }
        assert_eq!(sum(&[255; 10_000]), 2_550_000);
    }

    #[test]
    fn looks_keep_their_levels_when_packed() {
        let look = Look { y: 200.4, u: -100.0, v: 30.0, t: 12.3 };
        assert_eq!(look.pack().open(), Look { y: 200.0, u: -100.0, v: 30.0, t: 12.5 });
        assert_eq!(Look { y: 300.0, u: 200.0, v: -200.0, t: 200.0 }.pack().open().y, 255.0);
    }
}
