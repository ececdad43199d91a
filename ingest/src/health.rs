//! Camera health: what a stream tells of its camera. Offline for too long or too often, keyframes too far apart, a clock that is
//! off.
//!
//! Pure: facts and their times come in, ailments come out. What the pictures tell is not known here.

use std::collections::VecDeque;

use domain::{
    Ailment, CameraFault, DecodeMode, Millis, Timestamp,
    health::{Latch, Patience, Sign},
};

use crate::IngestConfig;

/// How long a camera must have streamed to be back: what connects and breaks at once is not.
const BACK_AFTER: Millis = Millis::secs(10);
/// Measured intervals and told times in a row that are believed.
const MEASURED: Patience = Patience { looks: 3, time: Millis::ZERO };
/// The cadence had patience itself.
const JUDGED: Patience = Patience { looks: 1, time: Millis::ZERO };
/// A session that begins on a congested link has no report that came in time to judge the others by; links recover.
const TOLD_OFF: Patience = Patience { looks: 2, time: Millis::secs(120) };
const TOLD_RIGHT: Patience = Patience { looks: 2, time: Millis::ZERO };
/// Of a camera that comes and goes, so many losses are no news any more: each has one now and then.
const USUAL_LOSSES: usize = 1;
/// How far a value must be on the other side of its limit to be there: a tenth.
const MARGIN: i64 = 10;

/// What was noticed of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    /// Keyframes arrive, or a recording has come to its end.
    Up,
    /// It is not connected, or nothing comes.
    Down,
    /// It was connected and gave pictures, and is not any more.
    Lost,
    /// A keyframe came so long after the one before, and a look is due so often.
    Keyframe {
        /// Since the one before.
        interval: Millis,
        /// Between looks while nothing is suspected.
        look_interval: Millis,
    },
    /// From now on so many of its frames are decoded, since its keyframes come too rarely or often enough again. With intra
    /// refresh there are no two of them to measure an interval by.
    Cadence(DecodeMode),
    /// The camera told its time, which is so far ahead of ours.
    Clock(Millis),
}

/// What is known of one camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamHealth {
    offline_after: Millis,
    clock_tolerance: Millis,
    offline: Latch,
    losses: Losses,
    keyframes: Latch,
    clock: Latch,
}

/// How often the connection was lost of late.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Losses {
    limit: usize,
    within: Millis,
    /// The last ones, as many as the limit at most.
    at: VecDeque<Timestamp>,
    /// The first of those over which the camera is believed to be unstable.
    since: Option<Timestamp>,
}

impl Losses {
    fn lost(&mut self, at: Timestamp) {
        if self.at.len() >= self.limit {
            self.at.pop_front();
        }
        if self.limit > 0 {
            self.at.push_back(at);
        }
    }

    /// It is `now`; whether that, or a loss, changed what is believed.
    fn judge(&mut self, now: Timestamp) -> bool {
        // A clock that is set back begins the time anew.
        self.at.iter_mut().for_each(|at| *at = (*at).min(now));
        while self.at.front().is_some_and(|at| now.since(*at) >= self.within) {
            self.at.pop_front();
        }
        let usual = USUAL_LOSSES.min(self.limit.saturating_sub(1));
        let before = self.since;
        self.since = match before {
            None if self.limit > 0 && self.at.len() >= self.limit => self.at.front().copied(),
            Some(_) if self.at.len() <= usual => None,
            same => same,
        };
        self.since != before
    }
}

impl StreamHealth {
    pub(crate) fn new(config: &IngestConfig) -> Self {
        Self {
            offline_after: config.offline_after,
            clock_tolerance: config.clock_tolerance,
            offline: Latch::default(),
            losses: Losses {
                limit: config.unstable_losses,
                within: config.unstable_within,
                at: VecDeque::new(),
                since: None,
            },
            keyframes: Latch::default(),
            clock: Latch::default(),
        }
    }

    /// Takes in what was noticed at `at`; whether that changed what is believed.
    pub(crate) fn observe(&mut self, at: Timestamp, fact: Fact) -> bool {
        if fact == Fact::Lost {
            self.losses.lost(at);
        }
        let unstable = matches!(fact, Fact::Up | Fact::Down | Fact::Lost) && self.losses.judge(at);
        let turn = match fact {
            Fact::Lost => None,
            Fact::Up | Fact::Down => {
                let sign = if fact == Fact::Down { Sign::Bad } else { Sign::Good };
                let on = Patience { looks: 2, time: self.offline_after };
                self.offline.observe(at, sign, on, Patience { looks: 2, time: BACK_AFTER })
            }
            Fact::Keyframe { interval, look_interval } => {
                self.keyframes.observe(at, beyond(interval, look_interval), MEASURED, MEASURED)
            }
            Fact::Cadence(mode) => {
                let sign = if mode == DecodeMode::AllFrames { Sign::Bad } else { Sign::Good };
                self.keyframes.observe(at, sign, JUDGED, JUDGED)
            }
            Fact::Clock(offset) => {
                let distance = Millis(offset.0.saturating_abs());
                self.clock.observe(at, beyond(distance, self.clock_tolerance), TOLD_OFF, TOLD_RIGHT)
            }
        };
        turn.is_some() || unstable
    }

