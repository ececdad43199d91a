//! Writes looks down minute by minute, and makes each station's report when its day has ended, or as soon after that as can
//! be: a report that was missed while the process was off is made at the next start, marked late.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use domain::{CameraId, Cell, Kind, Millis, Timestamp};
use jiff::{ToSpan as _, civil::Date};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{
    CameraWatch, Finding, Item, LookLedger, Period, ReportsOwed, Sighted, Station, ZeroReport, ZeroReportConfig,
    alarm::Alarm, build,
};
use crate::{
    AlertsError,
    publisher::StatusBoard,
    store::{Store, WatchMark},
    wire::{self, Node},
};

/// How often looks are written down: a crash forgets so much of them.
const ROUND: Duration = Duration::from_secs(60);

/// Reports that were missed are made up for so many days.
const MADE_UP_FOR: i32 = 7;

/// Says what this module's metrics mean.
pub fn describe_metrics() {
    use metrics::{describe_counter, describe_gauge};
    describe_gauge!("gridwatch_zero_reports_missing", "reports whose time has come and that are not there, an alarm");
    describe_counter!("gridwatch_zero_reports_total", "reports made, by whether they were late");
    describe_counter!("gridwatch_zero_report_items_total", "items reported, by finding");
    describe_counter!(
        "gridwatch_zero_report_failures_total",
        "times that looks or reports could not be written; tried again"
    );
}

/// A camera as reports see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedCamera {
    /// Which.
    pub id: CameraId,
    /// Its grid code, where it has one.
    pub grid: Option<Cell>,
    /// The kinds of cases that its zones are watched for.
    pub kinds: BTreeSet<Kind>,
    /// How often it is to be looked at.
    pub interval: Millis,
}

/// Tells which cameras are watched at the moment. Must not block.
pub type WatchedCameras = Box<dyn Fn() -> Vec<WatchedCamera> + Send + Sync>;

/// What is known of one day, for all stations.
struct Day {
    date: Date,
    period: Period,
    marks: BTreeMap<CameraId, WatchMark>,
    looks: BTreeMap<CameraId, (u64, Millis)>,
    tickets: Vec<Sighted>,
}

/// Makes the reports of one node.
pub struct Reporter {
    store: Store,
    node: Node,
    owed: ReportsOwed,
    items: Vec<Item>,
    min_share: f64,
    source: WatchedCameras,
    /// The cameras as of the last round.
    cameras: Vec<WatchedCamera>,
    ledger: Arc<LookLedger>,
    alarm: Arc<Alarm>,
    /// The last day whose reports are known to be there.
    reported: Option<Date>,
    trouble: Option<String>,
}

impl Reporter {
    /// A reporter of the cameras that `source` tells, whose looks are counted in its ledger; reports that are missing are told
    /// on `statuses`.
    #[must_use]
    pub fn new(
        store: Store,
        node: Node,
        config: &ZeroReportConfig,
        source: WatchedCameras,
        statuses: StatusBoard,
    ) -> Self {
        let owed = ReportsOwed::new(config, node.timezone.clone());
        Self {
            store,
            alarm: Arc::new(Alarm::new(owed.clone(), node.clone(), statuses)),
            node,
            ledger: Arc::new(LookLedger::new(owed.days.clone())),
            owed,
            items: config.items(),
            min_share: config.min_share,
            source,
            cameras: Vec::new(),
            reported: None,
            trouble: None,
        }
    }

    /// Where looks are counted.
    #[must_use]
    pub fn ledger(&self) -> Arc<LookLedger> {
        Arc::clone(&self.ledger)
    }

