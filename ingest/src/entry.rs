//! Where a decoder can begin in a stream, by what stands before the first slice of an access unit. Annex B byte streams whose
//! start codes are four bytes long, as `retina` writes them.

use domain::Codec;

const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// The `payloadType` of a recovery point (ITU-T H.264 D.1.1 and H.265 D.2.1).
const RECOVERY_POINT: usize = 6;

/// What a frame is to a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It decodes alone.
    Keyframe,
    /// With intra refresh: it begins a round in which each part of the picture is coded by itself once. Its own picture is not
    /// whole, those after the round are.
    RecoveryPoint,
    /// It needs those before it.
    Other,
}

/// Whether a keyframe begins with its parameter sets; a camera may not have sent them yet.
pub(crate) fn has_parameter_sets(codec: Codec, data: &[u8]) -> bool {
    let header = data.get(4).copied().unwrap_or_default();
    match codec {
        Codec::H264 => header & 0x1f == 7,
        Codec::H265 => header >> 1 & 0x3f == 32,
        Codec::Jpeg => true,
    }
}

/// Whether an H.265 access unit is an intra-coded random access point other than an IDR picture (ITU-T H.265 table 7-1:
/// BLA and CRA). Encoders with open groups of pictures send IDR only once, and `retina` tells of IDR only. Decided by
/// the first slice, which in most frames is the first NAL unit.
pub(crate) fn is_clean_random_access(data: &[u8]) -> bool {
    matches!(nal_units(data).map(|rest| h265_type(rest[0])).find(|kind| *kind < 32), Some(16..=18 | 21))
}

/// Whether an access unit that does not decode alone is a recovery point.
pub(crate) fn is_recovery_point(codec: Codec, data: &[u8]) -> bool {
    let is_slice = |header: u8| match codec {
        Codec::H264 => matches!(header & 0x1f, 1..=5),
        Codec::H265 => h265_type(header) < 32,
        Codec::Jpeg => true,
    };
    nal_units(data).take_while(|rest| !is_slice(rest[0])).any(|rest| {
        let header = match codec {
            Codec::H264 if rest[0] & 0x1f == 6 => 1,
            // A prefix SEI message.
            Codec::H265 if h265_type(rest[0]) == 39 => 2,
            _ => return false,
        };
        let unit = &rest[..next_start_code(rest).unwrap_or(rest.len())];
        unit.get(header..).is_some_and(says_recovery_point)
    })
}

fn h265_type(header: u8) -> u8 {
    header >> 1 & 0x3f
}

/// What stands from the start of each NAL unit on, start code excluded; never empty. Where a unit ends is looked for only when
/// the next one is: a slice, most often the first one, is long.
fn nal_units(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut current: Option<&[u8]> = None;
    std::iter::from_fn(move || {
        current = match current {
            None => data.strip_prefix(&START_CODE),
            Some(rest) => next_start_code(rest).map(|at| &rest[at + START_CODE.len()..]),
        };
        current
    })
    .take_while(|rest| !rest.is_empty())
}

fn next_start_code(data: &[u8]) -> Option<usize> {
    data.windows(START_CODE.len()).position(|window| window == START_CODE)
}

/// Whether one of the messages of an SEI payload (ITU-T H.264 7.3.2.3.1) is a recovery point. Bytes that prevent start codes
/// are counted as they stand: the message is a short one and comes first, or after short ones.
fn says_recovery_point(mut payload: &[u8]) -> bool {
    // What is left at the end is the stop bit.
    while payload.len() > 2 {
        let (Some(kind), Some(size)) = (sum(&mut payload), sum(&mut payload)) else { return false };
        if kind == RECOVERY_POINT {
            return size > 0;
        }
        let Some(rest) = payload.get(size..) else { return false };
        payload = rest;
    }
    false
}

/// A number as SEI messages have it: bytes that are added up, to the first that is not 255.
fn sum(payload: &mut &[u8]) -> Option<usize> {
    let more = payload.iter().take_while(|byte| **byte == 0xff).count();
    let last = usize::from(*payload.get(more)?);
    *payload = &payload[more + 1..];
    Some(more * 0xff + last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stream(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&START_CODE[..], unit].concat()).collect()
    }

    #[test]
    fn an_h265_picture_is_told_by_its_first_slice() {
        let header = |kind: u8| [kind << 1, 1, 0x80];
        for (kind, clean) in [(21, true), (16, true), (18, true), (1, false), (19, false), (8, false)] {
            assert_eq!(is_clean_random_access(&stream(&[&header(kind)])), clean, "{kind}");
            // After a delimiter and an SEI message.
            assert_eq!(is_clean_random_access(&stream(&[&header(35), &header(39), &header(kind)])), clean, "{kind}");
        }
        assert!(!is_clean_random_access(&[]) && !is_clean_random_access(&stream(&[&header(35)])));
    }

    #[test]
    fn a_recovery_point_is_found_among_other_messages() {
        let (slice, idr) = ([0x41, 0x9a], [0x65, 0x88]);
        let recovery = [6, 6, 1, 0xc4, 0x80];
        // 300 bytes of user data go before it.
        let user_data = [&[6, 5, 0xff, 45][..], &[7; 300], &[6, 1, 0xc4, 0x80]].concat();
        let other = [6, 1, 2, 9, 9, 0x80];
        let check = |units: &[&[u8]], expect| assert_eq!(is_recovery_point(Codec::H264, &stream(units)), expect);
        check(&[&[9, 0xf0], &recovery, &slice], true);
        check(&[&user_data, &slice], true);
        check(&[&other, &recovery, &slice], true);
        check(&[&other, &slice], false);
        check(&[&slice, &recovery], false);
        check(&[&idr], false);
        check(&[&user_data[..100], &slice], false);
        assert!(is_recovery_point(Codec::H265, &stream(&[&[39 << 1, 1, 6, 1, 0xc4, 0x80], &[1 << 1, 1, 9]])));
        assert!(!is_recovery_point(Codec::Jpeg, &[0xff, 0xd8, 0xff]));
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_read_to_their_end(data in prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(6), Just(255), any::<u8>()], 0..64)) {
            for codec in [Codec::H264, Codec::H265, Codec::Jpeg] {
                is_recovery_point(codec, &[&START_CODE[..], &data].concat());
                has_parameter_sets(codec, &data);
            }
            is_clean_random_access(&data);
        }
    }
}
