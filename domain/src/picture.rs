//! Pictures, encoded as the camera sent them and decoded to planes.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{CameraId, Timestamp};

/// How a camera encodes its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// ITU-T H.264, Annex B byte stream.
    H264,
    /// ITU-T H.265, Annex B byte stream.
    H265,
    /// One whole JPEG (ITU-T T.81) per picture.
    Jpeg,
}

impl Codec {
    /// The usual extension of a file that holds one access unit.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Jpeg => "jpg",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Jpeg => "jpeg",
        })
    }
}

/// Which of a camera's streams something came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamRole {
    /// Full resolution.
    Main,
    /// Reduced resolution.
    Sub,
}

/// One encoded picture as the camera sent it, decodable alone: Annex B start codes, parameter sets in band before
/// the slices, nothing else changed. Where no such picture comes ([`crate::DecodeMode::AllFrames`]), one that was decoded and
/// encoded anew as JPEG.
#[derive(Clone)]
pub struct AccessUnit {
    /// The encoding of `data`.
    pub codec: Codec,
    /// Which stream it came from.
    pub role: StreamRole,
    /// When it was received (this host's clock), or its place in a recording.
    pub received_at: Timestamp,
    /// The bytes.
    pub data: Bytes,
}

impl fmt::Debug for AccessUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessUnit({} {} B at {})", self.codec, self.data.len(), self.received_at.0)
    }
}

/// The memory layout of a decoded 4:2:0 picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Three planes: Y, U, V; U and V at half width and half height.
    I420,
    /// Two planes: Y, and U and V interleaved at half width and half height.
    Nv12,
}

/// The range of luma and chroma values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColorRange {
    /// 16 to 235 (video).
    Limited,
    /// 0 to 255 (JPEG).
    Full,
}

/// The conversion matrix between YCbCr and RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColorMatrix {
    /// ITU-R BT.601.
    Bt601,
    /// ITU-R BT.709.
    Bt709,
}

/// A decoded picture: 8-bit 4:2:0 planes. `planes` and `strides` (bytes a row) follow `format`; I420 uses three,
/// NV12 two (the third is empty).
#[derive(Clone)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Plane layout.
    pub format: PixelFormat,
    /// Value range.
    pub range: ColorRange,
    /// YCbCr matrix.
    pub matrix: ColorMatrix,
    /// Bytes of each plane; plane `p` holds at least `strides[p] * (rows - 1) + row bytes`.
    pub planes: [Bytes; 3],
    /// Bytes from one row to the next, by plane.
    pub strides: [usize; 3],
}

impl Picture {
    /// An I420 picture of one colour; `y`, `u`, `v` are its values.
    #[must_use]
    pub fn uniform(width: u32, height: u32, [y, u, v]: [u8; 3]) -> Self {
        let (w, h) = (width as usize, height as usize);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        Self {
            width,
            height,
            format: PixelFormat::I420,
            range: ColorRange::Limited,
            matrix: ColorMatrix::Bt601,
            planes: [vec![y; w * h].into(), vec![u; cw * ch].into(), vec![v; cw * ch].into()],
            strides: [w, cw, cw],
        }
    }
}

impl Picture {
    /// The part of `width` by `height` pixels whose top left pixel is at column `x` and row `y`, over the same bytes:
    /// nothing is copied. None where `x` or `y` is odd (a chroma sample belongs to four pixels), the part does not lie
    /// inside the picture, or the planes do not hold it.
    #[must_use]
    pub fn region(&self, x: u32, y: u32, width: u32, height: u32) -> Option<Self> {
        let inside = |from: u32, length: u32, side: u32| from.checked_add(length).is_some_and(|end| end <= side);
        let whole_samples = x.is_multiple_of(2) && y.is_multiple_of(2) && width > 0 && height > 0;
        if !whole_samples || !inside(x, width, self.width) || !inside(y, height, self.height) {
            return None;
        }
        let (x, y) = (x as usize, y as usize);
        let chroma = match self.format {
            PixelFormat::I420 => x / 2,
            PixelFormat::Nv12 => x,
        };
        let from = |p: usize, column: usize, row: usize| {
            let start = row * self.strides[p] + column;
            (start <= self.planes[p].len()).then(|| self.planes[p].slice(start..))
        };
        let third = match self.format {
            PixelFormat::I420 => from(2, chroma, y / 2)?,
            PixelFormat::Nv12 => Bytes::new(),
        };
        Some(Self { width, height, planes: [from(0, x, y)?, from(1, chroma, y / 2)?, third], ..self.clone() })
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}x{} {:?})", self.width, self.height, self.format)
    }
}

/// What a look is made on: the encoded picture and its decoded planes, of one camera.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Whose picture it is.
    pub camera: CameraId,
    /// When the camera's picture was received.
    pub sampled_at: Timestamp,
    /// The picture as it came.
    pub access_unit: AccessUnit,
    /// The picture, decoded.
    pub picture: Picture,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Luma is 10 times the row plus the column; chroma, by sample, 100 more, and V again 100 more.
    fn numbered(format: PixelFormat) -> Picture {
        let plane = |columns: usize, rows: usize, value: &dyn Fn(usize, usize) -> usize| {
            let all = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
            all.map(|(row, column)| value(row, column) as u8).collect::<Vec<u8>>().into()
        };
        let luma = plane(10, 6, &|row, column| 10 * row + column);
        let u = |row: usize, column: usize| 100 + 10 * row + column;
        let (planes, strides) = match format {
            PixelFormat::I420 => ([luma, plane(5, 3, &u), plane(5, 3, &|r, c| u(r, c) + 100)], [10, 5, 5]),
            PixelFormat::Nv12 => ([luma, plane(10, 3, &|r, c| u(r, c / 2) + 100 * (c % 2)), Bytes::new()], [10, 10, 0]),
        };
        Picture { format, planes, strides, ..Picture::uniform(10, 6, [0; 3]) }
    }

    #[test]
    fn a_part_has_the_pictures_own_samples() {
        let whole = numbered(PixelFormat::I420);
        let part = whole.region(4, 2, 3, 4).unwrap();
        assert_eq!((part.width, part.height), (3, 4));
        assert_eq!([part.planes[0][0], part.planes[0][part.strides[0] + 1]], [24, 35]);
        assert_eq!([part.planes[1][0], part.planes[2][1]], [112, 213]);
        assert_eq!(part.planes[0].as_ptr(), whole.planes[0][24..].as_ptr());
        let part = numbered(PixelFormat::Nv12).region(4, 2, 3, 4).unwrap();
        assert_eq!(&part.planes[1][..4], [112, 212, 113, 213]);
    }

    #[test]
    fn a_part_that_is_none_is_refused() {
        let whole = numbered(PixelFormat::I420);
        for (x, y, width, height) in
            [(1, 0, 2, 2), (0, 1, 2, 2), (8, 0, 3, 2), (0, 4, 2, 3), (0, 0, 0, 2), (u32::MAX - 1, 0, 4, 2)]
        {
            assert!(whole.region(x, y, width, height).is_none(), "{x} {y} {width} {height}");
        }
        let short = Picture { planes: [Bytes::new(), Bytes::new(), Bytes::new()], ..whole };
        assert!(short.region(4, 2, 3, 4).is_none());
    }
}
