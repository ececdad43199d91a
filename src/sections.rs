//! Which sections of a configuration are others than those that a process began with. A running gridwatch takes in cameras,
//! zones, permits, working time with its holidays and the grid's outlines; a change anywhere else waits for the next start, and whoever made it must know.

use crate::config::Config;

impl Config {
    /// The sections that a running gridwatch does not take in and at which `other` differs, by name, in the order of the
    /// documentation. What is written out as its default is no difference.
    #[must_use]
    pub fn sections_for_restart(&self, other: &Self) -> Vec<&'static str> {
        // Named one by one, so that no section that is still to come is forgotten.
        let Self {
            node,
            ingest,
            detect,
            rules,
            deadlines: _,
            database,
            recheck,
            retention,
            grid: _,
            zero_report,
            evidence,
            mqtt,
            broker,
            console,
            sensors,
            include: _,
            permits: _,
            cameras: _,
            origin: _,
            areas: _,
            calendar: _,
        } = self;
        let sections = [
            ("node", *node == other.node),
            ("ingest", *ingest == other.ingest),
            ("detect", *detect == other.detect),
            ("rules", *rules == other.rules),
            ("database", *database == other.database),
            ("recheck", *recheck == other.recheck),
            ("retention", *retention == other.retention),
            ("zero_report", *zero_report == other.zero_report),
            ("evidence", *evidence == other.evidence),
            ("mqtt", *mqtt == other.mqtt),
            ("broker", *broker == other.broker),
            ("console", *console == other.console),
            ("sensors", *sensors == other.sensors),
        ];
        sections.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }

    /// The configuration without what a running gridwatch takes in: what a later one is to be compared with.
    #[must_use]
    pub(crate) fn without_cameras(&self) -> Self {
        Self { cameras: Vec::new(), permits: Vec::new(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[track_caller]
    fn check(before: &str, after: &str, expect: &[&str]) {
        let read = |text: &str| Config::parse(Path::new("gridwatch.toml"), text).unwrap();
        assert_eq!(read(before).without_cameras().sections_for_restart(&read(after)), expect);
    }

    #[test]
    fn what_runs_without_a_restart_is_no_difference() {
        let camera = "[[cameras]]\nid = 'a'\nstream = { main = 'rtsp://h/a' }\n";
        check("", camera, &[]);
        check(camera, "include = ['cameras/*.toml']\n", &[]);
        check("", "[ingest]\nlook_interval = '10s'\n", &[]);
    }

    #[test]
    fn another_file_of_holidays_or_outlines_is_taken_in() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let path = write("gridwatch.toml", "[deadlines]\nholidays = ['days.csv']\n[grid]\nfiles = ['areas.geojson']\n");
        let areas = |name: &str| {
            format!(
                r#"{{"type": "FeatureCollection", "features": [{{"type": "Feature", "properties": {{"code": "310104", "name": "{name}"}},
                "geometry": {{"type": "Polygon", "coordinates": [[[121.0, 31.0], [121.1, 31.0], [121.1, 31.1], [121.0, 31.0]]]}}}}]}}"#
            )
        };
        write("days.csv", "date,day\n2027-01-01,off\n");
        write("areas.geojson", &areas("徐汇区"));
        let running = Config::load(&path).unwrap().without_cameras();
        let restart = || running.sections_for_restart(&Config::load(&path).unwrap());
        assert_eq!(restart(), [""; 0]);
        write("days.csv", "date,day\n2027-01-01,off\n2027-01-02,off\n");
        assert_eq!(restart(), [""; 0]);
        write("areas.geojson", &areas("徐汇"));
        assert_eq!(restart(), [""; 0]);
    }

    #[test]
    fn every_other_section_is_named() {
        check("", "[rules.\"lane.motor\"]\ndwell = '9m'\n", &["rules"]);
        check("[ingest]\nlook_interval = '5s'\n", "", &["ingest"]);
        check(
            "",
            "[console]\nlisten = '127.0.0.1:1'\n[mqtt]\nurl = 'mqtt://h'\n[node]\nid = 'b'\n",
            &["node", "mqtt", "console"],
        );
        check("", "[zero_report]\nat = '07:00'\n[deadlines]\nyellow_share = 0.3\n", &["zero_report"]);
    }
}
