//! What goes wrong when: faults by camera and time, so that a bad day can be rehearsed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::Millis;
use serde::Deserialize;
use tokio::time::Instant;

use super::{
    super::{Fault, SimulateError},
    Shared,
};

/// Faults in the order of the script. Where two befall one camera at a time, the one that began last counts.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultScript {
    /// The faults.
    #[serde(default, rename = "fault")]
    pub faults: Vec<ScriptedFault>,
}

/// One fault of some cameras.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedFault {
    /// What goes wrong.
    pub kind: Fault,
    /// The cameras' names, `*` and `?` standing for any text and letter; all cameras where it is left out.
    #[serde(default = "any")]
    pub cameras: String,
    /// Of those, one in so many.
    #[serde(default = "one")]
    pub one_in: usize,
    /// When it begins, from the simulator's start.
    #[serde(default = "at_once")]
    pub at: Millis,
    /// How long it lasts; to the end where it is left out.
    #[serde(default, rename = "for")]
    pub lasts: Option<Millis>,
    /// When it comes again, from one beginning to the next; longer than it lasts.
    #[serde(default)]
    pub every: Option<Millis>,
}

fn any() -> String {
    "*".to_owned()
}

fn one() -> usize {
    1
}

fn at_once() -> Millis {
    Millis::ZERO
}

impl ScriptedFault {
    fn matches(&self, name: &str) -> bool {
        glob::Pattern::new(&self.cameras).is_ok_and(|pattern| pattern.matches(name))
    }

    /// Whether it is on at a time, and when that changes next.
    fn at(&self, time: Duration) -> (bool, Option<Duration>) {
        let begin = self.at.to_duration();
        let Some(since) = time.checked_sub(begin) else { return (false, Some(begin)) };
        let Some(lasts) = self.lasts.map(Millis::to_duration) else { return (true, None) };
        let Some(every) = self.every.map(Millis::to_duration) else {
            return if since < lasts { (true, Some(begin + lasts)) } else { (false, None) };
        };
        let lap = (since.as_millis() / every.as_millis().max(1)) as u32;
        let lap_begin = begin + every * lap;
        if time - lap_begin < lasts { (true, Some(lap_begin + lasts)) } else { (false, Some(lap_begin + every)) }
    }
}

/// A script with the names of the cameras that each fault befalls.
pub(super) type Timeline = Vec<(ScriptedFault, Vec<String>)>;

impl FaultScript {
    /// Whether a camera ever has a fault.
    pub(super) fn needs(&self, name: &str, fault: Fault) -> bool {
        self.faults.iter().any(|scripted| scripted.kind == fault && scripted.matches(name))
    }

    /// Finds the cameras that each fault is about.
    pub(super) fn timeline<'a>(self, names: impl Iterator<Item = &'a str> + Clone) -> Result<Timeline, SimulateError> {
        let resolve = |scripted: ScriptedFault| {
            let wrong = |reason: &str| {
                let (pattern, reason) = (scripted.cameras.clone(), reason.to_owned());
                Err(SimulateError::Script { pattern, reason })
            };
            if let Err(error) = glob::Pattern::new(&scripted.cameras) {
                return wrong(&error.to_string());
            }
            if scripted.every.is_some_and(|every| scripted.lasts.is_none_or(|lasts| every <= lasts)) {
                return wrong("a fault that comes again needs \"for\", and \"every\" must be longer than that");
            }
            let matching = names.clone().filter(|name| scripted.matches(name));
            let cameras: Vec<_> = matching.step_by(scripted.one_in.max(1)).map(str::to_owned).collect();
            if cameras.is_empty() {
                return wrong("no camera has such a name");
            }
            Ok((scripted, cameras))
        };
        self.faults.into_iter().map(resolve).collect()
    }
}

/// Lets cameras fail as the script says, for ever.
pub(super) async fn play(timeline: Timeline, shared: Arc<Shared>) {
    let start = Instant::now();
    // Only what the script did is undone by it.
    let mut befallen = BTreeMap::<&str, Fault>::new();
    loop {
        let time = start.elapsed();
        let mut now = BTreeMap::<&str, (Duration, Fault)>::new();
        let mut next: Option<Duration> = None;
        for (scripted, cameras) in &timeline {
            let (on, change) = scripted.at(time);
            next = [next, change].into_iter().flatten().min();
            for camera in cameras.iter().filter(|_| on) {
                let since = scripted.at.to_duration();
                let fault = now.entry(camera).or_insert((since, scripted.kind));
                if since >= fault.0 {
                    *fault = (since, scripted.kind);
                }
            }
        }
        let now: BTreeMap<_, _> = now.into_iter().map(|(camera, (_, fault))| (camera, fault)).collect();
        let over = befallen.keys().filter(|camera| !now.contains_key(*camera)).map(|camera| (*camera, Fault::None));
        let begun = now.iter().filter(|(camera, fault)| befallen.get(*camera) != Some(fault)).map(|(c, f)| (*c, *f));
        let changes: Vec<_> = over.chain(begun).collect();
        for (camera, fault) in &changes {
            // Prepared and served: the timeline was made from these cameras.
            if let Err(error) = shared.set_fault(camera, *fault) {
                tracing::warn!(%error, "a scripted fault did not come about");
            }
        }
        if !changes.is_empty() {
            tracing::info!(cameras = changes.len(), failing = now.len(), "scripted faults changed");
        }
        befallen = now;
        match next {
            Some(next) => tokio::time::sleep_until(start + next).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: Fault) -> ScriptedFault {
        ScriptedFault { kind, cameras: any(), one_in: 1, at: Millis::secs(10), lasts: None, every: None }
    }

    #[track_caller]
    fn check(fault: &ScriptedFault, second: u64, on: bool, next: Option<u64>) {
        assert_eq!(fault.at(Duration::from_secs(second)), (on, next.map(Duration::from_secs)), "at {second} s");
    }

    #[test]
    fn a_fault_begins_ends_and_comes_again() {
        let for_ever = fault(Fault::Stall);
        check(&for_ever, 0, false, Some(10));
        check(&for_ever, 10, true, None);
        let once = ScriptedFault { lasts: Some(Millis::secs(5)), ..for_ever };
        check(&once, 14, true, Some(15));
        check(&once, 15, false, None);
        let again = ScriptedFault { every: Some(Millis::secs(60)), ..once };
        check(&again, 15, false, Some(70));
        check(&again, 131, true, Some(135));
    }

    #[test]
    fn a_script_names_cameras_that_are_there() {
        let names = ["north-1", "north-2", "south-1"];
        let script = |pattern: &str, one_in| FaultScript {
            faults: vec![ScriptedFault { cameras: pattern.to_owned(), one_in, ..fault(Fault::Drop) }],
        };
        let cameras = |script: FaultScript| script.timeline(names.into_iter()).map(|timeline| timeline[0].1.clone());
        assert_eq!(cameras(script("north-*", 1)).unwrap(), ["north-1", "north-2"]);
        assert_eq!(cameras(script("*", 2)).unwrap(), ["north-1", "south-1"]);
        assert!(cameras(script("east-*", 1)).unwrap_err().to_string().contains("no camera has such a name"));
        assert!(cameras(script("[", 1)).is_err());
        let endless = ScriptedFault { every: Some(Millis::secs(5)), ..fault(Fault::Drop) };
        assert!(FaultScript { faults: vec![endless] }.timeline(names.into_iter()).is_err());
    }
}