    /// Runs until `stop`, and writes down what was counted until then.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut rounds = tokio::time::interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(rounds.tick()).await.is_some() {
            let now = SystemTime::now().into();
            let (alarm, reported, cameras) = (Arc::clone(&self.alarm), self.reported, self.cameras.clone());
            let done = {
                let mut round = pin!(self.round(now));
                // A database that hangs ends no round, and is no reason to be silent about what is missing.
                loop {
                    match tokio::time::timeout(ROUND, &mut round).await {
                        Ok(done) => break done,
                        Err(_) => {
                            let now = SystemTime::now().into();
                            missing(alarm.missing(reported, now, |station| grid_of(station, &cameras)));
                        }
                    }
                }
            };
            self.tell(done, SystemTime::now().into());
        }
        let last = self.write_looks().await;
        self.tell(last, SystemTime::now().into());
    }

    /// Takes over cameras that came, and lets go of those that went; those that came are to be looked at from now on.
    async fn follow_cameras(&mut self, now: Timestamp) -> Result<(), AlertsError> {
        let cameras = (self.source)();
        if cameras == self.cameras {
            return Ok(());
        }
        let ids: Vec<_> = cameras.iter().map(|camera| camera.id.clone()).collect();
        let marks = self.store.mark_watched(&ids, now).await?;
        self.ledger.restore(marks.into_iter().filter_map(|(camera, mark)| Some((camera, mark.last_look?))));
        self.ledger.watch(cameras.iter().map(|camera| (camera.id.clone(), camera.interval)).collect());
        self.cameras = cameras;
        Ok(())
    }

    /// Follows the cameras, writes down what was counted, and makes the reports whose time has come.
    ///
    /// # Errors
    /// When the database fails; the next round goes on where this one ended.
    pub async fn round(&mut self, now: Timestamp) -> Result<(), AlertsError> {
        self.follow_cameras(now).await?;
        self.write_looks().await?;
        let Some(last) = self.owed.last_day(now).filter(|last| self.reported != Some(*last)) else { return Ok(()) };
        let missing_ones = self.missing(last, now).await?;
        for owed in missing_ones.chunk_by(|(_, one), (_, other)| one == other) {
            self.report_day(owed[0].1, owed.iter().map(|(station, _)| station), now).await?;
        }
        self.reported = Some(last);
        missing(0);
        Ok(())
    }

    async fn write_looks(&self) -> Result<(), AlertsError> {
        let days = self.ledger.take();
        let written = self.store.add_look_days(&days).await;
        if written.is_err() {
            self.ledger.give_back(days);
        }
        written
    }

    /// The reports that should be there by now and are not, the oldest first.
    async fn missing(&self, last: Date, now: Timestamp) -> Result<Vec<(Station, Date)>, AlertsError> {
        let earliest = last.checked_sub(MADE_UP_FOR.days()).unwrap_or(last);
        let there = self.store.zero_report_days(earliest, now).await?;
        self.alarm.there(&there);
        let ids: Vec<_> = self.cameras.iter().map(|camera| camera.id.clone()).collect();
        let marks = self.store.watched_since(&ids).await?;
        let mut missing = Vec::new();
        for station in &self.owed.stations {
            let own = self.cameras.iter().filter(|camera| station.has(&camera.id, camera.grid.as_ref()));
            // A station without a camera says so from the first day on.
            let since = own.filter_map(|camera| marks.get(&camera.id)).map(|mark| mark.since).min();
            let first = since.map_or(last, |since| self.owed.days.of(since)).max(earliest);
            let dates = first.series(1.day()).take_while(|date| *date <= last);
            missing.extend(
                dates.filter(|date| !there.contains(&(station.id.clone(), *date))).map(|date| (station.clone(), date)),
            );
        }
        missing.sort_by_key(|(_, date)| *date);
        Ok(missing)
    }

    /// Makes the reports of these stations of one day, which is read once for all of them.
    async fn report_day(
        &self,
        date: Date,
        stations: impl Iterator<Item = &Station>,
        now: Timestamp,
    ) -> Result<(), AlertsError> {
        let Some(period) = self.owed.days.period(date) else { return Ok(()) };
        let ids: Vec<_> = self.cameras.iter().map(|camera| camera.id.clone()).collect();
        let day = Day {
            date,
            period,
            marks: self.store.watched_since(&ids).await?,
            looks: self.store.look_days(date).await?,
            tickets: self.store.tickets_sighted(period.from, period.to).await?,
        };
        for station in stations {
            self.report(station, &day, now).await?;
        }
        Ok(())
    }

    async fn report(&self, station: &Station, day: &Day, now: Timestamp) -> Result<(), AlertsError> {
        let Day { date, period, marks, looks, tickets } = day;
        let (date, period) = (*date, *period);
        let own: Vec<_> = self.cameras.iter().filter(|camera| station.has(&camera.id, camera.grid.as_ref())).collect();
        let watches: Vec<_> = own
            .iter()
            .map(|camera| {
                let (looks, covered) = looks.get(&camera.id).copied().unwrap_or_default();
                CameraWatch {
                    camera: camera.id.clone(),
                    kinds: camera.kinds.clone(),
                    interval: camera.interval,
                    since: marks.get(&camera.id).map_or(period.to, |mark| mark.since),
                    looks,
                    covered,
                }
            })
            .collect();
        let watches: Vec<_> = watches.iter().collect();
        let mut report = build(station, &self.items, (date, period), &watches, tickets, self.min_share);
        report.made_at = now;
        report.late = self.owed.is_late(period.to, now);
        let grid = grid_of(station, &self.cameras);
        let message = wire::zero_report_message(&report, grid.as_ref(), &self.node);
        self.store.add_zero_report(&report, &message).await?;
        self.alarm.made(&report, grid.as_ref());
        count(&report);
        Ok(())
    }

    /// Tells a trouble when it begins or changes; a report that is missing for longer than the grace is an alarm.
    fn tell(&mut self, done: Result<(), AlertsError>, now: Timestamp) {
        let Err(error) = done else {
            self.trouble = None;
            return;
        };
        metrics::counter!("gridwatch_zero_report_failures_total").increment(1);
        let overdue = self.alarm.missing(self.reported, now, |station| grid_of(station, &self.cameras));
        missing(overdue);
        let trouble = error.to_string();
        if self.trouble.as_ref() != Some(&trouble) {
            tracing::error!(error = trouble, missing = overdue, "zero reports cannot be written, trying again");
            self.trouble = Some(trouble);
        }
    }
}

/// Where a station is: in its own grid cell, or in that of one of its cameras.
fn grid_of(station: &Station, cameras: &[WatchedCamera]) -> Option<Cell> {
    let mut own = cameras.iter().filter(|camera| station.has(&camera.id, camera.grid.as_ref()));
    station.grid.clone().or_else(|| own.find_map(|camera| camera.grid.clone()))
}

/// Says how many reports are missing.
fn missing(reports: usize) {
    metrics::gauge!("gridwatch_zero_reports_missing").set(reports as f64);
}

fn count(report: &ZeroReport) {
    let late = if report.late { "true" } else { "false" };
    metrics::counter!("gridwatch_zero_reports_total", "late" => late).increment(1);
    let mut unproven = 0;
    for item in &report.items {
        let finding = match item.finding {
            Finding::Found => "found",
            Finding::AllWell => "all_well",
            Finding::NotProven => {
                unproven += 1;
                "not_proven"
            }
            Finding::NotByCamera => "not_by_camera",
        };
        metrics::counter!("gridwatch_zero_report_items_total", "finding" => finding).increment(1);
    }
    let (station, date) = (&report.station, report.date);
    if report.late {
        tracing::warn!(%station, %date, unproven, "a zero report is late: nobody made it at its time");
    } else {
        tracing::info!(%station, %date, unproven, "zero report made");
    }
}
