//! Why a rule holds, in one sentence for people, Chinese and English.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use domain::{Detection, Label, Millis};

use super::{
    config::{PersonNeed, Rule},
    evidence::{Sign, Tally},
    known::STANDING,
    permit::Lapse,
    window::Summary,
};
use crate::incident::{Zone, ZonePurpose};

/// All that a sentence is made of.
pub(super) struct Facts<'a> {
    pub(super) rule: &'a Rule,
    /// None where it is no more.
    pub(super) zone: Option<&'a Zone>,
    pub(super) things: &'a [Detection],
    pub(super) dwell: Millis,
    pub(super) looks: &'a Summary,
    pub(super) median: f32,
    /// Share of the lane's width that the things block, where the zone is a lane.
    pub(super) blocked: Option<f32>,
    /// What was weighed, where the rule weighs.
    pub(super) tally: Option<&'a Tally<'a>>,
    /// Permits that do not cover it.
    pub(super) permits: &'a [(&'a str, Lapse)],
    /// The parking sensor that reports the place taken, and for how long it has.
    pub(super) taken: Option<(&'a str, Millis)>,
}

/// One sentence in both languages.
#[derive(Debug)]
pub(super) struct Reason {
    pub(super) zh: String,
    pub(super) en: String,
}

impl Facts<'_> {
    /// The sentence: what stood where, for how long, how well it was seen, what it blocks, and what people had to do
    /// with it.
    pub(super) fn sentence(&self) -> Reason {
        let (mut zh, mut en) = (String::new(), String::new());
        self.zh(&mut zh).and_then(|()| self.en(&mut en)).expect("writing to a string succeeds");
        Reason { zh, en }
    }

    fn en(&self, out: &mut String) -> fmt::Result {
        let names: Vec<String> = self
            .classes()
            .map(|(thing, count)| match (name_en(thing), count) {
                (name, 1) => format!("1 {name}"),
                (name, count) => format!("{count} x {name}"),
            })
            .collect();
        match names.split_last() {
            Some((last, [])) => out.push_str(last),
            Some((last, rest)) => write!(out, "{} and {last}", rest.join(", "))?,
            None => out.push_str("something"),
        }
        out.push_str(if self.things.len() > 1 { " have stood" } else { " has stood" });
        if let Some(zone) = self.zone {
            write!(out, " in zone \"{}\" ({})", name_of(zone), purpose(zone.purpose).1)?;
        }
        write!(out, " for {}: seen in ", Millis(self.dwell.0 / 1_000 * 1_000))?;
        write!(out, "{} of {} looks, median score {:.2}", self.looks.hits, self.looks.looks, self.median)?;
        if let Some(blocked) = self.blocked {
            write!(out, ", blocking {:.0} % of the lane's width", blocked * 100.0)?;
        }
        let percent = (self.looks.people_share * 100.0).floor();
        match self.rule.person.need {
            PersonNeed::Any => {}
            PersonNeed::Stays => write!(out, ", somebody staying with it in {percent:.0} % of the looks")?,
            PersonNeed::Absent => write!(out, ", nobody staying near in {percent:.0} % of the looks")?,
        }
        if let Some(tally) = self.tally {
            write!(out, "; evidence {:.2} of {:.2} needed: ", tally.total, self.rule.evidence.needed)?;
            out.push_str(&listed(tally, |weight| weight > 0.0, ", ", |sign| format!("{} ", sign_en(sign))));
            let against = listed(tally, |weight| weight < 0.0, ", ", |sign| format!("{} ", sign_en(sign)));
            if !against.is_empty() {
                write!(out, "; against it: {against}")?;
            }
        }
        if let Some((sensor, taken)) = self.taken {
            write!(out, "; parking sensor {sensor} reports the place taken for {}", Millis(taken.0 / 1_000 * 1_000))?;
        }
        for (number, lapse) in self.permits {
            match lapse {
                Lapse::NotYet(from) => write!(out, "; permit {number} is valid from {from} only")?,
                Lapse::Expired(to) => write!(out, "; permit {number} ended on {to}")?,
                Lapse::OtherHours => write!(out, "; permit {number} does not hold at this hour")?,
                Lapse::OtherPlace => write!(out, "; permit {number} is for the place beside")?,
            }
        }
        Ok(())
    }

    fn zh(&self, out: &mut String) -> fmt::Result {
        if let Some(zone) = self.zone {
            write!(out, "区域“{}”（{}）内，", name_of(zone), purpose(zone.purpose).0)?;
        }
        let names: Vec<String> = self.classes().map(|(thing, count)| format!("{}×{count}", name_zh(thing))).collect();
        out.push_str(if names.is_empty() { "某物" } else { "" });
        write!(out, "{}停留{}：", names.join("、"), Length(self.dwell))?;
        write!(out, "{}次查看中{}次可见，得分中位数{:.2}", self.looks.looks, self.looks.hits, self.median)?;
        if let Some(blocked) = self.blocked {
            write!(out, "，占通道宽度的{:.0}%", blocked * 100.0)?;
        }
        let percent = (self.looks.people_share * 100.0).floor();
        match self.rule.person.need {
            PersonNeed::Any => {}
            PersonNeed::Stays => write!(out, "，{percent:.0}%的查看中有人守在旁边")?,
            PersonNeed::Absent => write!(out, "，{percent:.0}%的查看中旁边无人停留")?,
        }
        if let Some(tally) = self.tally {
            write!(out, "；依据合计{:.2}（需{:.2}）：", tally.total, self.rule.evidence.needed)?;
            out.push_str(&listed(tally, |weight| weight > 0.0, "、", sign_zh));
            let against = listed(tally, |weight| weight < 0.0, "、", sign_zh);
            if !against.is_empty() {
                write!(out, "；反证：{against}")?;
            }
        }
        if let Some((sensor, taken)) = self.taken {
            write!(out, "；车位传感器{sensor}报告已占用{}", Length(taken))?;
        }
        for (number, lapse) in self.permits {
            match lapse {
                Lapse::NotYet(from) => write!(out, "；许可{number}自{from}起有效")?,
                Lapse::Expired(to) => write!(out, "；许可{number}已于{to}到期")?,
                Lapse::OtherHours => write!(out, "；许可{number}不含此时段")?,
                Lapse::OtherPlace => write!(out, "；许可{number}不含此位置")?,
            }
        }
        Ok(())
    }

    /// One thing of each class, and how many there are.
    fn classes(&self) -> impl Iterator<Item = (&Detection, u32)> {
        let mut classes = BTreeMap::<&Label, (&Detection, u32)>::new();
        for thing in self.things {
            classes.entry(&thing.class).or_insert((thing, 0)).1 += 1;
        }
        classes.into_values()
    }
}

