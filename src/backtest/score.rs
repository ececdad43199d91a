//! Tickets that came against tickets that should have come.

use domain::{Kind, Millis, Polygon, Rect};

/// A ticket that came; times count from the scene's start.
#[derive(Debug, Clone, PartialEq)]
pub struct Filed {
    /// What it says it is.
    pub kind: Kind,
    /// Where.
    pub place: Rect,
    /// When it was opened.
    pub opened: Millis,
    /// When it was cleared, if it was.
    pub cleared: Option<Millis>,
}

/// Where something is.
#[derive(Debug, Clone, PartialEq)]
pub enum Where {
    /// At a box, up to this intersection over union.
    Box(Rect, f32),
    /// More than half within an outline.
    Area(Polygon),
    /// Anywhere.
    Anywhere,
}

impl Where {
    /// How well a ticket's box fits, 0 to 1; none where it is elsewhere.
    fn fit(&self, place: Rect) -> Option<f32> {
        match self {
            Self::Box(truth, least) => Some(truth.iou(place)).filter(|iou| iou >= least),
            Self::Area(area) => Some(area.share_of(place)).filter(|share| *share > 0.5),
            Self::Anywhere => Some(0.0),
        }
    }
}

/// A ticket that should come; times count from the scene's start.
#[derive(Debug, Clone, PartialEq)]
pub struct Awaited {
    /// Any of these kinds is right.
    pub kinds: Vec<Kind>,
    /// Where.
    pub place: Where,
    /// Since when it stands.
    pub since: Millis,
    /// Not before.
    pub after: Millis,
    /// Not later.
    pub before: Millis,
    /// Cleared by then.
    pub cleared_by: Option<Millis>,
}

/// What must not become a ticket.
#[derive(Debug, Clone, PartialEq)]
pub struct Trap {
    /// Of these kinds; of any where empty.
    pub kinds: Vec<Kind>,
    /// Where.
    pub place: Where,
}

/// What a ticket is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It is the awaited one with this number.
    Right(usize),
    /// It tells again what another told.
    Doubled(usize),
    /// The right problem, sooner than it is one.
    Early(usize),
    /// The right problem, too late.
    Late(usize),
    /// The right ticket, that was not cleared in time.
    NotCleared(usize),
    /// It fell for what must not become a ticket.
    Trapped(usize),
    /// Nothing was to be told there.
    Wrong,
}

/// How a scene came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Score {
    /// For each ticket, in the order given.
    pub judgements: Vec<Judgement>,
    /// For each awaited ticket, which one it is.
    pub found: Vec<Option<usize>>,
}

impl Score {
    /// Tickets that are right.
    #[must_use]
    pub fn right(&self) -> usize {
        self.found.iter().flatten().count()
    }

    /// Tickets that are not.
    #[must_use]
    pub fn wrong(&self) -> usize {
        self.judgements.len() - self.right()
    }

    /// Awaited tickets that did not come.
    #[must_use]
    pub fn missed(&self) -> usize {
        self.found.len() - self.right()
    }

    /// Whether all is as it should be.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.wrong() == 0 && self.missed() == 0
    }
}

