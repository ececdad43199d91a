//! Why a rule holds, in one sentence for people.

use std::{collections::BTreeMap, fmt::Write as _};

use domain::{Detection, Millis};

use super::{
    config::{PersonNeed, Rule},
    window::Summary,
};
use crate::incident::{Zone, ZonePurpose};

/// The sentence: what stood where, for how long, how well it was seen, and what people had to do with it.
pub(super) fn sentence(
    rule: &Rule,
    zone: Option<&Zone>,
    things: &[Detection],
    dwell: Millis,
    looks: &Summary,
    median: f32,
) -> String {
    let mut classes = BTreeMap::<&str, u32>::new();
    for thing in things {
        *classes.entry(thing.class.as_str()).or_default() += 1;
    }
    let names: Vec<String> = classes
        .iter()
        .map(|(class, count)| if *count == 1 { format!("1 {class}") } else { format!("{count} x {class}") })
        .collect();
    let subject = match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => "something".to_owned(),
    };
    let verb = if things.len() > 1 { "have stood" } else { "has stood" };
    let place = zone.map_or_else(String::new, |zone| {
        let name = if zone.name.is_empty() { zone.id.as_str() } else { &zone.name };
        format!(" in zone \"{name}\" ({})", purpose(zone.purpose))
    });
    let whole_seconds = Millis(dwell.0 / 1_000 * 1_000);
    let mut text = format!(
        "{subject} {verb}{place} for {whole_seconds}: seen in {} of {} looks, median score {median:.2}",
        looks.hits, looks.looks
    );
    let percent = (looks.people_share * 100.0).floor();
    let written = match rule.person.need {
        PersonNeed::Any => Ok(()),
        PersonNeed::Stays => write!(text, ", somebody staying with it in {percent:.0} % of the looks"),
        PersonNeed::Absent => write!(text, ", nobody near in {percent:.0} % of the looks"),
    };
    written.expect("writing to a string succeeds");
    text
}

fn purpose(purpose: ZonePurpose) -> &'static str {
    match purpose {
        ZonePurpose::TrafficLane => "traffic lane",
        ZonePurpose::NoStopping => "no stopping",
        ZonePurpose::FireLane => "fire lane",
        ZonePurpose::BusStop => "bus stop",
        ZonePurpose::BicycleLane => "bicycle lane",
        ZonePurpose::LoadingBay => "loading bay",
        ZonePurpose::Pavement => "pavement",
        ZonePurpose::NoVending => "no vending",
        ZonePurpose::ShopLine => "shop line",
        ZonePurpose::GarbagePoint => "garbage point",
    }
}
