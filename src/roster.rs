//! The cameras that are configured at the moment, for all who name, place or list them. Replaced whole.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use domain::CameraId;

use crate::config::CameraConfig;

/// The cameras of the moment; clones are the same.
#[derive(Debug, Clone)]
pub struct Roster(Arc<RwLock<Cameras>>);

/// A set of cameras by id.
pub type Cameras = Arc<BTreeMap<CameraId, CameraConfig>>;

/// What tells one set of cameras from the one before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Cameras that were not there.
    pub added: Vec<CameraId>,
    /// Cameras at which anything differs: name, place, stream, zones, models.
    pub changed: Vec<CameraId>,
    /// Cameras that are gone.
    pub removed: Vec<CameraId>,
    /// Cameras at which nothing differs.
    pub unchanged: usize,
}

impl Roster {
    /// A roster of these cameras.
    #[must_use]
    pub fn new(cameras: &[CameraConfig]) -> Self {
        Self(Arc::new(RwLock::new(by_id(cameras))))
    }

    /// The cameras of the moment.
    #[must_use]
    pub fn now(&self) -> Cameras {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes these the cameras from now on.
    pub fn set(&self, cameras: &[CameraConfig]) -> Changes {
        let next = by_id(cameras);
        let before = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), Arc::clone(&next));
        Changes::between(&before, &next)
    }
}

impl Changes {
    fn between(before: &BTreeMap<CameraId, CameraConfig>, after: &BTreeMap<CameraId, CameraConfig>) -> Self {
        let mut changes = Self::default();
        for (id, camera) in after {
            match before.get(id) {
                None => changes.added.push(id.clone()),
                Some(old) if old == camera => changes.unchanged += 1,
                Some(_) => changes.changed.push(id.clone()),
            }
        }
        changes.removed = before.keys().filter(|id| !after.contains_key(*id)).cloned().collect();
        changes
    }
}

fn by_id(cameras: &[CameraConfig]) -> Cameras {
    Arc::new(cameras.iter().map(|camera| (camera.id.clone(), camera.clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cameras(list: &[(&str, &str)]) -> Vec<CameraConfig> {
        let camera = |(id, name): &(&str, &str)| {
            toml::from_str(&format!("id = '{id}'\nname = '{name}'\nstream = {{ main = 'rtsp://h/{id}' }}")).unwrap()
        };
        list.iter().map(camera).collect()
    }

    #[test]
    fn each_camera_is_new_changed_gone_or_as_before() {
        let roster = Roster::new(&cameras(&[("a", ""), ("b", ""), ("c", "")]));
        let seen = roster.clone();
        let changes = roster.set(&cameras(&[("d", ""), ("b", "gate"), ("a", "")]));
        let id = |id: &str| id.parse::<CameraId>().unwrap();
        let expected = Changes { added: vec![id("d")], changed: vec![id("b")], removed: vec![id("c")], unchanged: 1 };
        assert_eq!(changes, expected);
        assert_eq!(seen.now().len(), 3);
    }
}
