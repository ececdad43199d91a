use proptest::prelude::*;

use super::*;

fn points(crs: &str, pairs: &[([f64; 2], [f64; 2])]) -> ControlPoints {
    ControlPoints {
        crs: crs.to_owned().try_into().expect("a reference system"),
        points: pairs.iter().map(|(pixel, at)| ControlPoint { pixel: *pixel, at: *at }).collect(),
    }
}

fn ground(crs: &str, pairs: &[([f64; 2], [f64; 2])]) -> Result<Ground, GroundError> {
    Ground::new(points(crs, pairs))
}

/// A camera on a pole `height` metres above the origin of the plane, looking along the y axis and down.
struct Pole {
    height: f64,
    down: f64,
}

impl Pole {
    /// Where a place on the ground is in its picture.
    fn sees(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (sin, cos) = self.down.sin_cos();
        let depth = y * cos + self.height * sin;
        let below = self.height * cos - y * sin;
        [0.5 + 0.8 * x / depth, 0.5 + 1.2 * below / depth]
    }
}

const POLE: Pole = Pole { height: 6.0, down: 0.45 };
const PLACES: [[f64; 2]; 6] = [[-4.0, 8.0], [4.0, 8.0], [-6.0, 20.0], [6.0, 20.0], [0.0, 12.0], [2.0, 30.0]];

fn seen(places: &[[f64; 2]]) -> Vec<([f64; 2], [f64; 2])> {
    places.iter().map(|place| (POLE.sees(*place), *place)).collect()
}

fn point([x, y]: [f64; 2]) -> Point {
    Point { x: x as f32, y: y as f32 }
}

#[test]
fn four_points_fix_the_ground_and_more_say_how_well() {
    for n in [4, 6] {
        let ground = ground("local:square", &seen(&PLACES[..n])).expect("a ground");
        assert!(ground.fit().rms < 1e-6 && ground.fit().points == n, "{:?}", ground.fit());
        let found = ground.place(point(POLE.sees([1.0, 15.0]))).expect("a place");
        assert!((found.x - 1.0).abs() < 0.01 && (found.y - 15.0).abs() < 0.01, "{found:?}");
        assert_eq!((found.lon_lat(), found.crs.to_string().as_str()), (None, "local:square"));
    }
}

#[test]
fn degrees_come_back_as_degrees() {
    let (lon, lat) = (121.4593_f64, 31.1896_f64);
    let degrees = |[x, y]: [f64; 2]| [lon + x / (DEGREE * lat.to_radians().cos()), lat + y / DEGREE];
    let pairs: Vec<_> = PLACES.iter().map(|place| (POLE.sees(*place), degrees(*place))).collect();
    let ground = ground("EPSG:4326", &pairs).expect("a ground");
    let found = ground.place(point(POLE.sees([1.0, 15.0]))).expect("a place");
    let expected = degrees([1.0, 15.0]);
    let expected = GroundPoint { crs: Crs::Wgs84, x: expected[0], y: expected[1] };
    assert!(found.distance(&expected).expect("one system") < 0.02, "{found:?}");
    assert!(found.lon_lat().is_some());
}

#[test]
fn distances_are_metres_and_none_between_two_systems() {
    let at = |crs: &str, x, y| GroundPoint { crs: crs.to_owned().try_into().expect("a system"), x, y };
    assert_eq!(at("local:a", 0.0, 0.0).distance(&at("local:a", 3.0, 4.0)), Some(5.0));
    assert_eq!(at("local:a", 0.0, 0.0).distance(&at("local:b", 3.0, 4.0)), None);
    let shanghai = at("EPSG:4326", 121.4593, 31.1896).distance(&at("EPSG:4326", 121.4603, 31.1896)).expect("metres");
    assert!((shanghai - 95.1).abs() < 0.2, "{shanghai}");
}

#[test]
fn beyond_the_horizon_and_close_to_it_there_is_no_place() {
    let ground = ground("local:square", &seen(&PLACES)).expect("a ground");
    assert_eq!(ground.place(Point { x: 0.5, y: 0.0 }), None, "the sky");
    assert!(ground.place(point(POLE.sees([0.0, 40.0]))).is_some());
    assert_eq!(ground.place(point(POLE.sees([0.0, 400.0]))), None, "a step of a pixel is many metres there");
    let car = Rect { x0: 0.4, y0: 0.5, x1: 0.6, y1: 0.7 };
    assert_eq!(ground.foot(car), ground.place(Point { x: 0.5, y: 0.7 }));
}

#[track_caller]
fn refuse(crs: &str, pairs: &[([f64; 2], [f64; 2])], part: &str) {
    let error = ground(crs, pairs).expect_err("no ground").to_string();
    assert!(error.contains(part), "{error}");
}

