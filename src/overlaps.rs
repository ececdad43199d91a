//! Zones of several cameras that are said to show the same: each one that is named must be there.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use alerts::incident::ZoneRef;
use serde::Deserialize;

use crate::config::{CameraConfig, ConfigError, FilePosition, line_and_column};

/// What is read of a file to find where a name stands in it.
#[derive(Deserialize)]
struct Places {
    #[serde(default)]
    cameras: Vec<CameraPlaces>,
}

#[derive(Deserialize)]
struct CameraPlaces {
    #[serde(default)]
    zones: Vec<ZonePlaces>,
}

#[derive(Deserialize)]
struct ZonePlaces {
    #[serde(default)]
    overlaps: Vec<toml::Spanned<String>>,
}

/// Checks that every zone in an `overlaps` list is there and another camera's. `text_of` gives a file's text once more, for the
/// lines of what is wrong.
///
/// # Errors
/// All that are not, each with its line.
pub(crate) fn check(
    cameras: &[(CameraConfig, PathBuf)],
    text_of: impl Fn(&Path) -> Option<String>,
) -> Result<(), ConfigError> {
    let known: BTreeMap<_, _> = cameras.iter().map(|(camera, _)| (&camera.id, camera)).collect();
    let mut faults = Vec::new();
    let mut texts: BTreeMap<&Path, Option<(String, Places)>> = BTreeMap::new();
    for (index, (camera, path)) in cameras.iter().enumerate() {
        for (z, zone) in camera.zones.iter().enumerate() {
            for (o, there) in zone.overlaps.iter().enumerate() {
                let message = match known.get(&there.camera) {
                    None => format!("there is no camera \"{}\"; name one as CAMERA/ZONE", there.camera),
                    Some(other) if other.id == camera.id => {
                        "a zone of the same camera; overlaps names those of others".to_owned()
                    }
                    Some(other) if !other.zones.iter().any(|zone| zone.id == there.zone) => {
                        let zones: Vec<_> = other.zones.iter().map(|zone| zone.id.as_str()).collect();
                        format!("camera \"{}\" has no zone \"{}\", only: {}", other.id, there.zone, zones.join(", "))
                    }
                    Some(_) => continue,
                };
                let read = || {
                    let text = text_of(path)?;
                    let places = toml::from_str(&text).ok()?;
                    Some((text, places))
                };
                let text = texts.entry(path).or_insert_with(read).as_ref();
                // Cameras stand in the order of their files.
                let nth = cameras[..index].iter().filter(|(_, other)| other == path).count();
                let place = text.and_then(|(text, places)| {
                    let name = places.cameras.get(nth)?.zones.get(z)?.overlaps.get(o)?;
                    Some(line_and_column(text, name.span().start))
                });
                faults.push(ConfigError::Parse {
                    path: path.clone(),
                    place: FilePosition(place),
                    key: format!("cameras.{}.zones.{}.overlaps", camera.id, zone.id),
                    message,
                });
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(ConfigError::Overlaps(faults)) }
}

/// Which zones are said to overlap.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Overlapping {
    /// Pairs of zones.
    pub(crate) pairs: usize,
    /// Those that only the first one says of the second; they count both ways.
    pub(crate) one_sided: Vec<(ZoneRef, ZoneRef)>,
}

impl Overlapping {
    /// What these cameras say.
    pub(crate) fn of<'a>(cameras: impl IntoIterator<Item = &'a CameraConfig>) -> Self {
        let said: BTreeSet<(ZoneRef, ZoneRef)> = cameras
            .into_iter()
            .flat_map(|camera| {
                camera.zones.iter().flat_map(|zone| {
                    let here = ZoneRef { camera: camera.id.clone(), zone: zone.id.clone() };
                    zone.overlaps.iter().map(move |there| (here.clone(), there.clone()))
                })
            })
            .collect();
        let one_sided: Vec<_> =
            said.iter().filter(|(here, there)| !said.contains(&(there.clone(), here.clone()))).cloned().collect();
        Self { pairs: (said.len() + one_sided.len()) / 2, one_sided }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cameras(overlaps: &[(&str, &str)]) -> Vec<CameraConfig> {
        let camera = |(id, overlaps): &(&str, &str)| {
            let zone = format!(
                "{{ id = 'z', purpose = 'no_stopping', polygon = [[0, 0], [1, 0], [1, 1]], overlaps = [{overlaps}] }}"
            );
            toml::from_str(&format!("id = '{id}'\nstream = {{ main = 'rtsp://h/{id}' }}\nzones = [{zone}]")).unwrap()
        };
        overlaps.iter().map(camera).collect()
    }

    #[test]
    fn pairs_are_counted_once_and_those_of_one_side_are_named() {
        let Overlapping { pairs, one_sided } =
            Overlapping::of(&cameras(&[("a", "'b/z', 'c/z'"), ("b", "'a/z'"), ("c", "")]));
        let one_sided: Vec<_> = one_sided.into_iter().map(|(a, b)| [a, b].map(String::from)).collect();
        assert_eq!((pairs, one_sided), (2, vec![["a/z".to_owned(), "c/z".to_owned()]]));
        assert_eq!(Overlapping::of(&cameras(&[("a", "")])), Overlapping::default());
    }

    #[test]
    fn every_overlap_that_names_nothing_is_told_with_its_line() {
        let zone = |overlaps: &str| {
            format!(
                "zones = [{{ id = 'z', purpose = 'bin', polygon = [[0, 0], [1, 0], [1, 1]], overlaps = [{overlaps}] }}]"
            )
        };
        let text = format!(
            "[[cameras]]\nid = 'a'\nstream = {{ main = 'rtsp://h/a' }}\n{}\n\
             [[cameras]]\nid = 'b'\nstream = {{ main = 'rtsp://h/b' }}\n{}\n",
            zone("'b/nothing', 'b/z'"),
            zone("'nobody/z', 'b/z'")
        );
        let error = crate::config::Config::parse(Path::new("cameras.toml"), &text).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("cameras.toml:4:") && said.contains("and 2 more overlaps"), "{said}");
        let ConfigError::Overlaps(all) = error else { panic!("{said}") };
        let all: Vec<_> = all.iter().map(ToString::to_string).collect();
        let expect = ["has no zone \"nothing\", only: z", "there is no camera \"nobody\"", "a zone of the same camera"];
        for (said, expect) in all.iter().zip(expect) {
            assert!(said.contains(expect), "{said} lacks {expect}");
        }
        assert!(all[1].contains("cameras.toml:8:"), "{all:?}");
        assert_eq!(all.len(), 3);
    }
}
