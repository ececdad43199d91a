//! Whether a soak went well, by what was seen of it. Pure; `tests/it/soak_judged.rs` shows it each way to fail.

use std::collections::BTreeMap;

/// Memory that may come on top after a third of the time, when each fault was there: a share of it, and this much.
const GROWTH: f64 = 0.1;
const GROWTH_KB: f64 = 20e3;
/// Seconds for which a wrong password is left alone at most, and what a busy machine may add.
const LONGEST_WAIT: u64 = 600;
const GRACE: u64 = 60;

/// By which reason each fault is told; the first two befall cameras that stream, the others those that connect.
const TOLD: [(&str, &str); 5] = [
    ("stall", "stalled"),
    ("drop", "ended"),
    ("refuse", "rtsp"),
    ("hang", "timeout"),
    ("wrong_password", "unauthorized"),
];

/// How much could happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// A smoke test: not each fault meets somebody who connects.
    Short,
    Long,
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Resident memory, a sample each turn.
    pub(crate) rss_kb: Vec<f64>,
    /// Seconds for which a camera was offline, and was not looked at though it streamed.
    pub(crate) longest_offline: f64,
    pub(crate) longest_unseen: f64,
    pub(crate) least_streaming: usize,
    pub(crate) most_streaming: usize,
    /// How often connections and looks failed, by their labels.
    pub(crate) failed: BTreeMap<String, f64>,
    pub(crate) failed_looks: BTreeMap<String, f64>,
}

impl Seen {
    /// What is wrong, where `cameras` had faults that last `on` seconds.
    pub(crate) fn faults(&self, cameras: usize, on: u64, length: Length) -> Vec<String> {
        let mut faults = Vec::new();
        let (settled, end) = (self.rss_kb.get(self.rss_kb.len() / 3), self.rss_kb.last());
        match (settled, end) {
            (Some(settled), Some(end)) if *end > settled * (1.0 + GROWTH) + GROWTH_KB => {
                let [from, to] = [settled, end].map(|kb| kb / 1e3);
                faults.push(format!("memory grows: {from:.0} MB after a third of the time, {to:.0} MB at the end"));
            }
            (Some(_), Some(_)) => {}
            (None, _) | (_, None) => faults.push("nothing was seen".to_owned()),
        }
        let limit = (on + LONGEST_WAIT + GRACE) as f64;
        for (what, longest) in
            [("is offline", self.longest_offline), ("streams and is not looked at", self.longest_unseen)]
        {
            if longest > limit {
                faults.push(format!("a camera is stuck: it {what} for {longest:.0} s, {limit:.0} s may be"));
            }
        }
        if self.least_streaming > cameras / 2 {
            let least = self.least_streaming;
            faults.push(format!("all cameras dropped, and {least} of {cameras} were still said to stream"));
        }
        if self.most_streaming < cameras * 9 / 10 {
            faults
                .push(format!("cameras do not come back: never more than {} of {cameras} stream", self.most_streaming));
        }
        let told =
            |reasons: &BTreeMap<String, f64>, reason: &str| reasons.contains_key(&format!("{{reason=\"{reason}\"}}"));
        let must = match length {
            Length::Short => &TOLD[..2],
            Length::Long => &TOLD[..],
        };
        let mut silent: Vec<_> =
            must.iter().filter(|(_, reason)| !told(&self.failed, reason)).map(|(f, _)| *f).collect();
        if !["corrupt", "decode"].iter().any(|reason| told(&self.failed_looks, reason)) {
            silent.push("corrupt_keyframes");
        }
        faults.extend(silent.iter().map(|fault| format!("the fault {fault} was not told by any state or reason")));
        for (what, reasons) in [("connection", &self.failed), ("look", &self.failed_looks)] {
            if told(reasons, "panic") {
                faults.push(format!("a {what} ended in a panic"));
            }
        }
        faults
    }
}