#[test]
fn what_fixes_no_ground_is_refused_with_the_reason() {
    let square = seen(&PLACES[..4]);
    refuse("local:a", &square[..3], "3 control points; the ground needs 4 or more");
    let with = |index: usize, pair: ([f64; 2], [f64; 2])| {
        let mut all = square.clone();
        all[index] = pair;
        all
    };
    refuse("local:a", &with(1, ([1.2, 0.5], [0.0, 0.0])), "point 2: 1.2 is no share of the picture's");
    refuse("local:a", &with(1, ([0.2, 0.5], [f64::NAN, 0.0])), "number of metres");
    refuse(
        "EPSG:4326",
        &with(0, ([0.2, 0.5], [31.1896, 121.4593])),
        "point 1: 121.4593 is no latitude (longitude comes first)",
    );
    refuse("EPSG:4326", &square, "EPSG:4326 counts in degrees");
    let row: Vec<_> = (0..5).map(|n| ([0.1 + 0.2 * f64::from(n), 0.5], [f64::from(n), 0.0])).collect();
    refuse("local:a", &row, "the pixels lie (nearly) on one line");
    let line: Vec<_> = square.iter().zip(0..).map(|((pixel, _), n)| (*pixel, [f64::from(n), f64::from(n)])).collect();
    refuse("local:a", &line, "the places on the ground lie (nearly) on one line");
    let three = seen(&[[-4.0, 8.0], [0.0, 14.0], [4.0, 20.0], [4.0, 8.0]]);
    refuse("local:a", &three, "no three of four on one line");
    refuse("local:a", &with(1, square[0]), "on one another");
}

#[test]
fn pairs_that_contradict_one_another_are_named() {
    let mut six = seen(&PLACES);
    six[4].1 = [5.0, 25.0];
    let error = ground("local:a", &six).expect_err("contradictory");
    assert!(matches!(error, GroundError::Absurd { .. } | GroundError::Horizon), "{error}");
    // A hand's breadth is what measuring gives.
    let mut six = seen(&PLACES);
    six[4].1[0] += 0.2;
    let fit = ground("local:a", &six).expect("good enough").fit();
    assert!(fit.rms > 0.01 && fit.rms < 0.2 && fit.worst.0 >= fit.rms, "{fit:?}");
    // Two corners of four that changed places fold the ground.
    let mut four = seen(&PLACES[..4]);
    (four[0].1, four[1].1) = (four[1].1, four[0].1);
    assert!(ground("local:a", &four).is_err());
}

#[test]
fn a_configuration_reads_and_names_what_is_wrong() {
    let text = serde_json::json!({"crs": "local:a", "points": seen(&PLACES).iter()
        .map(|(pixel, at)| serde_json::json!({"pixel": pixel, "at": at})).collect::<Vec<_>>()});
    serde_json::from_value::<Ground>(text.clone()).expect("a ground");
    let mut other = text;
    other["crs"] = "GCJ-02".into();
    let error = serde_json::from_value::<Ground>(other).expect_err("unknown").to_string();
    assert!(error.contains("\"GCJ-02\" is neither \"EPSG:4326\""), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Wherever the camera hangs, what it sees on the ground comes back to where it is.
    #[test]
    fn what_is_seen_comes_back(
        height in 3.0_f64..12.0,
        down in 0.3_f64..0.9,
        places in prop::collection::vec([-8.0_f64..8.0, 4.0_f64..25.0], 4..9),
        asked in [-6.0_f64..6.0, 5.0_f64..20.0],
    ) {
        let pole = Pole { height, down };
        let pairs: Vec<_> = places.iter().map(|place| (pole.sees(*place), *place)).collect();
        if let Ok(ground) = ground("local:a", &pairs)
            && let Some(found) = ground.place(point(pole.sees(asked)))
        {
            let off = (found.x - asked[0]).hypot(found.y - asked[1]);
            prop_assert!(off < 0.3, "{} m off", off);
        }
    }

    /// No numbers end in a panic or in a place that is none.
    #[test]
    fn no_numbers_end_in_a_panic(
        pairs in prop::collection::vec(([-0.2_f64..1.2, -0.2_f64..1.2], [-50.0_f64..50.0, -50.0_f64..50.0]), 0..8),
        asked in [-1.0_f32..2.0, -1.0_f32..2.0],
    ) {
        if let Ok(ground) = ground("local:a", &pairs) {
            prop_assert!(ground.fit().worst.0 <= 50.0);
            let found = ground.place(Point::from(asked));
            prop_assert!(found.is_none_or(|found| found.x.is_finite() && found.y.is_finite()));
        }
    }
}
