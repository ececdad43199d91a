//! The platform's own figures, reckoned from cases: closing rate (结案率) and closing rate in time (按期结案率), proactive share,
//! false alarms, repeats, hours by stage. A core without I/O: what is known of each case comes in, figures come out.
//!
//! They are the figures of the cases that came about in a period, as these stand now. A rate whose base is empty is absent,
//! never 0 or 100 %.

mod accountant;
mod hours;
mod sheet;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use domain::{CameraId, Kind, Timestamp, ZoneId};

pub use accountant::Accountant;
pub(crate) use accountant::describe_metrics;
use hours::Spans;
pub use hours::{Hours, Stage};
pub use sheet::csv;

/// From how many cases on a place is one where they recur.
const RECURRING: u64 = 3;

/// Places that are listed.
const PLACES: usize = 50;

/// What is known of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFact {
    /// What it is about.
    pub kind: Kind,
    /// The camera that saw it, or the device that stands for one.
    pub camera: CameraId,
    /// The zone on its view.
    pub zone: ZoneId,
    /// The code of its street, where its place is known that well.
    pub street: Option<String>,
    /// When its rule was satisfied.
    pub opened_at: Timestamp,
    /// When it was filed; absent while a person has not confirmed it.
    pub filed_at: Option<Timestamp>,
    /// Whether the platform knew the case before, absent while it has not answered.
    pub known_before: Option<bool>,
    /// When a unit was first sent.
    pub dispatched_at: Option<Timestamp>,
    /// When somebody was first there.
    pub handling_at: Option<Timestamp>,
    /// When the unit last said that it was done.
    pub handled_at: Option<Timestamp>,
    /// When it was closed; absent while it is not.
    pub closed_at: Option<Timestamp>,
    /// By when it is to be solved, as last reckoned; absent where that is not known and while its clock stands.
    pub due: Option<Timestamp>,
    /// Whether it was solved in time; absent while it is not solved.
    pub in_time: Option<bool>,
    /// Whether a person or the platform confirmed it.
    pub confirmed: bool,
    /// What it was rejected for.
    pub rejected: Option<Rejection>,
    /// Whether its problem was seen to be gone.
    pub was_gone: bool,
    /// Whether it came back after that.
    pub came_back: bool,
    /// Whether a check showed that what was said to be handled was not.
    pub reworked: bool,
}

/// Why a case was rejected, as a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection(pub String);

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// So many ...
    pub count: u64,
    /// ... of so many.
    pub of: u64,
}

/// A figure that is a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// 结案率: closed among those that are to be closed.
    Closing,
    /// 按期结案率: closed, and solved in time, among those that are to be closed.
    ClosingInTime,
    /// Cases that nobody had told the platform of before, among those that it answered.
    Proactive,
    /// No case after all, among those that somebody decided on.
    FalseAlarms,
    /// 返工率: a check showed that it was not done, among those that were said to be handled.
    Rework,
    /// Came back after it was gone, among those that were gone.
    Repeats,
}

/// The figures of some cases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Cases that came about.
    pub received: u64,
    /// Those of them that were filed.
    pub filed: u64,
    shares: [Share; 6],
}

/// A place where cases recur.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecurringPlace {
    /// The camera that sees it.
    pub camera: CameraId,
    /// The zone on its view.
    pub zone: ZoneId,
    /// What recurs.
    pub kind: Kind,
}

/// The figures of a period.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Of all cases.
    pub all: Rates,
    /// By kind.
    pub by_kind: BTreeMap<Kind, Rates>,
    /// By the code of the street.
    pub by_street: BTreeMap<String, Rates>,
    /// By camera.
    pub by_camera: BTreeMap<CameraId, Rates>,
    /// Rejections by reason, among the cases that somebody decided on; those that nobody reviewed in time, among these and themselves.
    pub by_reason: BTreeMap<String, Share>,
    /// How long cases took to each stage.
    pub hours: BTreeMap<Stage, Hours>,
    /// Places with three cases and more and how many, the worst first.
    pub recurring: Vec<(RecurringPlace, u64)>,
}

/// Takes in facts, one at a time.
#[derive(Debug, Default)]
pub struct Tally {
    figures: Figures,
    spans: Spans,
    places: BTreeMap<RecurringPlace, u64>,
}

impl Rejection {
    /// A review that nobody made in time is nobody's decision.
    #[must_use]
    pub fn is_decision(&self) -> bool {
        self.0 != crate::case::Reason::EXPIRED
    }

    /// Whether the platform had the case already.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        self.0 == crate::case::Reason::DUPLICATE
    }

    /// Whether it says that there was no case. Codes that only a platform knows count as false alarms, so that none is hidden.
    #[must_use]
    pub fn is_false_alarm(&self) -> bool {
        self.is_decision()
            && !self.is_duplicate()
            && !matches!(self.0.as_str(), "not_responsible" | "wrong_place" | "cannot_solve" | "weather")
    }
}

