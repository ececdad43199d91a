//! H.264 and H.265 byte streams (ITU-T H.264 and H.265, Annex B), as far as a simulated camera has to look into them:
//! is it a keyframe, what are its parameter sets, and what would it look like if the line had damaged it.

use std::ops::Range;

use domain::Codec;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nal {
    ParameterSet,
    /// A slice of a picture that decodes alone (IDR).
    KeySlice,
    Other,
}

/// The kind of a NAL unit and the length of its header, from its first byte.
fn nal(codec: Codec, first: u8) -> (Nal, usize) {
    match codec {
        // Table 7-1 of each standard.
        Codec::H264 => (
            match first & 0x1f {
                5 => Nal::KeySlice,
                7 | 8 => Nal::ParameterSet,
                _ => Nal::Other,
            },
            1,
        ),
        Codec::H265 => (
            match (first >> 1) & 0x3f {
                19 | 20 => Nal::KeySlice,
                32..=34 => Nal::ParameterSet,
                _ => Nal::Other,
            },
            2,
        ),
        Codec::Jpeg => (Nal::Other, 0),
    }
}

/// The places of the NAL units in a byte stream, start codes excluded.
pub(super) fn nal_units(data: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let next_start = |from: usize| data.get(from..)?.windows(3).position(|w| w == [0, 0, 1]).map(|at| from + at + 3);
    let mut start = next_start(0);
    std::iter::from_fn(move || {
        let from = start?;
        start = next_start(from);
        let mut end = start.map_or(data.len(), |next| next - 3);
        while end > from && data[end - 1] == 0 {
            end -= 1;
        }
        Some(from..end)
    })
    .filter(|unit| !unit.is_empty())
}

/// Whether an access unit decodes alone.
pub(super) fn is_keyframe(codec: Codec, data: &[u8]) -> bool {
    nal_units(data).any(|unit| nal(codec, data[unit.start]).0 == Nal::KeySlice)
}

/// The parameter sets of an access unit, without its picture.
pub(super) fn parameter_sets(codec: Codec, data: &[u8]) -> Vec<u8> {
    let mut sets = Vec::new();
    for unit in nal_units(data).filter(|unit| nal(codec, data[unit.start]).0 == Nal::ParameterSet) {
        sets.extend_from_slice(&[0, 0, 0, 1]);
        sets.extend_from_slice(&data[unit]);
    }
    sets
}

/// A copy of a keyframe whose slices carry noise: framing, order and length stay, no decoder makes a picture of it.
pub(super) fn damaged(codec: Codec, data: &[u8]) -> Vec<u8> {
    let mut out = data.to_vec();
    let mut noise = 0x9e37_79b9_u32;
    for unit in nal_units(data) {
        let (kind, header) = nal(codec, data[unit.start]);
        if kind == Nal::KeySlice {
            for byte in out[unit].iter_mut().skip(header) {
                // Numerical Recipes' generator. A byte is never zero, so that no start code comes about.
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = (noise >> 24) as u8 | 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYFRAME: &[u8] = &[0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 9, 9, 9, 9];
    const DELTA: &[u8] = &[0, 0, 0, 1, 0x41, 9, 9, 9];

    #[test]
    fn a_keyframe_has_an_idr_slice() {
        assert!(is_keyframe(Codec::H264, KEYFRAME));
        assert!(!is_keyframe(Codec::H264, DELTA));
        assert!(!is_keyframe(Codec::H264, &[]));
        assert!(is_keyframe(Codec::H265, &[0, 0, 1, 19 << 1, 1, 5]));
        assert!(!is_keyframe(Codec::H265, &[0, 0, 1, 1 << 1, 1, 5]));
    }

    #[test]
    fn parameter_sets_come_without_the_picture() {
        assert_eq!(parameter_sets(Codec::H264, KEYFRAME), [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3]);
        assert!(parameter_sets(Codec::H264, DELTA).is_empty());
    }

    #[test]
    fn damage_keeps_framing_and_length() {
        let bad = damaged(Codec::H264, KEYFRAME);
        assert_eq!(bad.len(), KEYFRAME.len());
        assert_eq!(bad[..17], KEYFRAME[..17]);
        assert_ne!(bad[17..], KEYFRAME[17..]);
        assert_eq!(nal_units(&bad).collect::<Vec<_>>(), nal_units(KEYFRAME).collect::<Vec<_>>());
        assert_eq!(damaged(Codec::H264, DELTA), DELTA);
    }
}
