//! Which class of a dataset is which class, or group of classes, of a model: by name, or as the user says.

use std::{collections::BTreeSet, str::FromStr};

use anyhow::bail;
use detect::Manifest;

/// `DATASET=MODEL`: a class of the dataset (`*`: every one that is not named) is a class or group of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renaming {
    /// The dataset's name, or `*`.
    pub from: String,
    /// The model's class or group.
    pub to: String,
}

impl FromStr for Renaming {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=').map(|(from, to)| (from.trim(), to.trim())) {
            Some((from, to)) if !from.is_empty() && !to.is_empty() => Ok(Self { from: from.into(), to: to.into() }),
            _ => Err("expected DATASET=MODEL: a class of the dataset and the model's name for it".into()),
        }
    }
}

/// What counts as one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merging {
    /// Each class.
    Classes,
    /// Each group of the model, as rules see it.
    Groups,
}

/// The classes that are evaluated, and which of them each class of a dataset is.
#[derive(Debug)]
pub struct ClassMap {
    /// Names of the evaluated classes: classes and groups of the model.
    pub names: Vec<String>,
    /// Classes of the dataset that the model does not have.
    pub left_out: Vec<String>,
    /// By class of the dataset, its place in `names`.
    numbers: Vec<Option<usize>>,
}

impl ClassMap {
    /// The number in `names` of class `class` of the dataset.
    #[must_use]
    pub fn number(&self, class: usize) -> Option<usize> {
        self.numbers.get(class).copied().flatten()
    }

    /// By evaluated class, the first class of the dataset that is it; none for one that only a `*` leads to.
    pub fn origins(&self) -> impl Iterator<Item = Option<usize>> {
        (0..self.names.len()).map(|name| self.numbers.iter().position(|number| *number == Some(name)))
    }

    /// Brings the classes of a dataset together with those of `manifest`.
    ///
    /// # Errors
    /// When a renaming names what does not exist, a class and its own group are both evaluated, or no class is left.
    pub fn new(
        dataset: &[String],
        manifest: &Manifest,
        renamings: &[Renaming],
        merging: Merging,
    ) -> anyhow::Result<Self> {
        let known = |name: &str| manifest.classes.iter().any(|c| c == name) || manifest.groups.contains_key(name);
        let list = |names: &[String]| names.join(", ");
        for Renaming { from, to } in renamings {
            if !known(to) {
                let groups: Vec<String> = manifest.groups.keys().cloned().collect();
                let (model, classes, groups) = (&manifest.name, list(&manifest.classes), list(&groups));
                bail!(
                    "--classes {from}={to}: {model} has no class or group \"{to}\"; classes: {classes}; groups: {groups}"
                );
            }
            if from != "*" && !dataset.contains(from) {
                bail!("--classes {from}={to}: the dataset has no class \"{from}\"; it has: {}", list(dataset));
            }
        }
        let target = |class: &String| -> Option<String> {
            let named = |name: &str| renamings.iter().find(|r| r.from == name).map(|r| r.to.clone());
            let own = || {
                let own = known(class).then(|| class.clone())?;
                Some(if merging == Merging::Groups { manifest.group_of(&own) } else { own })
            };
            named(class).or_else(own).or_else(|| named("*"))
        };
        let targets: Vec<Option<String>> = dataset.iter().map(target).collect();
        // Pictures of nothing have no class: what a `*` leads to is then looked for in vain, and counted.
        let any = renamings.iter().filter(|r| r.from == "*").map(|r| &r.to);
        let wanted: BTreeSet<&String> = targets.iter().flatten().chain(any).collect();
        // In the model's order, groups behind classes.
        let order = manifest.classes.iter().chain(manifest.groups.keys());
        let mut names: Vec<String> = Vec::new();
        for name in order.filter(|name| wanted.contains(name)) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        if names.is_empty() {
            bail!(
                "the dataset and {} have no class in common; say which is which with --classes DATASET=MODEL. The dataset has: {}; the model: {}",
                manifest.name,
                list(dataset),
                list(&manifest.classes)
            );
        }
        for (group, members) in manifest.groups.iter().filter(|(group, _)| names.contains(group)) {
            if let Some(member) = members.iter().find(|member| *member != group && names.contains(member)) {
                bail!(
                    "\"{member}\" belongs to \"{group}\": evaluate one of them; --groups takes every class to its group"
                );
            }
        }
        let numbers = targets.iter().map(|to| names.iter().position(|name| Some(name) == to.as_ref())).collect();
        let left_out = dataset.iter().zip(&targets).filter(|(_, to)| to.is_none()).map(|(class, _)| class.clone());
        Ok(Self { left_out: left_out.collect(), numbers, names })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn check(
        dataset: &[&str],
        renamings: &[&str],
        merging: Merging,
    ) -> anyhow::Result<(Vec<String>, Vec<Option<usize>>)> {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/nanodet-g/model.toml");
        let renamings: Vec<Renaming> = renamings.iter().map(|r| r.parse().expect("a renaming")).collect();
        let dataset: Vec<String> = dataset.iter().map(|c| (*c).to_owned()).collect();
        let map = ClassMap::new(&dataset, &Manifest::read(&model)?, &renamings, merging)?;
        let numbers = (0..dataset.len()).map(|class| map.number(class)).collect();
        Ok((map.names, numbers))
    }

    #[test]
    fn classes_meet_by_name_or_as_the_user_says() {
        let (names, numbers) = check(&["truck", "person", "tree"], &[], Merging::Classes).unwrap();
        assert_eq!((names, numbers), (vec!["person".into(), "truck".into()], vec![Some(1), Some(0), None]));
        let (names, numbers) = check(&["van", "lorry", "person"], &["van=car", "lorry=car"], Merging::Classes).unwrap();
        assert_eq!((names, numbers), (vec!["person".into(), "car".into()], vec![Some(1), Some(1), Some(0)]));
        let (names, numbers) = check(&["0", "1", "person"], &["*=goods", "1=car"], Merging::Classes).unwrap();
        assert_eq!(names, ["person", "car", "goods"]);
        assert_eq!(numbers, [Some(2), Some(1), Some(0)]);
        let (names, _) = check(&[], &["*=car"], Merging::Classes).unwrap();
        assert_eq!(names, ["car"]);
    }

    #[test]
    fn groups_take_their_classes_along() {
        let (names, numbers) = check(&["car", "bus", "dog"], &[], Merging::Groups).unwrap();
        assert_eq!((names, numbers), (vec!["dog".into(), "vehicle".into()], vec![Some(1), Some(1), Some(0)]));
        let error = check(&["car", "bus"], &["car=vehicle"], Merging::Classes).unwrap_err().to_string();
        assert!(error.contains("\"bus\" belongs to \"vehicle\""), "{error}");
    }

    #[test]
    fn what_does_not_exist_is_named() {
        for (dataset, renaming, part) in [
            (&["car"][..], &["car=spaceship"][..], "no class or group \"spaceship\""),
            (&["car"], &["van=car"], "the dataset has no class \"van\"; it has: car"),
            (&["tree"], &[], "no class in common"),
        ] {
            let error = check(dataset, renaming, Merging::Classes).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert!("a".parse::<Renaming>().is_err() && "=b".parse::<Renaming>().is_err());
    }
}