fn name_of(zone: &Zone) -> &str {
    if zone.name.is_empty() { zone.id.as_str() } else { &zone.name }
}

/// A length of time as it is written in Chinese.
struct Length(Millis);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.0 / 1_000;
        for (unit, each, within) in [("小时", 3_600, i64::MAX), ("分", 60, 60), ("秒", 1, 60)] {
            let count = seconds / each % within;
            if count > 0 || (each == 1 && seconds == 0) {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

fn listed(tally: &Tally<'_>, wanted: fn(f32) -> bool, separator: &str, name: impl Fn(Sign<'_>) -> String) -> String {
    let signs = tally.signs.iter().filter(|(_, weight)| wanted(*weight));
    signs.map(|(sign, weight)| format!("{}{weight:.2}", name(*sign))).collect::<Vec<_>>().join(separator)
}

fn sign_en(sign: Sign<'_>) -> String {
    match sign {
        Sign::Thing(label) if label.as_str() == STANDING => "unknown object".to_owned(),
        Sign::Thing(label) => label.as_str().to_owned(),
        Sign::Vendor => "somebody who stays".to_owned(),
        Sign::Customers(count) => format!("{count} who stopped and went on"),
        Sign::Crowd => "a crowd that stays".to_owned(),
    }
}

fn sign_zh(sign: Sign<'_>) -> String {
    match sign {
        Sign::Thing(label) => named_zh(label).unwrap_or(label.as_str()).to_owned(),
        Sign::Vendor => "守摊人".to_owned(),
        Sign::Customers(count) => format!("驻足后离开{count}人"),
        Sign::Crowd => "聚集人群".to_owned(),
    }
}

fn name_en(thing: &Detection) -> &str {
    match thing.class.as_str() {
        STANDING => "unknown object",
        class => class,
    }
}

/// The class's name, else that of its group, else the class as the model calls it.
fn name_zh(thing: &Detection) -> &str {
    named_zh(&thing.class).or_else(|| named_zh(&thing.group)).unwrap_or(thing.class.as_str())
}

fn named_zh(label: &Label) -> Option<&'static str> {
    NAMES_ZH.iter().find(|(name, _)| *name == label.as_str()).map(|(_, zh)| *zh)
}

/// Classes and groups of the models that ship with gridwatch.
const NAMES_ZH: &[(&str, &str)] = &[
    ("person", "人"),
    ("vehicle", "机动车"),
    ("car", "小汽车"),
    ("truck", "货车"),
    ("bus", "大客车"),
    ("two_wheeler", "两轮车"),
    ("bicycle", "自行车"),
    ("motorcycle", "摩托车"),
    ("tricycle", "三轮车"),
    ("cart", "推车"),
    ("table", "桌子"),
    ("seat", "座椅"),
    ("umbrella", "伞"),
    ("bulky", "大件"),
    ("goods", "物品"),
    ("garbage", "垃圾"),
    ("standing", "不明物体"),
];

/// What a purpose is called, Chinese and English.
fn purpose(purpose: ZonePurpose) -> (&'static str, &'static str) {
    match purpose {
        ZonePurpose::TrafficLane => ("机动车道", "traffic lane"),
        ZonePurpose::NoStopping => ("禁停区", "no stopping"),
        ZonePurpose::FireLane => ("消防通道", "fire lane"),
        ZonePurpose::BusStop => ("公交站", "bus stop"),
        ZonePurpose::BicycleLane => ("非机动车道", "bicycle lane"),
        ZonePurpose::LoadingBay => ("装卸区", "loading bay"),
        ZonePurpose::Pavement => ("人行道", "pavement"),
        ZonePurpose::NoVending => ("禁止摆摊区", "no vending"),
        ZonePurpose::ShopLine => ("店外区域", "shop line"),
        ZonePurpose::GarbagePoint => ("垃圾投放点", "garbage point"),
        ZonePurpose::Bin => ("垃圾箱", "bin"),
        ZonePurpose::TactilePath => ("盲道", "tactile path"),
        ZonePurpose::Indoors => ("室内", "indoors"),
        ZonePurpose::Surroundings => ("传感器周边", "around a sensor"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_as_chinese() {
        for (seconds, expect) in [(0, "0秒"), (59, "59秒"), (300, "5分"), (3_661, "1小时1分1秒")] {
            assert_eq!(Length(Millis::secs(seconds)).to_string(), expect);
        }
    }
}
