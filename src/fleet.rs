//! The cameras as the console and the evidence see them: reports and pictures from ingest, names and zones from the
//! configuration.

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use alerts::service::{FullResolution, Grab, StillDecoder};
use bytes::Bytes;
use console::{CameraChanges, CameraView, ReloadFuture, StillError, StillFuture};
use domain::{AccessUnit, CameraId, Picture, StreamRole};
use ingest::{Decoder, Ingest};

use crate::{
    reload::Reloads,
    roster::{Cameras, Changes, Roster},
};

/// JPEG quality of the console's live pictures; evidence has its own.
const LIVE_QUALITY: u8 = 80;

/// Decodes single pictures outside the look workers: evidence that was kept encoded, and the console's live pictures.
#[derive(Clone)]
pub struct Stills(Arc<Mutex<Decoder>>);

impl Stills {
    /// A decoder of its own, so that a page view never delays a look.
    #[must_use]
    pub fn new(decoder: Decoder) -> Self {
        Self(Arc::new(Mutex::new(decoder)))
    }

    /// Decodes one access unit; blocks for milliseconds.
    ///
    /// # Errors
    /// When it cannot be decoded.
    pub fn decode(&self, access_unit: &AccessUnit) -> Result<Picture, ingest::IngestError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).decode(access_unit)
    }
}

impl StillDecoder for Stills {
    fn decode(&self, access_unit: &AccessUnit) -> Result<Picture, String> {
        Self::decode(self, access_unit).map_err(|error| error.to_string())
    }
}

/// Takes evidence in full resolution from the main streams of cameras that are looked at in their sub streams.
pub struct MainStreams {
    ingest: Ingest,
    roster: Roster,
}

/// A main stream that needs longer than this for a keyframe is of no use to a ticket that waits for it.
const GRAB_TIMEOUT: Duration = Duration::from_secs(5);

impl MainStreams {
    /// Those of the roster's cameras that have both streams.
    #[must_use]
    pub fn new(ingest: Ingest, roster: Roster) -> Self {
        Self { ingest, roster }
    }
}

impl FullResolution for MainStreams {
    fn grab(&self, camera: &CameraId) -> Option<Grab> {
        self.roster.now().get(camera).filter(|known| known.stream.main.is_some() && known.stream.sub.is_some())?;
        let (camera, ingest) = (camera.clone(), self.ingest.clone());
        Some(Box::pin(async move {
            let grabbed = ingest.grab(&camera, StreamRole::Main, GRAB_TIMEOUT).await;
            grabbed.map_err(|error| error.to_string())
        }))
    }
}

/// What the console shows of the cameras.
pub struct Fleet {
    ingest: Ingest,
    stills: Stills,
    roster: Roster,
    /// None where the cameras come from no file.
    reloads: Option<Reloads>,
}

impl Fleet {
    /// Joins what runs with what was configured.
    #[must_use]
    pub fn new(ingest: Ingest, stills: Stills, roster: Roster, reloads: Option<Reloads>) -> Self {
        Self { ingest, stills, roster, reloads }
    }

    fn view(cameras: &Cameras, report: domain::CameraReport) -> Option<CameraView> {
        let camera = cameras.get(&report.id)?;
        Some(CameraView {
            report,
            name: camera.display_name().to_owned(),
            place: camera.place.clone(),
            zones: camera.zones.clone(),
        })
    }
}

impl console::Fleet for Fleet {
    fn cameras(&self) -> Vec<CameraView> {
        let cameras = self.roster.now();
        self.ingest.reports().into_iter().filter_map(|report| Self::view(&cameras, report)).collect()
    }

    fn camera(&self, id: &CameraId) -> Option<CameraView> {
        self.ingest.report(id).and_then(|report| Self::view(&self.roster.now(), report))
    }

    fn reload(&self) -> ReloadFuture<'_> {
        Box::pin(async {
            let Some(reloads) = &self.reloads else {
                return Err("these cameras come from no configuration file".to_owned());
            };
            let Changes { added, changed, removed, unchanged } = reloads.reload().await?;
            Ok(CameraChanges { added, changed, removed, unchanged })
        })
    }

    fn still(&self, id: &CameraId) -> StillFuture<'_> {
        let (stills, access_unit, camera) = (self.stills.clone(), self.ingest.latest(id), id.clone());
        Box::pin(async move {
            let Some(access_unit) = access_unit else { return Ok(None) };
            let encoded = tokio::task::spawn_blocking(move || -> Result<Bytes, Box<dyn Error + Send + Sync>> {
                Ok(alerts::jpeg::encode(&stills.decode(&access_unit)?, LIVE_QUALITY)?.into())
            });
            let encoded = encoded.await.map_err(Into::into).and_then(|result| result);
            encoded.map(Some).map_err(|source| StillError { camera, source })
        })
    }
}
