//! Sensors from a CSV file into a file of devices, on the way of the cameras.

use std::{collections::BTreeMap, path::Path};

use alerts::sensor::Device;
use toml_edit::{Item, Table};

use crate::{
    cameras::{Elsewhere, ImportError, Row, Write, import_tables, parse, place},
    grid::Grid,
    sheet::Sheet,
};

const COLUMNS: [&str; 12] = [
    "id",
    "measure",
    "name",
    "grid",
    "duty_grid",
    "address",
    "lon",
    "lat",
    "camera",
    "zone",
    "silent_after",
    "stuck_after",
];

/// Reads `csv` and writes its good rows into `target` as `[[devices]]`, as cameras are imported. `known` gives the zones of each
/// camera, which a device may be in.
///
/// # Errors
/// When the CSV cannot be read, its header does not fit, or `target` cannot be read or written.
pub fn import(
    csv: &Path,
    target: &Path,
    elsewhere: &Elsewhere,
    known: &BTreeMap<String, Vec<String>>,
    write: Write,
) -> Result<Vec<Row>, ImportError> {
    let sheet = Sheet::read(csv, &COLUMNS, &["id", "measure"])?;
    let parsed = parse(&sheet, |field| {
        let table = device_table(field, &elsewhere.grid)?;
        let text = |key: &str| table.get(key).and_then(Item::as_str);
        match (text("camera").map(|camera| (camera, known.get(camera))), text("zone")) {
            (None, Some(_)) => Err("a zone belongs to a camera (column camera)".to_owned()),
            (Some((camera, None)), _) => Err(format!("there is no camera \"{camera}\"")),
            (Some((camera, Some(zones))), Some(zone)) if !zones.iter().any(|z| z == zone) => {
                Err(format!("camera \"{camera}\" has no zone \"{zone}\""))
            }
            _ => Ok((table, BTreeMap::new())),
        }
    });
    import_tables(parsed, "devices", target, elsewhere, write)
}

/// The `[[devices]]` table of a row, checked by the same code that reads the configuration.
fn device_table<'a>(field: &dyn Fn(&str) -> Option<&'a str>, grid: &Grid) -> Result<Table, String> {
    let mut table = Table::new();
    table["id"] = Item::Value(field("id").ok_or("the id is missing")?.into());
    table["measure"] = Item::Value(field("measure").ok_or("what it measures is missing (column measure)")?.into());
    for key in ["name", "camera", "zone", "silent_after", "stuck_after"] {
        if let Some(value) = field(key) {
            table[key] = Item::Value(value.into());
        }
    }
    if let Some(place) = place(&field, grid)? {
        table["place"] = Item::Value(place.into());
    }
    toml_edit::de::from_str::<Device>(&table.to_string()).map_err(|error| error.message().to_owned())?;
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cameras::RowResult;

    #[test]
    fn good_rows_go_in_and_bad_ones_are_listed_in_either_encoding() {
        let text = "id,measure,name,grid,camera,zone,silent_after\n\
            bin-1,fill,斜土路 1 号箱,310104007003012,,,2h\n\
            bay-1,parking,,,gate,kerb,\n\
            bay-2,parking,,,gate,lane,\n\
            bay-3,parking,,,door,,\n\
            bay-4,parking,,,,kerb,\n\
            bin-2,,,,,,\n\
            bin-3,fill,,,,,soon\n\
            bin-1,fill,,,,,\n\
            bin/4,fill,,,,,\n";
        let known = BTreeMap::from([("gate".to_owned(), vec!["kerb".to_owned()])]);
        for bytes in [text.as_bytes().to_vec(), encoding_rs::GBK.encode(text).0.into_owned()] {
            let folder = tempfile::tempdir().unwrap();
            let (csv, target) = (folder.path().join("sensors.csv"), folder.path().join("sensors.toml"));
            std::fs::write(&csv, &bytes).unwrap();
            let run = |write| import(&csv, &target, &Elsewhere::default(), &known, write).unwrap();
            assert_eq!(run(Write::DryRun)[0].result, RowResult::New);
            assert!(!target.exists());
            let rows = run(Write::Commit);
            let expect = [
                "new",
                "new",
                "has no zone \"lane\"",
                "there is no camera \"door\"",
                "a zone belongs to a camera",
                "what it measures is missing",
                "is no length of time",
                "already in line 2",
                "is no valid device id",
            ];
            for (row, expect) in rows.iter().zip(expect) {
                match &row.result {
                    RowResult::Bad(reason) | RowResult::Duplicate(reason) => {
                        assert!(reason.contains(expect), "{row:?} lacks {expect:?}")
                    }
                    result => assert_eq!((result, expect), (&RowResult::New, "new"), "{row:?}"),
                }
            }
            assert_eq!(rows.len(), expect.len());
            assert!(std::fs::read_to_string(&target).unwrap().contains("斜土路 1 号箱"));
            assert_eq!(run(Write::Commit)[0].result, RowResult::Unchanged);
        }
    }
}
