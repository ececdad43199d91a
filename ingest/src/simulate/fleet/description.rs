//! The session description (SDP, RFC 8866) of a camera's one video stream.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::Codec;

use super::{super::annexb, packets::PAYLOAD_TYPE};

/// The last part of the stream's address.
pub(super) const TRACK: &str = "trackID=1";

/// Describes a stream with these parameter sets (an Annex B byte stream).
pub(super) fn describe(codec: Codec, parameter_sets: &[u8]) -> String {
    let sets: Vec<&[u8]> = annexb::nal_units(parameter_sets).map(|range| &parameter_sets[range]).collect();
    let (encoding, format) = match codec {
        Codec::H265 => ("H265", h265(&sets)),
        _ => ("H264", h264(&sets)),
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=gridwatch simulate\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\na=range:npt=now-\r\n\
         m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{PAYLOAD_TYPE} {encoding}/90000\r\na=fmtp:{PAYLOAD_TYPE} {format}\r\na=control:{TRACK}\r\n"
    )
}

/// RFC 6184, 8.1.
fn h264(sets: &[&[u8]]) -> String {
    let mut format = "packetization-mode=1".to_owned();
    if let Some([_, profile, constraints, level, ..]) = sets.iter().find(|set| set[0] & 0x1f == 7) {
        format += &format!(";profile-level-id={profile:02x}{constraints:02x}{level:02x}");
    }
    let encoded: Vec<_> = sets.iter().map(|set| STANDARD.encode(set)).collect();
    format + ";sprop-parameter-sets=" + &encoded.join(",")
}

/// RFC 7798, 7.1.
fn h265(sets: &[&[u8]]) -> String {
    let of = |kind: u8| {
        let encoded: Vec<_> =
            sets.iter().filter(|set| (set[0] >> 1) & 0x3f == kind).map(|set| STANDARD.encode(set)).collect();
        encoded.join(",")
    };
    format!("sprop-vps={};sprop-sps={};sprop-pps={}", of(32), of(33), of(34))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_h264_stream_names_profile_and_parameter_sets() {
        let sdp = describe(Codec::H264, &[0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 5, 0, 0, 0, 1, 0x68, 6]);
        assert!(sdp.contains("a=rtpmap:96 H264/90000\r\n"), "{sdp}");
        assert!(sdp.contains("profile-level-id=42c01e;sprop-parameter-sets=Z0LAHgU=,aAY=\r\n"), "{sdp}");
    }

    #[test]
    fn an_h265_stream_names_its_three_sets() {
        let sdp = describe(Codec::H265, &[0, 0, 1, 32 << 1, 1, 7, 0, 0, 1, 33 << 1, 1, 8, 0, 0, 1, 34 << 1, 1, 9]);
        assert!(sdp.contains("a=fmtp:96 sprop-vps=QAEH;sprop-sps=QgEI;sprop-pps=RAEJ\r\n"), "{sdp}");
    }
}
