//! Keyframes of many kinds, good and bad, through one decoder.

use bytes::Bytes;
use domain::{
    AccessUnit, Codec, PixelFormat, StreamRole, Timestamp,
    picture::{ColorMatrix, ColorRange},
};
use gstreamer::{self as gst, prelude::*};
use ingest::{Decoder, DecoderConfig};

/// The first picture of a pipeline that ends in encoded pictures, as an access unit.
fn encode(codec: Codec, source: &str, encoder: &str) -> AccessUnit {
    gst::init().unwrap();
    let launch = format!("videotestsrc num-buffers=1 {source} ! {encoder} ! appsink name=sink sync=false");
    let pipeline = gst::parse::launch(&launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    let sink = pipeline.by_name("sink").unwrap().downcast::<gstreamer_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let sample = sink.pull_sample().unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    let data = Bytes::copy_from_slice(&sample.buffer().unwrap().map_readable().unwrap());
    AccessUnit { codec, role: StreamRole::Main, received_at: Timestamp(0), data }
}

fn solid(color: u32, width: u32, height: u32) -> String {
    format!("pattern=solid-color foreground-color={color} ! video/x-raw,format=I420,width={width},height={height}")
}

fn h264(source: &str) -> AccessUnit {
    let encoder = "x264enc ! video/x-h264,stream-format=byte-stream,alignment=au";
    encode(Codec::H264, source, encoder)
}

fn h265(source: &str) -> AccessUnit {
    let encoder = "x265enc ! video/x-h265,stream-format=byte-stream,alignment=au";
    encode(Codec::H265, source, encoder)
}

fn jpeg(source: &str) -> AccessUnit {
    // The encoder takes the values as they are, so white is 235 here, though JPEG is full range by definition.
    encode(Codec::Jpeg, source, "jpegenc")
}

const WHITE: u32 = 0xffff_ffff;
const BLACK: u32 = 0xff00_0000;

fn decoder() -> Decoder {
    Decoder::new(&DecoderConfig::default()).unwrap()
}

#[track_caller]
fn check(decoder: &mut Decoder, access_unit: &AccessUnit, size: (u32, u32), luma: u8) {
    let picture = decoder.decode(access_unit).unwrap();
    assert_eq!((picture.width, picture.height), size);
    let (width, height) = (size.0 as usize, size.1 as usize);
    let middle = picture.planes[0][height / 2 * picture.strides[0] + width / 2];
    assert!(middle.abs_diff(luma) <= 3, "luma {middle}, expected {luma}");
    let last_row = &picture.planes[0][(height - 1) * picture.strides[0]..];
    assert_eq!(last_row.len(), width);
    let chroma = height.div_ceil(2) - 1;
    let samples = if picture.format == PixelFormat::I420 { width.div_ceil(2) } else { 2 * width.div_ceil(2) };
    assert_eq!(picture.planes[1].len(), chroma * picture.strides[1] + samples);
}

#[test]
fn cameras_of_all_kinds_take_turns() {
    let units = [
        (h264(&solid(WHITE, 704, 576)), (704, 576), 235),
        (h264(&solid(BLACK, 1920, 1080)), (1920, 1080), 16),
        (h265(&solid(WHITE, 640, 360)), (640, 360), 235),
        (jpeg(&solid(WHITE, 320, 240)), (320, 240), 235),
        (h265(&solid(BLACK, 704, 576)), (704, 576), 16),
        (jpeg(&solid(BLACK, 1280, 720)), (1280, 720), 16),
        // Odd, and no multiple of a macroblock.
        (h264(&solid(BLACK, 354, 290)), (354, 290), 16),
        (jpeg(&solid(WHITE, 321, 241)), (321, 241), 235),
    ];
    let mut decoder = decoder();
    for _ in 0..5 {
        for (access_unit, size, luma) in &units {
            check(&mut decoder, access_unit, *size, *luma);
        }
    }
}

#[test]
fn pictures_stay_as_they_are_while_others_are_decoded() {
    let mut decoder = decoder();
    let white = decoder.decode(&h264(&solid(WHITE, 320, 240))).unwrap();
    let black = h264(&solid(BLACK, 320, 240));
    let kept: Vec<_> = (0..50).map(|_| decoder.decode(&black).unwrap()).collect();
    assert!(white.planes[0][..320].iter().all(|luma| luma.abs_diff(235) <= 3));
    assert!(kept.iter().all(|picture| picture.planes[0][..320].iter().all(|luma| luma.abs_diff(16) <= 3)));
}

#[test]
fn a_corrupt_keyframe_is_an_error_and_the_next_one_is_fine() {
    for good in [h264(&solid(WHITE, 320, 240)), h265(&solid(WHITE, 320, 240)), jpeg(&solid(WHITE, 320, 240))] {
        let mut decoder = decoder();
        let noise: Vec<u8> = (0..good.data.len()).map(|i| ((i * 7919) >> 3) as u8).collect();
        for bad in [&good.data[..20], &noise[..], &b"\0\0\0\x01"[..], &b""[..]] {
            let bad = AccessUnit { data: Bytes::copy_from_slice(bad), ..good.clone() };
            let error = decoder.decode(&bad).map(|picture| format!("{picture:?}")).unwrap_err();
            assert!(error.to_string().contains(&good.codec.to_string()), "{error}");
            check(&mut decoder, &good, (320, 240), 235);
        }
    }
}

#[test]
fn a_keyframe_with_bytes_missing_never_gives_another_cameras_picture() {
    let mut decoder = decoder();
    let white = h264(&solid(WHITE, 320, 240));
    let detailed = h264("pattern=snow ! video/x-raw,format=I420,width=320,height=240");
    for cut in [60, 200, 1_000, detailed.data.len() / 2] {
        check(&mut decoder, &white, (320, 240), 235);
        let bad = AccessUnit { data: detailed.data.slice(..cut), ..detailed.clone() };
        // What libavcodec conceals is grey or noise, but nothing of the white picture.
        if let Ok(picture) = decoder.decode(&bad) {
            let rest = &picture.planes[0][200 * picture.strides[0]..][..320];
            assert!(rest.iter().filter(|luma| luma.abs_diff(235) <= 3).count() < 160, "{rest:?}");
        }
    }
}

#[test]
fn streams_with_bidirectional_frames_are_not_held_back() {
    let encoder = "x264enc bframes=3 key-int-max=25 ! video/x-h264,stream-format=byte-stream,alignment=au,profile=high";
    let mut decoder = decoder();
    for color in [WHITE, BLACK] {
        let access_unit = encode(Codec::H264, &solid(color, 320, 240), encoder);
        check(&mut decoder, &access_unit, (320, 240), if color == WHITE { 235 } else { 16 });
    }
}

#[test]
fn unusual_chroma_and_depth_become_8_bit_420() {
    let source = |format: &str| format!("pattern=white ! video/x-raw,format={format},width=320,height=240");
    let mut decoder = decoder();
    let encoder = "x264enc ! video/x-h264,stream-format=byte-stream,alignment=au";
    for format in ["Y42B", "Y444", "I420_10LE"] {
        check(&mut decoder, &encode(Codec::H264, &source(format), encoder), (320, 240), 235);
    }
    for format in ["Y42B", "Y444", "GRAY8"] {
        check(&mut decoder, &jpeg(&source(format)), (320, 240), 235);
    }
}

#[test]
fn range_and_matrix_are_told() {
    let mut decoder = decoder();
    let mut colors = |access_unit: &AccessUnit| {
        let picture = decoder.decode(access_unit).unwrap();
        (picture.range, picture.matrix)
    };
    assert_eq!(colors(&jpeg(&solid(WHITE, 320, 240))), (ColorRange::Full, ColorMatrix::Bt601));
    assert_eq!(colors(&h264(&solid(WHITE, 320, 240))), (ColorRange::Limited, ColorMatrix::Bt601));
    assert_eq!(colors(&h264(&solid(WHITE, 1920, 1080))), (ColorRange::Limited, ColorMatrix::Bt709));
}

#[test]
fn a_decoder_that_is_not_there_is_told() {
    let config = DecoderConfig { h264: "nosuchdec_h264".into(), ..DecoderConfig::default() };
    let error = Decoder::new(&config).unwrap_err().to_string();
    assert!(error.contains("nosuchdec_h264") && error.contains("ingest.decoders"), "{error}");
}

#[test]
fn a_decoder_that_hangs_does_not_hold_its_worker() {
    let hangs = "identity sleep-time=60000000 ! avdec_h264".to_owned();
    let mut decoder = Decoder::new(&DecoderConfig { h264: hangs, ..DecoderConfig::default() }).unwrap();
    let started = std::time::Instant::now();
    let error = decoder.decode(&h264(&solid(WHITE, 320, 240))).unwrap_err();
    assert!(error.to_string().contains("sleep-time") && error.reason() == "decoder_hung", "{error}");
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
    check(&mut decoder, &h265(&solid(WHITE, 320, 240)), (320, 240), 235);
}

#[test]
fn a_decoder_for_something_else_is_told() {
    let mut decoder = Decoder::new(&DecoderConfig { h264: "jpegdec".into(), ..DecoderConfig::default() }).unwrap();
    let access_unit = h264(&solid(WHITE, 320, 240));
    for _ in 0..3 {
        assert!(decoder.decode(&access_unit).is_err());
    }
    check(&mut decoder, &jpeg(&solid(WHITE, 320, 240)), (320, 240), 235);
}
