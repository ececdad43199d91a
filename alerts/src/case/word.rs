//! The words of a case: what may happen to it, who made it happen, why, and what follows.

use std::fmt;

use domain::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Where a case stands, as one word: what the database, MQTT, pages and the command line show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Something is there, its rule is not satisfied.
    Suspected,
    /// Its rule is satisfied; a moment before it is filed or waits for a person.
    Confirmed,
    /// A person must say that it is one before it is filed.
    PendingReview,
    /// The platform was told.
    Filed,
    /// Somebody was sent.
    Dispatched,
    /// Somebody works on it.
    Handling,
    /// The platform says that it is done.
    Handled,
    /// The camera checks that.
    Verifying,
    /// The check showed that it is gone.
    Cleared,
    /// The check showed that it is not gone.
    StillThere,
    /// Whoever was sent gave it back.
    Returned,
    /// The platform put it aside for a while.
    Suspended,
    /// It went away before anybody handled it.
    GoneByItself,
    /// It is no case.
    Rejected,
    /// It is over.
    Closed,
}

impl State {
    /// All of them, in the order of a case's life.
    pub const ALL: [Self; 15] = [
        Self::Suspected,
        Self::Confirmed,
        Self::PendingReview,
        Self::Filed,
        Self::Dispatched,
        Self::Handling,
        Self::Returned,
        Self::Suspended,
        Self::Handled,
        Self::Verifying,
        Self::StillThere,
        Self::Cleared,
        Self::GoneByItself,
        Self::Rejected,
        Self::Closed,
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspected => "suspected",
            Self::Confirmed => "confirmed",
            Self::PendingReview => "pending_review",
            Self::Filed => "filed",
            Self::Dispatched => "dispatched",
            Self::Handling => "handling",
            Self::Handled => "handled",
            Self::Verifying => "verifying",
            Self::Cleared => "cleared",
            Self::StillThere => "still_there",
            Self::Returned => "returned",
            Self::Suspended => "suspended",
            Self::GoneByItself => "gone_by_itself",
            Self::Rejected => "rejected",
            Self::Closed => "closed",
        }
    }
}

impl std::str::FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || format!("\"{text}\" is none of {}", Self::ALL.map(Self::as_str).join(", "));
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(unknown)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why somebody decided so: a code from an open list, and words for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// `false_alarm`, `legal`, `duplicate`, `not_responsible`, `wrong_place`, `cannot_solve`, `weather`, `other`, or what a
    /// platform calls it.
    pub code: String,
    /// In the decider's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Reason {
    /// Codes that a person is offered; others that come in are kept as they are.
    pub const CODES: [&'static str; 8] =
        ["false_alarm", "legal", "duplicate", "not_responsible", "wrong_place", "cannot_solve", "weather", "other"];

    /// Another case is about it.
    pub const DUPLICATE: &'static str = "duplicate";

    /// A review that nobody made in time.
    pub const EXPIRED: &'static str = "expired";

    /// A reason without further words.
    #[must_use]
    pub fn new(code: impl Into<String>) -> Self {
        Self { code: code.into(), note: None }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.note {
            Some(note) => write!(f, "{}: {note}", self.code),
            None => f.write_str(&self.code),
        }
    }
}

/// Who made something happen; written `rules`, `clock`, `platform`, `platform:NAME`, `person:NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Looks, judged by the rule core.
    Rules,
    /// Time that passed.
    Clock,
    /// The grid platform, and whom it names.
    Platform(Option<String>),
    /// A person at the console.
    Person(String),
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rules => f.write_str("rules"),
            Self::Clock => f.write_str("clock"),
            Self::Platform(None) => f.write_str("platform"),
            Self::Platform(Some(name)) => write!(f, "platform:{name}"),
            Self::Person(name) => write!(f, "person:{name}"),
        }
    }
}