impl Share {
    /// Takes one more in.
    fn take(&mut self, counts: bool) {
        self.of += 1;
        self.count += u64::from(counts);
    }

    /// The share, 0 to 1; absent where there is nothing to share.
    #[must_use]
    pub fn rate(self) -> Option<f64> {
        (self.of > 0).then(|| self.count as f64 / self.of as f64)
    }

    /// In per cent with two digits, as reports write it.
    #[must_use]
    pub fn percent(self) -> String {
        self.rate().map_or_else(|| "-".to_owned(), |rate| format!("{:.2} %", rate * 100.0))
    }
}

impl Figure {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::Closing, Self::ClosingInTime, Self::Proactive, Self::FalseAlarms, Self::Rework, Self::Repeats];

    /// Its word in JSON, CSV and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closing => "closing",
            Self::ClosingInTime => "closing_in_time",
            Self::Proactive => "proactive",
            Self::FalseAlarms => "false_alarms",
            Self::Rework => "rework",
            Self::Repeats => "repeats",
        }
    }
}

impl Rates {
    /// One of them.
    #[must_use]
    pub fn share(&self, figure: Figure) -> Share {
        self.shares[figure as usize]
    }

    fn take(&mut self, fact: &CaseFact, now: Timestamp) {
        self.received += 1;
        self.filed += u64::from(fact.filed_at.is_some());
        for figure in Figure::ALL {
            if let Some(counts) = fact.counts(figure, now) {
                self.shares[figure as usize].take(counts);
            }
        }
    }
}

impl CaseFact {
    /// Whether the case counts for a figure; none where it does not belong to the figure's base.
    fn counts(&self, figure: Figure, now: Timestamp) -> Option<bool> {
        match figure {
            Figure::Closing => self.is_to_be_closed(now).then_some(self.closed_at.is_some()),
            Figure::ClosingInTime => {
                self.is_to_be_closed(now).then_some(self.closed_at.is_some() && self.in_time == Some(true))
            }
            Figure::Proactive => self.known_before.map(|known| !known),
            Figure::FalseAlarms => match &self.rejected {
                Some(rejection) => rejection.is_decision().then_some(rejection.is_false_alarm()),
                None => (self.confirmed || self.dispatched_at.is_some() || self.closed_at.is_some()).then_some(false),
            },
            Figure::Rework => self.handled_at.map(|_| self.reworked),
            Figure::Repeats => (self.was_gone || self.came_back).then_some(self.came_back),
        }
    }

    /// 应结案: filed, not found to be no case, and closed or due by now.
    fn is_to_be_closed(&self, now: Timestamp) -> bool {
        self.filed_at.is_some()
            && self.rejected.is_none()
            && (self.closed_at.is_some() || self.due.is_some_and(|due| due <= now))
    }
}

impl Tally {
    /// Takes in what is known of a case at `now`.
    pub fn take(&mut self, fact: &CaseFact, now: Timestamp) {
        let figures = &mut self.figures;
        figures.all.take(fact, now);
        of(&mut figures.by_kind, &fact.kind).take(fact, now);
        of(&mut figures.by_camera, &fact.camera).take(fact, now);
        if let Some(street) = &fact.street {
            of(&mut figures.by_street, street).take(fact, now);
        }
        if let Some(Rejection(code)) = &fact.rejected {
            figures.by_reason.entry(code.clone()).or_default().count += 1;
        }
        self.spans.take(fact);
        let place = RecurringPlace { camera: fact.camera.clone(), zone: fact.zone.clone(), kind: fact.kind.clone() };
        *self.places.entry(place).or_default() += 1;
    }

    /// The figures of all that was taken in.
    #[must_use]
    pub fn figures(self) -> Figures {
        let Self { mut figures, spans, places } = self;
        figures.hours = spans.hours();
        let decided = figures.all.share(Figure::FalseAlarms).of;
        for (code, share) in &mut figures.by_reason {
            // What nobody decided is a share of all that came to an end or might have.
            share.of = if Rejection(code.clone()).is_decision() { decided } else { decided + share.count };
        }
        figures.recurring = places.into_iter().filter(|(_, cases)| *cases >= RECURRING).collect();
        figures.recurring.sort_by(|(one, few), (other, many)| many.cmp(few).then(one.cmp(other)));
        figures.recurring.truncate(PLACES);
        figures
    }
}

/// The rates of a key, which is copied for the first of its cases only.
fn of<'m, K: Ord + Clone>(all: &'m mut BTreeMap<K, Rates>, key: &K) -> &'m mut Rates {
    if !all.contains_key(key) {
        all.insert(key.clone(), Rates::default());
    }
    all.get_mut(key).expect("it is there by now")
}

/// The figures of these cases as they stand at `now`.
#[must_use]
pub fn reckon<'a>(facts: impl IntoIterator<Item = &'a CaseFact>, now: Timestamp) -> Figures {
    let mut tally = Tally::default();
    facts.into_iter().for_each(|fact| tally.take(fact, now));
    tally.figures()
}
