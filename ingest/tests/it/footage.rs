//! Recordings and photographs as pictures at given times, and pictures as a camera's keyframes.

use std::path::Path;

use domain::{Millis, Picture, Timestamp};
use ingest::{Decoder, DecoderConfig, Encoder, Footage};

use crate::recordings::run;

/// Two seconds at 10 frames a second: black at first, then white.
fn black_and_white(path: &Path, muxer: &str) {
    let half = |pattern: &str| {
        format!(
            "videotestsrc num-buffers=10 pattern={pattern} ! video/x-raw,format=I420,width=64,height=48,framerate=10/1 ! c."
        )
    };
    run(&format!(
        "concat name=c ! x264enc speed-preset=ultrafast key-int-max=10 ! {muxer} ! filesink location={} {} {}",
        path.display(),
        half("black"),
        half("white")
    ));
}

fn is_white(picture: &Picture) -> bool {
    assert_eq!((picture.width, picture.height), (64, 48));
    picture.planes[0][24 * picture.strides[0] + 32] > 128
}

#[test]
fn a_recording_shows_at_each_time_what_was_on_the_screen_and_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    for (name, muxer) in [("clip.mkv", "h264parse ! matroskamux"), ("clip.mp4", "h264parse ! mp4mux")] {
        let path = folder.path().join(name);
        black_and_white(&path, muxer);
        let mut footage = Footage::open(&path).unwrap();
        for (at, white) in [
            (0, false),
            (950, false),
            (1_050, true),
            (1_950, true),
            (2_100, false),
            (3_100, true),
            (8_500, false),
            (9_500, true),
        ] {
            assert_eq!(is_white(&footage.at(Millis(at)).unwrap()), white, "{name} at {at} ms");
        }
    }
}

#[test]
fn a_photograph_shows_one_picture_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("white.jpg");
    run(&format!(
        "videotestsrc num-buffers=1 pattern=white ! video/x-raw,format=I420,width=64,height=48 ! jpegenc ! filesink location={}",
        path.display()
    ));
    let mut footage = Footage::open(&path).unwrap();
    assert!([0, 5_000, 600_000].into_iter().all(|at| is_white(&footage.at(Millis(at)).unwrap())));
}

#[test]
fn what_holds_no_pictures_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.mp4");
    let error = Footage::open(&path).unwrap_err().to_string();
    assert!(error.contains("notes.mp4") && error.contains("cannot be opened"), "{error}");
    std::fs::write(&path, "no pictures at all").unwrap();
    let error = Footage::open(&path).unwrap_err().to_string();
    assert!(error.contains("notes.mp4"), "{error}");
}

#[test]
fn an_encoded_picture_is_a_keyframe_that_decodes_alone() {
    let mut encoder = Encoder::new(66, 50, 20).unwrap();
    let mut decoder = Decoder::new(&DecoderConfig::default()).unwrap();
    for (n, luma) in [60, 200, 120].into_iter().enumerate() {
        let at = Timestamp(n as i64 * 1_000);
        let access_unit = encoder.encode(&Picture::uniform(66, 50, [luma, 90, 170]), at).unwrap();
        assert_eq!(access_unit.received_at, at);
        // A decoder of its own each time: nothing of the picture before helps.
        let picture = decoder.decode(&access_unit).unwrap();
        assert_eq!((picture.width, picture.height), (66, 50));
        assert!(picture.planes[0][20 * picture.strides[0] + 20].abs_diff(luma) < 4, "{luma}");
        decoder = Decoder::new(&DecoderConfig::default()).unwrap();
    }
    let odd = Encoder::new(65, 50, 20).unwrap_err().to_string();
    assert!(odd.contains("65x50"), "{odd}");
    assert!(encoder.encode(&Picture::uniform(64, 48, [0, 128, 128]), Timestamp(0)).is_err(), "another size");
}
