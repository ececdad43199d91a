//! What an import would change: new versions of the items that differ, or the faults that keep the list as it is.

use std::{collections::BTreeMap, fmt};

use jiff::civil::Date;
use serde_json::Value;

use super::{DutyItem, DutyList, ItemVersion};

/// A row of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its line in the file.
    pub line: u64,
    /// The first day that it is to be in force; the day of the import where absent.
    pub from: Option<Date>,
    /// The item.
    pub item: DutyItem,
}

/// What an import adds to the list. Items that the file does not name stay as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The versions to add.
    pub versions: Vec<ItemVersion>,
    /// What becomes of each row, in the order of the file.
    pub changes: Vec<(u64, String, Change)>,
    /// Items of the list that the file does not name.
    pub not_named: Vec<String>,
}

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An item that was not there.
    New,
    /// A new version of an item, with what differs.
    Changed(u32, Vec<Difference>),
    /// Just as its newest version.
    Unchanged,
}

/// A value that differs between two versions, as JSON writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub field: String,
    /// As it was.
    pub before: Value,
    /// As it will be.
    pub after: Value,
}

/// Why a list is not imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A number that two rows have.
    #[error("lines {first} and {second}: both are item {id}; every item needs a number of its own")]
    Twice {
        /// The number.
        id: String,
        /// The one line.
        first: u64,
        /// The other.
        second: u64,
    },
    /// Two items that would decide alike.
    #[error(
        "{one} and {other} are both for {kind} at {place} at the same time; give one of them a deeper place, other hours or other dates"
    )]
    Tie {
        /// The one.
        one: String,
        /// The other.
        other: String,
        /// What they are about.
        kind: String,
        /// Where.
        place: String,
    },
}

impl DutyList {
    /// What importing these rows on the day `today` adds.
    ///
    /// # Errors
    /// All that keeps the rows from being a list together with what is there.
    pub fn import(&self, rows: &[Row], today: Date) -> Result<Import, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut lines: BTreeMap<&str, u64> = BTreeMap::new();
        let mut import = Import { versions: Vec::new(), changes: Vec::new(), not_named: Vec::new() };
        for row in rows {
            if let Some(first) = lines.insert(&row.item.id, row.line) {
                faults.push(Fault::Twice { id: row.item.id.clone(), first, second: row.line });
                continue;
            }
            let newest = self.newest(&row.item.id);
            let version = newest.map_or(1, |newest| newest.version + 1);
            let change = match newest {
                None => Change::New,
                Some(newest) if newest.item == row.item => Change::Unchanged,
                Some(newest) => Change::Changed(version, differences(&newest.item, &row.item)),
            };
            if change != Change::Unchanged {
                let from = row.from.unwrap_or(today);
                import.versions.push(ItemVersion { version, from, item: row.item.clone() });
            }
            import.changes.push((row.line, row.item.id.clone(), change));
        }
        let after = Self::new(self.versions().chain(&import.versions).cloned());
        let named = |version: &ItemVersion| match lines.get(version.item.id.as_str()) {
            Some(line) => format!("line {line} (item {})", version.item.id),
            None => format!("item {} v{} of the list", version.item.id, version.version),
        };
        faults.extend(after.ties().into_iter().map(|(one, other)| Fault::Tie {
            one: named(one),
            other: named(other),
            kind: one.item.kind.to_string(),
            place: one.item.place.as_ref().map_or("any place", |place| place.as_str()).to_owned(),
        }));
        faults.dedup();
        import.not_named = self.versions().map(|version| version.item.id.clone()).collect();
        import.not_named.dedup();
        import.not_named.retain(|id| !lines.contains_key(id.as_str()));
        if faults.is_empty() { Ok(import) } else { Err(faults) }
    }
}

pub(super) fn differences(before: &DutyItem, after: &DutyItem) -> Vec<Difference> {
    let object = |item: &DutyItem| match serde_json::to_value(item) {
        Ok(Value::Object(fields)) => fields,
        other => unreachable!("an item is an object, not {other:?}"),
    };
    let (before, after) = (object(before), object(after));
    after
        .into_iter()
        .filter(|(field, value)| before.get(field) != Some(value))
        .map(|(field, after)| Difference { before: before.get(&field).cloned().unwrap_or_default(), field, after })
        .collect()
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.field, self.before, self.after)
    }
}
