//! The names of this crate's metrics.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Tells the recorder what each metric of this crate means; once, after it is installed.
pub fn describe_metrics() {
    describe_gauge!("gridwatch_cameras", Unit::Count, "Cameras by state");
    describe_counter!("gridwatch_camera_errors_total", Unit::Count, "Connections that failed or broke, by reason");
    describe_counter!("gridwatch_reconnects_total", Unit::Count, "Connections that were lost or failed");
    describe_counter!("gridwatch_frames_received_total", Unit::Count, "Frames received, of any kind");
    describe_counter!("gridwatch_bytes_received_total", Unit::Bytes, "Encoded video received");
    describe_counter!("gridwatch_keyframes_total", Unit::Count, "Keyframes put into the cameras' slots");
    describe_counter!("gridwatch_keyframes_replaced_total", Unit::Count, "Keyframes replaced by a newer one unlooked");
    describe_counter!("gridwatch_keyframes_dropped_total", Unit::Count, "Keyframes that cannot be used, by reason");
    describe_histogram!("gridwatch_keyframe_interval_seconds", Unit::Seconds, "Time between a camera's keyframes");
    describe_counter!("gridwatch_looks_total", Unit::Count, "Looks made");
    describe_counter!("gridwatch_looks_failed_total", Unit::Count, "Looks that gave no picture, by reason");
    describe_histogram!("gridwatch_look_lag_seconds", Unit::Seconds, "How late looks are, waiting for keyframes too");
    describe_gauge!(
        "gridwatch_look_stretch",
        Unit::Count,
        "Mean interval between looks over the last minute by the wanted one; 1 when the machine keeps up"
    );
    describe_histogram!("gridwatch_look_queue_wait_seconds", Unit::Seconds, "How long due looks wait for a worker");
    describe_histogram!("gridwatch_decode_seconds", Unit::Seconds, "Time to decode one keyframe");
    describe_counter!("gridwatch_decode_errors_total", Unit::Count, "Keyframes that gave no picture, by reason");
    describe_gauge!("gridwatch_all_frames_cameras", Unit::Count, "Cameras whose every frame is decoded");
    describe_counter!(
        "gridwatch_all_frames_cpu_milliseconds_total",
        Unit::Milliseconds,
        "Processor time of decoding every frame of cameras whose keyframes come too rarely"
    );
    describe_counter!(
        "gridwatch_all_frames_breaks_total",
        Unit::Count,
        "How often decoding every frame of a camera had to begin anew, by reason"
    );
    describe_histogram!(
        "gridwatch_visit_seconds",
        Unit::Seconds,
        "How long cameras on patrol are visited for a keyframe"
    );
    describe_counter!("gridwatch_grab_errors_total", Unit::Count, "Pictures on demand that failed, by reason");
}
