//! Times and lengths of time as people read them.

use domain::{Millis, Timestamp};
use jiff::{Zoned, civil::Date, tz::TimeZone};
use maud::{Markup, html};

use crate::i18n::{Lang, Text};

fn zoned(at: Timestamp, zone: &TimeZone) -> Zoned {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or(if at.0 < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    });
    at.to_zoned(zone.clone())
}

/// RFC 3339 with milliseconds and the node's offset, for machines.
pub(crate) fn rfc3339(at: Timestamp, zone: &TimeZone) -> String {
    zoned(at, zone).strftime("%Y-%m-%dT%H:%M:%S.%3f%:z").to_string()
}

/// The day in the node's zone.
pub(crate) fn day(at: Timestamp, zone: &TimeZone) -> Date {
    zoned(at, zone).date()
}

/// Date and time to the second in the node's zone.
pub(crate) fn wall(at: Timestamp, zone: &TimeZone) -> String {
    zoned(at, zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A `<time>` with the moment to the second and how long ago it was.
pub(crate) fn moment(at: Timestamp, now: Timestamp, zone: &TimeZone, lang: Lang) -> Markup {
    html! {
        time datetime=(rfc3339(at, zone)) { (wall(at, zone)) }
        " "
        span.age { (ago(at, now, lang)) }
    }
}

/// A `<time>` that says how long ago the moment was, with the moment itself for who points at it.
pub(crate) fn age(at: Timestamp, now: Timestamp, zone: &TimeZone, lang: Lang) -> Markup {
    html! {
        time datetime=(rfc3339(at, zone)) title=(wall(at, zone)) { (ago(at, now, lang)) }
    }
}

/// How long ago, in the largest unit that fits.
pub(crate) fn ago(at: Timestamp, now: Timestamp, lang: Lang) -> String {
    let seconds = now.since(at).0 / 1_000;
    let (text, n) = match seconds {
        ..1 => return Text::JustNow.of(lang).to_owned(),
        1..100 => (Text::AgoSeconds, seconds),
        100..6_000 => (Text::AgoMinutes, seconds / 60),
        6_000..172_800 => (Text::AgoHours, seconds / 3_600),
        _ => (Text::AgoDays, seconds / 86_400),
    };
    text.with(lang, n)
}

/// A length of time in at most two units; below ten seconds to the nearest tenth.
pub(crate) fn length(length: Millis, lang: Lang) -> String {
    let tenths = length.0.max(0).saturating_add(50) / 100;
    if tenths < 100 && tenths % 10 != 0 {
        return Text::Seconds.with(lang, format_args!("{}.{}", tenths / 10, tenths % 10));
    }
    let seconds = tenths / 10;
    let (large, small) = match seconds {
        ..60 => return Text::Seconds.with(lang, seconds),
        60..3_600 => ((Text::Minutes, seconds / 60), (Text::Seconds, seconds % 60)),
        3_600..86_400 => ((Text::Hours, seconds / 3_600), (Text::Minutes, seconds % 3_600 / 60)),
        _ => ((Text::Days, seconds / 86_400), (Text::Hours, seconds % 86_400 / 3_600)),
    };
    let mut out = large.0.with(lang, large.1);
    if small.1 > 0 {
        out.push(' ');
        out.push_str(&small.0.with(lang, small.1));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_length(millis: i64, en: &str, zh: &str) {
        assert_eq!(length(Millis(millis), Lang::En), en);
        assert_eq!(length(Millis(millis), Lang::Zh), zh);
    }

    #[test]
    fn lengths_take_at_most_two_units() {
        check_length(0, "0 s", "0 秒");
        check_length(1_960, "2 s", "2 秒");
        check_length(1_520, "1.5 s", "1.5 秒");
        check_length(10_400, "10 s", "10 秒");
        check_length(310_000, "5 min 10 s", "5 分 10 秒");
        check_length(3_600_000, "1 h", "1 小时");
        check_length(200_000_000, "2 d 7 h", "2 天 7 小时");
        check_length(-5, "0 s", "0 秒");
    }

    #[track_caller]
    fn check_ago(seconds: i64, en: &str, zh: &str) {
        let now = Timestamp(1_800_000_000_000);
        assert_eq!(ago(now - Millis::secs(seconds), now, Lang::En), en);
        assert_eq!(ago(now - Millis::secs(seconds), now, Lang::Zh), zh);
    }

    #[test]
    fn ages_take_one_unit() {
        check_ago(-30, "just now", "刚刚");
        check_ago(42, "42 s ago", "42 秒前");
        check_ago(300, "5 min ago", "5 分钟前");
        check_ago(7_200, "2 h ago", "2 小时前");
        check_ago(400_000, "4 d ago", "4 天前");
    }

    #[test]
    fn moments_are_in_the_nodes_zone_to_the_second() {
        let shanghai = TimeZone::fixed(jiff::tz::offset(8));
        let at = Timestamp(1_425_277_267_250);
        assert_eq!(wall(at, &shanghai), "2015-03-02 14:21:07");
        assert_eq!(rfc3339(at, &shanghai), "2015-03-02T14:21:07.250+08:00");
        assert_eq!(rfc3339(Timestamp(i64::MAX), &TimeZone::UTC).len(), 29);
    }
}
