//! What streets are called: nine-digit codes to names, for exports and pages.

use std::collections::BTreeMap;

use crate::duty::Words;

/// The names that are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreetNames(BTreeMap<String, Words>);

impl StreetNames {
    /// A street's name in both languages; none where it is not known.
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

    /// The codes, in order.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl FromIterator<(String, Words)> for StreetNames {
    fn from_iter<I: IntoIterator<Item = (String, Words)>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}
