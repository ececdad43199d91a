//! Small recordings of a test picture, and what is in a picture.

use std::path::{Path, PathBuf};

use gstreamer::{self as gst, prelude::*};

/// H.264 as a camera records it: 10 pictures a second, a keyframe each second.
pub(crate) const CAMERA: &str = "x264enc tune=zerolatency speed-preset=ultrafast bframes=0 key-int-max=10 option-string=scenecut=0 ! h264parse ! matroskamux";

pub(crate) fn run(line: &str) {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends);
    pipeline.set_state(gst::State::Null).unwrap();
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => {}
        other => panic!("{line}: {other:?}"),
    }
}

/// `pictures` pictures of colour bars at 10 a second, `size` large, through `encoder` to `dir/name`.
pub(crate) fn record(dir: &Path, name: &str, pictures: u32, size: (u32, u32), encoder: &str) -> PathBuf {
    let path = dir.join(name);
    let (width, height) = size;
    run(&format!(
        "videotestsrc num-buffers={pictures} ! video/x-raw,format=I420,width={width},height={height},framerate=10/1 \
         ! {encoder} ! filesink location={}",
        path.display()
    ));
    path
}

/// Decodes one Annex B keyframe to grey pixels, row by row; `None` if no sound picture comes of it.
pub(crate) fn decode(data: &[u8]) -> Option<(usize, Vec<u8>)> {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(
        "appsrc name=in format=time caps=video/x-h264,stream-format=byte-stream,alignment=au \
         ! avdec_h264 output-corrupt=false max-threads=1 ! videoconvert ! video/x-raw,format=GRAY8 ! appsink name=out sync=false",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let source = pipeline.by_name("in").unwrap().downcast::<gstreamer_app::AppSrc>().unwrap();
    let sink = pipeline.by_name("out").unwrap().downcast::<gstreamer_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    source.push_buffer(gst::Buffer::from_slice(data.to_vec())).unwrap();
    source.end_of_stream().unwrap();
    let picture = sink.pull_sample().ok().map(|sample| {
        let width: i32 = sample.caps().unwrap().structure(0).unwrap().get("width").unwrap();
        (width as usize, sample.buffer().unwrap().map_readable().unwrap().to_vec())
    });
    pipeline.set_state(gst::State::Null).unwrap();
    picture
}
