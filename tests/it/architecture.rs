//! Holds the sources to the rules of `ARCHITECTURE.md`: who may import whom, in which room each outside library lives, and
//! what must not be there at all. It reads text only, so it says what is wrong where, within milliseconds.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Each crate of ours, its folder, and which others of ours it may name.
const CRATES: &[(&str, &str, &[&str])] = &[
    ("domain", "domain", &[]),
    ("ingest", "ingest", &["domain"]),
    ("detect", "detect", &["domain"]),
    ("alerts", "alerts", &["domain"]),
    ("console", "console", &["domain", "alerts"]),
    ("scenery", "scenery", &["domain"]),
    ("gridwatch", "", &["domain", "ingest", "detect", "alerts", "console", "scenery"]),
];

/// Outside libraries (a name, or the start of a family of names when it ends in `*`), the crate that links them, and the
/// files that may name them: a path prefix stands for `prefix.rs` and all below `prefix/`.
const ROOMS: &[(&str, &str, &[&str])] = &[
    ("retina", "ingest", &["ingest/src/rtsp"]),
    (
        "gstreamer*",
        "ingest",
        &[
            "ingest/src/decode",
            "ingest/src/encode",
            "ingest/src/footage",
            "ingest/src/recording",
            "ingest/src/simulate",
        ],
    ),
    ("http-auth", "ingest", &["ingest/src/snapshot"]),
    ("httparse", "ingest", &["ingest/src/snapshot"]),
    ("rtsp-types", "ingest", &["ingest/src/simulate"]),
    ("rustix", "ingest", &["ingest/src/decode/stream"]),
    ("ort", "detect", &["detect/src/session"]),
    ("rumqttc", "alerts", &["alerts/src/mqtt"]),
    ("sqlx", "alerts", &["alerts/src/store"]),
    ("rust_xlsxwriter", "alerts", &["alerts/src/export"]),
    ("rumqttd", "gridwatch", &["src/broker"]),
    ("axum", "console", &["console/src"]),
    ("maud", "console", &["console/src"]),
];

/// What `domain` may not touch, as crates and as parts of the standard library.
const NOT_IN_DOMAIN: (&[&str], &[&str]) = (
    &["tokio", "tokio-util", "futures", "async-trait", "reqwest", "metrics", "tracing"],
    &["std::fs", "std::net", "std::process", "std::env", "std::thread", "std::sync::mpsc"],
);

const MOST_LINES_OF_A_FILE: usize = 800;
const MOST_LINES_OF_THE_ARCHITECTURE: usize = 200;

#[test]
fn crates_of_ours_import_only_what_they_may() {
    let mut faults = Faults::default();
    for (name, folder, may) in CRATES {
        for (table, dependency) in dependencies(folder, &["dependencies", "dev-dependencies", "build-dependencies"]) {
            // Painted streets, which know pictures and nothing else, are for the tests of any crate.
            if table == "dev-dependencies" && dependency == "scenery" {
                continue;
            }
            let ours = CRATES.iter().any(|(other, ..)| *other == dependency);
            if ours && dependency != *name && !may.contains(&dependency.as_str()) {
                faults.add(manifest(folder), format!("[{table}] names `{dependency}`; {name} may import only {may:?}"));
            }
        }
    }
    faults.none();
}

#[test]
fn domain_has_no_runtime_and_no_io() {
    let (crates, parts) = NOT_IN_DOMAIN;
    let mut faults = Faults::default();
    for (_, dependency) in dependencies("domain", &["dependencies"]) {
        if crates.contains(&dependency.as_str()) || ROOMS.iter().any(|(library, ..)| is_of(library, &dependency)) {
            faults.add("domain/Cargo.toml", format!("`{dependency}` brings a runtime or I/O into domain"));
        }
    }
    for source in sources(&["domain/src"]) {
        for (line, code) in source.code() {
            for part in parts.iter().filter(|part| code.contains(**part)) {
                faults.at(&source, line, format!("`{part}`: domain does no I/O"));
            }
        }
    }
    faults.none();
}