    /// What is believed to be wrong.
    pub(crate) fn ailments(&self) -> Vec<Ailment> {
        let believed = [
            (CameraFault::Offline, self.offline.since()),
            (CameraFault::Unstable, self.losses.since),
            (CameraFault::KeyframeInterval, self.keyframes.since()),
            (CameraFault::Clock, self.clock.since()),
        ];
        let ill = |(fault, since)| Some(Ailment { fault, since: since? });
        believed.into_iter().filter_map(ill).collect()
    }
}

fn beyond(value: Millis, limit: Millis) -> Sign {
    let margin = limit.0 / MARGIN;
    match value.0 {
        value if value > limit.0.saturating_add(margin) => Sign::Bad,
        value if value <= limit.0.saturating_sub(margin) => Sign::Good,
        _ => Sign::Unclear,
    }
}

/// How far `ntp` (the 64 bits of RFC 5905, as a sender report has them) is ahead of `now`. None where the camera has no
/// clock: it may then send zero, or the time since it was switched on (RFC 3550, 6.4.1), both long before 1970.
pub(crate) fn clock_offset(ntp: u64, now: Timestamp) -> Option<Millis> {
    const UNIX_EPOCH: i64 = 2_208_988_800;
    let (seconds, fraction) = ((ntp >> 32) as i64, ntp & 0xffff_ffff);
    // 32 bits of seconds run over in 2036; what would be before 1968 is after that (RFC 5905, 6).
    let seconds = if seconds < 1 << 31 && seconds > 1 << 24 { seconds + (1 << 32) } else { seconds };
    let unix = seconds - UNIX_EPOCH;
    let millis = unix * 1_000 + ((fraction * 1_000) >> 32) as i64;
    (unix >= 0).then(|| Millis(millis - now.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp(1_795_406_400_000);

    fn health() -> StreamHealth {
        StreamHealth::new(&IngestConfig::default())
    }

    fn faults(health: &StreamHealth) -> Vec<CameraFault> {
        health.ailments().iter().map(|ailment| ailment.fault).collect()
    }

    /// One fact a second, `u` or `d`, as often as said.
    fn play(health: &mut StreamHealth, at: &mut Timestamp, script: &[(Fact, i64)]) {
        for (fact, seconds) in script {
            for _ in 0..*seconds {
                health.observe(*at, *fact);
                *at = *at + Millis::secs(1);
            }
        }
    }

    #[test]
    fn an_outage_is_a_fault_after_two_minutes_and_over_once_the_stream_has_lasted() {
        let (mut health, mut at) = (health(), AT);
        play(&mut health, &mut at, &[(Fact::Up, 60), (Fact::Down, 120)]);
        assert_eq!(faults(&health), []);
        play(&mut health, &mut at, &[(Fact::Down, 1)]);
        assert_eq!(health.ailments(), [Ailment { fault: CameraFault::Offline, since: AT + Millis::secs(60) }]);
        play(&mut health, &mut at, &[(Fact::Up, 5), (Fact::Down, 5), (Fact::Up, 10)]);
        assert_eq!(faults(&health), [CameraFault::Offline]);
        play(&mut health, &mut at, &[(Fact::Up, 1)]);
        assert_eq!(faults(&health), []);
    }

    #[test]
    fn a_restart_of_the_camera_is_no_fault() {
        let (mut health, mut at) = (health(), AT);
        for _ in 0..20 {
            play(&mut health, &mut at, &[(Fact::Up, 15), (Fact::Down, 90)]);
            assert_eq!(faults(&health), []);
        }
    }

    /// One loss, half a minute of absence and the rest of `minutes` with pictures, as often as said.
    fn flap(health: &mut StreamHealth, at: &mut Timestamp, minutes: i64, times: usize) {
        for _ in 0..times {
            health.observe(*at, Fact::Lost);
            play(health, at, &[(Fact::Down, 30), (Fact::Up, minutes * 60 - 30)]);
        }
    }

    #[test]
    fn a_camera_that_comes_and_goes_is_a_fault_until_an_hour_is_calm() {
        let (mut health, mut at) = (health(), AT);
        flap(&mut health, &mut at, 9, 5);
        assert_eq!(faults(&health), []);
        flap(&mut health, &mut at, 9, 1);
        assert_eq!(health.ailments(), [Ailment { fault: CameraFault::Unstable, since: AT }]);
        // It goes on more rarely, and is no better for that.
        flap(&mut health, &mut at, 20, 6);
        assert_eq!(faults(&health), [CameraFault::Unstable]);
        // The last but one of its losses was 40 minutes ago, the last one 20.
        play(&mut health, &mut at, &[(Fact::Up, 20 * 60)]);
        assert_eq!(faults(&health), [CameraFault::Unstable]);
        play(&mut health, &mut at, &[(Fact::Up, 1)]);
        assert_eq!(faults(&health), []);
    }

    #[test]
    fn a_loss_now_and_then_is_no_fault() {
        let (mut health, mut at) = (health(), AT);
        for _ in 0..30 {
            flap(&mut health, &mut at, 12, 1);
            assert_eq!(faults(&health), []);
        }
        let mut never = StreamHealth::new(&IngestConfig { unstable_losses: 0, ..IngestConfig::default() });
        flap(&mut never, &mut at, 1, 100);
        assert_eq!(faults(&never), []);
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_no_camera_unstable() {
        let (mut health, mut at) = (health(), AT);
        flap(&mut health, &mut at, 2, 6);
        assert_eq!(faults(&health), [CameraFault::Unstable]);
        at = AT - Millis::mins(24 * 60);
        play(&mut health, &mut at, &[(Fact::Up, 3_601)]);
        assert_eq!(faults(&health), []);
    }

    #[test]
    fn keyframes_that_come_less_often_than_looks_are_due_are_a_fault() {
        let keyframe = |seconds| Fact::Keyframe { interval: Millis::secs(seconds), look_interval: Millis::secs(10) };
        let mut health = health();
        for (interval, ill) in
            [(2, false), (12, false), (25, false), (12, true), (10, true), (2, true), (2, true), (2, false)]
        {
            health.observe(AT, keyframe(interval));
            assert_eq!(!health.ailments().is_empty(), ill, "{interval}");
        }
    }

    #[test]
    fn keyframes_are_too_far_apart_for_as_long_as_all_frames_are_decoded() {
        let mut health = health();
        assert!(health.observe(AT, Fact::Cadence(DecodeMode::AllFrames)));
        assert_eq!(health.ailments(), [Ailment { fault: CameraFault::KeyframeInterval, since: AT }]);
        assert!(health.observe(AT + Millis::secs(9), Fact::Cadence(DecodeMode::Keyframes)));
        assert_eq!(health.ailments(), []);
    }

    #[test]
    fn a_clock_is_off_beyond_the_tolerance_either_way() {
        for sign in [-1, 1] {
            let mut health = health();
            let offsets =
                [(400, false), (5_400, false), (7_000, false), (7_000, true), (5_000, true), (80, true), (80, false)];
            for (minutes, (millis, ill)) in (0..).step_by(2).zip(offsets) {
                health.observe(AT + Millis::secs(minutes * 60), Fact::Clock(Millis(sign * millis)));
                assert_eq!(!health.ailments().is_empty(), ill, "{millis}");
            }
        }
    }

    #[test]
    fn one_report_in_two_minutes_that_is_right_shows_that_the_others_waited() {
        let (mut health, mut at) = (health(), AT);
        let told = |seconds| Fact::Clock(Millis::secs(seconds));
        for _ in 0..10 {
            play(&mut health, &mut at, &[(told(-40), 115), (told(0), 1)]);
            assert_eq!(faults(&health), []);
        }
        play(&mut health, &mut at, &[(told(-40), 121)]);
        assert_eq!(faults(&health), [CameraFault::Clock]);
    }

    #[test]
    fn a_sender_report_tells_the_time_or_that_there_is_no_clock() {
        let ntp = |unix: i64, fraction: u64| ((unix + 2_208_988_800) as u64) << 32 | fraction;
        assert_eq!(clock_offset(ntp(1_795_406_400, 1 << 31), AT), Some(Millis(500)));
        assert_eq!(clock_offset(ntp(1_795_406_390, 0), AT), Some(Millis(-10_000)));
        // 2000-01-01: a camera that was reset.
        assert_eq!(clock_offset(ntp(946_684_800, 0), AT).map(|offset| offset.0 < -800_000_000_000), Some(true));
        assert_eq!(clock_offset(0, AT), None);
        assert_eq!(clock_offset(3_600 << 32, AT), None, "switched on an hour ago");
        // After the seconds ran over, in 2036.
        assert_eq!(clock_offset((1_u64 << 25) << 32, AT).map(|offset| offset.0 > 0), Some(true));
    }
}
