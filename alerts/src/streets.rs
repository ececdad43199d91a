//! What streets are called, and the districts and cities above them: codes to names, for exports, pages and messages.

use std::collections::BTreeMap;

use crate::duty::Words;

/// Digits of a street's code.
const STREET: usize = 9;

/// The names that are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreetNames(BTreeMap<String, Words>);

impl StreetNames {
    /// A street's, district's or city's name in both languages; none where it is not known.
    #[must_use]
    pub fn name(&self, code: &str) -> Option<&Words> {
        self.0.get(code)
    }

    /// The Chinese name, or the code where there is none.
    #[must_use]
    pub fn zh<'a>(&'a self, code: &'a str) -> &'a str {
        self.name(code).map(Words::zh).filter(|name| !name.is_empty()).unwrap_or(code)
    }

    /// The English name, or the code where there is none.
    #[must_use]
    pub fn en<'a>(&'a self, code: &'a str) -> &'a str {
        self.name(code).map(Words::en).filter(|name| !name.is_empty()).unwrap_or(code)
    }

    /// The codes of streets, in order.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|code| code.len() == STREET)
    }
}

impl FromIterator<(String, Words)> for StreetNames {
    fn from_iter<I: IntoIterator<Item = (String, Words)>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}
