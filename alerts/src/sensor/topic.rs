//! Topic patterns: MQTT filters whose segments may be named, so that a topic tells which device speaks.

use crate::mqtt::check_filter;

/// A pattern such as `sensor/v1/{district}/{street}/{device}/{measure}`: `{name}` and `+` are any one segment, `#` the
/// rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Fixed(String),
    Named(String),
    Any,
    Rest,
}

impl Pattern {
    /// The pattern that `text` says.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut segments = Vec::new();
        for part in text.split('/') {
            let segment = match part {
                "+" => Segment::Any,
                "#" => Segment::Rest,
                _ => match part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                    Some("") => return Err("{} names nothing; write {device} or +".to_owned()),
                    Some(name) if segments.iter().any(|s| matches!(s, Segment::Named(n) if n == name)) => {
                        return Err(format!("{{{name}}} is there twice"));
                    }
                    Some(name) => Segment::Named(name.to_owned()),
                    None if part.contains(['{', '}']) => {
                        return Err(format!("\"{part}\": a name such as {{device}} stands for a whole segment"));
                    }
                    None => Segment::Fixed(part.to_owned()),
                },
            };
            segments.push(segment);
        }
        let pattern = Self(segments);
        check_filter(&pattern.filter()).map_err(ToOwned::to_owned)?;
        Ok(pattern)
    }

    /// The filter to subscribe to.
    #[must_use]
    pub fn filter(&self) -> String {
        let words = self.0.iter().map(|segment| match segment {
            Segment::Fixed(text) => text.as_str(),
            Segment::Named(_) | Segment::Any => "+",
            Segment::Rest => "#",
        });
        words.collect::<Vec<_>>().join("/")
    }

    /// Whether it names a segment so.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        self.0.iter().any(|segment| matches!(segment, Segment::Named(n) if n == name))
    }

    /// The named segments of `topic`; none where it does not fit.
    pub(super) fn read<'t>(&self, topic: &'t str) -> Option<Vec<(&str, &'t str)>> {
        let mut names = Vec::new();
        let mut parts = topic.split('/');
        for segment in &self.0 {
            if *segment == Segment::Rest {
                return Some(names);
            }
            let part = parts.next()?;
            match segment {
                Segment::Fixed(text) if text == part => {}
                Segment::Fixed(_) => return None,
                Segment::Named(name) => names.push((name.as_str(), part)),
                Segment::Any | Segment::Rest => {}
            }
        }
        parts.next().is_none().then_some(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, topic: &str, expect: Option<&[(&str, &str)]>) {
        let pattern = Pattern::new(pattern).unwrap();
        assert_eq!(pattern.read(topic).as_deref(), expect);
    }

    #[test]
    fn names_are_read_from_a_topic_that_fits() {
        check("s/{device}/level", "s/b1/level", Some(&[("device", "b1")]));
        check("s/+/{device}/#", "s/x/b1/a/b", Some(&[("device", "b1")]));
        check("s/{device}/#", "s/b1", Some(&[("device", "b1")]));
        check("s/{device}/level", "s/b1/battery", None);
        check("s/{device}/level", "s/b1/level/x", None);
        check("s/{device}", "s", None);
    }

    #[test]
    fn a_pattern_becomes_a_filter_or_is_refused() {
        assert_eq!(Pattern::new("s/{district}/+/{device}/#").unwrap().filter(), "s/+/+/+/#");
        for (text, expect) in [
            ("s/{}/x", "names nothing"),
            ("s/{a}/{a}", "{a} is there twice"),
            ("s/x{a}", "stands for a whole segment"),
            ("s/#/x", "# may stand at the end only"),
            ("", "it is empty"),
        ] {
            let error = Pattern::new(text).unwrap_err();
            assert!(error.contains(expect), "{text}: {error}");
        }
    }
}
