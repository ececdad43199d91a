//! `gridwatch sensors import|list`.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use alerts::{sensor::measure, store::Store};

use super::{cameras::report, local_time, table};
use crate::{
    cameras::{Elsewhere, Write},
    cli::Format,
    config::{Config, Inventory},
    sensors::import,
};

/// Imports `csv`; prints a line for each row that is not unchanged, and a summary.
///
/// # Errors
/// When nothing could be imported, or some rows were bad (after the good ones were written).
pub fn run_import(config_path: &Path, csv: &Path, into: Option<&Path>, write: Write) -> anyhow::Result<()> {
    let folder = config_path.parent().unwrap_or(Path::new(""));
    let target = into.map_or_else(|| folder.join("sensors/imported.toml"), Path::to_owned);
    let mut elsewhere = Elsewhere::default();
    let mut zones = BTreeMap::new();
    if config_path.exists() {
        let own = target.canonicalize().ok();
        elsewhere.grid = Config::load_outlines(config_path)?;
        let Inventory { cameras, devices } = Config::load_inventory(config_path)?;
        for (device, origin) in devices {
            if origin.canonicalize().ok() != own || own.is_none() {
                elsewhere.add_id(device.id.to_string(), &origin);
            }
        }
        for (camera, _) in cameras {
            zones.insert(camera.id.to_string(), camera.zones.iter().map(|zone| zone.id.to_string()).collect());
        }
    }
    let rows = import(csv, &target, &elsewhere, &zones, write)?;
    report("sensor", config_path, &target, &rows, write, Format::Table)
}

/// Lists the configured sensors with what is remembered of them.
///
/// # Errors
/// When the configuration does not load or the database cannot be read.
pub async fn run_list(config_path: &Path) -> anyhow::Result<()> {
    let config = Config::load(config_path)?;
    let timezone = config.timezone()?;
    let store = Store::connect(config.database()?).await?;
    let memories: HashMap<_, _> = store.sensor_memories().await?.into_iter().collect();
    store.close().await;
    let mut listing = table(&["sensor", "name", "measure", "grid", "camera", "state", "value", "battery", "last seen"]);
    for device in &config.sensors.devices {
        let memory = memories.get(&device.id).cloned().unwrap_or_default();
        let none = || "-".to_owned();
        let unit = measure(&device.measure).map_or("", |m| m.unit);
        listing.add_row([
            device.id.to_string(),
            device.name.clone(),
            device.measure.clone(),
            device.place.as_ref().map_or("-", |place| place.grid.as_str()).to_owned(),
            match (&device.camera, &device.zone) {
                (Some(camera), Some(zone)) => format!("{camera}/{zone}"),
                (Some(camera), None) => camera.to_string(),
                (None, _) => none(),
            },
            memory.health.state.as_str().to_owned(),
            memory
                .latest
                .get(&device.measure)
                .map_or_else(none, |noted| format!("{} {unit}", noted.value).trim().to_owned()),
            memory.health.battery.map_or_else(none, |charge| format!("{charge} %")),
            memory.health.seen_at.map_or_else(none, |at| local_time(at, &timezone)),
        ]);
    }
    println!("{listing}\n\n{} sensors", config.sensors.devices.len());
    Ok(())
}
