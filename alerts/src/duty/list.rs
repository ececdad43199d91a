//! All versions of all items, and who answers for a case.

use std::collections::BTreeMap;

use domain::{Cell, Kind, Timestamp};
use jiff::{ToSpan as _, civil::Date, tz::TimeZone};

use super::{DutyItem, ItemVersion};
use crate::deadline::ResponseLevel;

/// The list with its history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DutyList {
    /// Each item's versions, oldest first.
    pub(super) items: BTreeMap<String, Vec<ItemVersion>>,
}

/// Who answers for a case, by which item and version, and over which others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The item that decides.
    pub decided: ItemVersion,
    /// Those that hold as well and are less specific, the closest first.
    pub beaten: Vec<ItemVersion>,
}

impl DutyList {
    /// A list of these versions, in any order.
    #[must_use]
    pub fn new(versions: impl IntoIterator<Item = ItemVersion>) -> Self {
        let mut list = Self::default();
        for version in versions {
            list.items.entry(version.item.id.clone()).or_default().push(version);
        }
        for versions in list.items.values_mut() {
            versions.sort_by_key(|version| version.version);
        }
        list
    }

    /// Whether it holds nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All versions, by item, oldest first.
    pub fn versions(&self) -> impl Iterator<Item = &ItemVersion> {
        self.items.values().flatten()
    }

    /// The newest version of an item, in force or not.
    #[must_use]
    pub fn newest(&self, id: &str) -> Option<&ItemVersion> {
        self.items.get(id)?.last()
    }

    /// What is in force on a day: of each item the newest version that has begun, unless that has ended. An ended
    /// version does not bring an older one back.
    pub fn in_force(&self, day: Date) -> impl Iterator<Item = &ItemVersion> {
        self.items
            .values()
            .filter_map(move |versions| versions.iter().rev().find(|version| version.from <= day))
            .filter(move |version| version.item.until.is_none_or(|until| day <= until))
    }

    /// Who answers for a case of this kind that came about at this place and moment; nobody where no item covers it.
    #[must_use]
    pub fn route(&self, kind: &Kind, place: &Cell, at: Timestamp, timezone: &TimeZone) -> Option<Route> {
        let day = jiff::Timestamp::from_millisecond(at.0).ok()?.to_zoned(timezone.clone()).date();
        let mut covering: Vec<_> =
            self.in_force(day).filter(|version| version.item.covers(kind, place, at, timezone)).cloned().collect();
        covering.sort_by_key(|version| std::cmp::Reverse(version.item.rank()));
        let mut covering = covering.into_iter();
        Some(Route { decided: covering.next()?, beaten: covering.collect() })
    }

    /// Who answers at this level for a case of this kind that came about at this place and moment, as the closest item says whose
    /// level it is; nobody where there is none.
    #[must_use]
    pub fn at_level(
        &self,
        level: ResponseLevel,
        kind: &Kind,
        place: &Cell,
        at: Timestamp,
        timezone: &TimeZone,
    ) -> Option<&ItemVersion> {
        let day = jiff::Timestamp::from_millisecond(at.0).ok()?.to_zoned(timezone.clone()).date();
        let covering = self.in_force(day).filter(|version| version.item.covers(kind, place, at, timezone));
        covering.filter(|version| version.item.task.level == level).max_by_key(|version| version.item.rank())
    }

    /// Pairs of versions that would decide one case alike: same kind, place and sort of time, some day and some minute
    /// of the week in common.
    pub(super) fn ties(&self) -> Vec<(&ItemVersion, &ItemVersion)> {
        let mut spans: Vec<(&ItemVersion, Date, Date)> = Vec::new();
        for versions in self.items.values() {
            // A newer version takes over from its first day on, be that before an older one's.
            let mut taken_from = Date::MAX;
            for version in versions.iter().rev() {
                let until = version.item.until.unwrap_or(Date::MAX).min(taken_from);
                if version.from <= until {
                    spans.push((version, version.from, until));
                }
                taken_from = taken_from.min(version.from.checked_sub(1.day()).unwrap_or(Date::MIN));
            }
        }
        let same_case = |one: &DutyItem, other: &DutyItem| {
            one.id != other.id
                && one.kind == other.kind
                && one.place == other.place
                && one.is_timed() == other.is_timed()
                && one.shares_time_with(other)
        };
        let mut ties = Vec::new();
        for (index, (one, from, until)) in spans.iter().enumerate() {
            for (other, other_from, other_until) in &spans[index + 1..] {
                if from <= other_until && other_from <= until && same_case(&one.item, &other.item) {
                    ties.push((*one, *other));
                }
            }
        }
        ties
    }
}

impl Route {
    /// Why, in Chinese: `第T-087条第3版,斜土路街道(310104007),四级(社区),由…负责`.
    #[must_use]
    pub fn zh(&self) -> String {
        let ItemVersion { version, item, .. } = &self.decided;
        let mut text = format!(
            "第{}条第{version}版,{},{},由{}负责",
            item.id,
            place(item, "任何地点", item.place_name.zh()),
            item.task.level.zh(),
            item.task.dept.zh()
        );
        if let Some(next) = self.beaten.first() {
            let reason = if next.item.place == item.place { "时段更具体" } else { "地点更具体" };
            text += &format!(";{reason},优先于第{}条第{}版", next.item.id, next.version);
        }
        text
    }

    /// Why, in English: `item T-087 v3, Xietu Road (310104007), level 4 (community): ...`.
    #[must_use]
    pub fn en(&self) -> String {
        let ItemVersion { version, item, .. } = &self.decided;
        let mut text = format!(
            "item {} v{version}, {}, {}: {}",
            item.id,
            place(item, "anywhere", &spaced(item.place_name.en())),
            item.task.level.en(),
            item.task.dept.en()
        );
        if let Some(next) = self.beaten.first() {
            let reason =
                if next.item.place == item.place { "certain hours go" } else { "the more specific place goes" };
            text += &format!("; {reason} before item {} v{}", next.item.id, next.version);
        }
        text
    }
}

/// A name with the space that English wants before a parenthesis.
fn spaced(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!("{name} ") }
}

fn place(item: &DutyItem, anywhere: &str, name: &str) -> String {
    match &item.place {
        None => anywhere.to_owned(),
        Some(cell) if name.is_empty() => cell.as_str().to_owned(),
        Some(cell) => format!("{name}({})", cell.as_str()),
    }
}
