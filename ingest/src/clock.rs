//! What sender reports say of a camera's clock, where the network may have kept them waiting.
//!
//! A report that waited makes the clock look behind, and a congested link keeps all of them waiting. But it keeps the stream's
//! own time line (RTP timestamps) waiting just as long, which a clock that was set does not: as far as a report is late by
//! both, it is the network. Pure: one session's reports come in with their times, offsets come out.

use std::time::Duration;

use domain::Millis;

/// How fast two clocks part, and more: what was least once is not for ever.
const DRIFT: f64 = 200e-6;

/// The reports of one session.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    /// Seconds from the session's begin to the last one.
    last: f64,
    /// The largest offset in milliseconds, that of the report that waited least.
    largest: Option<f64>,
    /// The least that the stream's time line was behind the time of arrival, in seconds.
    least_lag: Option<f64>,
}

impl Reports {
    /// A report arrived so long after the session's begin, at `media` seconds of the stream's time line, by which the camera's
    /// clock would be `offset` ahead; how far it is ahead without the time that the report waited.
    pub(crate) fn judge(&mut self, arrived: Duration, media: Option<f64>, offset: Millis) -> Millis {
        let (arrived, told) = (arrived.as_secs_f64(), offset.0 as f64);
        let drifted = (arrived - self.last).max(0.0) * DRIFT;
        self.last = arrived;
        let largest = self.largest.map_or(told, |largest| told.max(largest - drifted * 1e3));
        self.largest = Some(largest);
        let Some(media) = media else { return offset };
        let lag = arrived - media;
        let least_lag = self.least_lag.map_or(lag, |least| lag.min(least + drifted));
        self.least_lag = Some(least_lag);
        let waited = ((lag - least_lag) * 1e3).min(largest - told);
        Millis((told + waited) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports 5 s apart, each with the seconds that it waited, that the camera's clock is ahead, and that the stream's time
    /// line has jumped; what is made of them.
    fn judged(reports: impl IntoIterator<Item = (f64, f64, f64)>) -> Vec<f64> {
        let mut judge = Reports::default();
        let judge = |(n, (waited, ahead, jumped)): (usize, (f64, f64, f64))| {
            let sent = n as f64 * 5.0;
            let arrived = Duration::from_secs_f64(sent + waited);
            let offset = judge.judge(arrived, Some(sent + jumped), Millis(((ahead - waited) * 1e3) as i64));
            (offset.0 as f64 / 1e3).round()
        };
        reports.into_iter().enumerate().map(judge).collect()
    }

    #[test]
    fn a_report_that_waited_does_not_put_the_clock_back() {
        let waits = [0.0, 2.0, 9.0, 20.0, 40.0, 40.0, 40.0, 12.0, 0.0, 40.0];
        assert_eq!(judged(waits.map(|waited| (waited, 0.0, 0.0))), [0.0; 10]);
        assert_eq!(judged(waits.map(|waited| (waited, -60.0, 0.0))), [-60.0; 10]);
        // Hours of it.
        let late = (0..2_000).map(|n| (f64::from(n.min(40)), 0.0, 0.0));
        assert!(judged(late).iter().all(|offset| *offset > -5.0));
    }

    #[test]
    fn a_clock_that_is_set_is_off_at_once() {
        let ahead = [0.0, 0.0, -60.0, -60.0, 30.0, 30.0, 0.0];
        assert_eq!(judged(ahead.map(|ahead| (0.0, ahead, 0.0))), ahead);
    }

    #[test]
    fn timestamps_that_jump_say_nothing_of_the_clock() {
        for clock in [-60.0, 0.0, 60.0] {
            assert_eq!(judged([0.0, 37.0, 0.0, 37.0, -15.0].map(|jumped| (0.0, clock, jumped))), [clock; 5]);
        }
    }

    #[test]
    fn a_clock_that_goes_slow_is_noticed() {
        // 100 s a million: more than cameras do.
        let slow = (0..20_000).map(|n| (0.0, f64::from(n) * -5.0 * 100e-6, f64::from(n) * -5.0 * 100e-6));
        assert_eq!(judged(slow).last(), Some(&-10.0));
    }

    #[test]
    fn without_the_streams_time_a_report_is_taken_as_it_is() {
        let mut reports = Reports::default();
        assert_eq!(reports.judge(Duration::ZERO, None, Millis(0)), Millis(0));
        assert_eq!(reports.judge(Duration::from_secs(5), None, Millis(-7_000)), Millis(-7_000));
    }
}
