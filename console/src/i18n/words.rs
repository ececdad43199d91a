//! The words for what the domain names: states, faults, events, reasons.

use alerts::{
    case::State,
    deadline::{Light, Limit, PauseReason, ResponseLevel},
    duty::Words,
    incident::ZonePurpose,
    sensor,
    ticket::{EvidenceRole, Rendition, TicketState},
};
use domain::{CameraFault, CameraState, DecodeMode};

use super::{Lang, Text};

/// A text in `lang`, or in the other where there is none.
pub(crate) fn said(words: &Words, lang: Lang) -> &str {
    match lang {
        Lang::Zh => words.zh(),
        Lang::En => words.en(),
    }
}

/// A limit in `lang`.
pub(crate) fn limit(limit: Limit, lang: Lang) -> String {
    match lang {
        Lang::Zh => limit.zh(),
        Lang::En => limit.en(),
    }
}

/// A level that answers, in `lang`.
pub(crate) fn level(level: ResponseLevel, lang: Lang) -> &'static str {
    match lang {
        Lang::Zh => level.zh(),
        Lang::En => level.en(),
    }
}

impl From<CameraState> for Text {
    fn from(state: CameraState) -> Self {
        match state {
            CameraState::Waiting => Self::StateWaiting,
            CameraState::Connecting => Self::StateConnecting,
            CameraState::Streaming => Self::StateStreaming,
            CameraState::Offline => Self::StateOffline,
            CameraState::Ended => Self::StateEnded,
        }
    }
}

impl From<DecodeMode> for Text {
    fn from(mode: DecodeMode) -> Self {
        match mode {
            DecodeMode::Keyframes => Self::DecodeKeyframes,
            DecodeMode::AllFrames => Self::DecodeAllFrames,
        }
    }
}

impl From<CameraFault> for Text {
    fn from(fault: CameraFault) -> Self {
        match fault {
            CameraFault::Offline => Self::FaultOffline,
            CameraFault::Unstable => Self::FaultUnstable,
            CameraFault::Frozen => Self::FaultFrozen,
            CameraFault::Blind => Self::FaultBlind,
            CameraFault::Dark => Self::FaultDark,
            CameraFault::Blurred => Self::FaultBlurred,
            CameraFault::Moved => Self::FaultMoved,
            CameraFault::KeyframeInterval => Self::FaultKeyframes,
            CameraFault::Clock => Self::FaultClock,
        }
    }
}

impl From<sensor::State> for Text {
    fn from(state: sensor::State) -> Self {
        match state {
            sensor::State::Waiting => Self::SensorWaiting,
            sensor::State::Ok => Self::SensorOk,
            sensor::State::Silent => Self::SensorSilent,
            sensor::State::Stuck => Self::SensorStuck,
            sensor::State::OutOfRange => Self::SensorOutOfRange,
            sensor::State::BatteryLow => Self::SensorBatteryLow,
        }
    }
}

impl From<sensor::Problem> for Text {
    fn from(problem: sensor::Problem) -> Self {
        match problem {
            sensor::Problem::NoSource => Self::ReadingNoSource,
            sensor::Problem::TooLarge => Self::ReadingTooLarge,
            sensor::Problem::NotText => Self::ReadingNotUtf8,
            sensor::Problem::NotJson => Self::ReadingNotJson,
            sensor::Problem::NoValue => Self::ReadingNoValue,
            sensor::Problem::NoDevice => Self::ReadingNoDevice,
            sensor::Problem::NotANumber => Self::ReadingNotANumber,
            sensor::Problem::OutOfRange => Self::ReadingOutOfRange,
            sensor::Problem::UnknownDevice => Self::ReadingUnknownDevice,
            sensor::Problem::UnknownMeasure => Self::ReadingUnknownMeasure,
            sensor::Problem::NoTime => Self::ReadingNoTime,
            sensor::Problem::ClockAhead => Self::ReadingClockAhead,
            sensor::Problem::ClockBehind => Self::ReadingClockBehind,
        }
    }
}

impl From<TicketState> for Text {
    fn from(state: TicketState) -> Self {
        match state {
            TicketState::Open => Self::StateOpen,
            TicketState::Cleared => Self::StateCleared,
            TicketState::Ended => Self::TicketEnded,
        }
    }
}

impl From<State> for Text {
    fn from(state: State) -> Self {
        match state {
            State::Suspected => Self::CaseSuspected,
            State::Confirmed => Self::CaseConfirmed,
            State::PendingReview => Self::CasePendingReview,
            State::Filed => Self::CaseFiled,
            State::Dispatched => Self::CaseDispatched,
            State::Handling => Self::CaseHandling,
            State::Handled => Self::CaseHandled,
            State::Verifying => Self::CaseVerifying,
            State::Cleared => Self::CaseCleared,
            State::StillThere => Self::CaseStillThere,
            State::Returned => Self::CaseReturned,
            State::Suspended => Self::CaseSuspended,
            State::GoneByItself => Self::CaseGoneByItself,
            State::Rejected => Self::CaseRejected,
            State::Closed => Self::CaseClosed,
        }
    }
}

