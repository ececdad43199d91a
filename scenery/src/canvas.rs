//! A picture to paint on: red, green and blue of each pixel from 0 to 255, in fractions, so that many coats of paint do
//! not round to bands.

use domain::{
    Picture, PixelFormat,
    picture::{ColorMatrix, ColorRange},
};

/// Pixels in rows from the top left; `[red, green, blue]`, gamma-coded as cameras and screens have them.
#[derive(Debug, Clone, PartialEq)]
pub struct Canvas {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `width * height` pixels.
    pub pixels: Vec<[f32; 3]>,
}

/// How much of red and blue is in luma.
fn weights(matrix: ColorMatrix) -> (f32, f32) {
    match matrix {
        ColorMatrix::Bt601 => (0.299, 0.114),
        ColorMatrix::Bt709 => (0.2126, 0.0722),
    }
}

impl Canvas {
    /// A canvas of one colour.
    #[must_use]
    pub fn uniform(width: usize, height: usize, color: [f32; 3]) -> Self {
        Self { width, height, pixels: vec![color; width * height] }
    }

    /// A decoded picture in colours.
    #[must_use]
    pub fn from_picture(picture: &Picture) -> Self {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let (kr, kb) = weights(picture.matrix);
        let kg = 1.0 - kr - kb;
        let (black, luma, chroma) = match picture.range {
            ColorRange::Limited => (16.0, 255.0 / 219.0, 255.0 / 224.0),
            ColorRange::Full => (0.0, 1.0, 1.0),
        };
        let [ys, us, vs] = &picture.planes;
        let [y_row, u_row, v_row] = picture.strides;
        let mut pixels = Vec::with_capacity(width * height);
        for row in 0..height {
            for column in 0..width {
                let (u, v) = match picture.format {
                    PixelFormat::I420 => (us[row / 2 * u_row + column / 2], vs[row / 2 * v_row + column / 2]),
                    PixelFormat::Nv12 => {
                        let at = row / 2 * u_row + column / 2 * 2;
                        (us[at], us[at + 1])
                    }
                };
                let y = (f32::from(ys[row * y_row + column]) - black) * luma;
                let cb = (f32::from(u) - 128.0) * chroma;
                let cr = (f32::from(v) - 128.0) * chroma;
                let red = y + 2.0 * (1.0 - kr) * cr;
                let blue = y + 2.0 * (1.0 - kb) * cb;
                let green = (y - kr * red - kb * blue) / kg;
                pixels.push([red, green, blue].map(|c| c.clamp(0.0, 255.0)));
            }
        }
        Self { width, height, pixels }
    }

