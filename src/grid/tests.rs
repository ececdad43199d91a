use super::*;

const SAMPLE: &str = include_str!("../../deploy/samples/grid-xuhui-sample.geojson");

fn sample() -> Grid {
    let mut grid = Grid::default();
    read_text(&mut grid, SAMPLE).expect("the sample");
    grid
}

/// A file of features given as `code|geometry`.
fn collection(features: &[(&str, &str)]) -> String {
    let features = features.iter().map(|(code, geometry)| {
        format!(r#"{{"type": "Feature", "properties": {{"code": "{code}", "name": "n"}}, "geometry": {geometry}}}"#)
    });
    let features = features.collect::<Vec<_>>().join(",");
    format!(r#"{{"type": "FeatureCollection", "features": [{features}]}}"#)
}

fn square(x: f64, y: f64, side: f64) -> String {
    let (a, b) = (x + side, y + side);
    format!(r#"{{"type": "Polygon", "coordinates": [[[{x},{y}],[{a},{y}],[{a},{b}],[{x},{b}],[{x},{y}]]]}}"#)
}

fn grid(features: &[(&str, &str)]) -> Grid {
    let mut grid = Grid::default();
    read_text(&mut grid, &collection(features)).expect("a grid");
    grid
}

#[test]
fn the_sample_has_xuhuis_streets_and_finds_a_cell_in_them() {
    let grid = sample();
    let streets: Vec<_> = grid.areas().filter(|area| area.level() == Level::Street).collect();
    assert_eq!(streets.len(), 14);
    assert!(streets.iter().any(|area| area.code.as_str() == "310104007" && area.name == "斜土路街道"));
    assert_eq!(grid.oddities(), []);
    let cell = grid.locate(121.4593, 31.1896).expect("a cell");
    assert_eq!(cell.code.as_str(), "310104007003012");
    let path: Vec<_> = grid.path(&cell.code).iter().map(|area| area.level()).collect();
    assert_eq!(path, [Level::City, Level::District, Level::Street, Level::Community, Level::Cell]);
    assert!(grid.locate(121.0, 31.0).is_none());
}

#[test]
fn the_deepest_area_wins_and_of_two_the_smaller() {
    let big = square(0.0, 0.0, 10.0);
    let grid = grid(&[
        ("310100", "null"),
        ("310104", &big),
        ("310104001", &square(0.0, 0.0, 5.0)),
        ("310104002", &square(4.0, 4.0, 3.0)),
    ]);
    let at = |x, y| grid.locate(x, y).map(|area| area.code.as_str());
    assert_eq!(at(1.0, 1.0), Some("310104001"));
    assert_eq!(at(4.5, 4.5), Some("310104002"), "in both");
    assert_eq!(at(9.0, 1.0), Some("310104"));
    assert_eq!(at(11.0, 1.0), None);
    let [Oddity::Overlap { share, .. }] = &grid.oddities()[..] else { panic!("one overlap") };
    assert!((share - 1.0 / 9.0).abs() < 1e-6);
    assert!(grid.oddities()[0].to_string().contains("310104001 and 310104002 overlap by 11 %"));
}

#[test]
fn holes_and_parts_are_no_part_and_a_part() {
    let shape = r#"{"type": "MultiPolygon", "coordinates": [
        [[[0,0],[4,0],[4,4],[0,4],[0,0]], [[1,1],[1,3],[3,3],[3,1],[1,1]]],
        [[[10,10],[12,10],[12,12],[10,12],[10,10]]]]}"#;
    let grid = grid(&[("310104", shape)]);
    let holds = |x, y| grid.locate(x, y).is_some();
    assert!(holds(0.5, 0.5) && holds(11.0, 11.0) && holds(1.0, 1.0), "within, in the other part, on the hole's border");
    assert!(!holds(2.0, 2.0) && !holds(6.0, 6.0));
}

#[test]
fn an_area_outside_its_surroundings_is_told() {
    let grid = grid(&[("310104", &square(0.0, 0.0, 1.0)), ("310104001", &square(5.0, 5.0, 1.0))]);
    let said: Vec<_> = grid.oddities().iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("310104001 lies outside 310104"), "{said:?}");
}

#[track_caller]
fn refused(text: &str, expect: &str) {
    let mut grid = Grid::default();
    let faults = read_text(&mut grid, text).expect_err("a fault");
    let said = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(said.contains(expect), "{said:?} lacks {expect:?}");
    assert!(grid.is_empty());
}

#[test]
fn each_fault_is_named_with_its_feature_and_remedy() {
    let ring = |coordinates: &str| format!(r#"{{"type": "Polygon", "coordinates": [{coordinates}]}}"#);
    let one = |geometry: &str| collection(&[("310104", geometry)]);
    refused("{", "no GeoJSON FeatureCollection");
    refused(r#"{"type": "Feature", "features": []}"#, "its type is \"Feature\"");
    refused(&one(&ring("[[0,0],[4,0],[4,4],[0,4]]")), "feature 1: 310104: a ring is not closed; repeat its first");
    refused(&one(&ring("[[0,0],[4,4],[4,0],[0,4],[0,0]]")), "310104: its outline crosses or touches itself");
    refused(&one(&ring("[[0,0],[4,4],[0,0]]")), "a ring of 3 positions");
    refused(&one(&ring("[[31.2,121.4],[31.3,121.4],[31.3,121.5],[31.2,121.4]]")), "swap the two");
    refused(&one(&ring("[[-3000,1200],[-2000,1200],[-2000,2200],[-3000,1200]]")), "convert a city's plane coordinates");
    refused(&one(r#"{"type": "Point", "coordinates": [1, 2]}"#), "no Polygon or MultiPolygon");
    refused(&collection(&[("31010", "null")]), "grid code \"31010\" is not");
    refused(&collection(&[("310104", "null"), ("310104", "null")]), "feature 2: 310104 is there already");
    let other = one("null").replacen(
        '{',
        r#"{"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4549"}},"#,
        1,
    );
    refused(&other, "EPSG::4549\"; convert them to WGS 84");
    let old = one("null").replacen(
        '{',
        r#"{"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}},"#,
        1,
    );
    assert!(read_text(&mut Grid::default(), &old).is_ok());
}

#[test]
fn several_files_are_one_tree_and_an_unknown_code_is_a_fault_of_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, features: &[(&str, &str)]| {
        let path = folder.path().join(name);
        std::fs::write(&path, collection(features)).expect("a file");
        path
    };
    let cells = file("cells.geojson", &[("310104007003", "null"), ("310104007003012", "null")]);
    let streets = file("streets.geojson", &[("310104", "null"), ("310104007", "null")]);
    assert_eq!(read(&[cells.clone(), streets]).expect("one tree").areas().count(), 4);
    let error = read(&[cells]).expect_err("no street").to_string();
    assert!(error.contains("cells.geojson: feature 1: 310104007003 is within 310104007, which no file has"), "{error}");
    assert!(read(&[folder.path().join("none.geojson")]).is_err_and(|e| e.to_string().contains("none.geojson")));
    assert_eq!(file::imported(folder.path()).len(), 2);
}
