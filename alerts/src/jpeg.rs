//! Decoded pictures to JPEG (ITU-T T.81, JFIF), from plane to plane: no detour through RGB, so that the only loss is the
//! encoder's own.
//!
//! JFIF means full-range BT.601; limited range is expanded and BT.709 converted on the way. What is drawn on a picture
//! is blended in the same pass and leaves every other pixel as it is in the clean rendition.

use domain::{
    Picture, PixelFormat,
    picture::{ColorMatrix, ColorRange},
};
use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};
use tiny_skia::Pixmap;

use crate::AlertsError;

/// An encoded picture whose size is not that of what it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jpeg {
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// Encodes `picture` with `quality` from 1 to 100.
///
/// # Errors
/// When the picture is empty, larger than JPEG can say (65535 pixels a side), or its planes are shorter than its size
/// asks for.
pub fn encode(picture: &Picture, quality: u8) -> Result<Vec<u8>, AlertsError> {
    Ok(Source::new(picture, None)?.encode(quality)?.bytes)
}

/// Encodes `picture` with `overlay` over it. The overlay is as wide as the picture, and at least as high; what it has
/// below the picture lies on black.
///
/// # Errors
/// As [`encode`].
pub fn encode_with(picture: &Picture, overlay: &Pixmap, quality: u8) -> Result<Jpeg, AlertsError> {
    Source::new(picture, Some(overlay))?.encode(quality)
}

struct Source<'a> {
    picture: &'a Picture,
    overlay: Option<&'a Pixmap>,
    width: u16,
    height: u16,
    convert: Convert,
}

impl<'a> Source<'a> {
    fn new(picture: &'a Picture, overlay: Option<&'a Pixmap>) -> Result<Self, AlertsError> {
        let refuse = |reason: String| AlertsError::Picture { width: picture.width, height: picture.height, reason };
        let all_rows = overlay.map_or(picture.height, Pixmap::height);
        let (Ok(width), Ok(height)) = (u16::try_from(picture.width), u16::try_from(all_rows)) else {
            return Err(refuse("a side is longer than 65535 pixels".to_owned()));
        };
        if picture.width == 0 || picture.height == 0 {
            return Err(refuse("it has no pixels".to_owned()));
        }
        if overlay.is_some_and(|o| o.width() != picture.width || o.height() < picture.height) {
            return Err(refuse("what is drawn on it has another size".to_owned()));
        }
        let (w, h) = (picture.width as usize, picture.height as usize);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        let wanted: &[(usize, usize)] = match picture.format {
            PixelFormat::I420 => &[(w, h), (cw, ch), (cw, ch)],
            PixelFormat::Nv12 => &[(w, h), (2 * cw, ch)],
        };
        for (p, &(row, rows)) in wanted.iter().enumerate() {
            let (stride, len) = (picture.strides[p], picture.planes[p].len());
            if stride < row || len < stride * (rows - 1) + row {
                return Err(refuse(format!("plane {p} has {len} bytes in rows of {stride}, too few")));
            }
        }
        Ok(Self { picture, overlay, width, height, convert: Convert::new(picture.range, picture.matrix) })
    }

    fn encode(self, quality: u8) -> Result<Jpeg, AlertsError> {
        let (width, height) = (u32::from(self.width), u32::from(self.height));
        let mut bytes = Vec::with_capacity(width as usize * height as usize / 4);
        let mut encoder = Encoder::new(&mut bytes, quality.clamp(1, 100));
        // The source is 4:2:0; anything finer would only store the same chroma four times.
        encoder.set_sampling_factor(SamplingFactor::F_2_2);
        encoder.encode_image(self).map_err(|error| AlertsError::Picture {
            width,
            height,
            reason: error.to_string(),
        })?;
        Ok(Jpeg { bytes, width, height })
    }

