//! What became of each case, for people and for tests: one line a case, and what was wrong in all.

use domain::{Sha256, TicketId, Timestamp};
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{Platform, case::Case, inbound::CheckWord};
use crate::case::VerdictKind;

/// One case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The platform's number.
    pub case_no: String,
    /// The ticket.
    pub ticket_id: TicketId,
    /// What it is about.
    pub kind: String,
    /// 9 digits.
    pub street: String,
    /// The camera.
    pub camera: String,
    /// Where it stands with the platform.
    pub state: &'static str,
    /// Where gridwatch says that it stands; absent where it said nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_state: Option<String>,
    /// When the ticket came.
    pub submitted_at: String,
    /// When it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<String>,
    /// When it was last given to a unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dispatched_at: Option<String>,
    /// When a unit last said that it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handled_at: Option<String>,
    /// When it was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<String>,
    /// What the second looks showed, in order.
    pub checks: Vec<&'static str>,
    /// Whether the problem went away by itself.
    pub gone_by_itself: bool,
    /// How often it came back.
    pub reopened: u32,
    /// How often the ticket came again.
    pub repeats: u32,
    /// Other open cases of this kind at this place when it came: a double under another id.
    pub rivals: u32,
    /// Pictures that it names.
    pub pictures: usize,
    /// Those that had not come when it came.
    pub pictures_late: u32,
    /// Those that never came.
    pub pictures_missing: usize,
    /// A picture of the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Sha256>,
    /// A picture of the place without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Sha256>,
}

/// What the platform has seen in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Cases.
    pub cases: usize,
    /// Cases that are closed.
    pub closed: usize,
    /// Tickets that came more than once, counted each time: what at-least-once means.
    pub repeats: u32,
    /// Cases that are doubles of an open one under another id.
    pub rivals: u32,
    /// Pictures that are named by a ticket and never came.
    pub pictures_missing: usize,
    /// Pictures whose bytes are not what their topic says.
    pub pictures_altered: u32,
    /// Messages that are not as the contract says.
    pub unreadable: u32,
    /// Messages about a ticket that never came.
    pub strangers: u32,
    /// Problems that gridwatch told of with what was said to it.
    pub problems: u32,
}

impl Totals {
    /// Whether everything was as it should be; a repeat is no fault, and a problem answers the script's own garbage.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let Self { rivals, pictures_missing, pictures_altered, unreadable, strangers, .. } = *self;
        (rivals, pictures_missing, pictures_altered, unreadable, strangers) == (0, 0, 0, 0, 0)
    }
}

/// A line for each case, in the order in which they came.
#[must_use]
pub fn lines(platform: &Platform) -> Vec<Line> {
    let mut cases: Vec<&Case> = platform.cases.values().collect();
    cases.sort_by(|a, b| a.number.cmp(&b.number));
    cases.into_iter().map(|case| line(platform, case)).collect()
}

/// All of them counted.
#[must_use]
pub fn totals(platform: &Platform) -> Totals {
    let mut totals = platform.totals;
    for case in platform.cases.values() {
        totals.cases += 1;
        totals.closed += usize::from(case.said.iter().any(|(_, word)| *word == VerdictKind::Closed));
        totals.repeats += case.repeats;
        totals.rivals += u32::from(case.rivals > 0);
        totals.pictures_missing += missing(platform, case);
    }
    totals
}

fn missing(platform: &Platform, case: &Case) -> usize {
    case.ticket.pictures.iter().filter(|sha256| !platform.pictures.contains(*sha256)).count()
}

fn line(platform: &Platform, case: &Case) -> Line {
    let time = |at: Timestamp| rfc3339(at, &platform.voice.timezone);
    let last = |wanted: VerdictKind| case.said.iter().rev().find(|(_, word)| *word == wanted).map(|(at, _)| time(*at));
    let check = |word: CheckWord| match word {
        CheckWord::Cleared => "cleared",
        CheckWord::StillThere => "still_there",
        CheckWord::Unclear => "unclear",
    };
    Line {
        case_no: case.number.clone(),
        ticket_id: case.ticket.ticket,
        kind: case.ticket.kind.to_string(),
        street: case.ticket.street.clone(),
        camera: case.ticket.camera.to_string(),
        state: case.stage.as_str(),
        node_state: case.node_state.clone(),
        submitted_at: time(case.submitted_at),
        acknowledged_at: case.acknowledged_at.map(time),
        dispatched_at: last(VerdictKind::Dispatched),
        handled_at: last(VerdictKind::Handled),
        closed_at: last(VerdictKind::Closed),
        checks: case.checks.iter().map(|(_, c)| check(c.result)).collect(),
        gone_by_itself: case.gone_at.is_some(),
        reopened: case.reopened,
        repeats: case.repeats,
        rivals: case.rivals,
        pictures: case.ticket.pictures.len(),
        pictures_late: case.late_pictures,
        pictures_missing: missing(platform, case),
        before: case.checks.last().and_then(|(_, c)| c.pair.0).or(case.ticket.before),
        after: case.after,
    }
}

/// RFC 3339 with milliseconds and the offset of this time zone.
pub(super) fn rfc3339(time: Timestamp, timezone: &TimeZone) -> String {
    let instant = jiff::Timestamp::from_millisecond(time.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    instant.to_zoned(timezone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}
