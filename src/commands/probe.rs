//! `gridwatch probe URL`.

use anyhow::Context as _;
use domain::StreamRole;
use ingest::{Decoder, Mode, StreamConfig};

use crate::{cli::ProbeArgs, probing::whole_seconds};

/// Watches the stream for a while, prints what it is, and writes its first picture as JPEG; of an `http://` address it takes
/// one picture.
///
/// # Errors
/// When the camera cannot be reached or sends nothing that can be decoded.
pub async fn run(arguments: ProbeArgs) -> anyhow::Result<()> {
    let is_picture = arguments.url.trim_start().to_lowercase().starts_with("http");
    let stream = StreamConfig {
        mode: if is_picture { Mode::Snapshot } else { Mode::Stream },
        main: Some(arguments.url),
        username: arguments.username,
        password_env: arguments.password_env,
        password_file: arguments.password_file,
        transport: if arguments.udp { ingest::Transport::Udp } else { ingest::Transport::Tcp },
        ..StreamConfig::default()
    };
    stream.validate()?;
    let report = ingest::probe(&stream, StreamRole::Main, arguments.duration.to_duration().into()).await?;
    let keyframe = report.keyframe.clone();
    let jpeg = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
        let picture = Decoder::new(&ingest::DecoderConfig::default())?.decode(&keyframe)?;
        Ok(alerts::jpeg::encode(&picture, 90)?)
    })
    .await??;
    std::fs::write(&arguments.picture, jpeg).with_context(|| arguments.picture.display().to_string())?;
    println!("codec              {}", report.codec);
    println!("size               {}x{}", report.width, report.height);
    if is_picture {
        println!("picture            {}", arguments.picture.display());
        return Ok(());
    }
    let measured = |value: Option<String>| value.unwrap_or_else(|| "unknown: too few frames came".into());
    println!("frame rate         {}", measured(report.frame_rate.map(|rate| format!("{rate:.1} /s"))));
    let interval = match (report.keyframe_interval, report.no_keyframe_for) {
        (Some(interval), _) => interval.to_string(),
        (None, Some(lasted)) => format!("longer than {} (one keyframe seen)", whole_seconds(lasted)),
        (None, None) => "unknown: one keyframe came".into(),
    };
    println!("keyframe interval  {interval}");
    println!("bit rate           {}", measured(report.bitrate.map(|bits| format!("{} kbit/s", bits / 1000))));
    println!("first picture      {}", arguments.picture.display());
    Ok(())
}
