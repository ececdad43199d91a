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
    health::HealthBoard,
    looker::Sights,
    reference::ReferenceStore,
    reload::{Reloaded, Reloads},
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
    health: HealthBoard,
    sights: Sights,
    kept: ReferenceStore,
    stills: Stills,
    roster: Roster,
    /// None where the cameras come from no file.
    reloads: Option<Reloads>,
}

impl Fleet {
    /// Joins what runs with what was configured.
    #[must_use]
    pub fn new(
        ingest: Ingest,
        health: HealthBoard,
        references: (Sights, ReferenceStore),
        stills: Stills,
        roster: Roster,
        reloads: Option<Reloads>,
    ) -> Self {
        let (sights, kept) = references;
        Self { ingest, health, sights, kept, stills, roster, reloads }
    }

    /// What `get` gives, as JPEG; it may block.
    fn encode(&self, id: &CameraId, get: impl FnOnce() -> Option<AccessUnit> + Send + 'static) -> StillFuture<'_> {
        let (stills, camera) = (self.stills.clone(), id.clone());
        Box::pin(async move {
            let encoded =
                tokio::task::spawn_blocking(move || -> Result<Option<Bytes>, Box<dyn Error + Send + Sync>> {
                    let Some(access_unit) = get() else { return Ok(None) };
                    Ok(Some(alerts::jpeg::encode(&stills.decode(&access_unit)?, LIVE_QUALITY)?.into()))
                });
            let encoded = encoded.await.map_err(Into::into).and_then(|result| result);
            encoded.map_err(|source| StillError { camera, source })
        })
    }

    fn view(&self, cameras: &Cameras, report: domain::CameraReport) -> Option<CameraView> {
        let camera = cameras.get(&report.id)?;
        Some(CameraView {
            report: self.health.complete(report),
            name: camera.display_name().to_owned(),
            place: camera.place.clone(),
            zones: camera.zones.clone(),
            reference: self.sights.reference_taken_at(&camera.id),
        })
    }
}

impl console::Fleet for Fleet {
    fn cameras(&self) -> Vec<CameraView> {
        let cameras = self.roster.now();
        self.ingest.reports().into_iter().filter_map(|report| self.view(&cameras, report)).collect()
    }

    fn camera(&self, id: &CameraId) -> Option<CameraView> {
        self.ingest.report(id).and_then(|report| self.view(&self.roster.now(), report))
    }

    fn reload(&self) -> ReloadFuture<'_> {
        Box::pin(async {
            let Some(reloads) = &self.reloads else {
                return Err("these cameras come from no configuration file".to_owned());
            };
            let Reloaded { cameras: Changes { added, changed, removed, unchanged }, restart } =
                reloads.reload().await?;
            Ok(CameraChanges { added, changed, removed, unchanged, restart })
        })
    }

    fn take_reference(&self, id: &CameraId) -> bool {
        let known = self.sights.take_reference(id);
        if known {
            self.ingest.look_now(id);
        }
        known
    }

    fn still(&self, id: &CameraId) -> StillFuture<'_> {
        let access_unit = self.ingest.latest(id);
        self.encode(id, move || access_unit)
    }

    fn reference(&self, id: &CameraId) -> StillFuture<'_> {
        let (kept, camera) = (self.kept.clone(), id.clone());
        self.encode(id, move || kept.load(&camera))
    }
}