/// Judges `filed`, which must be in the order in which they were opened. Each awaited ticket is found once at most, by the first
/// that fits in kind, place and time.
#[must_use]
pub fn judge(filed: &[Filed], awaited: &[Awaited], traps: &[Trap]) -> Score {
    let mut found: Vec<Option<usize>> = vec![None; awaited.len()];
    let mut judgements = Vec::with_capacity(filed.len());
    for (number, ticket) in filed.iter().enumerate() {
        let mut fitting: Vec<(usize, f32)> = awaited
            .iter()
            .enumerate()
            .filter(|(_, a)| a.kinds.contains(&ticket.kind))
            .filter_map(|(n, a)| Some((n, a.place.fit(ticket.place)?)))
            .collect();
        // The best place first; what is already told comes last.
        fitting.sort_by(|a, b| found[a.0].is_some().cmp(&found[b.0].is_some()).then(b.1.total_cmp(&a.1)));
        let in_time = |n: usize| ticket.opened >= awaited[n].after && ticket.opened <= awaited[n].before;
        let chosen = fitting.iter().find(|(n, _)| in_time(*n)).or(fitting.first()).map(|(n, _)| *n);
        judgements.push(match chosen {
            None => traps
                .iter()
                .position(|t| {
                    (t.kinds.is_empty() || t.kinds.contains(&ticket.kind)) && t.place.fit(ticket.place).is_some()
                })
                .map_or(Judgement::Wrong, Judgement::Trapped),
            Some(n) if found[n].is_some() => Judgement::Doubled(n),
            Some(n) if ticket.opened < awaited[n].after => Judgement::Early(n),
            Some(n) if ticket.opened > awaited[n].before => Judgement::Late(n),
            Some(n) if awaited[n].cleared_by.is_some_and(|by| ticket.cleared.is_none_or(|at| at > by)) => {
                Judgement::NotCleared(n)
            }
            Some(n) => {
                found[n] = Some(number);
                Judgement::Right(n)
            }
        });
    }
    Score { judgements, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERB: [f32; 4] = [0.2, 0.4, 0.5, 0.7];

    fn kind(name: &str) -> Kind {
        name.parse().expect("a kind")
    }

    fn filed(name: &str, place: [f32; 4], seconds: i64) -> Filed {
        Filed { kind: kind(name), place: place.into(), opened: Millis::secs(seconds), cleared: None }
    }

    fn awaited(name: &str, place: [f32; 4], (after, before): (i64, i64)) -> Awaited {
        Awaited {
            kinds: vec![kind(name)],
            place: Where::Box(place.into(), 0.3),
            since: Millis::ZERO,
            after: Millis::secs(after),
            before: Millis::secs(before),
            cleared_by: None,
        }
    }

    #[track_caller]
    fn check(filed: &[Filed], awaited: &[Awaited], judgements: &[Judgement], missed: usize) {
        let score = judge(filed, awaited, &[]);
        assert_eq!(score.judgements, judgements);
        assert_eq!(score.missed(), missed);
        assert_eq!(score.is_clean(), missed == 0 && score.wrong() == 0);
    }

    #[test]
    fn the_right_kind_at_the_right_place_and_time_is_right() {
        let truth = [awaited("lane.motor", KERB, (200, 500))];
        check(&[filed("lane.motor", [0.22, 0.4, 0.5, 0.7], 310)], &truth, &[Judgement::Right(0)], 0);
        check(&[], &truth, &[], 1);
        check(&[filed("lane.fire", KERB, 310)], &truth, &[Judgement::Wrong], 1);
        check(&[filed("lane.motor", [0.7, 0.4, 0.9, 0.7], 310)], &truth, &[Judgement::Wrong], 1);
        check(&[filed("lane.motor", KERB, 199)], &truth, &[Judgement::Early(0)], 1);
        check(&[filed("lane.motor", KERB, 501)], &truth, &[Judgement::Late(0)], 1);
    }

    #[test]
    fn what_is_told_twice_is_right_once() {
        let truth = [awaited("lane.motor", KERB, (0, 500))];
        let twice = [filed("lane.motor", KERB, 310), filed("lane.motor", KERB, 320)];
        check(&twice, &truth, &[Judgement::Right(0), Judgement::Doubled(0)], 0);
    }

    #[test]
    fn two_of_a_kind_are_told_apart_by_their_place() {
        let beside = [0.3, 0.4, 0.6, 0.7];
        let truth = [awaited("lane.motor", KERB, (0, 500)), awaited("lane.motor", beside, (0, 500))];
        let both = [filed("lane.motor", beside, 310), filed("lane.motor", KERB, 320)];
        check(&both, &truth, &[Judgement::Right(1), Judgement::Right(0)], 0);
    }

    #[test]
    fn a_case_that_is_over_must_be_cleared() {
        let truth = [Awaited { cleared_by: Some(Millis::secs(400)), ..awaited("lane.motor", KERB, (0, 500)) }];
        check(&[filed("lane.motor", KERB, 310)], &truth, &[Judgement::NotCleared(0)], 1);
        let cleared = Filed { cleared: Some(Millis::secs(390)), ..filed("lane.motor", KERB, 310) };
        check(&[cleared], &truth, &[Judgement::Right(0)], 0);
    }

    #[test]
    fn a_trap_says_what_a_wrong_ticket_fell_for() {
        let traps = [
            Trap { kinds: vec![kind("vendor.stall")], place: Where::Anywhere },
            Trap { kinds: Vec::new(), place: Where::Box(KERB.into(), 0.3) },
        ];
        let tickets = [
            filed("vendor.stall", [0.7, 0.7, 0.9, 0.9], 9),
            filed("lane.goods", KERB, 10),
            filed("lane.goods", [0.8, 0.8, 0.9, 0.9], 11),
        ];
        let score = judge(&tickets, &[], &traps);
        assert_eq!(score.judgements, [Judgement::Trapped(0), Judgement::Trapped(1), Judgement::Wrong]);
    }

    #[test]
    fn an_area_holds_most_of_a_ticket() {
        let area = Polygon::new(vec![[0.0, 0.0].into(), [0.5, 0.0].into(), [0.5, 1.0].into(), [0.0, 1.0].into()])
            .expect("a polygon");
        let truth = [Awaited { place: Where::Area(area), ..awaited("lane.motor", KERB, (0, 500)) }];
        check(&[filed("lane.motor", [0.3, 0.4, 0.6, 0.7], 5)], &truth, &[Judgement::Right(0)], 0);
        check(&[filed("lane.motor", [0.4, 0.4, 0.9, 0.7], 5)], &truth, &[Judgement::Wrong], 1);
    }
}
