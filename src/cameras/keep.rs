//! What is set for a camera in the camera file and the table that is imported has no column for: it stays.

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::{Parsed, addresses, camera_of};
use crate::config::CameraConfig;

/// Which of several ways to give a password, of which a camera has one.
const SECRETS: [&str; 3] = ["password", "password_env", "password_file"];

/// Adds to each good row what `document` has for its camera and `columns` do not name. A row that does not go with it is bad.
pub(super) fn what_is_set(parsed: &mut [Parsed], document: &DocumentMut, columns: &[String]) {
    let Some(cameras) = document.get("cameras").and_then(Item::as_array_of_tables) else { return };
    let has = |column: &str| columns.iter().any(|known| known == column);
    for row in parsed {
        let known = cameras.iter().find(|camera| camera.get("id").and_then(Item::as_str) == Some(&row.id));
        let (Some(known), Ok((table, addresses_of_row))) = (known, &mut row.table) else { continue };
        stream(known, table, &has);
        place(known, table, &has);
        zone(known, table, &has);
        let mut whole = known.clone();
        for (key, value) in table.iter() {
            whole[key] = value.clone();
        }
        match read(&whole) {
            Ok(camera) => *addresses_of_row = addresses(&camera.stream),
            Err(reason) => {
                let remedy = "give the table a column for it, or take it out of the camera file";
                row.table =
                    Err(format!("does not go with what is set for this camera beside the table: {reason}; {remedy}"));
            }
        }
    }
}

fn read(table: &Table) -> Result<CameraConfig, String> {
    let camera = camera_of(table).map_err(|error| error.message().to_owned())?;
    camera.stream.validate().map_err(|error| error.to_string())?;
    Ok(camera)
}

fn stream(known: &Table, row: &mut Table, has: &dyn Fn(&str) -> bool) {
    let Some(new) = row.get_mut("stream").and_then(Item::as_inline_table_mut) else { return };
    let (live, user) = (new.contains_key("main") || new.contains_key("sub"), names_user(new));
    let secret = user || SECRETS.iter().any(|key| new.contains_key(key));
    merge(known.get("stream"), new, &|key| match key {
        "main" | "sub" => has(key) || has("vendor"),
        // The camera has another source now.
        "file" | "looping" | "pace" => live,
        "username" => has(key) || user,
        key if SECRETS.contains(&key) => has(key) || secret,
        key => has(key),
    });
}

/// Whether an address holds a user.
fn names_user(stream: &InlineTable) -> bool {
    let addresses = ["main", "sub"].into_iter().filter_map(|role| stream.get(role)?.as_str());
    addresses.filter_map(|address| url::Url::parse(address).ok()).any(|url| !url.username().is_empty())
}

fn place(known: &Table, row: &mut Table, has: &dyn Fn(&str) -> bool) {
    let Some(new) = row.get_mut("place").and_then(Item::as_inline_table_mut) else { return };
    let old = known.get("place");
    let number = |value: Option<&Value>| value.and_then(|v| v.as_float().or(v.as_integer().map(|n| n as f64)));
    // The codes of where it stood before are not those of where it stands now.
    let moved = ["lon", "lat"].into_iter().any(|key| {
        let before = old.and_then(Item::as_table_like).and_then(|old| old.get(key)?.as_value());
        new.contains_key(key) && number(new.get(key)) != number(before)
    });
    merge(old, new, &|key| has(key) || (moved && matches!(key, "grid" | "duty_grid")));
}

/// A row has one zone at most, which is the one of its id.
fn zone(known: &Table, row: &mut Table, has: &dyn Fn(&str) -> bool) {
    let zones = row.get_mut("zones").and_then(Item::as_array_mut);
    let Some(new) = zones.and_then(|zones| zones.get_mut(0)?.as_inline_table_mut()) else { return };
    let id = new.get("id").and_then(Value::as_str).map(str::to_owned);
    let decided = |key: &str| matches!(key, "id" | "purpose" | "polygon") || has(&format!("zone_{key}"));
    let is_it = |zone: &dyn TableLike| zone.get("id").and_then(Item::as_str) == id.as_deref();
    match known.get("zones") {
        Some(Item::ArrayOfTables(zones)) => {
            let old = zones.iter().find(|zone| is_it(*zone)).map(|zone| Item::Table(zone.clone()));
            merge(old.as_ref(), new, &decided);
        }
        Some(Item::Value(Value::Array(zones))) => {
            let mut tables = zones.iter().filter_map(Value::as_inline_table);
            let old = tables.find(|zone| is_it(*zone)).map(|zone| Item::Value(zone.clone().into()));
            merge(old.as_ref(), new, &decided);
        }
        _ => {}
    }
}

/// Puts what `old` has and is not `decided` by the table into `new`, in the order of `old`.
fn merge(old: Option<&Item>, new: &mut InlineTable, decided: &dyn Fn(&str) -> bool) {
    let Some(old) = old.and_then(Item::as_table_like) else { return };
    let mut merged = InlineTable::new();
    for (key, item) in old.iter() {
        let kept = || (!decided(key)).then(|| value(item)).flatten();
        if let Some(mut value) = new.remove(key).or_else(kept) {
            value.decor_mut().clear();
            merged.insert(key, value);
        }
    }
    for (key, value) in new.iter() {
        merged.insert(key, value.clone());
    }
    *new = merged;
}

/// What stands in an inline table where `item` may be written out over several lines.
fn value(item: &Item) -> Option<Value> {
    match item {
        Item::None => None,
        Item::Value(value) => Some(value.clone()),
        Item::Table(table) => Some(table.clone().into_inline_table().into()),
        Item::ArrayOfTables(tables) => {
            let tables = tables.iter().map(|table| table.clone().into_inline_table());
            Some(Array::from_iter(tables).into())
        }
    }
}
