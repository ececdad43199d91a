//! The camera file that is written: read, changed where rows say so, and replaced whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::Path,
};

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, Value};

use super::{Elsewhere, ImportError, Parsed, Row, RowResult, Write, addresses};
use crate::config::CameraConfig;

/// The cameras of a camera file, as far as they read; none where there is no file yet.
pub(super) fn cameras_of(target: &Path) -> Result<Vec<CameraConfig>, ImportError> {
    let (_, document) = read_target(target)?;
    let cameras = document.get("cameras").and_then(Item::as_array_of_tables);
    Ok(cameras.into_iter().flatten().filter_map(|table| camera_of(table).ok()).collect())
}

/// The camera that a table of the camera file is, however it is laid out.
pub(super) fn camera_of(table: &Table) -> Result<CameraConfig, toml_edit::de::Error> {
    toml_edit::de::from_document(DocumentMut::from(table.clone()))
}

/// The text of the file to be updated, and what it holds.
pub(super) fn read_target(target: &Path) -> Result<(String, DocumentMut), ImportError> {
    let text = match std::fs::read_to_string(target) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(ImportError::Io { path: target.into(), source }),
    };
    let document = text.parse().map_err(|_| ImportError::Target { path: target.into() })?;
    Ok((text, document))
}

/// Puts what was parsed into the array of tables `key` of `target`, as [`super::import`] does.
pub(crate) fn import_tables(
    parsed: Vec<Parsed>,
    key: &str,
    target: &Path,
    elsewhere: &Elsewhere,
    write: Write,
) -> Result<Vec<Row>, ImportError> {
    let (before, mut document) = read_target(target)?;
    let rows =
        merge(&mut document, key, parsed, elsewhere).ok_or_else(|| ImportError::Target { path: target.into() })?;
    if write == Write::Commit && document.to_string() != before {
        replace_file(target, &document.to_string())
            .map_err(|source| ImportError::Io { path: target.into(), source })?;
    }
    Ok(rows)
}

/// Puts the good rows into the document; `None` where its `key` is something else than an array of tables.
fn merge(document: &mut DocumentMut, key: &str, parsed: Vec<Parsed>, elsewhere: &Elsewhere) -> Option<Vec<Row>> {
    let cameras =
        document.entry(key).or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new())).as_array_of_tables_mut()?;
    let named: BTreeSet<&str> = parsed.iter().map(|row| row.id.as_str()).collect();
    let mut taken = elsewhere.addresses.clone();
    // The cameras of the file that have no row; the others' addresses are those of their rows.
    for camera in cameras.iter() {
        if let Ok(known) = camera_of(camera)
            && !named.contains(known.id.as_str())
        {
            taken.extend(addresses(&known.stream).into_keys().map(|address| (address, known.id.to_string())));
        }
    }
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    let mut rows = Vec::new();
    for Parsed { line, id, table } in parsed {
        let result = match table {
            Err(reason) => RowResult::Bad(reason),
            Ok(_) if lines.contains_key(&id) => {
                RowResult::Duplicate(format!("id {id} is already in line {}", lines[&id]))
            }
            Ok(_) if elsewhere.ids.contains_key(&id) => {
                RowResult::Duplicate(format!("id {id} is already in {}", elsewhere.ids[&id]))
            }
            Ok((table, addresses)) => {
                match addresses.iter().find_map(|(address, shown)| Some((shown, taken.get(address)?))) {
                    Some((shown, other)) => RowResult::Duplicate(format!("{shown} is already camera {other}")),
                    None => {
                        lines.insert(id.clone(), line);
                        taken.extend(addresses.into_keys().map(|address| (address, id.clone())));
                        put(cameras, &id, table)
                    }
                }
            }
        };
        rows.push(Row { line, id, result });
    }
    Some(rows)
}

fn put(cameras: &mut ArrayOfTables, id: &str, table: Table) -> RowResult {
    let known = cameras.iter_mut().find(|camera| camera.get("id").and_then(Item::as_str) == Some(id));
    let Some(known) = known else {
        cameras.push(table);
        return RowResult::New;
    };
    let mut changed = Vec::new();
    for (key, mut value) in table {
        let old = known.get(&key);
        if old.is_some_and(|old| is_same(old, &value)) {
            continue;
        }
        let old = old.and_then(Item::as_value);
        if let (Some(old), Some(new)) = (old, value.as_value_mut()) {
            // What somebody wrote beside it stays.
            *new.decor_mut() = old.decor().clone();
        }
        known[&key] = value;
        changed.push(key.to_string());
    }
    if changed.is_empty() { RowResult::Unchanged } else { RowResult::Changed(changed) }
}

/// Whether two items say the same, in whatever order and however they are laid out.
fn is_same(a: &Item, b: &Item) -> bool {
    match (a.as_table_like(), b.as_table_like()) {
        (Some(a), Some(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| is_same(value, other)))
        }
        _ => a.as_value().map(plain) == b.as_value().map(plain),
    }
}

/// A value without the blanks and comments around it.
fn plain(value: &Value) -> String {
    let mut value = value.clone();
    value.decor_mut().clear();
    value.to_string()
}

/// Writes beside `target` and renames, so that a crash leaves the old file or the new one.
fn replace_file(target: &Path, text: &str) -> std::io::Result<()> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    // tempfile makes it readable by its owner alone.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(target).map_err(|error| error.error)?;
    Ok(())
}
