//! Cameras from a CSV file into a camera file: good rows go in, bad ones are listed with their line and reason. Devices
//! (`sensors`) go the same way.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use alerts::incident::Zone;
use domain::StreamRole;
use ingest::{StreamConfig, StreamIdentity};
use toml_edit::Table;

use crate::{
    config::CameraConfig,
    grid::Grid,
    sheet::{Sheet, SheetError},
};

mod file;
mod keep;
mod overlapping;
mod row;

pub(crate) use file::import_tables;
use file::{camera_of, cameras_of, read_target};
use row::camera_table;
pub(crate) use row::place;

/// What became of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowResult {
    /// A new camera.
    New,
    /// A camera that was there with other values, and the keys that differ.
    Changed(Vec<String>),
    /// A camera that was there just so.
    Unchanged,
    /// Not imported, since this id or address is another row's or another camera's; which.
    Duplicate(String),
    /// Not imported, and why.
    Bad(String),
}

impl RowResult {
    /// The result in one word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed(_) => "changed",
            Self::Unchanged => "unchanged",
            Self::Duplicate(_) => "duplicate",
            Self::Bad(_) => "bad",
        }
    }

    /// What differs or what is wrong.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::New | Self::Unchanged => None,
            Self::Changed(keys) => Some(keys.join(", ")),
            Self::Duplicate(reason) | Self::Bad(reason) => Some(reason.clone()),
        }
    }

    /// Whether the row's camera is in the camera file now, or would be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !matches!(self, Self::Duplicate(_) | Self::Bad(_))
    }
}

/// One row of the file and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its line in the file, from 1.
    pub line: u64,
    /// Its camera id as written, where it has one.
    pub id: String,
    /// What became of it.
    pub result: RowResult,
}

/// Why nothing could be imported at all.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The table cannot be read.
    #[error(transparent)]
    Sheet(#[from] SheetError),
    /// The camera file to be updated is no TOML.
    #[error("{path}: the camera file to update is not valid TOML; mend or remove it first", path = path.display())]
    Target {
        /// Which file.
        path: PathBuf,
    },
}

const COLUMNS: [&str; 26] = [
    "id",
    "name",
    "main",
    "sub",
    "mode",
    "vendor",
    "host",
    "port",
    "channel",
    "nvr",
    "username",
    "password",
    "password_env",
    "password_file",
    "transport",
    "grid",
    "duty_grid",
    "address",
    "lon",
    "lat",
    "zone_id",
    "zone_purpose",
    "zone_polygon",
    "zone_overlaps",
    "ground_points",
    "ground_crs",
];

/// A row of a CSV file: the table to write with the addresses of its streams, or why it is bad.
#[derive(Debug)]
pub(crate) struct Parsed {
    line: u64,
    id: String,
    table: ParsedTable,
}

pub(crate) type ParsedTable = Result<(Table, Addresses), String>;

/// The streams of a camera, with what may be shown of their addresses: two cameras with one stream are one camera.
pub(crate) type Addresses = BTreeMap<StreamIdentity, String>;

/// Reads `csv` and writes its good rows into the camera file `target` (created where absent, replaced atomically, readable by
/// its owner alone since it may hold passwords). Cameras of `target` that the CSV does not name stay as they are, and so
/// do the zones of a camera whose row gives none, and whatever is set for which the CSV has no column. With `write` [`Write::DryRun`] nothing is written. `elsewhere` are the cameras of the
/// configuration's other files.
///
/// # Errors
/// When the CSV cannot be read, its header does not fit, or `target` cannot be read or written.
pub fn import(csv: &Path, target: &Path, elsewhere: &Elsewhere, write: Write) -> Result<Vec<Row>, ImportError> {
    let sheet = Sheet::read(csv, &COLUMNS, &["id"])?;
    let mut parsed = parse(&sheet, |field| camera_table(&field, &elsewhere.grid));
    keep::what_is_set(&mut parsed, &read_target(target)?.1, sheet.columns());
    overlapping::refuse_misfits(&mut parsed, &cameras_of(target)?, elsewhere);
    import_tables(parsed, "cameras", target, elsewhere, write)
}

