//! Whether a problem that is said to be handled is gone: looks and time in, a result out, without I/O and without a clock.
//!
//! A check begins when the platform says `handled` (or asks). The camera is looked at at once, then evenly over a window.
//! It promises: a result comes once, after the last look or when the window and as much again have passed, whatever the
//! camera does; `cleared` only after enough looks in a row that showed the place unobstructed and without the problem, all of
//! them taken after the check began, by a camera that can be trusted, and without a loss of the stream between them; where
//! looks cannot tell, it says so and why.

use std::collections::BTreeMap;

use domain::{CameraFault, CameraId, Millis, TicketId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::incident::Sight;

/// The section `[recheck]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecheckConfig {
    /// How often is looked, the first look included.
    pub looks: u32,
    /// From the first look to the last one.
    pub window: Millis,
    /// How many looks in a row must show the place clear and unobstructed.
    pub min_clear: u32,
}

impl Default for RecheckConfig {
    fn default() -> Self {
        Self { looks: 5, window: Millis::mins(2), min_clear: 3 }
    }
}

impl RecheckConfig {
    /// Checks what a reader of TOML cannot.
    ///
    /// # Errors
    /// Names the key and what it must be.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=100).contains(&self.looks) {
            return Err("looks must be from 1 to 100".to_owned());
        }
        if self.min_clear == 0 || self.min_clear > self.looks {
            return Err("min_clear must be from 1 to looks".to_owned());
        }
        if self.window < Millis::secs(1) || self.window > Millis::mins(24 * 60) {
            return Err("window must be from 1s to 24h".to_owned());
        }
        Ok(())
    }

    /// The time from one look to the next.
    fn spacing(&self) -> Millis {
        Millis(self.window.0 / i64::from(self.looks.saturating_sub(1).max(1)))
    }

    /// When it is over, however few looks there were.
    fn patience(&self) -> Millis {
        Millis(self.window.0.saturating_mul(2).max(60_000))
    }
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The place is clear.
    Cleared,
    /// The problem is there.
    StillThere,
    /// It cannot be told.
    Unclear,
}

/// Why a check found what it did; a code for the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The place was seen clear.
    Clear,
    /// The problem was seen.
    Seen,
    /// Something stood in front.
    Obstructed,
    /// The looks contradict one another.
    Wavering,
    /// The camera gave too few looks.
    CameraLost,
    /// What is known of the camera's view was learnt anew since, or nothing tells what the looks show.
    Untrusted,
    /// The camera gave the same picture again and again.
    CameraFrozen,
    /// The camera was covered, or fogged up.
    CameraBlind,
    /// It was too dark to see.
    CameraDark,
    /// The camera was out of focus.
    CameraBlurred,
    /// The camera looked elsewhere.
    CameraMoved,
}

impl Why {
    /// As it stands in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Seen => "seen",
            Self::Obstructed => "obstructed",
            Self::Wavering => "wavering",
            Self::CameraLost => "camera_lost",
            Self::Untrusted => "untrusted",
            Self::CameraFrozen => "camera_frozen",
            Self::CameraBlind => "camera_blind",
            Self::CameraDark => "camera_dark",
            Self::CameraBlurred => "camera_blurred",
            Self::CameraMoved => "camera_moved",
        }
    }

    /// Why a camera with this fault proves nothing.
    fn of(fault: CameraFault) -> Self {
        match fault {
            CameraFault::Frozen => Self::CameraFrozen,
            CameraFault::Blind => Self::CameraBlind,
            CameraFault::Dark => Self::CameraDark,
            CameraFault::Blurred => Self::CameraBlurred,
            CameraFault::Moved => Self::CameraMoved,
            CameraFault::Offline => Self::CameraLost,
            CameraFault::Unstable | CameraFault::KeyframeInterval | CameraFault::Clock => Self::Untrusted,
        }
    }
}

/// The end of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What was found.
    pub result: Found,
    /// Why.
    pub why: Why,
    /// Looks that were made.
    pub looks: u32,
    /// Those of them that showed the place clear.
    pub clear_looks: u32,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended.
    pub checked_at: Timestamp,
}

