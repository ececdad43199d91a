//! Decoded pictures to JPEG, where no keyframe can be passed on as it came.

use gstreamer::{self as gst, glib};

/// JPEG is full range and BT.601 by definition (JFIF), its encoder takes values as they are, and videoconvert 1.22 does not
/// change the range between two formats that are alike: so they go through RGB.
const TO_JPEG: &str = "videoconvert ! video/x-raw,format=RGB ! videoconvert ! \
     video/x-raw,format=I420,colorimetry=1:4:0:0 ! jpegenc quality=90";

/// What makes each picture that comes a JPEG.
pub(crate) fn to_jpeg() -> Result<gst::Bin, glib::Error> {
    gst::parse::bin_from_description(TO_JPEG, true)
}