/// What the configuration has beside the file that is written: the cameras of other files (the places of their ids, whose their
/// addresses are, their zones), and the outlines of the grid.
#[derive(Debug, Default)]
pub struct Elsewhere {
    ids: BTreeMap<String, String>,
    addresses: BTreeMap<StreamIdentity, String>,
    zones: BTreeMap<String, Vec<Zone>>,
    /// In which places without a grid code are found.
    pub grid: Grid,
}

impl Elsewhere {
    /// One more camera, from this file.
    pub fn add(&mut self, camera: &CameraConfig, file: &Path) {
        let id = camera.id.to_string();
        for address in addresses(&camera.stream).into_keys() {
            self.addresses.entry(address).or_insert_with(|| id.clone());
        }
        self.zones.insert(id.clone(), camera.zones.clone());
        self.ids.insert(id, file.display().to_string());
    }

    /// The id of something that has no address.
    pub fn add_id(&mut self, id: String, file: &Path) {
        self.ids.insert(id, file.display().to_string());
    }
}

/// The addresses of a camera's streams. What is shown of two may be alike though they differ by a secret.
fn addresses(stream: &StreamConfig) -> Addresses {
    let address = |role| Some((stream.identity(role)?, stream.shown(role)?));
    [StreamRole::Main, StreamRole::Sub].into_iter().filter_map(address).collect()
}

/// Whether an import writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// Only say what would be done.
    DryRun,
    /// Do it.
    Commit,
}

