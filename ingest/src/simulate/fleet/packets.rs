//! Access units as RTP packets (RFC 6184 for H.264, RFC 7798 for H.265) in the interleaved frames of RTSP over TCP
//! (RFC 2326, 10.12). A picture is cut into packets once, at the start; a viewer gets a copy with its own numbers in it.

use domain::Codec;

use super::super::annexb;

/// Most bytes of an RTP payload: what cameras send so that a packet fits an Ethernet frame.
const PAYLOAD: usize = 1400;
/// `$`, the channel, and the length of what follows.
const FRAME: usize = 4;
/// An RTP header without extension (RFC 3550, 5.1).
const RTP: usize = 12;
/// The payload type that the description names.
pub(super) const PAYLOAD_TYPE: u8 = 96;

/// What differs from viewer to viewer.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    /// The channel of RTP; RTCP has the next one.
    pub(super) channel: u8,
    /// Of the next packet.
    pub(super) sequence: u16,
    pub(super) ssrc: u32,
    /// Packets and payload bytes so far, for sender reports.
    pub(super) packets: u32,
    pub(super) octets: u32,
}

/// One access unit in packets, with blanks where the viewer's numbers go.
#[derive(Debug)]
pub(super) struct Packets {
    bytes: Box<[u8]>,
    starts: Box<[u32]>,
}

impl Packets {
    /// Cuts an Annex B access unit into packets; the last one carries the marker bit.
    pub(super) fn new(codec: Codec, unit: &[u8]) -> Self {
        let mut packets = Writer::default();
        for range in annexb::nal_units(unit) {
            packets.nal_unit(codec, &unit[range]);
        }
        if let Some(&last) = packets.starts.last() {
            packets.bytes[last as usize + FRAME + 1] |= 0x80;
        }
        Self { bytes: packets.bytes.into(), starts: packets.starts.into() }
    }

    /// Appends the picture to `out` as one viewer gets it: `timestamp` in units of 1/90000 s.
    pub(super) fn write_to(&self, out: &mut Vec<u8>, numbers: &mut Numbers, timestamp: u32) {
        let base = out.len();
        out.extend_from_slice(&self.bytes);
        for &start in &self.starts {
            let packet = &mut out[base + start as usize..][..FRAME + RTP];
            packet[1] = numbers.channel;
            packet[FRAME + 2..FRAME + 4].copy_from_slice(&numbers.sequence.to_be_bytes());
            packet[FRAME + 4..FRAME + 8].copy_from_slice(&timestamp.to_be_bytes());
            packet[FRAME + 8..FRAME + 12].copy_from_slice(&numbers.ssrc.to_be_bytes());
            numbers.sequence = numbers.sequence.wrapping_add(1);
        }
        let headers = self.starts.len() * (FRAME + RTP);
        numbers.packets = numbers.packets.wrapping_add(self.starts.len() as u32);
        numbers.octets = numbers.octets.wrapping_add((self.bytes.len() - headers) as u32);
    }
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    starts: Vec<u32>,
}

impl Writer {
    fn packet(&mut self, header: &[u8], payload: &[u8]) {
        self.starts.push(self.bytes.len() as u32);
        let length = (RTP + header.len() + payload.len()) as u16;
        self.bytes.extend_from_slice(&[b'$', 0]);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        // Version 2, no padding, no extension, no contributing sources.
        self.bytes.extend_from_slice(&[0x80, PAYLOAD_TYPE]);
        self.bytes.extend_from_slice(&[0; RTP - 2]);
        self.bytes.extend_from_slice(header);
        self.bytes.extend_from_slice(payload);
    }

    fn nal_unit(&mut self, codec: Codec, nal: &[u8]) {
        if nal.len() <= PAYLOAD {
            self.packet(&[], nal);
            return;
        }
        let skip = if codec == Codec::H264 { 1 } else { 2 };
        let header = |ends: u8| match codec {
            // FU-A, type 28: the NAL unit's importance stays in the indicator, its type goes to the FU header.
            Codec::H264 => vec![nal[0] & 0xe0 | 28, ends | nal[0] & 0x1f],
            // FU, type 49: a payload header of two bytes, then the FU header.
            _ => vec![nal[0] & 0x81 | 49 << 1, nal[1], ends | (nal[0] >> 1) & 0x3f],
        };
        let payload = &nal[skip..];
        let chunk = PAYLOAD - skip - 1;
        let last = payload.len().div_ceil(chunk) - 1;
        for (i, part) in payload.chunks(chunk).enumerate() {
            let ends = if i == 0 { 0x80 } else { 0 } | if i == last { 0x40 } else { 0 };
            self.packet(&header(ends), part);
        }
    }
}

