//! Where in a `model.toml` each key stands, so that whatever is wrong with a model names the line to correct.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

/// A line of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestLine {
    /// The manifest.
    pub path: PathBuf,
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
}

impl fmt::Display for ManifestLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// The lines of a manifest by dotted key (`input.width`); the elements of a list count as keys (`output.cls.0`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lines {
    path: PathBuf,
    by_key: BTreeMap<String, usize>,
}

impl Lines {
    /// The lines of `text`, which was read from `path`. Text that is no TOML has none.
    pub(crate) fn of(path: &Path, text: &str) -> Self {
        let mut by_key = BTreeMap::new();
        if let Ok(table) = DeTable::parse(text) {
            note_table(text, "", table.get_ref(), &mut by_key);
        }
        Self { path: path.to_owned(), by_key }
    }

    /// Where `key` stands; where it is left out, the table that it belongs to, at last the top.
    pub(crate) fn at(&self, key: &str) -> ManifestLine {
        let mut at = key;
        let line = loop {
            if let Some(line) = self.by_key.get(at) {
                break *line;
            }
            match at.rsplit_once('.') {
                Some((table, _)) => at = table,
                None => break 1,
            }
        };
        ManifestLine { path: self.path.clone(), line: Some(line) }
    }
}

/// The line, from 1, of the byte at `offset`.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    text[..text.floor_char_boundary(offset)].matches('\n').count() + 1
}

fn note_table(text: &str, prefix: &str, table: &DeTable<'_>, by_key: &mut BTreeMap<String, usize>) {
    for (key, value) in table {
        let name = join(prefix, key.get_ref());
        by_key.insert(name.clone(), line_at(text, key.span().start));
        match value.get_ref() {
            DeValue::Table(inner) => note_table(text, &name, inner, by_key),
            DeValue::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    by_key.insert(join(&name, &index.to_string()), line_at(text, value.span().start));
                }
            }
            _ => {}
        }
    }
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = 'x'\ninput.width = 1\n[output] # what comes out\n\"strides\" = [\n  8,\n  16,\n]\n\
                        [groups]\nperson = ['person']\n";

    #[track_caller]
    fn check(key: &str, line: usize) {
        assert_eq!(Lines::of(Path::new("m.toml"), TEXT).at(key).to_string(), format!("m.toml:{line}"));
    }

    #[test]
    fn keys_are_found_however_they_are_written() {
        check("name", 1);
        check("input.width", 2);
        check("output.strides", 4);
        check("output.strides.1", 6);
        check("groups.person.0", 9);
    }

    #[test]
    fn a_key_that_is_left_out_stands_for_its_table() {
        check("input.std", 2);
        check("output.name", 3);
        check("output.strides.7", 4);
        check("groups", 8);
        check("url", 1);
    }
}