/// What each row of `sheet` says; `table` makes the table of a row from its fields.
pub(crate) fn parse(
    sheet: &Sheet,
    table: impl for<'a> Fn(&dyn Fn(&str) -> Option<&'a str>) -> ParsedTable,
) -> Vec<Parsed> {
    sheet
        .rows()
        .map(|(line, fields)| match fields {
            Ok(fields) => {
                let field = |name: &str| fields.get(name);
                Parsed { line, id: field("id").unwrap_or_default().to_owned(), table: table(&field) }
            }
            Err(reason) => Parsed { line, id: String::new(), table: Err(reason.to_owned()) },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import_bytes(csv: &[u8], target: &Path) -> Vec<Row> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cameras.csv");
        std::fs::write(&file, csv).unwrap();
        import(&file, target, &Elsewhere::default(), Write::Commit).unwrap()
    }

    #[track_caller]
    fn check(csv: &str, expect: &[(u64, &str)]) {
        let folder = tempfile::tempdir().unwrap();
        let rows = import_bytes(csv.as_bytes(), &folder.path().join("cameras.toml"));
        let found: Vec<_> = rows
            .iter()
            .map(|row| match &row.result {
                RowResult::Bad(reason) => (row.line, reason.as_str()),
                RowResult::Duplicate(reason) => (row.line, reason.as_str()),
                other => (row.line, other.as_str()),
            })
            .collect();
        assert_eq!(found.len(), expect.len(), "{found:?}");
        for ((line, result), (expected_line, expected)) in found.iter().zip(expect) {
            assert_eq!(line, expected_line);
            assert!(result.contains(expected), "{result:?} lacks {expected:?}");
        }
    }

    #[test]
    fn good_rows_go_in_and_bad_ones_are_listed() {
        check(
            "id,main,zone_purpose,zone_polygon,grid\n\
             a,rtsp://10.0.0.1/1,no_stopping,0.1 0.1; 0.5 0.1; 0.5 0.5,310104007\n\
             ,rtsp://10.0.0.2/1,,,\n\
             b,http://10.0.0.3/1,,,\n\
             a,rtsp://10.0.0.4/1,,,\n\
             c/d,rtsp://10.0.0.5/1,,,\n\
             e,rtsp://10.0.0.6/1,no_parking,0.1 0.1; 0.5 0.1; 0.5 0.5,\n\
             f,rtsp://10.0.0.7/1,no_stopping,0 0; 1 1; 1 0; 0 1,\n\
             g,rtsp://10.0.0.8/1,no_stopping,,\n\
             h,rtsp://10.0.0.9/1\n\
             i,rtsp://10.0.0.10/1,,,31010\n\
             j,rtsp://10.0.0.11/1,,,310104007\n",
            &[
                (2, "new"),
                (3, "the id is missing"),
                (4, "rtsp"),
                (5, "already in line 2"),
                (6, "camera id"),
                (7, "unknown variant"),
                (8, "cross"),
                (9, "both zone_purpose and zone_polygon"),
                (10, "2 fields where the header has 5"),
                (11, "grid code"),
                (12, "new"),
            ],
        );
    }

    #[test]
    fn one_camera_under_two_ids_is_told() {
        check(
            "id,main,sub,username\n\
             a,rtsp://10.0.0.1/1,rtsp://10.0.0.1/2,\n\
             b,rtsp://10.0.0.2/1,,u\n\
             c,rtsp://u:p@10.0.0.1/1,,\n\
             d,rtsp://10.0.0.1/2,,\n\
             b,rtsp://10.0.0.5/1,,\n",
            &[
                (2, "new"),
                (3, "new"),
                (4, "rtsp://10.0.0.1/1 is already camera a"),
                (5, "rtsp://10.0.0.1/2 is already camera a"),
                (6, "id b is already in line 3"),
            ],
        );
        check(
            "id,main\n\
             a,rtsp://gate/1?key=cam1\n\
             b,rtsp://gate/1?key=cam2\n\
             c,rtsp://GATE:554/1?key=cam1\n\
             d,rtsp://gate:8554/1?key=cam1\n",
            &[(2, "new"), (3, "new"), (4, "rtsp://GATE:554/1?key=*** is already camera a"), (5, "new")],
        );
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("cameras.toml");
        import_bytes(b"id,main\na,rtsp://10.0.0.1/1\nb,rtsp://10.0.0.2/1\n", &target);
        let rows = import_bytes(b"id,main\nc,rtsp://10.0.0.1/1\n", &target);
        assert_eq!(rows[0].result.detail().as_deref(), Some("rtsp://10.0.0.1/1 is already camera a"));
        // Two cameras may change places.
        let rows = import_bytes(b"id,main\na,rtsp://10.0.0.2/1\nb,rtsp://10.0.0.1/1\n", &target);
        assert!(rows.iter().all(|row| row.result.as_str() == "changed"), "{rows:?}");
    }

    #[test]
    fn addresses_follow_from_make_host_and_channel() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("cameras.toml");
        let rows = import_bytes(
            b"id,vendor,host,port,channel,nvr,main,username,password\n\
              a,hikvision,10.0.0.1,,,,,u,p\n\
              b,dahua,10.0.0.2,8554,3,,,u,p\n\
              c,uniview,10.0.0.3,,1,yes,,u,p\n\
              d,,10.0.0.4,,,,,,\n\
              e,hikvision,,,,,,,\n\
              f,hikvision,rtsp://10.0.0.6/,,,,,,\n\
              g,hikvision,10.0.0.7,,0,,,,\n\
              h,hikvision,10.0.0.8,,,,rtsp://10.0.0.8/1,,\n\
              i,hikvision,10.0.0.1,,1,,,,\n",
            &target,
        );
        let results: Vec<_> = rows.iter().map(|row| row.result.as_str()).collect();
        assert_eq!(results, ["new", "new", "new", "bad", "bad", "bad", "bad", "bad", "duplicate"], "{rows:?}");
        let text = std::fs::read_to_string(&target).unwrap();
        for address in [
            "rtsp://10.0.0.1/Streaming/Channels/102",
            "rtsp://10.0.0.2:8554/cam/realmonitor?channel=3&subtype=1",
            "rtsp://10.0.0.3/unicast/c1/s0/live",
        ] {
            assert!(text.contains(address), "{text}");
        }
    }

    #[test]
    fn cameras_are_held_as_their_mode_says() {
        check(
            "id,mode,main,vendor,host\n\
             a,patrol,rtsp://10.0.0.1/1,,\n\
             b,Snapshot,http://10.0.0.2/picture.jpg,,\n\
             c,patrol,,hikvision,10.0.0.3\n\
             d,stream,rtsp://10.0.0.4/1,,\n\
             e,snapshot,rtsp://10.0.0.5/1,,\n\
             f,,http://10.0.0.6/picture.jpg,,\n\
             g,snapshot,,dahua,10.0.0.7\n\
             h,often,rtsp://10.0.0.8/1,,\n",
            &[
                (2, "new"),
                (3, "new"),
                (4, "new"),
                (5, "new"),
                (6, "another mode"),
                (7, "mode = \"snapshot\""),
                (8, "new"),
                (9, "mode \"often\" is not known"),
            ],
        );
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("cameras.toml");
        import_bytes(b"id,mode,main\na,patrol,rtsp://10.0.0.1/1\n", &target);
        assert!(std::fs::read_to_string(&target).unwrap().contains("mode = \"patrol\""));
        // A column that is left out leaves it, an empty cell sets it back to the usual one.
        let rows = import_bytes(b"id,main\na,rtsp://10.0.0.1/1\n", &target);
        assert_eq!(rows[0].result, RowResult::Unchanged);
        let rows = import_bytes(b"id,mode,main\na,,rtsp://10.0.0.1/1\n", &target);
        assert_eq!(rows[0].result, RowResult::Changed(vec!["stream".to_owned()]));
        assert!(!std::fs::read_to_string(&target).unwrap().contains("mode"));
    }

    #[test]
    fn what_is_set_by_hand_and_no_column_says_stays() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("cameras.toml");
        let by_hand = "[[cameras]]\n\
             id = \"a\"\n\
             place = { grid = \"310104007\", duty_grid = \"XT-03\", lon = 121.45, lat = 31.15 }\n\
             zones = [{ id = \"z1\", name = \"门前\", dwell = \"3m\", purpose = \"no_stopping\", polygon = [[0, 0], [1, 0], [1, 1]] }]\n\
             [cameras.stream]\n\
             look_interval = \"5s\"\n\
             active_interval = \"1s\"\n\
             main = \"rtsp://10.0.0.1/1\"\n\
             sub = \"rtsp://10.0.0.1/2\"\n\
             username = \"u\"\n\
             password_file = \"/etc/p\"\n\
             transport = \"udp\"\n\
             [[cameras]]\n\
             id = \"b\"\n\
             stream = { file = \"b.mp4\", looping = true, look_interval = \"7s\" }\n";
        std::fs::write(&target, by_hand).unwrap();
        let import = |text: &str| import_bytes(text.as_bytes(), &target);
        let camera = |id: &str| {
            let cameras = cameras_of(&target).unwrap();
            cameras.into_iter().find(|camera| camera.id.as_str() == id).unwrap()
        };
        let before = camera("a");
        assert_eq!(import("id,main,sub\na,rtsp://10.0.0.1/1,rtsp://10.0.0.1/2\n")[0].result, RowResult::Unchanged);
        assert_eq!(std::fs::read_to_string(&target).unwrap(), by_hand);

        import(
            "id,main,transport,grid,zone_purpose,zone_polygon\n\
                a,rtsp://10.0.0.9/1,,310104007,fire_lane,0 0; 1 0; 1 1\n\
                b,rtsp://10.0.0.2/1,,,,\n",
        );
        let after = camera("a");
        assert_eq!(after.place, before.place);
        assert_eq!((&after.zones[0].name, after.zones[0].dwell), (&before.zones[0].name, before.zones[0].dwell));
        let stream =
            StreamConfig { main: Some("rtsp://10.0.0.9/1".into()), transport: ingest::Transport::Tcp, ..before.stream };
        assert_eq!(after.stream, stream, "an empty cell is the usual transport");
        let b = camera("b").stream;
        assert_eq!((b.file, b.looping, b.look_interval), (None, false, Some(domain::Millis::secs(7))));

        // Of several ways to give a password the row's is taken, and codes are of the place where the camera stands.
        import("id,main,password_env\na,rtsp://10.0.0.9/1,CAM\n");
        let stream = camera("a").stream;
        assert_eq!((stream.password_env.as_deref(), stream.password_file), (Some("CAM"), None));
        let rows = import("id,main,grid,lon,lat\na,rtsp://10.0.0.9/1,310104008,121.46,31.15\n");
        assert_eq!(rows[0].result, RowResult::Changed(vec!["place".to_owned()]));
        assert_eq!(camera("a").place.unwrap().duty_grid, None);
        // What is left may not go with what is new.
        let rows = import("id,mode,main\na,snapshot,http://10.0.0.9/picture.jpg\n");
        let reason = rows[0].result.detail().unwrap();
        assert!(reason.contains("does not go with what is set") && reason.contains("camera file"), "{reason}");
    }

    #[test]
    fn bytes_of_no_encoding_make_their_row_bad() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("cameras.toml");
        let text =
            "id,main,name\na,rtsp://10.0.0.1/1,斜土路东\nb,rtsp://10.0.0.2/1,斜?路\nc,rtsp://10.0.0.3/1,肇嘉浜路\n";
        let gbk = encoding_rs::GBK.encode(text).0.into_owned();
        for mut bytes in [text.as_bytes().to_vec(), gbk] {
            let at = bytes.iter().position(|byte| *byte == b'?').unwrap();
            bytes[at] = 0xff;
            let _ = std::fs::remove_file(&target);
            let rows = import_bytes(&bytes, &target);
            let results: Vec<_> = rows.iter().map(|row| (row.line, row.result.as_str())).collect();
            assert_eq!(results, [(2, "new"), (3, "bad"), (4, "new")]);
            let reason = rows[1].result.detail().unwrap();
            assert!(reason.contains("column \"name\"") && reason.contains("CSV UTF-8"), "{reason}");
            let known = std::fs::read_to_string(&target).unwrap();
            assert!(known.contains("斜土路东") && known.contains("肇嘉浜路") && !known.contains('\u{fffd}'), "{known}");
        }
    }

    #[test]
    fn a_picture_s_address_follows_from_make_host_and_channel() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("cameras.toml");
        let rows = import_bytes(
            b"id,mode,vendor,host,port,channel\n\
              a,snapshot,hikvision,10.0.0.1,,\n\
              b,snapshot,dahua,10.0.0.2,8080,3\n\
              c,snapshot,uniview,10.0.0.3,,\n\
              d,snapshot,uniview,10.0.0.4,,2\n",
            &target,
        );
        assert!(rows.iter().all(|row| row.result == RowResult::New), "{rows:?}");
        let text = std::fs::read_to_string(&target).unwrap();
        for address in [
            "http://10.0.0.1/ISAPI/Streaming/channels/101/picture",
            "http://10.0.0.2:8080/cgi-bin/snapshot.cgi?channel=3",
            "http://10.0.0.3/LAPI/V1.0/Channels/0/Media/Video/Streams/0/Snapshot",
            "http://10.0.0.4/LAPI/V1.0/Channels/2/Media/Video/Streams/0/Snapshot",
        ] {
            assert!(text.contains(&format!("\"{address}\"")), "{text}");
        }
        assert!(!text.contains("sub"), "one picture has one size: {text}");
    }

    /// Four corners of a crossing, and one more.
    const POINTS: &str =
        "0.1 0.9 121.4500 31.1900; 0.9 0.9 121.4501 31.1900; 0.8 0.3 121.4501 31.1903; 0.2 0.3 121.4500 31.1903";

    #[test]
    fn the_ground_comes_with_a_row_and_stays_where_a_row_gives_none() {
        let points = POINTS;
        check(
            &format!(
                "id,main,ground_points,ground_crs\n\
                 a,rtsp://10.0.0.1/1,{points},\n\
                 b,rtsp://10.0.0.2/1,0.1 0.9 0 0; 0.9 0.9 8 0; 0.9 0.3 8 30; 0.1 0.3 0 30,local:crossing\n\
                 c,rtsp://10.0.0.3/1,0.1 0.9 121.45 31.19,\n\
                 d,rtsp://10.0.0.4/1,0.1 0.9 121.45,\n\
                 e,rtsp://10.0.0.5/1,,local:crossing\n\
                 f,rtsp://10.0.0.6/1,{points},Xian80\n"
            ),
            &[
                (2, "new"),
                (3, "new"),
                (4, "1 control points"),
                (5, "is no control point; write four numbers"),
                (6, "ground_crs means nothing without ground_points"),
                (7, "\"Xian80\" is neither"),
            ],
        );
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("cameras.toml");
        let with = format!("id,main,ground_points\na,rtsp://10.0.0.1/1,{points}\n");
        import_bytes(with.as_bytes(), &target);
        let known = std::fs::read_to_string(&target).unwrap();
        assert!(
            known.contains("ground = { crs = \"EPSG:4326\", points = [{ pixel = [0.1, 0.9], at = [121.45, 31.19] }")
        );
        assert_eq!(import_bytes(with.as_bytes(), &target)[0].result, RowResult::Unchanged);
        assert_eq!(import_bytes(b"id,main\na,rtsp://10.0.0.1/1\n", &target)[0].result, RowResult::Unchanged);
        assert_eq!(std::fs::read_to_string(&target).unwrap(), known);
    }

    #[test]
    fn overlaps_are_checked_against_what_will_be_there() {
        let polygon = "0 0; 1 0; 1 1";
        let row = |id: &str, n: u8, zone: &str, overlaps: &str| {
            format!("{id},rtsp://10.0.0.{n}/1,{zone},no_stopping,{polygon},{overlaps}\n")
        };
        let header = "id,main,zone_id,zone_purpose,zone_polygon,zone_overlaps\n";
        let text = [
            header.to_owned(),
            row("a", 1, "z1", "b/z1; c/kerb"),
            row("b", 2, "z1", "a/z1"),
            row("c", 3, "kerb", ""),
            row("d", 4, "z1", "a/z9"),
            row("e", 5, "z1", "nobody/z1"),
            row("f", 6, "z1", "f/z1"),
            row("g", 7, "z1", "d/z1"),
            row("h", 8, "z1", "somewhere"),
            "i,rtsp://10.0.0.9/1,,,,a/z1\n".to_owned(),
        ];
        check(
            &text.concat(),
            &[
                (2, "new"),
                (3, "new"),
                (4, "new"),
                (5, "camera \"a\" has no zone \"z9\", only: z1"),
                (6, "there is no camera \"nobody\""),
                (7, "a zone of the same camera"),
                // It was good, until d was not.
                (8, "there is no camera \"d\""),
                (9, "write it as CAMERA/ZONE"),
                (10, "zone_overlaps means nothing without"),
            ],
        );
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("cameras.toml");
        import_bytes(text[..4].concat().as_bytes(), &target);
        let rows = import_bytes((header.to_owned() + &row("c", 3, "z2", "")).as_bytes(), &target);
        let detail = rows[0].result.detail().unwrap_or_default();
        assert!(
            detail.contains("camera a says that its zone z1 overlaps c/kerb, which this row takes away"),
            "{detail}"
        );
        // Rows that change both sides go in together.
        let both = header.to_owned() + &row("a", 1, "z1", "b/z1; c/z2") + &row("c", 3, "z2", "");
        let rows = import_bytes(both.as_bytes(), &target);
        assert!(rows.iter().all(|row| row.result.is_good()), "{rows:?}");
    }

    #[test]
    fn a_place_needs_its_grid_code_or_lies_in_an_outline() {
        let outline = r#"{"type":"FeatureCollection","features":[{"type":"Feature",
            "properties":{"code":"310104007","name":"斜土路街道"},
            "geometry":{"type":"Polygon","coordinates":[[[121.4,31.1],[121.5,31.1],[121.5,31.2],[121.4,31.2],[121.4,31.1]]]}}]}"#;
        let folder = tempfile::tempdir().unwrap();
        let (file, target) = (folder.path().join("cameras.csv"), folder.path().join("cameras.toml"));
        let text = "id,main,grid,address,lon,lat\n\
             a,rtsp://10.0.0.1/1,,斜土路 1175 号,121.45,31.15\n\
             b,rtsp://10.0.0.2/1,,,121.60,31.15\n\
             c,rtsp://10.0.0.3/1,,斜土路,,\n\
             d,rtsp://10.0.0.4/1,310104008,,121.60,31.15\n";
        std::fs::write(&file, text).unwrap();
        let mut grid = Grid::default();
        crate::grid::read_text(&mut grid, outline).unwrap();
        let elsewhere = Elsewhere { grid, ..Elsewhere::default() };
        let rows = import(&file, &target, &elsewhere, Write::Commit).unwrap();
        let details: Vec<_> = rows.iter().map(|row| row.result.detail().unwrap_or_default()).collect();
        assert!(details[0].is_empty() && details[3].is_empty(), "{details:?}");
        assert!(details[1].contains("lies in no outline of the grid"), "{details:?}");
        assert!(details[2].contains("needs its grid code (column grid), or lon and lat"), "{details:?}");
        let known = std::fs::read_to_string(&target).unwrap();
        assert!(known.contains("place = { address = \"斜土路 1175 号\", lon = 121.45, lat = 31.15 }"), "{known}");
        let without = import(&file, &folder.path().join("other.toml"), &Elsewhere::default(), Write::DryRun).unwrap();
        let detail = without[0].result.detail().unwrap_or_default();
        assert!(detail.contains("gridwatch grid import"), "{detail}");
    }

    #[test]
    fn a_second_import_changes_what_changed_and_keeps_zones_drawn_since() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("cameras.toml");
        import_bytes(b"id,main\na,rtsp://10.0.0.1/1\nb,rtsp://10.0.0.2/1\n", &target);
        let drawn = std::fs::read_to_string(&target).unwrap().replacen(
            "id = \"a\"",
            "id = \"a\" # the gate\nzones = [{ id = \"z\", purpose = \"fire_lane\", polygon = [[0, 0], [1, 0], [1, 1]] }]",
            1,
        );
        std::fs::write(&target, drawn).unwrap();
        let rows = import_bytes(b"id,main\na,rtsp://10.0.0.9/1\nb,rtsp://10.0.0.2/1\n", &target);
        assert_eq!(rows[0].result, RowResult::Changed(vec!["stream".to_owned()]));
        assert_eq!(rows[1].result, RowResult::Unchanged);
        let text = std::fs::read_to_string(&target).unwrap();
        assert!(text.contains("fire_lane") && text.contains("# the gate") && text.contains("10.0.0.9"), "{text}");
    }

    #[test]
    fn gbk_as_excel_writes_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("cameras.toml");
        let (gbk, _, _) = encoding_rs::GBK.encode("id,main,name\na,rtsp://10.0.0.1/1,斜土路东\n");
        assert_eq!(import_bytes(&gbk, &target)[0].result, RowResult::New);
        assert!(std::fs::read_to_string(&target).unwrap().contains("斜土路东"));
    }

    #[test]
    fn the_camera_file_is_readable_by_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("cameras.toml");
        import_bytes(b"id,main,username,password\na,rtsp://10.0.0.1/1,u,p\n", &target);
        assert_eq!(std::fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