impl std::str::FromStr for By {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("platform", name)) => Ok(Self::Platform(Some(name.to_owned()))),
            Some(("person", name)) => Ok(Self::Person(name.to_owned())),
            None if text == "rules" => Ok(Self::Rules),
            None if text == "clock" => Ok(Self::Clock),
            None if text == "platform" => Ok(Self::Platform(None)),
            _ => Err(format!("\"{text}\" names nobody")),
        }
    }
}

impl Serialize for By {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for By {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What the platform may say of a case. The order ranks those of one moment: the later one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// The lead is right.
    Confirmed,
    /// Somebody was sent.
    Dispatched,
    /// Somebody works on it.
    Handling,
    /// Whoever was sent gave it back.
    Returned,
    /// It is done.
    Handled,
    /// It is put aside.
    Suspended,
    /// It goes on.
    Resumed,
    /// There is more time.
    Extended,
    /// Somebody above watches it.
    Supervised,
    /// The camera should look.
    VerifyRequested,
    /// It is over.
    Closed,
    /// It is no case.
    Rejected,
}

impl VerdictKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Confirmed,
        Self::Dispatched,
        Self::Handling,
        Self::Returned,
        Self::Handled,
        Self::Suspended,
        Self::Resumed,
        Self::Extended,
        Self::Supervised,
        Self::VerifyRequested,
        Self::Closed,
        Self::Rejected,
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Dispatched => "dispatched",
            Self::Handling => "handling",
            Self::Returned => "returned",
            Self::Handled => "handled",
            Self::Suspended => "suspended",
            Self::Resumed => "resumed",
            Self::Extended => "extended",
            Self::Supervised => "supervised",
            Self::VerifyRequested => "verify_requested",
            Self::Closed => "closed",
            Self::Rejected => "rejected",
        }
    }

    /// Whether it must say why.
    #[must_use]
    pub fn needs_reason(self) -> bool {
        matches!(self, Self::Rejected | Self::Returned | Self::Suspended | Self::Extended)
    }
}

impl fmt::Display for VerdictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that the platform said of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What.
    pub kind: VerdictKind,
    /// When it was decided, by the platform's clock.
    pub at: Timestamp,
    /// Why.
    pub reason: Option<Reason>,
    /// What the platform calls the case.
    pub case_no: Option<String>,
    /// Whose task it is.
    pub dept: Option<String>,
    /// Until when it must be done.
    pub due: Option<Timestamp>,
    /// Who decided.
    pub by: Option<String>,
}

impl Verdict {
    /// A bare verdict.
    #[must_use]
    pub fn new(kind: VerdictKind, at: Timestamp) -> Self {
        Self { kind, at, reason: None, case_no: None, dept: None, due: None, by: None }
    }

    pub(super) fn reason(&self) -> Reason {
        self.reason.clone().unwrap_or_else(|| Reason::new("other"))
    }
}

/// What the platform answered to a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It has it.
    Accepted,
    /// It had it already.
    Duplicate,
    /// It will not have it.
    Rejected(Reason),
}

/// What a person or the platform found a lead to be; kept as a label for tuning and training.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// A case.
    Confirmed,
    /// No case.
    Rejected(Reason),
}

/// What a re-check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// It is gone.
    Cleared,
    /// It is not gone.
    StillThere,
    /// The view did not allow a judgement.
    Unclear,
}

/// What may happen to a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The rule core: the suspect satisfied its rule.
    RuleSatisfied,
    /// Its kind goes to a person first, who has until then.
    ReviewWanted {
        /// Until when.
        until: Timestamp,
    },
    /// Its kind is filed at once.
    Filed,
    /// A person at the console looked at it.
    Reviewed {
        /// What they found.
        judgement: Judgement,
        /// Who.
        by: String,
    },
    /// The rule core: looks have shown its place without it.
    Gone,
    /// The rule core: it stands there again, and nothing else holds its place.
    CameBack,
    /// The platform answered to the ticket.
    Acknowledged {
        /// What.
        answer: Answer,
        /// What it calls the case.
        case_no: Option<String>,
    },
    /// The platform said something of it.
    Said(Verdict),
    /// The camera began to check it.
    RecheckBegan,
    /// The check is done.
    Checked {
        /// What it found.
        result: CheckResult,
    },
    /// Time passed.
    Tick,
}