/// An RTCP sender report (RFC 3550, 6.4.1) that ties `timestamp` to a wall-clock time, in an interleaved frame.
pub(super) fn sender_report(numbers: &Numbers, timestamp: u32, since_1900: std::time::Duration) -> [u8; 32] {
    let mut report = [0; 32];
    report[..8].copy_from_slice(&[b'$', numbers.channel + 1, 0, 28, 0x80, 200, 0, 6]);
    let fraction = ((u64::from(since_1900.subsec_nanos()) << 32) / 1_000_000_000) as u32;
    let words = [numbers.ssrc, since_1900.as_secs() as u32, fraction, timestamp, numbers.packets, numbers.octets];
    for (place, word) in report[8..].chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers() -> Numbers {
        Numbers { channel: 4, sequence: 0xffff, ssrc: 0xdead_beef, packets: 0, octets: 0 }
    }

    /// The payloads of the packets in a row of interleaved frames, after a check of their headers.
    fn payloads(mut bytes: &[u8], first: u16) -> Vec<(bool, Vec<u8>)> {
        let mut all = Vec::new();
        let mut sequence = first;
        while let [b'$', channel, high, low, rest @ ..] = bytes {
            assert_eq!(*channel, 4);
            let (packet, after) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            assert!(packet.len() <= PAYLOAD + RTP);
            assert_eq!(packet[0], 0x80);
            assert_eq!(packet[1] & 0x7f, PAYLOAD_TYPE);
            assert_eq!(packet[2..4], sequence.to_be_bytes());
            assert_eq!(packet[4..8], 7u32.to_be_bytes());
            assert_eq!(packet[8..12], 0xdead_beef_u32.to_be_bytes());
            all.push((packet[1] & 0x80 != 0, packet[12..].to_vec()));
            sequence = sequence.wrapping_add(1);
            bytes = after;
        }
        assert!(bytes.is_empty());
        all
    }

    #[test]
    fn small_nal_units_go_whole_and_the_last_is_marked() {
        let packets = Packets::new(Codec::H264, &[0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x65, 9, 9]);
        let (mut out, mut numbers) = (Vec::new(), numbers());
        packets.write_to(&mut out, &mut numbers, 7);
        assert_eq!(payloads(&out, 0xffff), [(false, vec![0x67, 1, 2]), (true, vec![0x65, 9, 9])]);
        assert_eq!((numbers.sequence, numbers.packets, numbers.octets), (1, 2, 6));
    }

    #[test]
    fn large_nal_units_are_cut_and_can_be_put_together() {
        for (codec, header, skip) in [(Codec::H264, vec![0x65], 2), (Codec::H265, vec![19 << 1, 1], 3)] {
            let body: Vec<u8> = (0..4000u32).map(|i| (i % 250) as u8 + 2).collect();
            let unit: Vec<u8> = [&[0, 0, 0, 1], header.as_slice(), &body].concat();
            let (mut out, mut numbers) = (Vec::new(), numbers());
            Packets::new(codec, &unit).write_to(&mut out, &mut numbers, 7);
            let parts = payloads(&out, 0xffff);
            assert_eq!(parts.len(), 3);
            let ends: Vec<_> = parts.iter().map(|(marker, part)| (*marker, part[skip - 1] & 0xc0)).collect();
            assert_eq!(ends, [(false, 0x80), (false, 0), (true, 0x40)]);
            let together: Vec<u8> = parts.iter().flat_map(|(_, part)| part[skip..].to_vec()).collect();
            assert_eq!(together, body);
            match codec {
                Codec::H264 => assert_eq!(parts[1].1[..2], [0x60 | 28, 5]),
                _ => assert_eq!(parts[1].1[..3], [49 << 1, 1, 19]),
            }
        }
    }

    #[test]
    fn a_report_ties_the_timestamp_to_the_clock() {
        let time = std::time::Duration::new(3_900_000_000, 500_000_000);
        let report = sender_report(&numbers(), 90_000, time);
        assert_eq!(report[..8], [b'$', 5, 0, 28, 0x80, 200, 0, 6]);
        assert_eq!(report[12..16], 3_900_000_000_u32.to_be_bytes());
        assert_eq!(report[16..20], 0x8000_0000_u32.to_be_bytes());
        assert_eq!(report[20..24], 90_000_u32.to_be_bytes());
    }
}
