//! Zones of several cameras that are said to show the same: each one that is named must be there.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

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
/// line of what is wrong.
///
/// # Errors
/// The first that is not, with its line.
pub(crate) fn check(
    cameras: &[(CameraConfig, PathBuf)],
    text_of: impl Fn(&Path) -> Option<String>,
) -> Result<(), ConfigError> {
    let known: BTreeMap<_, _> = cameras.iter().map(|(camera, _)| (&camera.id, camera)).collect();
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
                // Cameras stand in the order of their files.
                let nth = cameras[..index].iter().filter(|(_, other)| other == path).count();
                let place = || {
                    let text = text_of(path)?;
                    let places: Places = toml::from_str(&text).ok()?;
                    let name = places.cameras.get(nth)?.zones.get(z)?.overlaps.get(o)?;
                    Some(line_and_column(&text, name.span().start))
                };
                return Err(ConfigError::Parse {
                    path: path.clone(),
                    place: FilePosition(place()),
                    key: format!("cameras.{}.zones.{}.overlaps", camera.id, zone.id),
                    message,
                });
            }
        }
    }
    Ok(())
}
