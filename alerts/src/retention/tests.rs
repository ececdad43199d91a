use std::fs::File;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

struct Clock {
    watch: ClockWatch,
    wall: Timestamp,
    real: Instant,
}

impl Clock {
    fn new() -> Self {
        let (wall, real) = (Timestamp(1_795_395_600_000), Instant::now());
        Self { watch: ClockWatch::new(wall, real), wall, real }
    }

    /// `shown` passes on the wall, `passed` in truth.
    #[track_caller]
    fn check(&mut self, shown: i64, passed: Duration, expect: Trust) {
        self.wall = self.wall + Millis::secs(shown);
        self.real += passed;
        assert_eq!(self.watch.look(self.wall, self.real), expect);
    }
}

#[test]
fn a_clock_that_jumps_forward_or_back_is_not_believed_for_a_day() {
    for step in [365 * 24 * 3600, -3 * 3600] {
        let mut clock = Clock::new();
        clock.check(600, HOUR / 6, Trust::Steady);
        clock.check(step, HOUR / 6, Trust::Jumped);
        for _ in 0..23 {
            clock.check(3600, HOUR, Trust::Resting);
        }
        clock.check(3600, HOUR, Trust::Steady);
    }
}

#[test]
fn a_clock_that_jumps_again_begins_a_new_day_of_rest() {
    let mut clock = Clock::new();
    clock.check(7200, HOUR, Trust::Jumped);
    clock.check(12 * 3600, 12 * HOUR, Trust::Resting);
    clock.check(0, HOUR, Trust::Jumped);
    clock.check(23 * 3600, 23 * HOUR, Trust::Resting);
    clock.check(3600, HOUR, Trust::Steady);
}

#[test]
fn a_clock_that_is_corrected_by_a_little_is_believed() {
    let mut clock = Clock::new();
    clock.check(3600 + 300, HOUR, Trust::Steady);
    clock.check(3600 - 300, HOUR, Trust::Steady);
}

#[test]
fn a_kind_may_have_times_of_its_own_and_none_that_are_too_short() {
    let config: RetentionConfig =
        toml::from_str("closed = '90days'\nsent = '2h'\n[kinds.'lane.motor']\nclosed = '10days'\n")
            .expect("a configuration");
    assert_eq!(config.check(), Ok(()));
    let now = Timestamp(1_795_395_600_000);
    let motor: Kind = "lane.motor".parse().expect("a kind");
    let days = |n: i64| now - Millis::mins(n * DAY);
    assert_eq!(
        config.expired(now),
        [
            (Some(&motor), Expired::Ended(days(10))),
            (Some(&motor), Expired::Unfiled(days(30))),
            (None, Expired::Ended(days(90))),
            (None, Expired::Unfiled(days(30))),
        ]
    );
    for (toml, key) in
        [("sent = '1m'", "sent"), ("orphans = '59m'", "orphans"), ("kinds = { a = { closed = '1s' } }", "a")]
    {
        let config: RetentionConfig = toml::from_str(toml).expect("parses");
        let error = config.check().expect_err("too short");
        assert!(error.contains(key), "{error}");
    }
}

/// A file and what a crash left: a picture is stored and no row names it.
#[tokio::test]
async fn a_picture_that_no_ticket_names_goes_when_it_is_old_enough() {
    let folder = tempfile::tempdir().expect("temp dir");
    let store = Store::open(&folder.path().join("gridwatch.db")).await.expect("opens");
    let evidence = EvidenceStore::open(&folder.path().join("evidence")).expect("opens");
    let (old, young) = (evidence.put(b"old").expect("stored"), evidence.put(b"young").expect("stored"));
    let again = evidence.put(b"stored again").expect("stored");
    let age = |digest, by: Duration| {
        let file = File::options().write(true).open(evidence.path(digest)).expect("a file");
        file.set_modified(SystemTime::now() - by).expect("aged");
    };
    age(&old, 25 * HOUR);
    age(&young, 23 * HOUR);
    age(&again, 25 * HOUR);
    evidence.put(b"stored again").expect("stored");
    let mut retention = Retention::new(RetentionConfig::default(), store, evidence.clone());
    retention.round(Now::read(), Thoroughness::Whole).await.expect("done");
    let there = |digest| evidence.get(digest).is_ok();
    assert_eq!([there(&old), there(&young), there(&again)], [false, true, true]);

    // By a wall clock that has jumped, all of them are old.
    let later = Now { wall: SystemTime::now() + 400 * 24 * HOUR, real: Instant::now() };
    retention.round(later, Thoroughness::Whole).await.expect("done");
    assert_eq!([there(&young), there(&again)], [true, true]);
}

#[tokio::test]
async fn a_full_disk_makes_it_look_at_once() {
    let folder = tempfile::tempdir().expect("temp dir");
    let store = Store::open(&folder.path().join("gridwatch.db")).await.expect("opens");
    let evidence = EvidenceStore::open(&folder.path().join("evidence")).expect("opens");
    let old = evidence.put(b"old").expect("stored");
    let file = File::options().write(true).open(evidence.path(&old)).expect("a file");
    file.set_modified(SystemTime::now() - 25 * HOUR).expect("aged");
    let config = RetentionConfig { every: Millis::mins(60), ..RetentionConfig::default() };
    let retention = Retention::new(config, store, evidence.clone());
    let stop = CancellationToken::new();
    evidence.full().notify_one();
    let gone = async {
        while evidence.get(&old).is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.cancel();
    };
    tokio::join!(retention.run(stop.clone()), gone);
}