/// One check.
///
/// ```text
///          look due: told in `wants`        the last look, or patience ends
///  Due ◀──────────────────────────▶ Waiting ───────────────────────────────▶ (outcome)
///          a look came, the next is later
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
struct Check {
    camera: CameraId,
    began_at: Timestamp,
    /// When the next look is due.
    due: Timestamp,
    looks: u32,
    clear: u32,
    standing: u32,
    hidden: u32,
    untrusted: u32,
    /// Clear looks since the last that showed something else.
    clear_in_row: u32,
    /// What was wrong with the camera, once it was.
    fault: Option<CameraFault>,
    /// Whether its stream was lost since the last look.
    lost: bool,
    /// Whether a reading since it began showed the problem.
    held: bool,
}

/// All checks that are under way.
#[derive(Debug, Clone)]
pub struct Rechecks {
    config: RecheckConfig,
    open: BTreeMap<TicketId, Check>,
}

impl Rechecks {
    /// None yet.
    #[must_use]
    pub fn new(config: RecheckConfig) -> Self {
        Self { config, open: BTreeMap::new() }
    }

    /// Begins to check a ticket's place, or begins anew where it is being checked already: the platform has said it again.
    /// After a restart what was due begins anew, too.
    /// `fault` is what is wrong with the camera, if anything is.
    pub fn begin(&mut self, ticket: TicketId, camera: CameraId, fault: Option<CameraFault>, now: Timestamp) {
        let check = Check {
            camera,
            began_at: now,
            due: now,
            looks: 0,
            clear: 0,
            standing: 0,
            hidden: 0,
            untrusted: 0,
            clear_in_row: 0,
            fault,
            lost: false,
            held: false,
        };
        self.open.insert(ticket, check);
    }

    /// Ends a check without a result: the case is over.
    pub fn forget(&mut self, ticket: TicketId) {
        self.open.remove(&ticket);
    }

    /// Whether nothing is being checked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Cameras that should be looked at now.
    pub fn wants(&self, now: Timestamp) -> impl Iterator<Item = &CameraId> {
        self.open.values().filter(move |check| check.due <= now).map(|check| &check.camera)
    }

    /// The tickets for which a look at `camera` that was taken at `taken_at` counts.
    #[must_use]
    pub fn due_at(&self, camera: &CameraId, taken_at: Timestamp) -> Vec<TicketId> {
        let counts = |check: &Check| check.camera == *camera && taken_at >= check.due;
        self.open.iter().filter(|(_, check)| counts(check)).map(|(ticket, _)| *ticket).collect()
    }

    /// Takes in what a look shows of a ticket's place; none where it cannot be trusted. With a `doubt` about the camera it shows
    /// nothing: a camera that is covered now is not known to be for a minute. Gives the outcome with the last look.
    pub fn look(
        &mut self,
        ticket: TicketId,
        sight: Option<Sight>,
        doubt: Option<CameraFault>,
        taken_at: Timestamp,
    ) -> Option<Outcome> {
        let spacing = self.config.spacing();
        let check = self.open.get_mut(&ticket).filter(|check| taken_at >= check.due)?;
        check.looks += 1;
        check.lost = false;
        check.due = taken_at + spacing;
        check.fault = doubt.or(check.fault);
        match sight.filter(|_| doubt.is_none()) {
            Some(Sight::Clear) => {
                check.clear += 1;
                check.clear_in_row += 1;
            }
            Some(Sight::Seen) => {
                check.standing += 1;
                check.clear_in_row = 0;
            }
            // Somebody who passes neither proves nor disproves anything.
            Some(Sight::Hidden) => check.hidden += 1,
            None => {
                check.untrusted += 1;
                check.clear_in_row = 0;
            }
        }
        if check.looks < self.config.looks {
            return None;
        }
        let outcome = check.outcome(&self.config, taken_at);
        self.open.remove(&ticket);
        Some(outcome)
    }

    /// A reading shows that the problem stands: where no look can tell, it does.
    pub fn holds(&mut self, ticket: TicketId, at: Timestamp) {
        if let Some(check) = self.open.get_mut(&ticket).filter(|check| at >= check.began_at) {
            check.held = true;
        }
    }