    /// One row of the picture itself, as full-range BT.601.
    fn picture_row(&self, y: usize, [luma, cb, cr, _]: &mut [Vec<u8>; 4]) {
        let width = usize::from(self.width);
        let chroma_width = width.div_ceil(2);
        let row = |p: usize, y: usize, len: usize| {
            let start = self.picture.strides[p] * y;
            &self.picture.planes[p][start..start + len]
        };
        let ys = row(0, y, width);
        match self.picture.format {
            PixelFormat::I420 => {
                let us = row(1, y / 2, chroma_width);
                let vs = row(2, y / 2, chroma_width);
                self.convert.row(ys, us.iter().zip(vs).map(|(&u, &v)| (u, v)), [luma, cb, cr]);
            }
            PixelFormat::Nv12 => {
                let uvs = row(1, y / 2, 2 * chroma_width);
                self.convert.row(ys, uvs.chunks_exact(2).map(|uv| (uv[0], uv[1])), [luma, cb, cr]);
            }
        }
    }
}

impl ImageBuffer for Source<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let (y, width) = (usize::from(y), usize::from(self.width));
        let start = buffers[0].len();
        if y < self.picture.height as usize {
            self.picture_row(y, buffers);
        } else {
            buffers[0].resize(start + width, 0);
            buffers[1].resize(start + width, 128);
            buffers[2].resize(start + width, 128);
        }
        if let Some(overlay) = self.overlay {
            let row = &overlay.data()[y * width * 4..(y + 1) * width * 4];
            let [luma, cb, cr, _] = buffers;
            blend(row, [&mut luma[start..], &mut cb[start..], &mut cr[start..]]);
        }
    }
}

/// Fixed point with 16 bits after the point.
const ONE: i32 = 1 << 16;
const HALF: i32 = ONE / 2;

/// A colour to be put over others.
#[derive(Clone, Copy)]
struct Ink {
    /// How much of what is below is seen through it.
    through: i32,
    luma: i32,
    cb: i32,
    cr: i32,
}

impl Ink {
    /// Of premultiplied RGBA.
    fn of(rgba: [u8; 4]) -> Self {
        let [r, g, b, a] = rgba.map(i32::from);
        let through = (255 - a) * (ONE / 255);
        // ITU-T T.871, 7, times 65536; a colour of alpha 0 adds nothing to any of the three.
        let luma = 19_595 * r + 38_470 * g + 7_471 * b;
        let (cb, cr) = (-11_059 * r - 21_709 * g + 32_768 * b, 32_768 * r - 27_439 * g - 5_329 * b);
        // Colour differences are about 128.
        let about = 128 * (ONE - through);
        Self { through, luma: luma + HALF, cb: cb + about + HALF, cr: cr + about + HALF }
    }
}

/// Puts a row of premultiplied RGBA over a row of full-range BT.601.
fn blend(rgba: &[u8], [luma, cb, cr]: [&mut [u8]; 3]) {
    let (pixels, _) = rgba.as_chunks::<4>();
    // What is drawn is mostly of one colour for long.
    let mut last = ([0; 4], Ink::of([0; 4]));
    for (pixel, ((luma, cb), cr)) in pixels.iter().zip(luma.iter_mut().zip(cb).zip(cr)) {
        if pixel[3] == 0 {
            continue;
        }
        if *pixel != last.0 {
            last = (*pixel, Ink::of(*pixel));
        }
        let ink = last.1;
        let over = |below: u8, ink_of: i32| ((i32::from(below) * ink.through + ink_of) >> 16).clamp(0, 255) as u8;
        (*luma, *cb, *cr) = (over(*luma, ink.luma), over(*cb, ink.cb), over(*cr, ink.cr));
    }
}

/// From a camera's range and matrix to full-range BT.601.
struct Convert {
    luma: [u8; 256],
    /// A sample of either colour difference, where the matrix stays.
    chroma: [u8; 256],
    /// What samples of chroma add to luma and colour differences, where the matrix changes.
    matrix: Option<Box<[Turned; 256]>>,
}

/// What a sample of each colour difference, u and v, adds in another matrix, in fixed point.
#[derive(Clone, Copy)]
struct Turned {
    u: [i32; 3],
    v: [i32; 3],
}

