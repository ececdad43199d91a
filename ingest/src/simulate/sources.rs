//! From paths to recordings, and from mounts to what their cameras show.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use domain::Codec;
use gstreamer::{self as gst, prelude::*};

use super::{
    Mount, Recording, SimulateConfig, SimulateError, Source, View,
    clip::{Clip, Encoding},
    exists, is_safe,
    program::Program,
    safe_name,
};

/// What counts as a recording inside a folder. A file that is named itself may have any extension.
const EXTENSIONS: &[&str] = &[
    "264", "265", "3gp", "asf", "avi", "flv", "h264", "h265", "hevc", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg",
    "mpg", "mts", "ogv", "ts", "webm", "wmv",
];

/// The recordings at `paths`: files as given, folders for all video files in them (not deeper), sorted by name.
/// Whether a file holds video is seen when it is served.
///
/// # Errors
/// When a path leads nowhere, or no recording is found at all. A path that is bad among good ones is logged and left out.
pub fn recordings(paths: &[PathBuf]) -> Result<Vec<Recording>, SimulateError> {
    let mut found = Vec::new();
    let mut trouble = None;
    for path in paths {
        match files(path) {
            Ok(files) => found.extend(files),
            Err(error) => {
                tracing::warn!(%error, "left out");
                trouble.get_or_insert(error);
            }
        }
    }
    if found.is_empty() {
        return Err(trouble.unwrap_or(SimulateError::NothingToServe));
    }
    let mut taken = HashSet::new();
    Ok(found
        .into_iter()
        .map(|path| {
            let stem =
                safe_name(&path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned()));
            let mut name = stem.clone();
            let mut number = 2;
            while !taken.insert(name.to_ascii_lowercase()) {
                name = format!("{stem}-{number}");
                number += 1;
            }
            Recording { name, path }
        })
        .collect())
}

fn files(path: &Path) -> Result<Vec<PathBuf>, SimulateError> {
    exists(path)?;
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let io = |source| SimulateError::Io { path: path.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        let file = entry.map_err(io)?.path();
        let extension = file.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        if extension.is_some_and(|e| EXTENSIONS.contains(&e.as_str())) && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(SimulateError::NoRecordings { path: path.to_owned(), extensions: EXTENSIONS.join(", ") });
    }
    files.sort();
    Ok(files)
}

/// What a mount serves.
pub(super) enum Content {
    Program(Program),
    Launch(String),
}

/// Reads recordings, each only once however many cameras show it.
pub(super) struct Loader<'a> {
    config: &'a SimulateConfig,
    clips: HashMap<(PathBuf, View, Encoding), Arc<Clip>>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(config: &'a SimulateConfig) -> Self {
        Self { config, clips: HashMap::new() }
    }

    /// What `mount` shows, in `encoding`.
    pub(super) fn content(&mut self, mount: &Mount, encoding: Encoding) -> Result<Content, SimulateError> {
        let name = || mount.name.clone();
        if !is_safe(&mount.name) {
            return Err(SimulateError::Name { name: name() });
        }
        let clips = match &mount.source {
            Source::Launch(line) => return launch_line(&mount.name, line).map(Content::Launch),
            Source::Recording(path) => vec![self.clip(path, mount.view, encoding)?],
            Source::Sequence(paths) => {
                let load = |path: &PathBuf| self.clip(path, mount.view, encoding);
                let clips = paths.iter().map(load).collect::<Result<Vec<_>, _>>()?;
                // One RTP stream has one encoding.
                if clips.iter().any(|clip| clip.codec != clips[0].codec) {
                    let load = |path: &PathBuf| self.clip(path, mount.view, Encoding::H264);
                    paths.iter().map(load).collect::<Result<Vec<_>, _>>()?
                } else {
                    clips
                }
            }
        };
        Program::new(clips).map(Content::Program).ok_or_else(|| SimulateError::EmptySequence { name: name() })
    }

    fn clip(&mut self, path: &Path, view: View, encoding: Encoding) -> Result<Arc<Clip>, SimulateError> {
        let key = (path.to_owned(), view, encoding);
        if let Some(clip) = self.clips.get(&key) {
            return Ok(Arc::clone(clip));
        }
        let clip = Clip::load(path, view, encoding, self.config.cache_dir.as_deref(), self.config.progress.as_ref())?;
        self.clips.insert(key, Arc::clone(&clip));
        Ok(clip)
    }
}

/// Checks a launch line before a client finds out.
fn launch_line(name: &str, line: &str) -> Result<String, SimulateError> {
    let wrong = |reason: String| SimulateError::Launch { name: name.to_owned(), reason };
    let inner = line.trim();
    let inner = inner.strip_prefix('(').and_then(|l| l.strip_suffix(')')).unwrap_or(inner).trim();
    let bin = gst::parse::bin_from_description(inner, false).map_err(|error| wrong(error.to_string()))?;
    if bin.by_name("pay0").is_none() {
        return Err(wrong(
            "has no payloader named pay0; end it with, for example, \"! rtph264pay name=pay0 pt=96\"".into(),
        ));
    }
    Ok(format!("( {inner} )"))
}

/// The encoding of a program, and the launch line that sends what the feeder gives it.
pub(super) fn feed_line(codec: Codec) -> &'static str {
    // The parameter sets are in band already; the payloader takes the ones for the SDP from there.
    match codec {
        Codec::H265 => {
            "( appsrc name=feed is-live=true format=time block=false max-bytes=0 \
             caps=video/x-h265,stream-format=byte-stream,alignment=au ! rtph265pay name=pay0 pt=96 )"
        }
        _ => {
            "( appsrc name=feed is-live=true format=time block=false max-bytes=0 \
             caps=video/x-h264,stream-format=byte-stream,alignment=au ! rtph264pay name=pay0 pt=96 )"
        }
    }
}
