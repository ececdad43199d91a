//! Resampling along one axis: which source samples make an output sample, and with what weights.
//!
//! Enlarging, and shrinking by up to two, is bilinear (sample centres at half-integers); shrinking by more is the mean
//! over the area that an output sample covers, since two samples would skip some.

/// Rows hold samples times this, the sum of the weights of two blended rows.
pub(crate) const SCALE: f32 = 256.0;

/// Longest side of a picture; a power of two, so that an index can be masked instead of checked.
pub(crate) const MAX_SIDE: usize = 8192;

/// One row of samples times [`SCALE`].
pub(crate) type Row = [f32; MAX_SIDE];

/// A zeroed row on the heap.
pub(crate) fn row() -> Box<Row> {
    vec![0.0; MAX_SIDE].into_boxed_slice().try_into().expect("it has that length")
}

/// For each output sample the first source sample and `n_taps` weights.
pub(crate) struct Axis {
    first: Vec<u16>,
    weights: Vec<f32>,
    n_taps: usize,
}

impl Axis {
    /// `n_out` samples from `n_in`, where an output sample is `step` source samples wide.
    pub(crate) fn new(n_out: usize, n_in: usize, step: f64) -> Self {
        let last = n_in as f64 - 1.0;
        let area = step > 2.0;
        let n_taps = if area { (step.ceil() as usize + 1).min(n_in) } else { 2.min(n_in) };
        let mut axis = Self { first: Vec::with_capacity(n_out), weights: vec![0.0; n_out * n_taps], n_taps };
        for (i, weights) in axis.weights.chunks_exact_mut(n_taps).enumerate() {
            let from = i as f64 * step;
            let centre = (from + step / 2.0 - 0.5).clamp(0.0, last);
            let start = if area { from } else { centre };
            let first = (start as usize).min(n_in - n_taps);
            axis.first.push(first as u16);
            let mut sum = 0.0;
            for (k, weight) in weights.iter_mut().enumerate() {
                let at = (first + k) as f64;
                let share = if area { (at + 1.0).min(from + step) - at.max(from) } else { 1.0 - (at - centre).abs() };
                *weight = share.max(0.0) as f32;
                sum += *weight;
            }
            weights.iter_mut().for_each(|w| *w /= sum);
        }
        axis
    }

    fn taps(&self, i: usize) -> (usize, &[f32]) {
        (usize::from(self.first[i]), &self.weights[i * self.n_taps..(i + 1) * self.n_taps])
    }

    /// Output row `i` of a plane at the source's width, times [`SCALE`].
    pub(crate) fn blend_rows(&self, i: usize, plane: &[u8], stride: usize, width: usize, out: &mut [f32]) {
        let (first, weights) = self.taps(i);
        let source = |k: usize| &plane[(first + k) * stride..][..width];
        match *weights {
            [_, w] => {
                let (w0, w1) = two_weights(w);
                for ((out, &a), &b) in out.iter_mut().zip(source(0)).zip(source(1)) {
                    *out = f32::from(u16::from(a) * w0 + u16::from(b) * w1);
                }
            }
            _ => {
                out[..width].fill(0.0);
                for (k, &w) in weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
                    let w = w * SCALE;
                    out.iter_mut().zip(source(k)).for_each(|(out, &a)| *out += f32::from(a) * w);
                }
            }
        }
    }

    /// The same for a plane of interleaved pairs, taken apart; `width` counts pairs.
    pub(crate) fn blend_pairs(&self, i: usize, plane: &[u8], stride: usize, width: usize, out: [&mut [f32]; 2]) {
        let (first, weights) = self.taps(i);
        let source = |k: usize| plane[(first + k) * stride..][..2 * width].as_chunks::<2>().0;
        let [u, v] = out;
        match *weights {
            [_, w] => {
                let (w0, w1) = two_weights(w);
                for (((u, v), &[ua, va]), &[ub, vb]) in u.iter_mut().zip(v).zip(source(0)).zip(source(1)) {
                    *u = f32::from(u16::from(ua) * w0 + u16::from(ub) * w1);
                    *v = f32::from(u16::from(va) * w0 + u16::from(vb) * w1);
                }
            }
            _ => {
                u[..width].fill(0.0);
                v[..width].fill(0.0);
                for (k, &w) in weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
                    let w = w * SCALE;
                    for ((u, v), &[a, b]) in u.iter_mut().zip(v.iter_mut()).zip(source(k)) {
                        *u += f32::from(a) * w;
                        *v += f32::from(b) * w;
                    }
                }
            }
        }
    }

    /// All output samples of a row.
    pub(crate) fn resample(&self, row: &Row, out: &mut [f32]) {
        const MASK: usize = MAX_SIDE - 1;
        if self.n_taps == 2 {
            let pairs = self.weights.as_chunks::<2>().0;
            for ((out, &first), &[_, w]) in out.iter_mut().zip(&self.first).zip(pairs) {
                let (a, b) = (row[usize::from(first) & MASK], row[(usize::from(first) + 1) & MASK]);
                *out = a + (b - a) * w;
            }
        } else {
            let taps = self.weights.chunks_exact(self.n_taps);
            for ((out, &first), weights) in out.iter_mut().zip(&self.first).zip(taps) {
                let sum = |sum, (k, w): (usize, &f32)| sum + row[(usize::from(first) + k) & MASK] * w;
                *out = weights.iter().enumerate().fold(0.0, sum);
            }
        }
    }
}

/// The weight of the second row as integers that sum to [`SCALE`], so that the blend fits 16 bits.
fn two_weights(second: f32) -> (u16, u16) {
    let w1 = (second * SCALE).round() as u16;
    (SCALE as u16 - w1, w1)
}