impl Convert {
    fn new(range: ColorRange, matrix: ColorMatrix) -> Self {
        let (base, luma_steps, chroma_steps) = match range {
            ColorRange::Full => (0.0, 255.0, 255.0),
            ColorRange::Limited => (16.0, 219.0, 224.0),
        };
        // About zero, in full-range steps.
        let chroma = |v: usize| (v as f32 - 128.0) * 255.0 / chroma_steps;
        let turned = |v: usize| Turned { u: turn(chroma(v), 0.0), v: turn(0.0, chroma(v)) };
        Self {
            luma: std::array::from_fn(|v| ((v as f32 - base) * 255.0 / luma_steps).round() as u8),
            // A cast saturates and cuts off, so that this rounds.
            chroma: std::array::from_fn(|v| (chroma(v) + 128.5) as u8),
            matrix: (matrix == ColorMatrix::Bt709).then(|| Box::new(std::array::from_fn(turned))),
        }
    }

    fn row(&self, ys: &[u8], chroma: impl Iterator<Item = (u8, u8)>, [luma, cb, cr]: [&mut Vec<u8>; 3]) {
        let start = luma.len();
        luma.extend(ys.iter().map(|&y| self.luma[usize::from(y)]));
        for buffer in [&mut *cb, &mut *cr] {
            buffer.resize(start + ys.len(), 0);
        }
        let pairs = luma[start..].chunks_mut(2).zip(cb[start..].chunks_mut(2)).zip(cr[start..].chunks_mut(2));
        let pairs = pairs.zip(chroma).map(|(pair, (u, v))| (pair, usize::from(u), usize::from(v)));
        match &self.matrix {
            None => pairs.for_each(|(((_, cb), cr), u, v)| {
                cb.fill(self.chroma[u]);
                cr.fill(self.chroma[v]);
            }),
            Some(turned) => pairs.for_each(|(((luma, cb), cr), u, v)| {
                let (u, v) = (turned[u].u, turned[v].v);
                let [add, new_cb, new_cr]: [i32; 3] = std::array::from_fn(|i| (u[i] + v[i] + HALF) >> 16);
                let byte = |level: i32| level.clamp(0, 255) as u8;
                cb.fill(byte(new_cb + 128));
                cr.fill(byte(new_cr + 128));
                luma.iter_mut().for_each(|y| *y = byte(i32::from(*y) + add));
            }),
        }
    }
}

