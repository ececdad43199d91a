//! What the console is made of.

use std::{sync::Arc, time::Duration};

use alerts::{
    evidence::EvidenceStore, registry::Registry, sensor::SensorBoard, store::Store, streets::StreetNames,
    zero_report::ReportsOwed,
};
use domain::{Millis, NodeId, Timestamp};
use jiff::tz::TimeZone;
use tokio::sync::Semaphore;

use crate::{answer::Fault, config::PublicUrl, fleet::Fleet, layout::Figures, open311::KindsKnown};

/// How the rest of the process fares, as far as the console cannot see it for itself.
#[derive(Debug, Clone, Default)]
pub struct Vitals {
    /// Whether the MQTT broker accepts messages at this moment.
    pub broker_connected: bool,
    /// Looks a second over the last while; none where that is not measured.
    pub looks_per_second: Option<f64>,
    /// How looks kept up over the last minute; none where that is not measured.
    pub looks: Option<LookVitals>,
    /// Sections of the configuration that were changed and need a restart.
    pub restart: Vec<&'static str>,
}

/// How looks kept up over the last minute.
#[derive(Debug, Clone, Default)]
pub struct LookVitals {
    /// Looks that were made or should have been.
    pub due: u64,
    /// Looks that were made.
    pub done: u64,
    /// How late half of the looks were at most.
    pub lag_p50: Duration,
    /// How late all but one in a hundred were at most.
    pub lag_p99: Duration,
    /// The mean interval that was wanted.
    pub wanted: Duration,
    /// The mean interval that the machine could do.
    pub achieved: Duration,
    /// The one by the other; 1 when the machine keeps up.
    pub stretch: f64,
}

impl LookVitals {
    /// From which stretch on people are told.
    const NOTABLE: f64 = 1.1;

    /// Whether the machine does not keep up.
    pub(crate) fn is_stretched(&self) -> bool {
        self.stretch > Self::NOTABLE
    }
}

/// Problems of so long are counted beside the navigation.
const LATELY: Millis = Millis::mins(24 * 60);

/// All that the pages are made from. Cheap to clone.
#[derive(Clone)]
pub struct Console {
    /// Tickets and the outbox.
    pub store: Store,
    /// Where decisions of people go.
    pub registry: Registry,
    /// The evidence's bytes.
    pub evidence: EvidenceStore,
    /// The cameras.
    pub fleet: Arc<dyn Fleet>,
    /// All metrics as Prometheus text, at the moment of the call.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// How the rest of the process fares, at the moment of the call. Must not block.
    pub vitals: Arc<dyn Fn() -> Vitals + Send + Sync>,
    /// The sensors, where there are any.
    pub sensors: Option<SensorBoard>,
    /// The stations that report each day.
    pub reports_owed: ReportsOwed,
    /// What the city's streets are called, at the moment of the call. Must not block.
    pub streets: Arc<dyn Fn() -> Arc<StreetNames> + Send + Sync>,
    /// Where people outside reach the pages, where that is configured.
    pub public_url: Option<PublicUrl>,
    /// This process among its peers.
    pub node: NodeId,
    /// The zone that times are shown in.
    pub time_zone: TimeZone,
}

impl Console {
    /// The strip of figures, and with it the list of cameras that it was counted from.
    pub(crate) async fn figures(&self, now: Timestamp) -> Result<(Figures, Vec<crate::fleet::CameraView>), Fault> {
        let cameras = self.fleet.cameras();
        let counts = self.store.counts().await.map_err(Fault::internal)?;
        let problems = self.store.problem_count(now - LATELY).await.map_err(Fault::internal)?;
        let figures = Figures::new(&cameras, &counts, problems, (self.vitals)());
        Ok((figures, cameras))
    }

    /// The time zone's name, or its offset where it has none.
    pub(crate) fn zone_name(&self, now: Timestamp) -> String {
        self.time_zone.iana_name().map_or_else(
            || {
                let now = jiff::Timestamp::from_millisecond(now.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
                format!("UTC{}", now.to_zoned(self.time_zone.clone()).strftime("%:z"))
            },
            ToOwned::to_owned,
        )
    }
}

/// What the handlers share: the console, how many stills may be made at a time, and which kinds are known.
pub(crate) struct Desk {
    pub(crate) console: Console,
    pub(crate) stills: Semaphore,
    pub(crate) kinds: KindsKnown,
}

impl Desk {
    pub(crate) fn new(console: Console) -> Self {
        // A still costs a decode and an encode; people leafing through pages must not take the cores from the looks.
        Self { console, stills: Semaphore::new(4), kinds: KindsKnown::default() }
    }
}
