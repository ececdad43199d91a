//! What came of a scene, in the words of the report.

use console::backtest::{AwaitedReport, Outcome, PlayedReport, SceneReport, TicketReport, Totals, Worth};
use domain::Millis;

use super::{
    play::Played,
    scene::Scene,
    score::{Judgement, Where},
};

/// The report of a scene that was played.
#[must_use]
pub fn scene_report(scene: &Scene, played: Played) -> SceneReport {
    let begins = scene.begins().unwrap_or(domain::Timestamp(0));
    let score = &played.score;
    let tickets: Vec<TicketReport> = played
        .tickets
        .into_iter()
        .zip(&score.judgements)
        .map(|((ticket, picture), judgement)| {
            let incident = ticket.incident;
            let (worth, because) = match judgement {
                Judgement::Right(_) => (Worth::Right, None),
                Judgement::Doubled(_) => (Worth::Doubled, None),
                Judgement::Early(_) => (Worth::Early, None),
                Judgement::Late(_) => (Worth::Late, None),
                Judgement::NotCleared(_) => (Worth::NotCleared, None),
                Judgement::Trapped(n) => (Worth::Wrong, scene.forbid.get(*n).map(|forbid| forbid.why.clone())),
                Judgement::Wrong => (Worth::Wrong, None),
            };
            TicketReport {
                zone: scene.zone(&incident.zone).map_or_else(
                    || incident.zone.to_string(),
                    |zone| {
                        if zone.name.is_empty() { zone.id.to_string() } else { zone.name.clone() }
                    },
                ),
                kind: incident.kind,
                worth,
                because,
                first_seen: incident.first_seen.since(begins),
                opened: incident.confirmed_at.since(begins),
                cleared: ticket.cleared_at.map(|at| at.since(begins)),
                place: incident.bbox,
                reason: incident.reason,
                picture,
            }
        })
        .collect();
    let awaited = played.awaited.into_iter().zip(played.shown).zip(&score.found).map(|((awaited, shown), found)| {
        let (place, area) = match awaited.place {
            Where::Box(place, _) => (Some(place), None),
            Where::Area(area) => (None, Some(area)),
            Where::Anywhere => (None, None),
        };
        AwaitedReport {
            kinds: awaited.kinds,
            place,
            area,
            since: awaited.since,
            to_ticket: found.map(|n| Millis((tickets[n].opened.0 - awaited.since.0).max(0))),
            saw: shown.labels,
            picture: shown.picture,
        }
    });
    let awaited = awaited.collect();
    SceneReport {
        name: scene.name.clone(),
        about: scene.about.clone(),
        tags: scene.tags.clone(),
        outcome: Outcome::Played(Box::new(PlayedReport {
            totals: Totals { right: score.right(), wrong: score.wrong(), missed: score.missed() },
            duration: scene.duration,
            took: played.took.into(),
            looks: played.looks,
            detected: played.detected,
            size: played.size,
            zones: scene.zones.clone(),
            tickets,
            awaited,
            picture: played.middle,
        })),
    }
}