impl Text {
    /// The words for a reason's code; none for a code that a platform made up.
    pub(crate) fn reason(code: &str) -> Option<Self> {
        Some(match code {
            "false_alarm" => Self::ReasonFalseAlarm,
            "legal" => Self::ReasonLegal,
            "duplicate" => Self::ReasonDuplicate,
            "not_responsible" => Self::ReasonNotResponsible,
            "wrong_place" => Self::ReasonWrongPlace,
            "cannot_solve" => Self::ReasonCannotSolve,
            "weather" => Self::ReasonWeather,
            "other" => Self::ReasonOther,
            "expired" => Self::ReasonExpired,
            _ => return None,
        })
    }
}

impl Text {
    /// The words for what happened to a case, as its history names it.
    pub(crate) fn event(name: &str) -> Option<Self> {
        Some(match name {
            "rule_satisfied" => Self::RuleSatisfied,
            "review_wanted" => Self::ReviewWanted,
            "filed" => Self::WasFiled,
            "review_confirmed" => Self::ReviewConfirmed,
            "review_rejected" => Self::ReviewRejected,
            "gone" => Self::WasGone,
            "came_back" => Self::CameBack,
            "acknowledged" => Self::WasAcknowledged,
            "confirmed" => Self::WasConfirmed,
            "dispatched" => Self::WasDispatched,
            "handling" => Self::WasHandling,
            "returned" => Self::WasReturned,
            "handled" => Self::WasHandled,
            "suspended" => Self::WasSuspended,
            "resumed" => Self::WasResumed,
            "extended" => Self::WasExtended,
            "supervised" => Self::WasSupervised,
            "verify_requested" => Self::VerifyRequested,
            "closed" => Self::WasClosed,
            "rejected" => Self::WasRejected,
            "recheck_began" => Self::RecheckBegan,
            "checked_cleared" => Self::CheckedCleared,
            "checked_still_there" => Self::CheckedStillThere,
            "checked_unclear" => Self::CheckedUnclear,
            "expired" => Self::WasExpired,
            _ => return None,
        })
    }
}

impl From<EvidenceRole> for Text {
    fn from(role: EvidenceRole) -> Self {
        match role {
            EvidenceRole::FirstSeen => Self::RoleFirstSeen,
            EvidenceRole::Further => Self::RoleFurther,
            EvidenceRole::Confirming => Self::RoleConfirming,
            EvidenceRole::OtherView => Self::RoleOtherView,
            EvidenceRole::StillThere => Self::RoleStillThere,
            EvidenceRole::Unclear => Self::RoleUnclear,
            EvidenceRole::After => Self::RoleAfter,
        }
    }
}

impl From<Rendition> for Text {
    fn from(rendition: Rendition) -> Self {
        match rendition {
            Rendition::Original => Self::RenditionOriginal,
            Rendition::Clean => Self::RenditionClean,
            Rendition::Annotated => Self::RenditionAnnotated,
        }
    }
}

impl From<Light> for Text {
    fn from(light: Light) -> Self {
        match light {
            Light::Green => Self::GreenLight,
            Light::Yellow => Self::YellowLight,
            Light::Red => Self::RedLight,
        }
    }
}

impl From<PauseReason> for Text {
    fn from(reason: PauseReason) -> Self {
        match reason {
            PauseReason::Returned => Self::ClockReturned,
            PauseReason::Suspended => Self::ClockSuspended,
            PauseReason::Checked => Self::ClockChecked,
        }
    }
}

impl From<ZonePurpose> for Text {
    fn from(purpose: ZonePurpose) -> Self {
        match purpose {
            ZonePurpose::TrafficLane => Self::TrafficLane,
            ZonePurpose::NoStopping => Self::NoStopping,
            ZonePurpose::FireLane => Self::FireLane,
            ZonePurpose::BusStop => Self::BusStop,
            ZonePurpose::BicycleLane => Self::BicycleLane,
            ZonePurpose::LoadingBay => Self::LoadingBay,
            ZonePurpose::Pavement => Self::Pavement,
            ZonePurpose::NoVending => Self::NoVending,
            ZonePurpose::ShopLine => Self::ShopLine,
            ZonePurpose::GarbagePoint => Self::GarbagePoint,
            ZonePurpose::Bin => Self::Bin,
            ZonePurpose::TactilePath => Self::TactilePath,
            ZonePurpose::Indoors => Self::Indoors,
            ZonePurpose::Surroundings => Self::Surroundings,
        }
    }
}
