//! One row of the table of cameras as a camera of the configuration.

use toml_edit::{InlineTable, Item, Table, Value};

use super::{ParsedTable, addresses};
use crate::{
    config::CameraConfig,
    grid::Grid,
    vendor::{Device, Vendor},
};

/// The `[[cameras]]` table of a row, checked by the same code that reads the configuration, and its streams' addresses. A place
/// without a grid code must lie in an outline of `grid`.
pub(super) fn camera_table<'a>(field: &impl Fn(&str) -> Option<&'a str>, grid: &Grid) -> ParsedTable {
    let mut table = Table::new();
    table["id"] = Item::Value(field("id").ok_or("the id is missing")?.into());
    if let Some(name) = field("name") {
        table["name"] = Item::Value(name.into());
    }
    let mut stream = InlineTable::new();
    for key in ["main", "sub", "username", "password", "password_env", "password_file", "transport"] {
        if let Some(value) = field(key) {
            stream.insert(key, value.into());
        }
    }
    let mode = field("mode").map(str::to_lowercase);
    if let Some(mode) = &mode {
        match mode.as_str() {
            "stream" | "patrol" | "snapshot" => stream.insert("mode", mode.as_str().into()),
            _ => return Err(format!("mode \"{mode}\" is not known; known are stream, patrol, snapshot")),
        };
    }
    let wanted = if mode.as_deref() == Some("snapshot") { Wanted::Picture } else { Wanted::Streams };
    for (key, address) in vendor_addresses(field, wanted)? {
        stream.insert(key, address.into());
    }
    table["stream"] = Item::Value(stream.into());
    if let Some(place) = place(field, grid)? {
        table["place"] = Item::Value(place.into());
    }
    match (field("zone_purpose"), field("zone_polygon")) {
        (Some(purpose), Some(polygon)) => {
            let mut zone = InlineTable::new();
            zone.insert("id", field("zone_id").unwrap_or("z1").into());
            zone.insert("purpose", purpose.into());
            zone.insert("polygon", polygon_value(polygon)?);
            if let Some(overlaps) = field("zone_overlaps") {
                let named = parts(overlaps).collect::<toml_edit::Array>();
                zone.insert("overlaps", named.into());
            }
            table["zones"] = Item::Value(toml_edit::Array::from_iter([zone]).into());
        }
        (None, None) if field("zone_overlaps").is_some() => {
            return Err("zone_overlaps means nothing without zone_purpose and zone_polygon".into());
        }
        (None, None) => {}
        _ => return Err("a zone needs both zone_purpose and zone_polygon".into()),
    }
    if let Some(ground) = ground(field)? {
        table["ground"] = Item::Value(ground.into());
    }
    let camera: CameraConfig =
        toml_edit::de::from_str(&table.to_string()).map_err(|error| error.message().to_owned())?;
    camera.stream.validate().map_err(|error| error.to_string())?;
    Ok((table, addresses(&camera.stream)))
}

/// The ground that a row's control points fix, if it has any.
fn ground<'a>(field: &impl Fn(&str) -> Option<&'a str>) -> Result<Option<InlineTable>, String> {
    let Some(text) = field("ground_points") else {
        return field("ground_crs").map_or(Ok(None), |_| Err("ground_crs means nothing without ground_points".into()));
    };
    let mut points = toml_edit::Array::new();
    for point in parts(text) {
        let numbers = numbers("ground_points", point)?;
        let [x, y, east, north] = numbers.as_slice() else {
            return Err(format!(
                "ground_points: \"{point}\" is no control point; write four numbers, x and y in the picture (0 to 1), then longitude and latitude"
            ));
        };
        let pair = |a: f64, b: f64| toml_edit::Array::from_iter([a, b]);
        points.push(InlineTable::from_iter([("pixel", pair(*x, *y)), ("at", pair(*east, *north))]));
    }
    let mut ground = InlineTable::new();
    ground.insert("crs", field("ground_crs").unwrap_or("EPSG:4326").into());
    ground.insert("points", points.into());
    Ok(Some(ground))
}

