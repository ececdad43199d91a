//! Under which topics the broker may hold the state of a camera, and which of them are of cameras that went while nobody
//! was there to take it back. In memory what the database has of it; no I/O.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct Retained {
    /// Those that the database has.
    noted: BTreeSet<String>,
    /// Those that it is to have.
    unnoted: BTreeSet<String>,
    /// Those of an earlier run, whose cameras are gone, and whether the broker is to be told in this connection; none before
    /// it was looked for them.
    stale: Option<BTreeMap<String, bool>>,
    /// Those that the broker has taken back.
    taken_back: Vec<String>,
}

impl Retained {
    /// The broker will hold something under `topic`.
    pub(super) fn says(&mut self, topic: &str) {
        if !self.noted.contains(topic) {
            self.unnoted.insert(topic.to_owned());
        }
    }

    /// What the database is to be told.
    pub(super) fn unnoted(&self) -> &BTreeSet<String> {
        &self.unnoted
    }

    /// The database was told.
    pub(super) fn are_noted(&mut self) {
        self.noted.append(&mut self.unnoted);
    }

    /// Whether it was looked for what an earlier run left.
    pub(super) fn knows_stale(&self) -> bool {
        self.stale.is_some()
    }

    /// Takes in what the database has, where these are the topics of the cameras that there are; how many are stale.
    pub(super) fn find_stale(&mut self, noted: Vec<String>, current: &BTreeSet<String>) -> usize {
        let stale: BTreeMap<_, _> =
            noted.iter().filter(|topic| !current.contains(*topic)).map(|topic| (topic.clone(), true)).collect();
        self.noted.extend(noted);
        self.stale.insert(stale).len()
    }

    /// Up to `limit` stale topics that the broker has not heard of; it is taken to have heard of them now. What has become a
    /// camera's again is none.
    pub(super) fn stale(&mut self, limit: usize, current: impl FnOnce() -> BTreeSet<String>) -> Vec<String> {
        let Some(stale) = self.stale.as_mut().filter(|stale| stale.values().any(|unsaid| *unsaid)) else {
            return Vec::new();
        };
        let current = current();
        stale.retain(|topic, _| !current.contains(topic));
        let unsaid = stale.iter_mut().filter(|(_, unsaid)| **unsaid).take(limit);
        unsaid
            .map(|(topic, unsaid)| {
                *unsaid = false;
                topic.clone()
            })
            .collect()
    }

    /// A connection that ended may have lost what was said in it.
    pub(super) fn say_all_again(&mut self) {
        self.stale.iter_mut().flatten().for_each(|(_, unsaid)| *unsaid = true);
    }

    /// The broker holds nothing under `topic` any more.
    pub(super) fn taken_back(&mut self, topic: &str) {
        if let Some(stale) = &mut self.stale {
            stale.remove(topic);
        }
        self.taken_back.push(topic.to_owned());
    }

    /// What the database is to forget: what was taken back and has not become a camera's again.
    pub(super) fn forgettable(&mut self, current: impl FnOnce() -> BTreeSet<String>) -> &[String] {
        if !self.taken_back.is_empty() {
            let current = current();
            self.taken_back.retain(|topic| !current.contains(topic));
        }
        &self.taken_back
    }

    /// The database has forgotten it.
    pub(super) fn are_forgotten(&mut self) {
        for topic in self.taken_back.drain(..) {
            self.noted.remove(&topic);
            self.unnoted.remove(&topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(topics: &[&str]) -> BTreeSet<String> {
        topics.iter().map(ToString::to_string).collect()
    }

    fn list(topics: &[&str]) -> Vec<String> {
        topics.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_an_earlier_run_left_is_taken_back_until_the_broker_has_heard() {
        let mut retained = Retained::default();
        assert!(retained.stale(9, || panic!("nothing is known yet")).is_empty());
        assert_eq!(retained.find_stale(list(&["a", "b", "c"]), &set(&["b"])), 2);
        assert_eq!(retained.stale(1, || set(&["b"])), ["a"]);
        assert_eq!(retained.stale(9, || set(&["b"])), ["c"]);
        assert!(retained.stale(9, || panic!("all is said")).is_empty());
        retained.taken_back("a");
        retained.say_all_again();
        assert_eq!(retained.stale(9, || set(&["b"])), ["c"]);
        assert_eq!(retained.forgettable(|| set(&["b"])), ["a"]);
        retained.are_forgotten();
        assert!(retained.forgettable(|| panic!("nothing was taken back")).is_empty());
    }

    #[test]
    fn a_camera_that_comes_back_is_remembered() {
        let mut retained = Retained::default();
        retained.find_stale(list(&["a", "b"]), &set(&[]));
        assert_eq!(retained.stale(9, || set(&["b"])), ["a"], "b is there again");
        retained.says("a");
        assert!(retained.unnoted().is_empty(), "the database has it still");
        retained.taken_back("a");
        assert!(retained.forgettable(|| set(&["a", "b"])).is_empty());
        retained.says("c");
        assert_eq!(*retained.unnoted(), set(&["c"]));
        retained.are_noted();
        retained.says("c");
        assert!(retained.unnoted().is_empty());
    }
}
