//! The query of an address: read with precise complaints, written with one thing changed.

use std::fmt::Display;

use url::form_urlencoded;

use crate::answer::Fault;

/// The name and value pairs of a query or a form, in order. A field that was left empty counts as absent; a NUL, which no
/// database takes, is shown as what it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn parse(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        let sound = |v: &str| v.trim().replace('\0', "\u{fffd}");
        Self(pairs.map(|(k, v)| (k.into_owned(), sound(&v))).filter(|(_, v)| !v.is_empty()).collect())
    }

    /// The value of `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// The value of `name`, understood by `read`; what it `expected` goes into the complaint.
    pub(crate) fn read<T>(
        &self,
        name: &'static str,
        expected: impl Display,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        self.get(name)
            .map(|value| read(value).ok_or_else(|| Fault::bad(format_args!("{name}={value}"), expected)))
            .transpose()
    }

    /// Refuses a name that is none of `known`, so that a mistyped filter does not pass for none.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Fault> {
        match self.0.iter().find(|(k, _)| k != "lang" && !known.contains(&k.as_str())) {
            Some((k, _)) => Err(Fault::bad(k, format_args!("the parameters are {}", known.join(", ")))),
            None => Ok(()),
        }
    }

    /// `?...` with `name` set to `value`, or empty where nothing is left; an empty value takes the name out.
    pub(crate) fn with(&self, name: &str, value: impl Display) -> String {
        let value = value.to_string();
        let mut out = form_urlencoded::Serializer::new(String::new());
        out.extend_pairs(self.0.iter().filter(|(k, _)| k != name && (k != "lang" || name == "lang")));
        if !value.is_empty() {
            out.append_pair(name, &value);
        }
        let query = out.finish();
        if query.is_empty() { query } else { format!("?{query}") }
    }

    /// The same pairs without `name`.
    pub(crate) fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(k, _)| k != name).cloned().collect())
    }
}

/// `text` as one segment of an address's path.
pub(crate) fn segment(text: &str) -> String {
    // A form writes a space as a plus; in a path that is a plus.
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_changes_and_the_rest_stays() {
        let params = Params::parse("q=a%20b&state=&page=3&lang=zh");
        assert_eq!(params.get("q"), Some("a b"));
        assert_eq!(params.get("state"), None);
        assert_eq!(params.with("page", 4), "?q=a+b&page=4");
        assert_eq!(params.without("page").with("q", ""), "");
    }

    #[test]
    fn a_segment_stays_one() {
        assert_eq!(segment("T-087"), "T-087");
        assert_eq!(segment("城管 1/2+?"), "%E5%9F%8E%E7%AE%A1%201%2F2%2B%3F");
    }

    #[test]
    fn no_value_has_what_a_database_refuses() {
        assert_eq!(Params::parse("note=a%00b").get("note"), Some("a\u{fffd}b"));
    }
}
