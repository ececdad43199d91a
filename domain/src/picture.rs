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
/// the slices, nothing else changed.
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
