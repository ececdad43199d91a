//! What is known of each kind of case: its names, its codes in each scheme, who is in charge, how soon it is due.
//!
//! Codes are data with a scheme, because at least three numberings are in use side by side and cities add their own.
//! The table holds what is published: the digits of CJ/T 214-2007 and the names of Shanghai's grid (whose digits are
//! not public). Departments and limits are defaults that a city overrides on its own platform.

use domain::Kind;
use serde::Serialize;

use crate::deadline::{Limit, LimitUnit};

/// One kind of case.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct KindInfo {
    /// The kind in dotted form (`lane.motor`).
    pub kind: &'static str,
    /// Its name in Chinese.
    pub name_zh: &'static str,
    /// Its name in English.
    pub name_en: &'static str,
    /// What it is called in each numbering, the national one first.
    pub codes: &'static [Code],
    /// Who is in charge, in Chinese.
    pub dept_zh: &'static str,
    /// Who is in charge, in English.
    pub dept_en: &'static str,
    /// Response level: 1 city, 2 district, 3 street, 4 community.
    pub level: u8,
    /// How soon someone should be there.
    pub arrive: Limit,
    /// How soon it should be solved.
    pub solve: Limit,
}

/// A case's place in one numbering. A scheme whose digits are not published gives only the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Code {
    /// The numbering: `CJT214-2007`, `SH-GRID` or `LOCAL`.
    pub scheme: &'static str,
    /// The major class, two digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub major: Option<&'static str>,
    /// The minor class, two digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minor: Option<&'static str>,
    /// What the scheme calls it.
    pub name: &'static str,
}

/// What is known of `kind`; none for a kind that only a config invented.
#[must_use]
pub fn kind_info(kind: &Kind) -> Option<&'static KindInfo> {
    KINDS.iter().find(|info| info.kind == kind.as_str())
}

/// What a scheme calls the class with these digits, where the built-in table has it.
#[must_use]
pub fn code_name(scheme: &str, major: &str, minor: &str) -> Option<&'static str> {
    let codes = KINDS.iter().flat_map(|info| info.codes);
    let mut of_scheme = codes.filter(|code| code.scheme == scheme);
    of_scheme.find(|code| code.major == Some(major) && code.minor == Some(minor)).map(|code| code.name)
}