impl Event {
    /// The word that the history keeps.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::RuleSatisfied => "rule_satisfied",
            Self::ReviewWanted { .. } => "review_wanted",
            Self::Filed => "filed",
            Self::Reviewed { judgement: Judgement::Confirmed, .. } => "review_confirmed",
            Self::Reviewed { judgement: Judgement::Rejected(_), .. } => "review_rejected",
            Self::Gone => "gone",
            Self::CameBack => "came_back",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Said(verdict) => verdict.kind.as_str(),
            Self::RecheckBegan => "recheck_began",
            Self::Checked { result: CheckResult::Cleared } => "checked_cleared",
            Self::Checked { result: CheckResult::StillThere } => "checked_still_there",
            Self::Checked { result: CheckResult::Unclear } => "checked_unclear",
            Self::Tick => "expired",
        }
    }

    /// Who makes it happen.
    #[must_use]
    pub fn by(&self) -> By {
        match self {
            Self::Reviewed { by, .. } => By::Person(by.clone()),
            Self::Said(verdict) => By::Platform(verdict.by.clone()),
            Self::Acknowledged { .. } => By::Platform(None),
            Self::Tick => By::Clock,
            Self::RuleSatisfied
            | Self::ReviewWanted { .. }
            | Self::Filed
            | Self::Gone
            | Self::CameBack
            | Self::RecheckBegan
            | Self::Checked { .. } => By::Rules,
        }
    }

    /// Why, where it says so.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Reviewed { judgement: Judgement::Rejected(reason), .. }
            | Self::Acknowledged { answer: Answer::Rejected(reason), .. } => Some(reason.clone()),
            Self::Acknowledged { answer: Answer::Duplicate, .. } => Some(Reason::new(Reason::DUPLICATE)),
            Self::Said(verdict) => verdict.reason.clone(),
            Self::Tick => Some(Reason::new(Reason::EXPIRED)),
            _ => None,
        }
    }
}

/// One line of a case's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When it came about here.
    pub at: Timestamp,
    /// When the platform decided it.
    pub decided_at: Option<Timestamp>,
    /// Before.
    pub from: State,
    /// After; the same as before where only a flag or a date changed.
    pub to: State,
    /// What happened, [`Event::name`].
    pub event: String,
    /// Who made it happen.
    pub by: By,
    /// Why.
    pub reason: Option<Reason>,
}

/// What follows from an event. Nothing at all where it was late, repeated or changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Keep this line.
    Changed(Change),
    /// Send the ticket to the platform.
    Submit,
    /// Tell the platform that the problem went away.
    SayCleared,
    /// It is no case: its place stays quiet.
    Quiet,
    /// It is over although the problem may still stand.
    Ended,
    /// The camera should look whether it is gone.
    LookAgain,
}

/// Why an event cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The platform cannot have it yet.
    #[error("the case was not filed; only confirmed and rejected answer a case that waits for its review")]
    NotFiled,
    /// It is over.
    #[error("the case is over; what is found later is a new ticket")]
    Ended,
    /// Nobody asked.
    #[error("the case does not wait for a review")]
    NotUnderReview,
    /// No check is under way.
    #[error("no check of the case is under way")]
    NotBeingChecked,
    /// A clock is wrong.
    #[error("it was decided more than a day from now; set the platform's clock right")]
    InFuture,
    /// It happens once, at the beginning.
    #[error("a case begins once")]
    Begun,
}

impl Refusal {
    /// The code that the problems topic and table carry.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotFiled => "not_filed",
            Self::Ended => "case_ended",
            Self::NotUnderReview => "not_under_review",
            Self::NotBeingChecked => "not_being_checked",
            Self::InFuture => "in_future",
            Self::Begun => "begun",
        }
    }
}
