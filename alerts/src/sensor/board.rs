//! What is known of sources and devices at this moment, for whoever shows it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::Timestamp;

use super::{config::Device, core::Memory, mapping::Problem};
use crate::mqtt::Hearing;

/// Problems kept per source.
const PROBLEMS: usize = 20;
/// Of a payload that is a problem so many characters are shown.
const SHOWN: usize = 120;

/// A source as it is shown.
#[derive(Debug, Clone, Default)]
pub struct SourceView {
    /// Its name.
    pub name: String,
    /// The filter that it listens to.
    pub filter: String,
    /// How it stands with its broker.
    pub hearing: Hearing,
    /// Readings since start.
    pub readings: u64,
    /// Problems since start, by reason.
    pub problems: BTreeMap<Problem, u64>,
    /// The last problems, newest first: when, on which topic, which, and the beginning of the payload.
    pub last_problems: VecDeque<(Timestamp, String, Problem, String)>,
}

impl SourceView {
    pub(super) fn note(&mut self, at: Timestamp, topic: &str, problem: Problem, payload: &[u8]) {
        *self.problems.entry(problem).or_default() += 1;
        let shown = |text: &str| text.chars().take(SHOWN).filter(|c| !c.is_control()).collect::<String>();
        let payload = &payload[..payload.len().min(4 * SHOWN)];
        self.last_problems.truncate(PROBLEMS - 1);
        self.last_problems.push_front((at, shown(topic), problem, shown(&String::from_utf8_lossy(payload))));
    }
}

/// A device as it is shown.
#[derive(Debug, Clone)]
pub struct DeviceView {
    /// As it is configured.
    pub device: Device,
    /// What is remembered of it.
    pub memory: Memory,
}

/// The newest state of all sources and devices; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct SensorBoard(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    sources: Vec<SourceView>,
    devices: Vec<DeviceView>,
}

impl SensorBoard {
    /// All sources; the last one, without a name, stands for what fits no source.
    #[must_use]
    pub fn sources(&self) -> Vec<SourceView> {
        self.lock().sources.clone()
    }

    /// All devices, in the order of the configuration.
    #[must_use]
    pub fn devices(&self) -> Vec<DeviceView> {
        self.lock().devices.clone()
    }

    pub(super) fn set_sources(&self, sources: Vec<SourceView>) {
        self.lock().sources = sources;
    }

    pub(super) fn set_devices(&self, devices: Vec<DeviceView>) {
        self.lock().devices = devices;
    }

    pub(super) fn post(&self, memories: impl IntoIterator<Item = (usize, Memory)>) {
        let mut state = self.lock();
        for (device, memory) in memories {
            if let Some(view) = state.devices.get_mut(device) {
                view.memory = memory;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change above leaves the state whole, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