/// What a colour in BT.709's colour differences adds to luma, and its colour differences, in BT.601; in fixed point.
fn turn(cb: f32, cr: f32) -> [i32; 3] {
    // Both matrices are Y = Kr R + Kg G + Kb B, Cb = (B - Y) / (2 - 2 Kb), Cr = (R - Y) / (2 - 2 Kr);
    // r, g and b are what BT.709's chroma adds to its luma, so that its luma itself drops out.
    const KR: f32 = 0.2126;
    const KB: f32 = 0.0722;
    const KG: f32 = 1.0 - KR - KB;
    let r = 2.0 * (1.0 - KR) * cr;
    let b = 2.0 * (1.0 - KB) * cb;
    let g = -(KR * r + KB * b) / KG;
    let y = 0.299 * r + 0.587 * g + 0.114 * b;
    [y, (b - y) / 1.772, (r - y) / 1.402].map(|x| (x * ONE as f32) as i32)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// The colour in which JFIF shows `[y, u, v]` of `range` and `matrix`.
    #[track_caller]
    fn check(range: ColorRange, matrix: ColorMatrix, [y, u, v]: [u8; 3], expect: [u8; 3]) {
        let convert = Convert::new(range, matrix);
        let [mut luma, mut cb, mut cr] = [Vec::new(), Vec::new(), Vec::new()];
        convert.row(&[y], std::iter::once((u, v)), [&mut luma, &mut cb, &mut cr]);
        let found = [luma[0], cb[0], cr[0]];
        assert!(found.iter().zip(expect).all(|(f, e)| f.abs_diff(e) <= 1), "{found:?} is not {expect:?}");
    }

    #[test]
    fn every_range_and_matrix_comes_out_in_the_same_colours() {
        use ColorMatrix::{Bt601, Bt709};
        use ColorRange::{Full, Limited};
        check(Full, Bt601, [77, 90, 240], [77, 90, 240]);
        check(Limited, Bt601, [16, 128, 128], [0, 128, 128]);
        check(Limited, Bt601, [235, 128, 128], [255, 128, 128]);
        check(Limited, Bt601, [5, 128, 128], [0, 128, 128]);
        check(Limited, Bt601, [81, 90, 240], [76, 85, 255]); // pure red
        check(Limited, Bt709, [63, 102, 240], [76, 85, 255]); // pure red
        check(Limited, Bt709, [32, 240, 118], [29, 255, 107]); // pure blue
        check(Limited, Bt709, [173, 42, 26], [150, 44, 21]); // pure green
        check(Full, Bt709, [200, 128, 128], [200, 128, 128]);
    }

    fn noise(format: PixelFormat, width: u32, height: u32) -> Picture {
        let (w, h) = (width as usize, height as usize);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        // Rows with padding, and a last row without.
        let plane = |row: usize, rows: usize| -> Bytes {
            (0..(row + 5) * (rows - 1) + row).map(|i| (i * 7 % 200) as u8).collect::<Vec<_>>().into()
        };
        let (planes, strides) = match format {
            PixelFormat::I420 => ([plane(w, h), plane(cw, ch), plane(cw, ch)], [w + 5, cw + 5, cw + 5]),
            PixelFormat::Nv12 => ([plane(w, h), plane(2 * cw, ch), Bytes::new()], [w + 5, 2 * cw + 5, 0]),
        };
        Picture { format, planes, strides, ..Picture::uniform(width, height, [0, 0, 0]) }
    }

    #[test]
    fn odd_sizes_and_both_layouts_encode() {
        for format in [PixelFormat::I420, PixelFormat::Nv12] {
            for (w, h) in [(1, 1), (17, 31), (64, 48)] {
                let jpeg = encode(&noise(format, w, h), 90).expect("encodes");
                assert!(jpeg.starts_with(&[0xff, 0xd8, 0xff]) && jpeg.ends_with(&[0xff, 0xd9]));
            }
        }
    }

    #[test]
    fn drawing_changes_only_what_is_drawn_on() {
        let mut overlay = Pixmap::new(2, 2).expect("size");
        overlay.pixels_mut()[1] = tiny_skia::PremultipliedColorU8::from_rgba(255, 0, 0, 255).expect("premultiplied");
        overlay.pixels_mut()[2] = tiny_skia::PremultipliedColorU8::from_rgba(0, 0, 0, 127).expect("premultiplied");
        let picture = Picture { range: ColorRange::Full, ..Picture::uniform(2, 2, [200, 100, 150]) };
        let source = Source::new(&picture, Some(&overlay)).expect("fits");
        let mut buffers = [const { Vec::new() }; 4];
        source.fill_buffers(0, &mut buffers);
        source.fill_buffers(1, &mut buffers);
        assert_eq!(buffers[0], [200, 76, 100, 200]);
        assert_eq!(buffers[1], [100, 85, 114, 100]);
        assert_eq!(buffers[2], [150, 255, 139, 150]);
    }

    #[test]
    fn pictures_that_are_not_whole_are_refused() {
        let good = Picture::uniform(16, 16, [1, 2, 3]);
        let mut short = good.clone();
        short.planes[2] = Bytes::from_static(&[0; 63]);
        let error = encode(&short, 90).expect_err("short");
        assert_eq!(
            error.to_string(),
            "cannot make a JPEG of a 16x16 picture: plane 2 has 63 bytes in rows of 8, too few"
        );
        assert!(encode(&Picture { width: 0, ..good.clone() }, 90).is_err());
        assert!(encode(&Picture { width: 70_000, ..good }, 90).is_err());
    }
}