#[test]
fn each_outside_library_is_linked_by_one_crate() {
    let mut faults = Faults::default();
    for (library, home, _) in ROOMS {
        for (name, folder, _) in CRATES.iter().filter(|(name, ..)| name != home) {
            // Tests look at the program from outside and may bring a client of their own.
            for (table, dependency) in dependencies(folder, &["dependencies", "build-dependencies"]) {
                if is_of(library, &dependency) {
                    faults.add(manifest(folder), format!("[{table}] {name} links `{dependency}`; only {home} does"));
                }
            }
        }
    }
    faults.none();
}

#[test]
fn each_outside_library_has_one_room() {
    let mut faults = Faults::default();
    for source in
        sources(&["domain/src", "ingest/src", "detect/src", "alerts/src", "console/src", "scenery/src", "src"])
    {
        for (line, code) in source.code() {
            for (library, _, rooms) in ROOMS {
                if names_crate(code, library) && !rooms.iter().any(|room| is_in_room(&source.path, room)) {
                    faults.at(&source, line, format!("names `{library}`, whose room is {}", rooms.join(", ")));
                }
            }
        }
    }
    faults.none();
}

#[test]
fn every_task_is_awaited_and_every_queue_has_a_size() {
    let banned = ["tokio::spawn", "task::spawn(", "unbounded_channel", "spawn_local("];
    let mut faults = Faults::default();
    for source in all_sources() {
        for (line, code) in source.code() {
            for word in banned.iter().filter(|word| code.contains(**word)) {
                faults.at(&source, line, format!("`{word}`: use a JoinSet or AbortOnDropHandle, and bounded queues"));
            }
        }
    }
    faults.none();
}

#[test]
fn no_test_is_skipped_or_content_with_any_panic() {
    let mut faults = Faults::default();
    for source in all_sources() {
        for (line, code) in source.code() {
            for word in ["#[ignore", "#[should_panic"].iter().filter(|word| code.trim_start().starts_with(**word)) {
                faults.at(&source, line, format!("`{word}]`: a test runs everywhere and says what it expects"));
            }
        }
    }
    faults.none();
}

#[test]
fn files_are_short_say_what_they_are_and_are_named_by_nouns() {
    let mut faults = Faults::default();
    for source in all_sources() {
        let lines = source.text.lines().count();
        if lines > MOST_LINES_OF_A_FILE {
            faults.add(&source.path, format!("{lines} lines; split it by noun (at most {MOST_LINES_OF_A_FILE})"));
        }
        let stem = source.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if !source.text.starts_with("//!") && stem != "tests" {
            faults.add(&source.path, "does not open with `//!`: what flows through it and what it promises".into());
        }
        if ["util", "utils", "helper", "helpers", "types", "traits", "common", "misc"].contains(&stem) {
            faults.add(&source.path, format!("`{stem}` is no noun of this field"));
        }
    }
    faults.none();
}

#[test]
fn the_architecture_fits_on_a_few_pages() {
    let lines = read("ARCHITECTURE.md").lines().count();
    assert!(
        lines <= MOST_LINES_OF_THE_ARCHITECTURE,
        "ARCHITECTURE.md: {lines} lines; at most {MOST_LINES_OF_THE_ARCHITECTURE}"
    );
}

/// A path that only a developer's machine has passes all tests there and fails on a fresh one.
#[test]
fn only_set_up_knows_where_a_distribution_keeps_things() {
    let mut faults = Faults::default();
    for source in all_sources() {
        for (line, code) in source.code() {
            if code.contains("/usr/share/doc") {
                faults.at(
                    &source,
                    line,
                    "slim images have no /usr/share/doc: deploy/setup.sh puts the clip into .deps/clips".into(),
                );
            }
        }
    }
    faults.none();
}

// ---------------------------------------------------------------------------------------------------------------------

/// What is wrong, a line each, so that one run tells all of it.
#[derive(Default)]
struct Faults(String);

impl Faults {
    fn add(&mut self, place: impl AsRef<Path>, what: String) {
        writeln!(self.0, "{}: {what}", place.as_ref().display()).expect("a string takes all");
    }

    fn at(&mut self, source: &Source, line: usize, what: String) {
        writeln!(self.0, "{}:{line}: {what}", source.path.display()).expect("a string takes all");
    }

