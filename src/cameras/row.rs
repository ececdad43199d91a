//! One row of the table of cameras as a camera of the configuration.

use std::collections::BTreeSet;

use toml_edit::{InlineTable, Item, Table, Value};

use super::addresses;
use crate::{
    config::CameraConfig,
    vendor::{Device, Vendor},
};

/// The `[[cameras]]` table of a row, checked by the same code that reads the configuration, and its streams' addresses.
pub(super) fn camera_table<'a>(field: &impl Fn(&str) -> Option<&'a str>) -> Result<(Table, BTreeSet<String>), String> {
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
    if let Some(mode) = field("mode").map(str::to_lowercase) {
        match mode.as_str() {
            "stream" | "patrol" | "snapshot" => stream.insert("mode", mode.as_str().into()),
            _ => return Err(format!("mode \"{mode}\" is not known; known are stream, patrol, snapshot")),
        };
        if mode == "snapshot" && field("vendor").is_some() {
            return Err("where a vendor's cameras give pictures depends on model and firmware; give its address as main, without vendor".into());
        }
    }
    if let Some([main, sub]) = vendor_addresses(field)? {
        stream.insert("main", main.into());
        stream.insert("sub", sub.into());
    }
    table["stream"] = Item::Value(stream.into());
    if let Some(place) = place(field)? {
        table["place"] = Item::Value(place.into());
    }
    match (field("zone_purpose"), field("zone_polygon")) {
        (Some(purpose), Some(polygon)) => {
            let mut zone = InlineTable::new();
            zone.insert("id", field("zone_id").unwrap_or("z1").into());
            zone.insert("purpose", purpose.into());
            zone.insert("polygon", polygon_value(polygon)?);
            table["zones"] = Item::Value(toml_edit::Array::from_iter([zone]).into());
        }
        (None, None) => {}
        _ => return Err("a zone needs both zone_purpose and zone_polygon".into()),
    }
    let camera: CameraConfig =
        toml_edit::de::from_str(&table.to_string()).map_err(|error| error.message().to_owned())?;
    camera.stream.validate().map_err(|error| error.to_string())?;
    Ok((table, addresses(&camera.stream)))
}

/// The place that a row names, if any.
pub(crate) fn place<'a>(field: &impl Fn(&str) -> Option<&'a str>) -> Result<Option<InlineTable>, String> {
    let mut place = InlineTable::new();
    for key in ["grid", "duty_grid", "address"] {
        if let Some(value) = field(key) {
            place.insert(key, value.into());
        }
    }
    for key in ["lon", "lat"] {
        if let Some(text) = field(key) {
            let number: f64 = text.parse().map_err(|_| format!("{key} \"{text}\" is no number"))?;
            place.insert(key, number.into());
        }
    }
    if !place.is_empty() && !place.contains_key("grid") {
        return Err("a place needs its grid code (column grid)".into());
    }
    Ok((!place.is_empty()).then_some(place))
}

/// The addresses of the main and the sub stream by make, host and channel; none where the row gives none of them.
fn vendor_addresses<'a>(field: &impl Fn(&str) -> Option<&'a str>) -> Result<Option<[String; 2]>, String> {
    let Some(vendor) = field("vendor") else {
        let lonely = ["host", "port", "channel", "nvr"].into_iter().find(|name| field(name).is_some());
        return lonely.map_or(Ok(None), |name| {
            Err(format!("{name} means nothing without vendor; give main and sub, or vendor and host"))
        });
    };
    let vendor: Vendor = vendor.parse()?;
    if field("main").is_some() || field("sub").is_some() {
        return Err("both vendor and an address are given; keep main and sub, or vendor and host".into());
    }
    let host = field("host").ok_or("the host is missing (column host), which vendor needs")?;
    if host.contains(['/', '@', '?', '#']) || host.chars().any(char::is_whitespace) {
        return Err(format!("host \"{host}\" is no host name or address; leave out rtsp:// and the path"));
    }
    let number = |name: &str, default: u16| match field(name) {
        None => Ok(default),
        Some(text) => {
            text.parse::<u16>().ok().filter(|n| *n > 0).ok_or(format!("{name} \"{text}\" is no number from 1 on"))
        }
    };
    let (port, channel) = (number("port", 554)?, number("channel", 1)?);
    let device = match field("nvr").map(str::to_lowercase).as_deref() {
        Some("yes" | "y" | "true" | "1" | "是") => Device::Recorder,
        Some("no" | "n" | "false" | "0" | "否") => Device::Camera,
        // A camera has one channel.
        None if channel > 1 => Device::Recorder,
        None => Device::Camera,
        Some(other) => return Err(format!("nvr \"{other}\" is neither yes nor no (是, 否)")),
    };
    Ok(Some(vendor.addresses(host, port, channel, device)))
}

/// `"0.1 0.2; 0.6 0.2; 0.6 0.9"` as an array of pairs.
fn polygon_value(text: &str) -> Result<Value, String> {
    let mut corners = toml_edit::Array::new();
    for corner in text.split(';').filter(|corner| !corner.trim().is_empty()) {
        let mut pair = toml_edit::Array::new();
        for number in corner.split_whitespace() {
            pair.push(number.parse::<f64>().map_err(|_| format!("zone_polygon: \"{number}\" is no number"))?);
        }
        if pair.len() != 2 {
            return Err(format!(
                "zone_polygon: \"{}\" is no corner; write two numbers, as in \"0.1 0.2; 0.6 0.2; 0.6 0.9\"",
                corner.trim()
            ));
        }
        corners.push(pair);
    }
    Ok(corners.into())
}
