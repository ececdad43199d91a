//! How long cases take from stage to stage.
//!
//! The platform's moments are on its clock and ours on this one: where they contradict each other a stage took no time,
//! not less than none.

use std::collections::BTreeMap;

use domain::Millis;

use super::CaseFact;

/// A stretch of a case's life, named by what ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// From the rule's being satisfied to the filing: a person's review, where there is one.
    Filed,
    /// From there until a unit was sent.
    Dispatched,
    /// From there until somebody was there.
    Handling,
    /// From there (or from the dispatch, or the filing) until the unit last said that it was done.
    Handled,
    /// From there until the case was closed: the check and the platform's decision.
    Closed,
    /// From the filing until the case was closed.
    Whole,
}

/// How long a stage took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hours {
    /// Of so many cases.
    pub cases: u64,
    /// The mean, in hours.
    pub mean: f64,
    /// Half of the cases took no longer, in hours.
    pub median: f64,
}

/// The lengths of stages of many cases.
#[derive(Debug, Default)]
pub(super) struct Spans(BTreeMap<Stage, Vec<i64>>);

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 6] =
        [Self::Filed, Self::Dispatched, Self::Handling, Self::Handled, Self::Closed, Self::Whole];

    /// Its word in JSON, CSV and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filed => "filed",
            Self::Dispatched => "dispatched",
            Self::Handling => "handling",
            Self::Handled => "handled",
            Self::Closed => "closed",
            Self::Whole => "whole",
        }
    }

    fn of(self, fact: &CaseFact) -> Option<Millis> {
        let (from, to) = match self {
            Self::Filed => (Some(fact.opened_at), fact.filed_at),
            Self::Dispatched => (fact.filed_at, fact.dispatched_at),
            Self::Handling => (fact.dispatched_at, fact.handling_at),
            Self::Handled => (fact.handling_at.or(fact.dispatched_at).or(fact.filed_at), fact.handled_at),
            Self::Closed => (fact.handled_at, fact.closed_at),
            Self::Whole => (fact.filed_at, fact.closed_at),
        };
        Some(to?.since(from?).max(Millis::ZERO))
    }
}

impl Spans {
    /// Takes in the stages of a case that have ended.
    pub(super) fn take(&mut self, fact: &CaseFact) {
        for stage in Stage::ALL {
            if let Some(span) = stage.of(fact) {
                self.0.entry(stage).or_default().push(span.0);
            }
        }
    }

    /// How long each stage took.
    pub(super) fn hours(self) -> BTreeMap<Stage, Hours> {
        self.0.into_iter().map(|(stage, spans)| (stage, hours(spans))).collect()
    }
}

/// `spans` holds at least one.
fn hours(mut spans: Vec<i64>) -> Hours {
    const HOUR: f64 = 3_600_000.0;
    let middle = spans.len() / 2;
    let sum: f64 = spans.iter().map(|span| *span as f64).sum();
    let cases = spans.len() as u64;
    let (below, upper, _) = spans.select_nth_unstable(middle);
    let upper = *upper as f64;
    let median = if cases.is_multiple_of(2) {
        below.iter().max().map_or(upper, |lower| f64::midpoint(*lower as f64, upper))
    } else {
        upper
    };
    Hours { cases, mean: sum / cases as f64 / HOUR, median: median / HOUR }
}