    #[track_caller]
    fn none(self) {
        assert!(self.0.is_empty(), "\n{}", self.0);
    }
}

/// A Rust file by its path below the repository.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Its lines with their numbers, without comments that take a whole line.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Rust of ours but this file, which has to name what it forbids.
fn all_sources() -> Vec<Source> {
    let folders: Vec<String> = CRATES
        .iter()
        .flat_map(|(_, folder, _)| ["src", "tests", "benches", "examples"].map(|part| format!("{folder}/{part}")))
        .map(|folder| folder.trim_start_matches('/').to_owned())
        .collect();
    let mut sources = sources(&folders);
    sources.retain(|source| !source.path.ends_with("tests/it/architecture.rs"));
    assert!(sources.len() > CRATES.len(), "the sources are not where this test looks");
    sources
}

fn sources(folders: &[impl AsRef<str>]) -> Vec<Source> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder.as_ref())).collect();
    while let Some(folder) = open.pop() {
        // Not every crate has tests, benches and examples.
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(root()).expect("below the repository").to_owned();
                found.push(Source { text: read(&relative), path: relative });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn manifest(folder: &str) -> PathBuf {
    Path::new(folder).join("Cargo.toml")
}

/// The names in these tables of a crate's manifest, those for single targets included, each with its table.
fn dependencies(folder: &str, tables: &[&'static str]) -> Vec<(&'static str, String)> {
    let path = manifest(folder);
    let manifest: toml::Table = read(&path).parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let places = std::iter::once(&manifest)
        .chain(targets.into_iter().flat_map(|targets| targets.values().filter_map(toml::Value::as_table)));
    let mut found = Vec::new();
    for place in places {
        for table in tables {
            let Some(entries) = place.get(*table).and_then(toml::Value::as_table) else { continue };
            for (name, value) in entries {
                // A renamed dependency is what its `package` says.
                let package = value.get("package").and_then(toml::Value::as_str).unwrap_or(name);
                found.push((*table, package.to_owned()));
            }
        }
    }
    found
}

/// Whether a package or crate name is this library or of its family.
fn is_of(library: &str, name: &str) -> bool {
    match library.strip_suffix('*') {
        Some(family) => name.starts_with(family),
        None => name == library,
    }
}

/// Whether the line names the crate in a path or a `use`: `ort::Session`, `use ort as o`, but not `report::x` or `crate::ort::x`.
fn names_crate(code: &str, library: &str) -> bool {
    let family = library.trim_end_matches('*');
    code.match_indices(family).any(|(at, _)| {
        let before = &code[..at];
        let starts = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && before
                .strip_suffix("::")
                .is_none_or(|path| path.ends_with([' ', '(', '<', '&', '{', '[']) || path.is_empty());
        let rest = code[at..].trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
        let name = &code[at..code.len() - rest.len()];
        let in_use = before.trim_end().ends_with("use") || before.trim_end().ends_with("extern crate");
        starts && is_of(library, name) && (rest.starts_with("::") || in_use)
    })
}

fn is_in_room(path: &Path, room: &str) -> bool {
    path.starts_with(room) || path.with_extension("") == Path::new(room)
}

#[test]
fn a_crate_is_told_from_what_only_looks_like_it() {
    #[track_caller]
    fn check(code: &str, library: &str, expected: bool) {
        assert_eq!(names_crate(code, library), expected, "{library} in {code}");
    }
    check("use ort::session::Session;", "ort", true);
    check("use ort;", "ort", true);
    check("use ::ort::Error;", "ort", true);
    check("    let x: Vec<ort::Error> = ::ort::init();", "ort", true);
    check("use crate::report::Table;", "ort", false);
    check("use crate::ort::Table;", "ort", false);
    check("let sort = 1;", "ort", false);
    check("let ort = 1;", "ort", false);
    check("use gstreamer_app as gst_app;", "gstreamer*", true);
    check("pub(crate) use gstreamer as gst;", "gstreamer*", true);
    check("use rumqttc::v5::AsyncClient;", "rumqttd", false);
}