/// All kinds that the built-in table knows, in the order of the taxonomy.
pub static KINDS: &[KindInfo] = &[
    KindInfo {
        kind: "vendor.mobile",
        name_zh: "流动摊贩",
        name_en: "mobile vendor",
        codes: &[cjt("05", "01", "无照经营游商"), shanghai("占道无证照经营")],
        dept_zh: "城管",
        dept_en: "urban management",
        level: 4,
        arrive: minutes(30),
        solve: urgent_hours(3),
    },
    KindInfo {
        kind: "vendor.stall",
        name_zh: "占道经营",
        name_en: "stall on the road",
        codes: &[cjt("05", "01", "无照经营游商"), shanghai("占道无证照经营")],
        dept_zh: "城管",
        dept_en: "urban management",
        level: 4,
        arrive: minutes(30),
        solve: urgent_hours(3),
    },
    KindInfo {
        kind: "shop.overflow",
        name_zh: "跨门经营",
        name_en: "out-of-store trading",
        codes: &[cjt("05", "04", "店外经营"), shanghai("跨门营业")],
        dept_zh: "城管",
        dept_en: "urban management",
        level: 4,
        arrive: work_hours(1),
        solve: work_hours(4),
    },
    KindInfo {
        kind: "garbage.exposed",
        name_zh: "暴露垃圾",
        name_en: "exposed garbage",
        codes: &[cjt("01", "02", "暴露垃圾"), shanghai("暴露垃圾")],
        dept_zh: "环卫",
        dept_en: "sanitation",
        level: 4,
        arrive: minutes(30),
        solve: work_hours(4),
    },
    KindInfo {
        kind: "garbage.bagged",
        name_zh: "打包垃圾",
        name_en: "bagged garbage",
        codes: &[cjt("01", "02", "暴露垃圾"), shanghai("暴露垃圾")],
        dept_zh: "环卫",
        dept_en: "sanitation",
        level: 4,
        arrive: minutes(30),
        solve: work_hours(4),
    },
    KindInfo {
        kind: "garbage.bin_overflow",
        name_zh: "垃圾箱满溢",
        name_en: "bin overflow",
        codes: &[cjt("01", "02", "暴露垃圾"), shanghai("暴露垃圾")],
        dept_zh: "环卫",
        dept_en: "sanitation",
        level: 4,
        arrive: minutes(30),
        solve: work_hours(4),
    },
    KindInfo {
        kind: "garbage.debris",
        name_zh: "积存垃圾渣土",
        name_en: "construction debris",
        codes: &[cjt("01", "03", "积存垃圾渣土")],
        dept_zh: "城管、环卫",
        dept_en: "urban management and sanitation",
        level: 4,
        arrive: work_hours(1),
        solve: work_days(2),
    },
    KindInfo {
        kind: "lane.motor",
        name_zh: "机动车乱停放",
        name_en: "illegal car parking",
        codes: &[cjt("05", "05", "机动车乱停放"), shanghai("机动车乱停放、非机动车乱停放")],
        dept_zh: "交警",
        dept_en: "traffic police",
        level: 4,
        arrive: minutes(30),
        solve: urgent_hours(3),
    },
    KindInfo {
        kind: "lane.nonmotor",
        name_zh: "非机动车乱停放",
        name_en: "bicycle pile-up",
        codes: &[cjt("05", "06", "非机动车乱停放"), shanghai("机动车乱停放、非机动车乱停放")],
        dept_zh: "城管",
        dept_en: "urban management",
        level: 4,
        arrive: minutes(30),
        solve: urgent_hours(3),
    },
    KindInfo {
        kind: "lane.goods",
        name_zh: "乱堆物堆料",
        name_en: "goods on the road",
        codes: &[cjt("05", "07", "乱堆物堆料"), shanghai("擅自占用道路堆物、施工")],
        dept_zh: "城管",
        dept_en: "urban management",
        level: 4,
        arrive: work_hours(1),
        solve: work_hours(4),
    },
    KindInfo {
        kind: "lane.fire",
        name_zh: "消防通道堵塞",
        name_en: "blocked fire lane",
        codes: &[Code { scheme: "LOCAL", major: None, minor: None, name: "消防通道堵塞" }],
        dept_zh: "消防",
        dept_en: "fire and rescue",
        level: 3,
        arrive: minutes(15),
        solve: urgent_hours(1),
    },
    KindInfo {
        kind: "lane.works",
        name_zh: "施工占道",
        name_en: "works on the road",
        codes: &[cjt("03", "04", "施工占道"), shanghai("擅自占用道路堆物、施工")],
        dept_zh: "城管、建交委",
        dept_en: "urban management and construction commission",
        level: 4,
        arrive: work_hours(1),
        solve: work_days(1),
    },
    KindInfo {
        kind: "bbq.open",
        name_zh: "露天烧烤",
        name_en: "open-air barbecue",
        codes: &[cjt("05", "10", "露天烧烤")],
        dept_zh: "城管",
        dept_en: "urban management",
        level: 4,
        arrive: minutes(30),
        solve: urgent_hours(3),
    },
    KindInfo {
        kind: "fire.smoke",
        name_zh: "烟雾报警",
        name_en: "smoke alarm",
        codes: &[local("烟雾报警")],
        dept_zh: "消防",
        dept_en: "fire and rescue",
        level: 3,
        arrive: minutes(15),
        solve: urgent_hours(1),
    },
    KindInfo {
        kind: "road.manhole",
        name_zh: "井盖异常",
        name_en: "open manhole cover",
        codes: &[local("井盖异常")],
        dept_zh: "市政、权属单位",
        dept_en: "municipal works and the cover's owner",
        level: 4,
        arrive: minutes(30),
        solve: urgent_hours(2),
    },
    KindInfo {
        kind: "road.flooding",
        name_zh: "道路积水",
        name_en: "water on the road",
        codes: &[cjt("04", "06", "道路积水")],
        dept_zh: "排水、市政",
        dept_en: "drainage and municipal works",
        level: 4,
        arrive: minutes(30),
        solve: urgent_hours(3),
    },
    KindInfo {
        kind: "noise.street",
        name_zh: "街面噪声",
        name_en: "noise on the street",
        codes: &[cjt("05", "08", "商业噪音")],
        dept_zh: "市场监管",
        dept_en: "market regulation",
        level: 4,
        arrive: work_hours(1),
        solve: work_hours(4),
    },
];

const fn local(name: &'static str) -> Code {
    Code { scheme: "LOCAL", major: None, minor: None, name }
}

const fn cjt(major: &'static str, minor: &'static str, name: &'static str) -> Code {
    Code { scheme: "CJT214-2007", major: Some(major), minor: Some(minor), name }
}

const fn shanghai(name: &'static str) -> Code {
    Code { scheme: "SH-GRID", major: None, minor: None, name }
}

const fn minutes(amount: u32) -> Limit {
    Limit::whole(amount, LimitUnit::Minute)
}

const fn urgent_hours(amount: u32) -> Limit {
    Limit::whole(amount, LimitUnit::UrgentHour)
}

const fn work_hours(amount: u32) -> Limit {
    Limit::whole(amount, LimitUnit::WorkHour)
}

const fn work_days(amount: u32) -> Limit {
    Limit::whole(amount, LimitUnit::WorkDay)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_a_kind_once_with_a_code_and_a_level() {
        for (index, info) in KINDS.iter().enumerate() {
            let kind: Kind = info.kind.parse().expect("a topic-safe kind");
            assert_eq!(kind_info(&kind), Some(info), "{kind}");
            assert_eq!(KINDS.iter().position(|k| k.kind == info.kind), Some(index), "{kind}");
            assert!(!info.codes.is_empty(), "{kind}");
            assert!((1..=4).contains(&info.level), "{kind}");
        }
    }

    #[test]
    fn national_codes_are_two_digits_each() {
        for code in KINDS.iter().flat_map(|k| k.codes).filter(|c| c.scheme == "CJT214-2007") {
            for digits in [code.major, code.minor] {
                let digits = digits.expect("the national scheme has digits");
                assert!(digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()), "{code:?}");
            }
        }
    }

    #[test]
    fn an_invented_kind_is_unknown() {
        assert_eq!(kind_info(&"lane.elephants".parse().expect("topic-safe")), None);
    }
}
