//! Where a problem is, rather than where its camera stands: the ground point's coordinates, and the cell that holds them.

use std::{fmt, sync::Arc};

use domain::{Cell, GroundPoint, Place};

/// Finds the deepest area of the administrative grid that holds a longitude and a latitude.
#[derive(Clone)]
pub struct Locator(Arc<dyn Fn(f64, f64) -> Option<Cell> + Send + Sync>);

impl Locator {
    /// One that asks `find`.
    #[must_use]
    pub fn new(find: impl Fn(f64, f64) -> Option<Cell> + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }

    /// One that knows no area.
    #[must_use]
    pub fn none() -> Self {
        Self::new(|_, _| None)
    }

    /// The place of a problem that stands at `ground`, seen by a camera at `camera`. A point of another district than
    /// `district`, which this node does not speak for, keeps the camera's code.
    pub(super) fn place(&self, camera: Option<&Place>, ground: Option<&GroundPoint>, district: &Cell) -> Option<Place> {
        let Some((lon, lat)) = ground.and_then(GroundPoint::lon_lat) else { return camera.cloned() };
        let found = (self.0)(lon, lat).filter(|cell| cell.is_within(district));
        let of_camera = camera.map_or(district, |place| &place.grid);
        // A patrol area is the camera's own: in another cell it may be another.
        let same = found.as_ref().is_none_or(|cell| cell.is_within(of_camera));
        Some(Place {
            duty_grid: camera.and_then(|place| place.duty_grid.clone()).filter(|_| same),
            address: camera.map(|place| place.address.clone()).unwrap_or_default(),
            grid: found.unwrap_or_else(|| of_camera.clone()),
            lon: Some(lon),
            lat: Some(lat),
        })
    }
}

impl fmt::Debug for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Locator")
    }
}

#[cfg(test)]
mod tests {
    use domain::Crs;

    use super::*;

    fn cell(code: &str) -> Cell {
        code.to_owned().try_into().expect("a code")
    }

    #[track_caller]
    fn check(found: Option<&str>, camera: Option<&str>, expect: (&str, Option<&str>)) {
        let found = found.map(cell);
        let locator = Locator::new(move |_, _| found.clone());
        let camera = camera.map(|grid| Place {
            grid: cell(grid),
            duty_grid: Some("XT-03".to_owned()),
            address: "斜土路 1175 号".to_owned(),
            lon: Some(121.0),
            lat: Some(31.0),
        });
        let ground = GroundPoint { crs: Crs::Wgs84, x: 121.4593, y: 31.1896 };
        let place = locator.place(camera.as_ref(), Some(&ground), &cell("310104")).expect("a place");
        assert_eq!((place.grid.as_str(), place.duty_grid.as_deref()), expect);
        assert_eq!((place.lon, place.lat), (Some(121.4593), Some(31.1896)));
        assert_eq!(locator.place(camera.as_ref(), None, &cell("310104")), camera);
        let plane = GroundPoint { crs: Crs::Local("square".to_owned()), x: 1.0, y: 2.0 };
        assert_eq!(locator.place(camera.as_ref(), Some(&plane), &cell("310104")), camera);
    }

    #[test]
    fn a_problem_lies_in_the_cell_that_holds_it() {
        check(Some("310104007003012"), Some("310104007003"), ("310104007003012", Some("XT-03")));
        check(Some("310104007004001"), Some("310104007003"), ("310104007004001", None));
        check(Some("310104007003012"), None, ("310104007003012", None));
        check(None, Some("310104007003"), ("310104007003", Some("XT-03")));
        check(None, None, ("310104", None));
        check(Some("310101002"), Some("310104007"), ("310104007", Some("XT-03")));
    }
}
