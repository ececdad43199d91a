//! Whatever comes, in whatever order: the core stays sound.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    case::{self, Case, Verdict, VerdictKind},
    rules::cluster::{gap, one_is_far_behind},
};

#[derive(Debug, Clone)]
enum Step {
    Look(Vec<Detection>, bool),
    Wait(i64),
    Lose,
    Trust(bool),
    Tick,
    Restart,
    Rezone(bool),
    End(usize, Ending),
}

fn coordinate() -> impl Strategy<Value = f32> {
    prop_oneof![20 => (0_u8..12).prop_map(|n| f32::from(n) / 12.0), 1 => Just(f32::NAN), 1 => -1.0_f32..2.0]
}

fn detection() -> impl Strategy<Value = Detection> {
    let label =
        prop::sample::select(vec!["vehicle", "person", "table", "umbrella", "goods", "two_wheeler", "garbage", "tree"]);
    let score = prop_oneof![20 => 0.1_f32..1.0, 1 => Just(f32::NAN), 1 => Just(f32::INFINITY)];
    (label, score, coordinate(), coordinate(), 0.05_f32..0.3, 0.05_f32..0.3).prop_map(|(label, score, x, y, w, h)| {
        let bbox = Rect { x0: x, y0: y, x1: x + w, y1: y + h };
        Detection { class: Label::new(label), group: Label::new(label), score, bbox, mask: None, model: None }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (prop::collection::vec(detection(), 0..8), any::<bool>()).prop_map(|(d, ran)| Step::Look(d, ran)),
        3 => (0_i64..30_000).prop_map(Step::Wait),
        1 => prop::sample::select(vec![-7_200_000, -30_000, 3_600_000, i64::MAX / 2, i64::MIN / 2]).prop_map(Step::Wait),
        1 => Just(Step::Lose),
        1 => any::<bool>().prop_map(Step::Trust),
        1 => Just(Step::Tick),
        1 => Just(Step::Restart),
        1 => any::<bool>().prop_map(Step::Rezone),
        2 => (0_usize..4, prop::sample::select(vec![Ending::Rejected, Ending::Closed]))
            .prop_map(|(nth, ending)| Step::End(nth, ending)),
    ]
}

const QUICK: &str = r#"
"lane.motor" = { dwell = "5s", clear_after = "4s", rearm_after = "20s", realarm = "1m", reject_cooldown = "1m" }
"lane.goods" = { dwell = "5s", clear_after = "4s", rearm_after = "20s", realarm = "1m", realarm_by = "ticket" }
"lane.fire" = { dwell = "4s", clear_after = "4s", rearm_after = "20s", realarm = "1m", realarm_by = "evidence" }
"lane.nonmotor" = { min_things = 2, dwell = "4s", clear_after = "4s", rearm_after = "20s" }
"vendor.stall" = { dwell = "4s", clear_after = "4s", rearm_after = "20s", person = { need = "any" } }
"garbage.exposed" = { dwell = "5s", clear_after = "4s", rearm_after = "20s" }
"#;

fn zones(all: bool) -> Vec<Zone> {
    let mut zones = vec![
        zone("lane", ZonePurpose::NoStopping, [0.0, 0.0, 0.6, 1.0]),
        zone("pavement", ZonePurpose::Pavement, [0.4, 0.0, 1.0, 1.0]),
        zone("fire", ZonePurpose::FireLane, [0.0, 0.5, 1.0, 1.0]),
    ];
    if !all {
        zones.truncate(1);
    }
    zones
}

/// What must be true after every step.
fn check_sound(scene: &Scene, config: &RulesConfig) -> Result<(), TestCaseError> {
    let rules = config.effective().expect("rules");
    for incident in &scene.confirmed {
        let rule = &rules[&incident.rule.id];
        prop_assert!(incident.dwell >= rule.dwell, "{incident:?}");
        prop_assert!(incident.hits as f32 >= rule.min_hit_ratio * incident.looks as f32, "{incident:?}");
        prop_assert!(incident.hits >= rule.min_looks, "{incident:?}");
        prop_assert!(incident.score_median >= rule.open_score && incident.score_max >= incident.score_median);
        prop_assert!(incident.first_seen <= incident.confirmed_at);
        prop_assert!(!incident.things.is_empty());
    }
    for (index, a) in scene.open.iter().enumerate() {
        for b in &scene.open[..index] {
            let reach = rules[&a.rule.id].merge.min(rules[&b.rule.id].merge);
            prop_assert!(
                a.kind != b.kind
                    || gap(a.bbox, b.bbox) > 0.0
                    || reach < gap(a.bbox, b.bbox)
                    || one_is_far_behind(a.bbox, b.bbox),
                "{a:?} and {b:?}"
            );
            prop_assert!(a.ticket != b.ticket);
        }
    }
    prop_assert!(scene.core.counts().tickets == scene.open.len());
    prop_assert!(scene.core.counts().suspects == scene.suspects.len());
    prop_assert!(scene.core.counts().sightings <= 128);
    Ok(())
}

/// The cases of all tickets, as the store would hold them.
#[derive(Default)]
struct Docket {
    cases: BTreeMap<TicketId, Case>,
    cleared: usize,
    came_back: usize,
}

impl Docket {
    /// Takes in what the core said since the last time; a ticket holds its place if and only if the core watches it.
    fn follow(&mut self, scene: &Scene) -> Result<(), TestCaseError> {
        for incident in &scene.confirmed {
            self.cases.entry(incident.ticket).or_insert_with(|| Case::begin(incident.confirmed_at, None).0);
        }
        for ticket in &scene.came_back[self.came_back..] {
            let case = self.cases.get_mut(ticket).expect("a ticket");
            prop_assert!(!case.apply(scene.now, case::Event::CameBack).expect("it was closed").is_empty());
        }
        for ticket in &scene.cleared[self.cleared..] {
            let case = self.cases.get_mut(ticket).expect("a ticket");
            case.apply(scene.now, case::Event::Gone).expect("it stood");
        }
        (self.came_back, self.cleared) = (scene.came_back.len(), scene.cleared.len());
        let held: Vec<_> = self.cases.iter().filter(|(_, case)| case.holds()).map(|(ticket, _)| *ticket).collect();
        let mut watched: Vec<_> = scene.open.iter().map(|i| i.ticket).collect();
        watched.sort_unstable();
        prop_assert_eq!(held, watched);
        Ok(())
    }

    /// The platform's word on a ticket, and what the core must hear of it.
    fn end(&mut self, scene: &mut Scene, ticket: TicketId, ending: Ending) {
        let kind = match ending {
            Ending::Rejected => VerdictKind::Rejected,
            Ending::Closed => VerdictKind::Closed,
        };
        let case = self.cases.get_mut(&ticket).expect("a ticket");
        let said = case.apply(scene.now, case::Event::Said(Verdict::new(kind, scene.now))).unwrap_or_default();
        let told = said.iter().any(|e| matches!(e, case::Effect::Quiet | case::Effect::Ended));
        let nth = scene.confirmed.iter().position(|i| i.ticket == ticket);
        if let (true, Some(nth)) = (told, nth) {
            scene.end(nth, ending);
        }
    }
}

fn play(scene: &mut Scene, docket: &mut Docket, step: &Step) {
    match step {
        Step::Look(detections, ran) => {
            let source = if *ran { LookSource::Detector } else { LookSource::Unchanged };
            scene.look_from(source, detections);
        }
        Step::Wait(millis) => scene.wait(Millis(*millis)),
        Step::Lose => scene.lose(),
        Step::Trust(fit) => scene.trust(*fit),
        Step::Tick => scene.tick(),
        Step::Restart => {
            let mut fresh = Scene::new(QUICK, &zones(true));
            fresh.now = scene.now;
            fresh.set_back = scene.set_back;
            fresh.core.restore(scene.open.iter().map(open_ticket));
            fresh.core.restore_ended(scene.ended.iter().map(|(i, ending, at)| (open_ticket(i), *ending, *at)));
            fresh.open = std::mem::take(&mut scene.open);
            fresh.ended = std::mem::take(&mut scene.ended);
            fresh.confirmed = std::mem::take(&mut scene.confirmed);
            fresh.cleared = std::mem::take(&mut scene.cleared);
            fresh.gone = std::mem::take(&mut scene.gone);
            fresh.known = std::mem::take(&mut scene.known);
            fresh.came_back = std::mem::take(&mut scene.came_back);
            *scene = fresh;
            for case in docket.cases.values_mut() {
                let stored = serde_json::to_string(case).expect("plain data");
                *case = serde_json::from_str(&stored).expect("its own form");
            }
        }
        Step::End(nth, ending) => {
            let of_any: Vec<_> = docket.cases.keys().copied().collect();
            if let Some(ticket) = of_any.len().checked_sub(nth + 1).map(|index| of_any[index]) {
                docket.end(scene, ticket, *ending);
            }
        }
        Step::Rezone(all) => {
            let effects = scene.core.set_cameras(scene.now, [(camera(), zones(*all))]).expect("zones");
            scene.take(effects);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn anything_in_any_order_leaves_the_core_sound(steps in prop::collection::vec(step(), 0..80)) {
        let config: RulesConfig = toml::from_str(QUICK).expect("rules");
        let (mut scene, mut docket) = (Scene::new(QUICK, &zones(true)), Docket::default());
        for step in &steps {
            play(&mut scene, &mut docket, step);
            check_sound(&scene, &config)?;
            docket.follow(&scene)?;
        }
    }

    /// The same picture with jitter, between steps of all sorts, so that tickets do open, clear and open again.
    #[test]
    fn standing_things_among_disturbances_leave_the_core_sound(
        things in prop::collection::vec(detection(), 1..5),
        steps in prop::collection::vec(prop_oneof![6 => Just(None), 1 => step().prop_map(Some)], 0..120),
    ) {
        let config: RulesConfig = toml::from_str(QUICK).expect("rules");
        let (mut scene, mut docket) = (Scene::new(QUICK, &zones(true)), Docket::default());
        for (n, step) in steps.iter().enumerate() {
            match step {
                Some(step) => play(&mut scene, &mut docket, step),
                None => {
                    let seen: Vec<_> = things.iter().enumerate().map(|(k, d)| jitter(d.clone(), (n * 8 + k) as u32, 0.04)).collect();
                    scene.look(&seen);
                    scene.wait(Millis::secs(2));
                }
            }
            check_sound(&scene, &config)?;
            docket.follow(&scene)?;
        }
    }
}

#[test]
fn a_crowd_of_things_stays_bounded() {
    let mut scene = Scene::street();
    for n in 0..50 {
        let crowd: Vec<_> = (0..400_u32)
            .map(|k| thing("vehicle", 0.6, 0.045 * (k % 20) as f32, 0.05 + 0.045 * (k / 20) as f32, 0.04, 0.04))
            .collect();
        scene.look(&crowd);
        scene.wait(Millis::secs(2 + n % 3));
    }
    assert!(scene.suspects.len() <= 64);
    assert!(scene.core.counts().sightings <= 128);
}