    /// The colours as a decoder would give them: I420, limited range, BT.601.
    #[must_use]
    pub fn to_picture(&self) -> Picture {
        let (w, h) = (self.width, self.height);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        let (kr, kb) = weights(ColorMatrix::Bt601);
        let kg = 1.0 - kr - kb;
        let luma_of = |[r, g, b]: [f32; 3]| kr * r + kg * g + kb * b;
        let byte = |value: f32| (value + 0.5).clamp(0.0, 255.0) as u8;
        let luma: Vec<u8> = self.pixels.iter().map(|p| byte(16.0 + luma_of(*p) * 219.0 / 255.0)).collect();
        let (mut us, mut vs) = (Vec::with_capacity(cw * ch), Vec::with_capacity(cw * ch));
        for row in 0..ch {
            for column in 0..cw {
                let mut sum = [0.0; 3];
                for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                    let pixel = self.pixels[(2 * row + dy).min(h - 1) * w + (2 * column + dx).min(w - 1)];
                    (0..3).for_each(|c| sum[c] += pixel[c] / 4.0);
                }
                let y = luma_of(sum);
                us.push(byte(128.0 + (sum[2] - y) / (2.0 * (1.0 - kb)) * 224.0 / 255.0));
                vs.push(byte(128.0 + (sum[0] - y) / (2.0 * (1.0 - kr)) * 224.0 / 255.0));
            }
        }
        Picture {
            width: w as u32,
            height: h as u32,
            format: PixelFormat::I420,
            range: ColorRange::Limited,
            matrix: ColorMatrix::Bt601,
            planes: [luma.into(), us.into(), vs.into()],
            strides: [w, cw, cw],
        }
    }

    /// The colour between pixels; beyond the edges the edge goes on.
    pub(crate) fn between(&self, x: f32, y: f32) -> [f32; 3] {
        let (x, y) = (x.clamp(0.0, (self.width - 1) as f32), y.clamp(0.0, (self.height - 1) as f32));
        let (left, top) = (x as usize, y as usize);
        let (right, bottom) = ((left + 1).min(self.width - 1), (top + 1).min(self.height - 1));
        let (fx, fy) = (x - left as f32, y - top as f32);
        let at = |column: usize, row: usize| self.pixels[row * self.width + column];
        let (a, b, c, d) = (at(left, top), at(right, top), at(left, bottom), at(right, bottom));
        std::array::from_fn(|i| {
            let upper = a[i] + (b[i] - a[i]) * fx;
            let lower = c[i] + (d[i] - c[i]) * fx;
            upper + (lower - upper) * fy
        })
    }

    /// The same picture in another size.
    #[must_use]
    pub fn resized(&self, width: usize, height: usize) -> Self {
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        let (sx, sy) = (self.width as f32 / width as f32, self.height as f32 / height as f32);
        // So many samples a side that none of the source's pixels is passed over.
        let n = sx.max(sy).ceil().max(1.0) as usize;
        let mut pixels = Vec::with_capacity(width * height);
        for row in 0..height {
            for column in 0..width {
                let mut sum = [0.0; 3];
                for (j, i) in (0..n).flat_map(|j| (0..n).map(move |i| (j, i))) {
                    let x = (column as f32 + (i as f32 + 0.5) / n as f32) * sx - 0.5;
                    let y = (row as f32 + (j as f32 + 0.5) / n as f32) * sy - 0.5;
                    let color = self.between(x, y);
                    (0..3).for_each(|c| sum[c] += color[c]);
                }
                pixels.push(sum.map(|s| s / (n * n) as f32));
            }
        }
        Self { width, height, pixels }
    }

    /// The same picture moved by so many pixels.
    pub(crate) fn moved(&self, dx: f32, dy: f32) -> Self {
        let pixels = (0..self.height)
            .flat_map(|y| (0..self.width).map(move |x| (x, y)))
            .map(|(x, y)| self.between(x as f32 - dx, y as f32 - dy))
            .collect();
        Self { pixels, ..*self }
    }

    /// The same picture out of focus by `radius` pixels: a box along the rows, then along the columns.
    pub(crate) fn blurred(&self, radius: usize) -> Self {
        let along = |source: &[[f32; 3]], out: &mut [[f32; 3]], n: usize, step: usize| {
            for i in 0..n {
                let (from, to) = (i.saturating_sub(radius), (i + radius).min(n - 1));
                let mut sum = [0.0; 3];
                for j in from..=to {
                    (0..3).for_each(|c| sum[c] += source[j * step][c]);
                }
                out[i * step] = sum.map(|s| s / (to - from + 1) as f32);
            }
        };
        let mut rows = self.pixels.clone();
        for y in 0..self.height {
            let start = y * self.width;
            along(&self.pixels[start..], &mut rows[start..], self.width, 1);
        }
        let mut pixels = rows.clone();
        for x in 0..self.width {
            along(&rows[x..], &mut pixels[x..], self.height, self.width);
        }
        Self { pixels, ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_survive_the_way_through_planes() {
        for color in [[0.0, 0.0, 0.0], [255.0, 255.0, 255.0], [200.0, 30.0, 60.0], [20.0, 180.0, 90.0]] {
            let there = Canvas::uniform(6, 4, color).to_picture();
            let back = Canvas::from_picture(&there);
            for (a, b) in back.pixels.iter().flatten().zip(color.iter().cycle()) {
                assert!((a - b).abs() < 2.5, "{color:?} became {:?}", back.pixels[0]);
            }
        }
    }

    #[test]
    fn resizing_keeps_the_mean_and_moving_moves() {
        let mut canvas = Canvas::uniform(8, 8, [0.0; 3]);
        canvas.pixels[3 * 8 + 3] = [64.0; 3];
        let mean = |c: &Canvas| c.pixels.iter().map(|p| p[0]).sum::<f32>() / c.pixels.len() as f32;
        assert!((mean(&canvas.resized(4, 4)) - mean(&canvas)).abs() < 0.6);
        assert_eq!(canvas.moved(2.0, 1.0).pixels[4 * 8 + 5], [64.0; 3]);
        assert!((mean(&canvas.blurred(1)) - mean(&canvas)).abs() < 0.01);
    }
}