    /// Readings show that the problem is gone, whatever looks could tell: the check is over, if there is one.
    pub fn over(&mut self, ticket: TicketId, at: Timestamp) -> Option<Outcome> {
        let Check { looks, clear, began_at, .. } = self.open.remove(&ticket)?;
        let checked_at = at.max(began_at);
        Some(Outcome { result: Found::Cleared, why: Why::Clear, looks, clear_looks: clear, began_at, checked_at })
    }

    /// The camera lost its stream: it may come back to another view, so the looks before prove nothing with those after.
    pub fn lost(&mut self, camera: &CameraId) {
        for check in self.open.values_mut().filter(|check| check.camera == *camera) {
            (check.clear_in_row, check.lost) = (0, true);
        }
    }

    /// The camera cannot be trusted, and could not for some time before that was known: no look that was made so far proves
    /// anything.
    pub fn distrust(&mut self, camera: &CameraId, fault: CameraFault) {
        for check in self.open.values_mut().filter(|check| check.camera == *camera) {
            check.untrusted += check.clear + check.standing;
            (check.clear, check.standing, check.clear_in_row) = (0, 0, 0);
            check.fault = Some(fault);
        }
    }

    /// Checks whose time is up.
    pub fn tick(&mut self, now: Timestamp) -> Vec<(TicketId, Outcome)> {
        let config = self.config;
        // A clock that was set back must not hold a check up for ever.
        for check in self.open.values_mut().filter(|check| now < check.began_at) {
            check.began_at = now;
            check.due = check.due.min(now + config.spacing());
        }
        let is_over = |check: &Check| now.since(check.began_at) >= config.patience();
        let over: Vec<_> = self.open.iter().filter(|(_, check)| is_over(check)).map(|(id, _)| *id).collect();
        over.into_iter().filter_map(|id| Some((id, self.open.remove(&id)?.outcome(&config, now)))).collect()
    }
}

