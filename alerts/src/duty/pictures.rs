//! How many pictures the list wants of cases, for whoever must gather them before it is known who answers.

use std::collections::BTreeMap;

use domain::Kind;
use jiff::civil::Date;

use super::DutyList;

/// Pictures that some item of the list wants. What none names needs one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PicturesWanted {
    to_open: BTreeMap<Kind, u8>,
    to_close: u8,
}

impl PicturesWanted {
    /// To open a case of this kind.
    #[must_use]
    pub fn to_open(&self, kind: &Kind) -> usize {
        self.to_open.get(kind).copied().map_or(1, usize::from)
    }

    /// Whether some kind needs more than two to be opened.
    #[must_use]
    pub fn is_more_than_two(&self) -> bool {
        self.to_open.values().any(|wanted| *wanted > 2)
    }

    /// To close a case, of whatever kind.
    #[must_use]
    pub fn to_close(&self) -> usize {
        usize::from(self.to_close.max(1))
    }
}

impl DutyList {
    /// The most pictures that an item wants which is in force on `day`, or will be.
    #[must_use]
    pub fn pictures_wanted(&self, day: Date) -> PicturesWanted {
        let mut wanted = PicturesWanted::default();
        let newest = self.items.values().filter_map(|versions| versions.last());
        for version in self.in_force(day).chain(newest) {
            let (kind, task) = (&version.item.kind, &version.item.task);
            let open = wanted.to_open.entry(kind.clone()).or_default();
            *open = (*open).max(task.photos_open);
            wanted.to_close = wanted.to_close.max(task.photos_close);
        }
        wanted
    }
}
