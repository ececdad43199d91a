//! JPEG files as the pictures that a decoder gives.

use std::{error::Error, fs, path::Path};

use domain::{
    Picture, PixelFormat,
    picture::{ColorMatrix, ColorRange},
};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

/// The file as full-range BT.601 I420, which is what JPEG is.
pub(crate) fn picture(path: &Path) -> Result<Picture, Box<dyn Error>> {
    let data = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(data), options);
    let rgb = decoder.decode()?;
    let (width, height) = decoder.dimensions().ok_or("no size")?;
    Ok(i420(&rgb, width, height))
}

fn i420(rgb: &[u8], width: usize, height: usize) -> Picture {
    let (cw, ch) = (width.div_ceil(2), height.div_ceil(2));
    let pixel = |x: usize, y: usize| -> [f32; 3] {
        let at = 3 * (y.min(height - 1) * width + x.min(width - 1));
        [0, 1, 2].map(|c| f32::from(rgb[at + c]))
    };
    let byte = |value: f32| value.round().clamp(0.0, 255.0) as u8;
    let mut y_plane = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let [r, g, b] = pixel(x, y);
            y_plane.push(byte(0.299 * r + 0.587 * g + 0.114 * b));
        }
    }
    let (mut u, mut v) = (Vec::with_capacity(cw * ch), Vec::with_capacity(cw * ch));
    for y in 0..ch {
        for x in 0..cw {
            let four = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| pixel(2 * x + dx, 2 * y + dy));
            let [r, g, b] = [0, 1, 2].map(|c| four.iter().map(|p| p[c]).sum::<f32>() / 4.0);
            u.push(byte(128.0 - 0.168_736 * r - 0.331_264 * g + 0.5 * b));
            v.push(byte(128.0 + 0.5 * r - 0.418_688 * g - 0.081_312 * b));
        }
    }
    Picture {
        width: width as u32,
        height: height as u32,
        format: PixelFormat::I420,
        range: ColorRange::Full,
        matrix: ColorMatrix::Bt601,
        planes: [y_plane.into(), u.into(), v.into()],
        strides: [width, cw, cw],
    }
}