impl Check {
    fn outcome(&self, config: &RecheckConfig, checked_at: Timestamp) -> Outcome {
        let (result, why) = if self.clear_in_row >= config.min_clear {
            (Found::Cleared, Why::Clear)
        } else if self.held || (self.standing >= 2.min(config.looks) && self.standing >= self.clear) {
            (Found::StillThere, Why::Seen)
        } else if self.looks < config.min_clear || self.lost {
            // One that gave no look at all may have been unfit before it went away.
            (Found::Unclear, self.fault.filter(|_| self.untrusted > 0).map_or(Why::CameraLost, Why::of))
        } else if self.untrusted > self.hidden {
            (Found::Unclear, self.fault.map_or(Why::Untrusted, Why::of))
        } else if self.hidden > 0 && self.clear + self.standing < config.min_clear {
            (Found::Unclear, Why::Obstructed)
        } else {
            (Found::Unclear, Why::Wavering)
        };
        Outcome { result, why, looks: self.looks, clear_looks: self.clear, began_at: self.began_at, checked_at }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T0: Timestamp = Timestamp(1_795_406_400_000);

    fn camera() -> CameraId {
        "gate-2".parse().unwrap()
    }

    fn ticket() -> TicketId {
        TicketId::derive(T0, b"a car")
    }

    fn sight(letter: char) -> Option<Sight> {
        match letter {
            'c' => Some(Sight::Clear),
            's' => Some(Sight::Seen),
            'h' => Some(Sight::Hidden),
            'd' => Some(Sight::Clear),
            _ => None,
        }
    }

    /// `d`: it seems to be covered.
    fn doubt(letter: char) -> Option<CameraFault> {
        (letter == 'd').then_some(CameraFault::Blind)
    }

    /// Plays looks, one each 30 s (`-`: none came; `!`: the stream was lost), then waits for the outcome.
    fn play(looks: &str) -> Outcome {
        let mut checks = Rechecks::new(RecheckConfig::default());
        checks.begin(ticket(), camera(), None, T0);
        let mut now = T0;
        for letter in looks.chars() {
            match letter {
                '!' => checks.lost(&camera()),
                'b' => checks.distrust(&camera(), CameraFault::Blind),
                '-' => now = now + Millis::secs(30),
                letter => {
                    assert_eq!(checks.due_at(&camera(), now), [ticket()]);
                    if let Some(outcome) = checks.look(ticket(), sight(letter), doubt(letter), now) {
                        return outcome;
                    }
                    now = now + Millis::secs(30);
                }
            }
        }
        let over = checks.tick(now + Millis::mins(10));
        assert!(checks.is_empty());
        over[0].1
    }

    #[track_caller]
    fn check(looks: &str, result: Found, why: Why) {
        let outcome = play(looks);
        assert_eq!((outcome.result, outcome.why), (result, why), "{looks}: {outcome:?}");
    }

    #[test]
    fn a_place_that_is_clear_in_a_row_is_cleared() {
        check("ccccc", Found::Cleared, Why::Clear);
        check("ssccc", Found::Cleared, Why::Clear);
        check("chchc", Found::Cleared, Why::Clear);
        check("cc-cc-", Found::Cleared, Why::Clear);
    }

    #[test]
    fn what_is_seen_is_still_there() {
        check("sssss", Found::StillThere, Why::Seen);
        check("cssss", Found::StillThere, Why::Seen);
        check("hshsh", Found::StillThere, Why::Seen);
        check("sssscs", Found::StillThere, Why::Seen);
        check("ss", Found::StillThere, Why::Seen);
    }

    #[test]
    fn what_cannot_be_told_is_said_to_be_unclear() {
        check("hhhhh", Found::Unclear, Why::Obstructed);
        check("chhhc", Found::Unclear, Why::Obstructed);
        check("ccccs", Found::Unclear, Why::Wavering);
        check("sccsc", Found::Unclear, Why::Wavering);
        check("", Found::Unclear, Why::CameraLost);
        check("cc", Found::Unclear, Why::CameraLost);
        check("ccxcc", Found::Unclear, Why::Untrusted);
        check("xxxxx", Found::Unclear, Why::Untrusted);
        check("cccdd", Found::Unclear, Why::CameraBlind);
        check("ccccd", Found::Unclear, Why::CameraBlind);
        check("ddccc", Found::Cleared, Why::Clear);
        check("cc!cc-", Found::Unclear, Why::Wavering);
        check("cc!-", Found::Unclear, Why::CameraLost);
        check("ccc!-", Found::Unclear, Why::CameraLost);
        check("cc!ccc", Found::Cleared, Why::Clear);
    }

    #[test]
    fn a_camera_that_turns_out_to_be_blind_has_proved_nothing() {
        // The looks before were made through the cloth that hangs over it.
        check("cccb-", Found::Unclear, Why::CameraBlind);
        check("cccbxx", Found::Unclear, Why::CameraBlind);
        check("sssbxx", Found::Unclear, Why::CameraBlind);
        // It can see again, and for long enough.
        check("cbccc-", Found::Cleared, Why::Clear);
        check("bxsss-", Found::StillThere, Why::Seen);
        check("bccxcc", Found::Unclear, Why::CameraBlind);
    }

    #[test]
    fn readings_tell_what_looks_cannot() {
        let begin = || {
            let mut checks = Rechecks::new(RecheckConfig::default());
            checks.begin(ticket(), camera(), None, T0);
            checks
        };
        let at_the_end = |checks: &mut Rechecks| {
            let over = checks.tick(T0 + Millis::mins(10));
            (over[0].1.result, over[0].1.why)
        };
        // One of before the check tells nothing.
        let mut checks = begin();
        checks.holds(ticket(), T0 - Millis(1));
        assert_eq!(at_the_end(&mut checks), (Found::Unclear, Why::CameraLost));
        checks = begin();
        checks.holds(ticket(), T0 + Millis(1));
        assert_eq!(at_the_end(&mut checks), (Found::StillThere, Why::Seen));
        checks = begin();
        checks.holds(ticket(), T0 + Millis(1));
        let outcome = checks.over(ticket(), T0 + Millis::secs(20)).expect("a check");
        assert_eq!((outcome.result, outcome.checked_at), (Found::Cleared, T0 + Millis::secs(20)));
        assert_eq!((checks.is_empty(), checks.over(ticket(), T0 + Millis::secs(30))), (true, None));
    }

    #[test]
    fn a_check_that_begins_while_the_camera_is_unfit_says_so() {
        let mut checks = Rechecks::new(RecheckConfig::default());
        checks.begin(ticket(), camera(), Some(CameraFault::Moved), T0);
        let outcome =
            (0..5).find_map(|n| checks.look(ticket(), None, None, T0 + Millis::secs(30 * n))).expect("five looks");
        assert_eq!((outcome.result, outcome.why.as_str()), (Found::Unclear, "camera_moved"));
    }

    #[test]
    fn looks_from_before_it_began_do_not_count() {
        let mut checks = Rechecks::new(RecheckConfig::default());
        checks.begin(ticket(), camera(), None, T0);
        assert_eq!(checks.wants(T0).count(), 1);
        assert!(checks.due_at(&camera(), T0 - Millis(1)).is_empty());
        assert_eq!(checks.look(ticket(), Some(Sight::Clear), None, T0 - Millis(1)), None);
        assert_eq!(checks.wants(T0).count(), 1, "it is still due");
        checks.look(ticket(), Some(Sight::Clear), None, T0 + Millis(200));
        assert_eq!(checks.wants(T0 + Millis::secs(30)).count(), 0);
        assert_eq!(checks.wants(T0 + Millis(30_200)).count(), 1);
    }

    #[test]
    fn one_look_can_be_enough_where_that_is_wanted() {
        let mut checks = Rechecks::new(RecheckConfig { looks: 1, min_clear: 1, ..RecheckConfig::default() });
        for (letter, found) in [('c', Found::Cleared), ('s', Found::StillThere), ('h', Found::Unclear)] {
            checks.begin(ticket(), camera(), None, T0);
            assert_eq!(checks.look(ticket(), sight(letter), None, T0).map(|outcome| outcome.result), Some(found));
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let check = |looks, min_clear, window, part: &str| {
            let error = RecheckConfig { looks, min_clear, window }.check().unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        check(0, 0, Millis::mins(1), "looks must be");
        check(3, 4, Millis::mins(1), "min_clear must be");
        check(3, 3, Millis::ZERO, "window must be");
        assert_eq!(RecheckConfig::default().check(), Ok(()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever is seen when: there is one outcome, in bounded time, and "cleared" only after enough clear looks in a row
        /// that nothing but passers-by interrupted.
        #[test]
        fn a_result_comes_once_and_is_earned(
            looks in 1_u32..8,
            clear in 1_u32..8,
            steps in prop::collection::vec((0_u8..7, 0_i64..90_000), 0..40),
        ) {
            let config = RecheckConfig { looks, min_clear: clear.min(looks), window: Millis::mins(2) };
            prop_assert_eq!(config.check(), Ok(()));
            let mut checks = Rechecks::new(config);
            checks.begin(ticket(), camera(), None, T0);
            let (mut now, mut in_row, mut outcomes) = (T0, 0, Vec::new());
            for (what, passed) in steps {
                now = now + Millis(passed);
                let ended = match what {
                    4 => {
                        checks.lost(&camera());
                        in_row = 0;
                        None
                    }
                    6 => {
                        checks.distrust(&camera(), CameraFault::Blind);
                        in_row = 0;
                        None
                    }
                    5 => checks.tick(now).pop().map(|(_, outcome)| outcome),
                    letter => {
                        let sight = sight(['c', 's', 'h', 'x'][usize::from(letter)]);
                        let counts = !checks.due_at(&camera(), now).is_empty();
                        match sight {
                            _ if !counts => {}
                            Some(Sight::Clear) => in_row += 1,
                            Some(Sight::Hidden) => {}
                            _ => in_row = 0,
                        }
                        checks.look(ticket(), sight, None, now)
                    }
                };
                if let Some(outcome) = ended {
                    prop_assert_eq!(outcome.result == Found::Cleared, in_row >= config.min_clear);
                    outcomes.push(outcome);
                }
            }
            outcomes.extend(checks.tick(now + Millis::mins(5)).into_iter().map(|(_, outcome)| outcome));
            prop_assert_eq!(outcomes.len(), 1);
            prop_assert!(outcomes[0].looks <= looks && outcomes[0].clear_looks <= outcomes[0].looks);
            prop_assert!(checks.is_empty() && outcomes[0].checked_at >= outcomes[0].began_at);
        }
    }
}
