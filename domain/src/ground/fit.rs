//! The homography of point pairs: least squares by the direct linear transformation.
//!
//! Nine unknowns up to scale; the wanted vector is the eigenvector of the smallest eigenvalue of a symmetric 9x9 matrix,
//! which Jacobi's rotations find to the last digit. That is all the linear algebra there is, so no library is taken in.

use super::GroundError;

/// Points whose shorter axis is below this share of the longer one lie on a line.
const LINE: f64 = 0.01;
/// The second smallest eigenvalue, as a share of the largest, below which more than one homography fits.
const AMBIGUOUS: f64 = 1e-10;
/// The determinant of a normalised homography below which it maps the plane to a line.
const FLAT: f64 = 1e-7;

/// A homography, row by row, scaled so that its points lie on the positive side of the horizon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Matrix([[f64; 3]; 3]);

impl Matrix {
    /// Where a point goes; none beyond the horizon.
    pub(super) fn map(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let [u, v, w] = self.0.map(|row| row[0] * x + row[1] * y + row[2]);
        (w > 1e-9).then(|| [u / w, v / w]).filter(|to| to.iter().all(|v| v.is_finite()))
    }

    fn depth(&self, [x, y]: [f64; 2]) -> f64 {
        self.0[2][0] * x + self.0[2][1] * y + self.0[2][2]
    }

    fn times(&self, other: &Self) -> Self {
        let cell = |r: usize, c: usize| (0..3).map(|k| self.0[r][k] * other.0[k][c]).sum();
        Self([0, 1, 2].map(|r| [0, 1, 2].map(|c| cell(r, c))))
    }

    fn determinant(&self) -> f64 {
        let [[a, b, c], [d, e, f], [g, h, i]] = self.0;
        a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    }
}

/// The homography that takes `from` to `to` with the least squares, four pairs at least.
pub(super) fn homography(from: &[[f64; 2]], to: &[[f64; 2]]) -> Result<Matrix, GroundError> {
    spans_area(from, "pixels")?;
    spans_area(to, "places on the ground")?;
    let (near, far) = (Normal::of(from), Normal::of(to));
    let mut sums = [[0.0; 9]; 9];
    for (a, b) in from.iter().zip(to) {
        let ([x, y], [u, v]) = (near.apply(*a), far.apply(*b));
        let rows = [[-x, -y, -1.0, 0.0, 0.0, 0.0, u * x, u * y, u], [0.0, 0.0, 0.0, -x, -y, -1.0, v * x, v * y, v]];
        for row in rows {
            for (r, left) in row.iter().enumerate() {
                for (c, right) in row.iter().enumerate() {
                    sums[r][c] += left * right;
                }
            }
        }
    }
    let (values, vectors) = eigen(sums);
    let mut order: Vec<usize> = (0..9).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    if values[order[1]] <= AMBIGUOUS * values[order[8]] {
        return Err(GroundError::Degenerate { what: "points" });
    }
    let h = vectors.map(|row| row[order[0]]);
    let normal = Matrix([[h[0], h[1], h[2]], [h[3], h[4], h[5]], [h[6], h[7], h[8]]]);
    // The vector has length 1, so its determinant is comparable from camera to camera.
    if normal.determinant().abs() < FLAT {
        return Err(GroundError::Degenerate { what: "points" });
    }
    let mut whole = far.back().times(&normal).times(&near.matrix());
    let ahead = from.iter().filter(|point| whole.depth(**point) > 0.0).count();
    if ahead == 0 {
        whole = Matrix(whole.0.map(|row| row.map(|v| -v)));
    } else if ahead < from.len() {
        return Err(GroundError::Horizon);
    }
    // Scaled so that the depth of the points is about 1.
    let depth = from.iter().map(|point| whole.depth(*point)).sum::<f64>() / from.len() as f64;
    Ok(Matrix(whole.0.map(|row| row.map(|v| v / depth))))
}

/// Whether the points span an area rather than a line.
fn spans_area(points: &[[f64; 2]], what: &'static str) -> Result<(), GroundError> {
    let n = points.len() as f64;
    let mean = [0, 1].map(|axis| points.iter().map(|p| p[axis]).sum::<f64>() / n);
    let moment = |a: usize, b: usize| points.iter().map(|p| (p[a] - mean[a]) * (p[b] - mean[b])).sum::<f64>() / n;
    let (xx, xy, yy) = (moment(0, 0), moment(0, 1), moment(1, 1));
    let (middle, half) = ((xx + yy) / 2.0, ((xx - yy) / 2.0).hypot(xy));
    if middle - half <= LINE * LINE * (middle + half) {
        return Err(GroundError::Degenerate { what });
    }
    Ok(())
}

/// Moves points to their middle and scales them to a mean distance of the square root of 2.
struct Normal {
    mean: [f64; 2],
    scale: f64,
}

impl Normal {
    fn of(points: &[[f64; 2]]) -> Self {
        let n = points.len() as f64;
        let mean = [0, 1].map(|axis| points.iter().map(|p| p[axis]).sum::<f64>() / n);
        let reach = points.iter().map(|p| (p[0] - mean[0]).hypot(p[1] - mean[1])).sum::<f64>() / n;
        Self { mean, scale: std::f64::consts::SQRT_2 / reach }
    }

    fn apply(&self, p: [f64; 2]) -> [f64; 2] {
        [0, 1].map(|axis| (p[axis] - self.mean[axis]) * self.scale)
    }

    fn matrix(&self) -> Matrix {
        let s = self.scale;
        Matrix([[s, 0.0, -s * self.mean[0]], [0.0, s, -s * self.mean[1]], [0.0, 0.0, 1.0]])
    }

    fn back(&self) -> Matrix {
        let s = 1.0 / self.scale;
        Matrix([[s, 0.0, self.mean[0]], [0.0, s, self.mean[1]], [0.0, 0.0, 1.0]])
    }
}

/// Eigenvalues of a symmetric matrix and their vectors, as columns, by cyclic Jacobi rotations.
fn eigen(mut m: [[f64; 9]; 9]) -> ([f64; 9], [[f64; 9]; 9]) {
    let mut vectors = [[0.0; 9]; 9];
    for (n, row) in vectors.iter_mut().enumerate() {
        row[n] = 1.0;
    }
    // It converges in some ten sweeps; a bound, so that no number whatever keeps it going.
    for _ in 0..60 {
        for p in 0..9 {
            for q in p + 1..9 {
                if m[p][q] == 0.0 {
                    continue;
                }
                let theta = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cos = 1.0 / t.hypot(1.0);
                let sin = t * cos;
                for row in &mut m {
                    (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
                }
                let (above, below) = m.split_at_mut(q);
                for (a, b) in above[p].iter_mut().zip(&mut below[0]) {
                    (*a, *b) = (cos * *a - sin * *b, sin * *a + cos * *b);
                }
                for row in &mut vectors {
                    (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
                }
            }
        }
    }
    (std::array::from_fn(|n| m[n][n]), vectors)
}