/// The place that a row names, if any. Without a grid code it must lie in an outline of `grid`.
pub(crate) fn place<'a>(field: &impl Fn(&str) -> Option<&'a str>, grid: &Grid) -> Result<Option<InlineTable>, String> {
    let mut place = InlineTable::new();
    let mut at = [None, None];
    for key in ["grid", "duty_grid", "address"] {
        if let Some(value) = field(key) {
            place.insert(key, value.into());
        }
    }
    for (key, number) in ["lon", "lat"].into_iter().zip(&mut at) {
        if let Some(text) = field(key) {
            let value: f64 = text.parse().map_err(|_| format!("{key} \"{text}\" is no number"))?;
            place.insert(key, value.into());
            *number = Some(value);
        }
    }
    if !place.is_empty() && !place.contains_key("grid") {
        let [Some(lon), Some(lat)] = at else {
            return Err("a place needs its grid code (column grid), or lon and lat within the grid's outlines".into());
        };
        if grid.locate(lon, lat).is_none() {
            return Err(format!(
                "{lon}, {lat} lies in no outline of the grid; give its code (column grid), or bring outlines in first (gridwatch grid import)"
            ));
        }
    }
    Ok((!place.is_empty()).then_some(place))
}

/// What is asked of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Streams,
    Picture,
}

/// The addresses of the streams, or of the picture, by make, host and channel; none where the row gives none of them.
fn vendor_addresses<'a>(
    field: &impl Fn(&str) -> Option<&'a str>,
    wanted: Wanted,
) -> Result<Vec<(&'static str, String)>, String> {
    let Some(vendor) = field("vendor") else {
        let lonely = ["host", "port", "channel", "nvr"].into_iter().find(|name| field(name).is_some());
        return lonely.map_or(Ok(Vec::new()), |name| {
            Err(format!("{name} means nothing without vendor; give main and sub, or vendor and host"))
        });
    };
    let vendor: Vendor = vendor.parse()?;
    if field("main").is_some() || field("sub").is_some() {
        return Err("both vendor and an address are given; keep main and sub, or vendor and host".into());
    }
    let host = field("host").ok_or("the host is missing (column host), which vendor needs")?;
    if host.contains(['/', '@', '?', '#']) || host.chars().any(char::is_whitespace) {
        return Err(format!("host \"{host}\" is no host name or address; leave out the scheme and the path"));
    }
    let number = |name: &str, default: u16| match field(name) {
        None => Ok(default),
        Some(text) => {
            text.parse::<u16>().ok().filter(|n| *n > 0).ok_or(format!("{name} \"{text}\" is no number from 1 on"))
        }
    };
    let usual_port = if wanted == Wanted::Picture { 80 } else { 554 };
    let (port, channel) = (number("port", usual_port)?, number("channel", 1)?);
    let device = match field("nvr").map(str::to_lowercase).as_deref() {
        Some("yes" | "y" | "true" | "1" | "是") => Device::Recorder,
        Some("no" | "n" | "false" | "0" | "否") => Device::Camera,
        // A camera has one channel.
        None if channel > 1 => Device::Recorder,
        None => Device::Camera,
        Some(other) => return Err(format!("nvr \"{other}\" is neither yes nor no (是, 否)")),
    };
    Ok(match wanted {
        Wanted::Streams => {
            let [main, sub] = vendor.addresses(host, port, channel, device);
            vec![("main", main), ("sub", sub)]
        }
        Wanted::Picture => vec![("main", vendor.snapshot(host, port, channel, device))],
    })
}

/// What stands between semicolons, Chinese ones too.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split([';', '\u{ff1b}']).map(str::trim).filter(|part| !part.is_empty())
}

/// The numbers of a part.
fn numbers(column: &str, part: &str) -> Result<Vec<f64>, String> {
    let number = |text: &str| text.parse().map_err(|_| format!("{column}: \"{text}\" is no number"));
    part.split_whitespace().map(number).collect()
}

/// `"0.1 0.2; 0.6 0.2; 0.6 0.9"` as an array of pairs.
fn polygon_value(text: &str) -> Result<Value, String> {
    let mut corners = toml_edit::Array::new();
    for corner in parts(text) {
        let pair = numbers("zone_polygon", corner)?;
        if pair.len() != 2 {
            return Err(format!(
                "zone_polygon: \"{corner}\" is no corner; write two numbers, as in \"0.1 0.2; 0.6 0.2; 0.6 0.9\""
            ));
        }
        corners.push(toml_edit::Array::from_iter(pair));
    }
    Ok(corners.into())
}
