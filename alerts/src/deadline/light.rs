//! Lights: green, yellow when little time is left, red from the moment that a case is overdue; and what a change of light
//! asks for. Published texts give no thresholds, so they are configuration.

use domain::{Millis, Timestamp};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{ResponseLevel, Standing};

/// The light of a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// Time enough.
    Green,
    /// Little time left.
    Yellow,
    /// Overdue: from the due moment on.
    Red,
}

/// When a light turns yellow: at the larger of the two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lights {
    /// So much of the limit is left, 0 to 1.
    pub share: f64,
    /// So much time is left, on the deadline's own clock.
    pub left: Millis,
}

impl Lights {
    /// How much of a limit of this length is left when its light turns yellow; at most all of it.
    pub(super) fn yellow_left(&self, length: Millis) -> Millis {
        Millis((length.0 as f64 * self.share) as i64).max(self.left).min(length)
    }
}

/// Which of a case's deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Somebody should be there.
    Arrive,
    /// It should be solved.
    Solve,
}

/// What a change of light asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LightChange {
    /// Remind the unit.
    Yellow {
        /// Which deadline.
        stage: Stage,
        /// When it is due; absent while the clock stands.
        due: Option<Timestamp>,
    },
    /// Tell supervision (督办), and one level up answers from now on.
    Red {
        /// Which deadline.
        stage: Stage,
        /// When it was due.
        due: Option<Timestamp>,
        /// Who answered so far.
        from: ResponseLevel,
        /// Who answers now; absent where the city did already.
        to: Option<ResponseLevel>,
    },
}

/// One deadline's light as it was last told: each change is told once, also after a time in which nobody looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lamp {
    told: Light,
}

impl Default for Lamp {
    fn default() -> Self {
        Self { told: Light::Green }
    }
}

impl Lamp {
    /// The light that was told last; green before any.
    #[must_use]
    pub fn light(&self) -> Light {
        self.told
    }

    /// What the deadline's standing asks for beyond what was told. A longer limit may turn a light back; nobody is told
    /// of that, and the next yellow or red is told anew.
    pub fn turn(&mut self, stage: Stage, level: ResponseLevel, standing: &Standing) -> Option<LightChange> {
        let before = std::mem::replace(&mut self.told, standing.light);
        let due = standing.due;
        match standing.light {
            light if light <= before => None,
            Light::Green => None,
            Light::Yellow => Some(LightChange::Yellow { stage, due }),
            Light::Red => Some(LightChange::Red { stage, due, from: level, to: level.above() }),
        }
    }
}

impl LightChange {
    /// In Chinese, with the due time on the clocks of `timezone`.
    #[must_use]
    pub fn zh(&self, timezone: &TimeZone) -> String {
        match self {
            Self::Yellow { stage, due } => {
                format!("黄灯:{}时限临近{}", stage.zh(), at(",应于", *due, "前完成", timezone))
            }
            Self::Red { stage, due, from, to } => {
                let head = format!("红灯:{}超时{}", stage.zh(), at(",应于", *due, "前完成", timezone));
                match to {
                    Some(to) => format!("{head};由{}升级为{},并通知督办", from.zh(), to.zh()),
                    None => format!("{head};已是{},通知督办", from.zh()),
                }
            }
        }
    }

    /// In English, with the due time on the clocks of `timezone`.
    #[must_use]
    pub fn en(&self, timezone: &TimeZone) -> String {
        match self {
            Self::Yellow { stage, due } => {
                format!("yellow: little time left to {}{}", stage.en(), at(", due ", *due, "", timezone))
            }
            Self::Red { stage, due, from, to } => {
                let head = format!("red: overdue to {}{}", stage.en(), at(", was due ", *due, "", timezone));
                match to {
                    Some(to) => format!("{head}; goes from {} to {}, supervision is told", from.en(), to.en()),
                    None => format!("{head}; at {} already, supervision is told", from.en()),
                }
            }
        }
    }
}

impl Stage {
    /// In Chinese.
    #[must_use]
    pub fn zh(self) -> &'static str {
        match self {
            Self::Arrive => "到场",
            Self::Solve => "处置",
        }
    }

    /// In English.
    #[must_use]
    pub fn en(self) -> &'static str {
        match self {
            Self::Arrive => "arrive",
            Self::Solve => "solve",
        }
    }
}

fn at(before: &str, due: Option<Timestamp>, after: &str, timezone: &TimeZone) -> String {
    let due = due.and_then(|due| jiff::Timestamp::from_millisecond(due.0).ok());
    due.map_or_else(String::new, |due| {
        format!("{before}{}{after}", due.to_zoned(timezone.clone()).strftime("%Y-%m-%d %H:%M"))
    })
}
