//! JPEG and PNG files as the pictures that a camera's decoder gives, so that a detector sees both alike.

use std::{fs, path::Path};

use anyhow::{Context as _, bail};
use domain::{
    Picture, PixelFormat,
    picture::{ColorMatrix, ColorRange},
};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

/// Widest and highest picture that is read, in pixels: more is no photograph but an attack on memory.
const MAX_SIDE: u32 = 16_384;

/// The endings of the files that [`read`] knows, in lower case.
pub const EXTENSIONS: [&str; 3] = ["jpg", "jpeg", "png"];

/// Reads the picture at `path`, JPEG or PNG by its content, as full-range BT.601 I420. Orientation marks are not
/// followed, as COCO's tools do not.
///
/// # Errors
/// When it cannot be read, is of another format, or is damaged. Does not name the file: its caller knows it.
pub fn read(path: &Path) -> anyhow::Result<Picture> {
    decode(&fs::read(path)?)
}

/// Decodes `data`, the content of a file for [`read`].
///
/// # Errors
/// When it is of another format or damaged.
pub fn decode(data: &[u8]) -> anyhow::Result<Picture> {
    let (rgb, width, height) = match data {
        [0xff, 0xd8, ..] => jpeg(data)?,
        [0x89, b'P', b'N', b'G', ..] => png(data)?,
        _ => bail!("neither a JPEG nor a PNG file"),
    };
    Ok(i420(&rgb, width, height))
}

fn jpeg(data: &[u8]) -> anyhow::Result<(Vec<u8>, usize, usize)> {
    let options = DecoderOptions::default()
        .set_max_width(MAX_SIDE as usize)
        .set_max_height(MAX_SIDE as usize)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(data), options);
    let rgb = decoder.decode().context("damaged JPEG")?;
    let (width, height) = decoder.dimensions().context("damaged JPEG: no size")?;
    Ok((rgb, width, height))
}

fn png(data: &[u8]) -> anyhow::Result<(Vec<u8>, usize, usize)> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(data));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().context("damaged PNG")?;
    let (width, height) = (reader.info().width, reader.info().height);
    if width > MAX_SIDE || height > MAX_SIDE {
        bail!("{width}x{height} pixels; at most {MAX_SIDE}x{MAX_SIDE}");
    }
    let mut pixels = vec![0; reader.output_buffer_size().context("damaged PNG: no size")?];
    let frame = reader.next_frame(&mut pixels).context("damaged PNG")?;
    pixels.truncate(frame.buffer_size());
    let rgb = match frame.color_type {
        png::ColorType::Rgb => pixels,
        png::ColorType::Rgba => pixels.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect(),
        png::ColorType::Grayscale => pixels.iter().flat_map(|y| [*y; 3]).collect(),
        png::ColorType::GrayscaleAlpha => pixels.chunks_exact(2).flat_map(|p| [p[0]; 3]).collect(),
        png::ColorType::Indexed => bail!("damaged PNG: palette not resolved"),
    };
    Ok((rgb, width as usize, height as usize))
}

/// RGB, three bytes a pixel, as planes (ITU-T T.871); a chroma sample is the mean of its four pixels.
fn i420(rgb: &[u8], width: usize, height: usize) -> Picture {
    let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
    let pixel = |x: usize, y: usize| -> [f32; 3] {
        let at = 3 * (y.min(height - 1) * width + x.min(width - 1));
        [0, 1, 2].map(|c| f32::from(rgb[at + c]))
    };
    let byte = |value: f32| value.round().clamp(0.0, 255.0) as u8;
    let luma: Vec<u8> = rgb
        .chunks_exact(3)
        .map(|p| byte(0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2])))
        .collect();
    let (mut u, mut v) =
        (Vec::with_capacity(chroma_width * chroma_height), Vec::with_capacity(chroma_width * chroma_height));
    for y in 0..chroma_height {
        for x in 0..chroma_width {
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
        planes: [luma.into(), u.into(), v.into()],
        strides: [width, chroma_width, chroma_width],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_png(color: png::ColorType, pixels: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut encoder = png::Encoder::new(file.reopen().unwrap(), 3, 1);
        encoder.set_color(color);
        encoder.write_header().unwrap().write_image_data(pixels).unwrap();
        file
    }

    #[test]
    fn a_png_of_any_colour_type_becomes_planes() {
        let red = [255, 0, 0];
        let rgb = read(write_png(png::ColorType::Rgb, &red.repeat(3)).path()).unwrap();
        assert_eq!((rgb.width, rgb.height), (3, 1));
        assert_eq!(
            (&rgb.planes[0][..], &rgb.planes[1][..], &rgb.planes[2][..]),
            (&[76; 3][..], &[85; 2][..], &[255; 2][..])
        );
        let rgba = read(write_png(png::ColorType::Rgba, &[255, 0, 0, 9].repeat(3)).path()).unwrap();
        assert_eq!(rgba.planes, rgb.planes);
        for (color, pixels) in
            [(png::ColorType::Grayscale, vec![7; 3]), (png::ColorType::GrayscaleAlpha, [7, 255].repeat(3))]
        {
            let grey = read(write_png(color, &pixels).path()).unwrap();
            assert_eq!((&grey.planes[0][..], &grey.planes[1][..]), (&[7; 3][..], &[128; 2][..]));
        }
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (content, reason) in [
            (&b"GIF89a"[..], "neither a JPEG nor a PNG file"),
            (b"", "neither a JPEG nor a PNG file"),
            (b"\xff\xd8\xff", "damaged JPEG"),
            (b"\x89PNG\r\n\x1a\n\0\0", "damaged PNG"),
        ] {
            fs::write(file.path(), content).unwrap();
            let error = read(file.path()).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        assert!(read(Path::new("/nowhere.jpg")).is_err());
    }
}
