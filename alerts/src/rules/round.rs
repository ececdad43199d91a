//! One look judged by one rule.

use domain::{Detection, Kind, Label, LookSource, Millis, OCCUPIED, Rect, STANDING, TicketId, ZoneId};

use super::{
    book::{Armed, sound_box},
    candidate::{Candidate, Leave, Role},
    cluster::{around, belongs, clusters, gap, one_is_far_behind},
    config::PersonNeed,
    elsewhere::Abroad,
    evidence::{CROWD, CROWD_FROM, VENDOR},
    known::{self, Known},
    lane::blocked_share,
    people::People,
    permit::AtHand,
    problem::{At, Event, Problem, Stage, Suspicion},
    queue::{Halted, is_queueing},
    reason::{Facts, Reason},
    sighting::{End, Sighting, SightingId, Sightings},
    window::Sample,
};
use crate::{
    incident::{Effect, Incident, Observation, Sight, SuspectId, Zone},
    sensor::Word,
};

/// Suspects kept per camera.
const MAX_SUSPECTS: usize = 64;
/// Share of a place that something must cover to hide it.
const HIDING_SHARE: f32 = 0.6;
/// The same where a look is asked whether the place is clear.
const IN_FRONT: f32 = 0.5;
/// How many times larger something is that stands before all of a place.
const LARGER: f32 = 1.5;
/// Share of the smaller of the two that a new thing and a place must have in common for it to stand there, and the least
/// size of such a thing in sizes of the place.
const NEW_THERE: f32 = 0.5;
const LEFT_OVER: f32 = 0.1;
/// IoU with a ticket's place from which a thing is at it, where its zone is no more.
const AT_PLACE: f32 = 0.3;
/// For how many more misses a look counts that shows something else half over the place: a detector that misses a parked
/// car shows nothing, traffic shows other cars.
const DISPLACED_COUNTS: u32 = 2;
/// Mean IoU of its boxes from which a thing stands still, and how much more of the looks must show it for each part of that it
/// has less, up to nearly all: traffic that the looks keep step with scatters *and* is often missed.
const STILL: f32 = 0.8;
const UNREST_COUNTS: f32 = 5.0;
const NEARLY_ALL: f32 = 0.9;
/// Share of a dwell's looks in which the scene must show something new in a thing's place to vouch for it, and what of
/// `open_score` is enough then.
const BACKED_SHARE: f32 = 0.5;
const BACKED_OPEN: f32 = 0.55;
/// Share of the smaller of two boxes from which they are of one thing.
const ONE_THING: f32 = 0.5;
/// What vendors set up beside what they sell, and how far from it, in sizes of the larger box.
const GEAR: [&str; 3] = ["umbrella", "table", "seat"];
const GEAR_REACH: f32 = 0.3;

/// Whether the rule's calendar holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InForce {
    Now,
    NotNow,
}

/// One look, one rule, one camera.
pub(super) struct Round<'a> {
    pub(super) index: usize,
    pub(super) armed: &'a Armed,
    pub(super) at: At<'a>,
    pub(super) calendar: InForce,
    pub(super) zones: &'a [Zone],
    pub(super) sightings: &'a Sightings,
    pub(super) people: &'a People,
    pub(super) permits: &'a AtHand<'a>,
    /// The ground that the camera sees, where that is known.
    pub(super) plane: Option<&'a domain::Ground>,
    /// What other views hold of what this one may see.
    pub(super) abroad: &'a [Abroad],
    pub(super) words: &'a [Word],
    pub(super) seen: &'a Observation<'a>,
    /// Observed time since the look before.
    pub(super) passed: Millis,
    pub(super) candidates: Vec<Candidate<'a>>,
}

/// A place that opens no further ticket of its kind.
struct Taken {
    kind: Kind,
    place: Rect,
    things: Vec<Rect>,
    by: Holder,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    OpenTicket,
    Rest,
}

/// What one look says of one suspect.
struct Finding<'a> {
    /// The things that make it up.
    things: Vec<&'a Candidate<'a>>,
    /// The thing whose zone is the suspect's.
    home: Option<&'a Candidate<'a>>,
    /// Where it is.
    place: Option<Rect>,
    /// How surely it is seen; none for a miss.
    score: Option<f32>,
}

/// Candidates that stand together.
struct Cluster {
    members: Vec<usize>,
    bbox: Rect,
    claimed: Claim,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    Free,
    Claimed,
}

impl<'a> Round<'a> {
    /// Judges the rule's own problems, given all others of the camera; returns what is left of them and what is new.
    pub(super) fn play(
        &'a self,
        mine: Vec<Problem>,
        others: &[Problem],
        names: &mut u64,
        out: &mut Vec<Effect>,
    ) -> Vec<Problem> {
        let (suspects, settled): (Vec<_>, Vec<_>) =
            mine.into_iter().partition(|p| matches!(p.stage, Stage::Suspected(_)));
        // Tickets first: the places they hold decide about the suspects.
        let mut kept: Vec<Problem> = settled
            .into_iter()
            .filter_map(|problem| {
                let event = match problem.stage {
                    Stage::Ticketed(_) | Stage::Quiet { .. } | Stage::Closed { .. } => self.watch(&problem),
                    Stage::Suspected(_) | Stage::Resting { .. } => Event::Tick,
                };
                problem.on(event, &self.at, out)
            })
            .collect();
        // What comes back to a place that rests is wanted there, if it is this rule's own.
        let taken_by_mine = kept.iter().filter(|p| !p.stage.takes_back(self.at.now));
        let mut taken: Vec<Taken> = taken_by_mine.chain(others).filter_map(Taken::by).collect();
        let mut held: Vec<TicketId> = kept.iter().chain(others).filter_map(|p| p.stage.ticket()).collect();
        let mut together = self.together();
        let kin = self.kin(others);
        for mut problem in suspects {
            let event = match self.judge(&mut problem, &mut together, &kin, &taken, &held) {
                Event::Confirmed(incident) => self.placed(incident, &mut kept, &held, out),
                event => event,
            };
            kept.extend(problem.on(event, &self.at, out));
            let settled = kept.last().filter(|p| !p.stage.takes_back(self.at.now));
            taken.extend(settled.and_then(Taken::by));
            held.extend(settled.and_then(|p| p.stage.ticket()));
        }
        if self.calendar == InForce::Now {
            let crowd = others.iter().chain(&kept).filter(|p| matches!(p.stage, Stage::Suspected(_))).count();
            let fresh = self.fresh(&kept, &together);
            let elsewhere = self.elsewhere();
            let free = fresh.into_iter().filter(|problem| {
                let in_row = |anchor| self.is_in_row(&taken, &self.single(anchor));
                !self.is_taken(&taken, problem.place)
                    && !problem.stage.anchor().is_some_and(in_row)
                    && !elsewhere.takes(problem.place, &problem.zone, &held)
            });
            for mut problem in free.take(MAX_SUSPECTS.saturating_sub(crowd)) {
                if let Stage::Suspected(suspicion) = &mut problem.stage {
                    *names += 1;
                    suspicion.id = SuspectId(*names);
                    out.push(Effect::Suspected {
                        suspect: suspicion.id,
                        camera: self.at.camera.clone(),
                        kind: problem.kind.clone(),
                    });
                }
                kept.push(problem);
            }
        }
        kept
    }

    /// Whether a problem that stands here is one whose ticket was cleared a short while ago.
    pub(super) fn comes_back(&self, rest: &Problem, place: Rect) -> bool {
        rest.stage.takes_back(self.at.now) && rest.takes_in(place, self.at.rule)
    }

    /// What the look says of a place that has or had a ticket: it shows it, or shows that it is gone, or is hidden.
    fn watch(&self, problem: &Problem) -> Event {
        let boxes = self.standing_at(&problem.zone, problem.place, &problem.things);
        // Half of a cluster is still the problem: a pile of bicycles does not end with the fifth one.
        if boxes.len() >= (self.at.rule.min_things as usize).div_ceil(2) {
            return Event::Present(boxes.len(), around(boxes).unwrap_or(problem.place));
        }
        let unknown = self.seen.learning && problem.nameless;
        if unknown || self.hides(problem.place, HIDING_SHARE) {
            Event::Tick
        } else {
            Event::Absent(self.passed, self.elsewhere().others(problem.stage.ticket()))
        }
    }

    /// What the look shows of a place when it is asked whether the problem there is gone: more is wanted for "clear" than
    /// from a look that only watches.
    pub(super) fn sight(&self, zone: &ZoneId, place: Rect, things: &[Rect], known: &Known) -> Sight {
        let standing = self.standing_at(zone, place, things).len();
        let new_there = |d: &Detection| {
            let common = d.bbox.common_area(place);
            known::is(d, STANDING)
                && !known.explain(d)
                && common >= NEW_THERE * place.area().min(d.bbox.area())
                && d.bbox.area() >= LEFT_OVER * place.area()
        };
        if standing >= (self.at.rule.min_things as usize).div_ceil(2) || self.seen.detections.iter().any(new_there) {
            Sight::Seen
        } else if self.hides(place, IN_FRONT) || self.just_came(place) {
            Sight::Hidden
        } else {
            Sight::Clear
        }
    }

    /// Whether one of the rule's things is at the place for the first time: it may stand or drive on.
    fn just_came(&self, place: Rect) -> bool {
        let is_thing = |s: &Sighting| self.at.rule.things.iter().any(|label| s.is_a(label));
        let here = |s: &&Sighting| s.current.is_some() && s.hits < 2 && s.reference.iou(place) >= AT_PLACE;
        self.sightings.all().iter().filter(here).any(is_thing)
    }

    /// The rule's things that stand at a place of one of its zones, where `things` stood.
    fn standing_at(&self, zone: &ZoneId, place: Rect, things: &[Rect]) -> Vec<Rect> {
        let rule = self.at.rule;
        let has_zone = self.zones.iter().any(|z| z.id == *zone && rule.zones.contains(&z.purpose));
        if has_zone {
            let at_place = |c: &&Candidate<'_>| {
                let reference = c.sighting.reference;
                // At the place itself little is enough, beside it another thing must be one.
                let within = || place.common_area(reference) >= 0.5 * reference.area();
                // After a restart it is not known which of a row stood where.
                let is_it = || {
                    things.iter().chain([&place]).any(|thing| thing.iou(reference) >= AT_PLACE)
                        || (things.is_empty() && within())
                };
                c.score.is_some()
                    && belongs(reference, place, things, rule.merge)
                    && (rule.is_of_clusters() || self.is_credible(c) || is_it())
            };
            self.candidates
                .iter()
                .filter(at_place)
                .map(|c| c.sighting)
                .filter(|s| s.hits >= 2)
                .map(|s| s.reference)
                .collect()
        } else {
            let at_place = |s: &&Sighting| {
                s.current.is_some()
                    && s.hits >= 2
                    && rule.things.iter().any(|label| s.is_a(label))
                    && s.reference.iou(place) >= AT_PLACE
            };
            self.sightings.all().iter().filter(at_place).map(|s| s.reference).collect()
        }
    }

    /// Whether something covers `share` of `place` in this look: what stands in front, the thing itself where the
    /// detector is too unsure of it, or whatever may be wrong with the camera.
    fn hides(&self, place: Rect, share: f32) -> bool {
        if self.seen.in_doubt {
            return true;
        }
        let unsure = self.at.rule.min_score / 2.0;
        let things = self.seen.detections.iter().filter(|d| d.score >= unsure && !known::is_backdrop(d));
        things.filter_map(sound_box).any(|b| {
            let common = b.common_area(place);
            common >= share * place.area()
        })
    }

    /// Whether something larger stands before all of `place`: a bus before a parked car.
    fn is_covered(&self, place: Rect) -> bool {
        let named = |d: &&Detection| !known::is_unnamed(&d.group) && !known::is_backdrop(d);
        let sure = self.seen.detections.iter().filter(|d| d.score >= self.at.rule.min_score).filter(named);
        sure.filter_map(sound_box).any(|front| {
            let common = front.common_area(place);
            common >= HIDING_SHARE * place.area() && front.area() >= LARGER * place.area()
        })
    }

    /// What the look makes of a suspect.
    fn judge(
        &'a self,
        problem: &mut Problem,
        together: &mut [Cluster],
        kin: &[&Detection],
        taken: &[Taken],
        held: &[TicketId],
    ) -> Event {
        let Stage::Suspected(suspicion) = &mut problem.stage else { return Event::Tick };
        let finding = match suspicion.anchor {
            Some(anchor) => match self.sightings.get(anchor) {
                Some(_) => self.single(anchor),
                None => return Event::Dropped(end_word(self.sightings.ended(anchor))),
            },
            None => match self.cluster(&suspicion.members, problem.place, together) {
                Some(finding) => finding,
                None => return Event::Dropped("merged"),
            },
        };
        if self.calendar == InForce::NotNow {
            return Event::Dropped("calendar");
        }
        if finding.home.is_some_and(|home| home.leave == Leave::Given) {
            return Event::Dropped("permitted");
        }
        problem.place = finding.place.unwrap_or(problem.place);
        if let Some(home) = finding.home {
            let zone = &self.zones[home.zone];
            problem.zone = zone.id.clone();
            suspicion.window.set_dwell(self.at.rule.dwell_in(zone));
            if self.queues(home) {
                suspicion.queued = Some(self.at.clock);
            }
        }
        if self.is_taken(taken, problem.place)
            || self.is_in_row(taken, &finding)
            || self.elsewhere().takes(problem.place, &problem.zone, held)
        {
            return Event::Dropped("merged");
        }
        if suspicion.anchor.is_none() && !finding.things.is_empty() {
            suspicion.members = finding.things.iter().map(|c| c.sighting.id).collect();
        }
        let sight = match finding.score {
            Some(_) => Sight::Seen,
            None if self.hides(problem.place, HIDING_SHARE) => Sight::Hidden,
            None => Sight::Clear,
        };
        suspicion.look(self.sample(&finding, problem.place), sight, self.passed);
        if suspicion.is_gone(&self.at) {
            return Event::Dropped("gone");
        }
        let zone = problem.zone.clone();
        match self.satisfied(suspicion, &finding, problem.place, &zone, kin, taken) {
            Some(incident) => Event::Confirmed(Box::new(incident)),
            None => Event::Tick,
        }
    }

    /// The incident, if this look shows the suspect and the looks of its dwell satisfy the rule.
    fn satisfied(
        &self,
        suspicion: &Suspicion,
        finding: &Finding<'_>,
        place: Rect,
        zone: &ZoneId,
        kin: &[&Detection],
        taken: &[Taken],
    ) -> Option<Incident> {
        let (rule, at) = (self.at.rule, &self.at);
        finding.score.filter(|_| !self.seen.elsewhere)?;
        let looks = suspicion.window.summary()?;
        let enough = looks.hits as f32
            >= self.needed_share(finding) * (looks.looks + DISPLACED_COUNTS * looks.displaced) as f32
            && looks.detector_hits >= rule.min_looks
            && (rule.person.need == PersonNeed::Any || looks.people_share >= rule.person.share);
        if !enough || suspicion.may_move_off(at) {
            return None;
        }
        // A parking sensor in the zone has a say: where it reports the place free the camera is mistaken, where it
        // reports it taken less certainty is asked of the camera.
        let word = self.word_on(zone);
        if matches!(word, Some((false, _))) {
            return None;
        }
        let score_median = suspicion.window.median_score();
        // The scene vouches for it: a little score in look after look is enough. Where evidence is weighed, it says already
        // that something stands there.
        let backed = looks.backed_share >= BACKED_SHARE && !rule.evidence.is_weighed();
        let open_score = if backed { rule.open_score * BACKED_OPEN } else { rule.open_score };
        if score_median < if word.is_some() { rule.min_score.min(open_score) } else { open_score } {
            return None;
        }
        let mut things: Vec<_> = finding.things.iter().filter_map(|c| c.sighting.current.clone()).collect();
        self.add_kin(&mut things, kin);
        for thing in things.iter_mut().filter(|thing| known::is(thing, OCCUPIED)) {
            // None of its names holds.
            (thing.class, thing.group) = (Label::new(STANDING), Label::new(STANDING));
        }
        let of_things = around(things.iter().map(|t| t.bbox))?;
        // What stands between two problems belongs to the ticket that was first: none grows into another's place.
        let free = [self.with_its_gear(of_things), of_things].into_iter().find(|bbox| !self.is_taken(taken, *bbox));
        let bbox = free.unwrap_or(place);
        things.retain(|thing| thing.bbox.intersection(bbox).is_some());
        let first_seen = suspicion.first_seen.min(at.now);
        let dwell = suspicion.window.age(at.clock);
        let zone_shape = self.zones.iter().find(|z| z.id == *zone);
        let customers = || {
            let since = Millis(at.clock.0 - suspicion.window.dwell().0);
            let boxes: Vec<Rect> = finding.things.iter().map(|c| c.sighting.reference).collect();
            self.people.visitors(&boxes, rule.person.distance, since)
        };
        let tally = rule.evidence.is_weighed().then(|| rule.evidence.weigh(&suspicion.window, customers()));
        if tally.as_ref().is_some_and(|tally| tally.total < rule.evidence.needed - 1e-4) {
            return None;
        }
        let permits = self.permits.considered(&rule.kind, rule.stands_on.part_of(bbox));
        let footings: Vec<Rect> = things.iter().map(|t| rule.stands_on.part_of(t.bbox)).collect();
        let lane = zone_shape.filter(|zone| zone.purpose.is_lane());
        let blocked = lane.map(|zone| blocked_share(&zone.polygon, &footings));
        let facts = Facts {
            rule,
            zone: zone_shape,
            things: &things,
            dwell,
            looks: &looks,
            median: score_median,
            blocked,
            tally: tally.as_ref(),
            permits: &permits,
            taken: word.and_then(|(_, word)| Some((word.device.as_str(), at.now.since(word.occupied?.1)))),
        };
        let Reason { zh: reason_zh, en: reason } = facts.sentence();
        let by_model = things.iter().filter_map(|t| Some((t.score, t.model.as_deref()?)));
        let surest = by_model.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, model)| model);
        let model = surest.unwrap_or(self.seen.model).clone();
        if rule.person.need == PersonNeed::Stays {
            let boxes: Vec<Rect> = things.iter().map(|t| t.bbox).collect();
            things.extend(self.people.staying(&boxes, rule.person.distance));
        }
        let Rect { x0, y0, x1, y1 } = bbox;
        let seed = format!("{} {} {zone} {} {x0} {y0} {x1} {y1}", at.camera, rule.kind, first_seen.0);
        Some(Incident {
            ticket: TicketId::derive(at.now, seed.as_bytes()),
            camera: at.camera.clone(),
            kind: rule.kind.clone(),
            zone: zone.clone(),
            first_seen,
            last_seen: at.now,
            confirmed_at: at.now,
            dwell,
            looks: looks.looks,
            hits: looks.hits,
            score_max: suspicion.window.best(),
            score_median,
            bbox,
            things,
            reason,
            reason_zh,
            rule: self.armed.reference.clone(),
            model,
            sensed: None,
            ground: self.plane.and_then(|plane| plane.foot(bbox)),
        })
    }

    /// Share of the dwell's looks that must show these things.
    fn needed_share(&self, finding: &Finding<'_>) -> f32 {
        let rule = self.at.rule;
        let single = finding.home.filter(|_| !rule.is_of_clusters());
        let unrest = single.map_or(0.0, |home| (STILL - home.sighting.stillness).max(0.0));
        (rule.min_hit_ratio + UNREST_COUNTS * unrest).min(rule.min_hit_ratio.max(NEARLY_ALL))
    }

    /// What the parking sensors of a zone say about this kind: one that reports it taken outweighs those that report it
    /// free, since a thing may stand on one of several places.
    fn word_on(&self, zone: &ZoneId) -> Option<(bool, &Word)> {
        let speak = self.words.iter().filter(|word| word.zone == *zone && word.kinds.contains(&self.at.rule.kind));
        let taken = speak.filter_map(|word| Some((word.occupied?.0, word)));
        taken.max_by_key(|(taken, word)| (*taken, word.occupied.map(|(_, since)| std::cmp::Reverse(since))))
    }

    /// What other rules suspect to be a problem of the same kind, of what the look shows.
    fn kin(&self, others: &[Problem]) -> Vec<&'a Detection> {
        let of_kind = others.iter().filter(|p| p.kind == self.at.rule.kind);
        let things = of_kind.filter_map(|p| self.sightings.get(p.stage.anchor()?)).filter(|s| s.stays());
        things.filter_map(|s| s.current.as_ref()).collect()
    }

    /// Adds to `things` what stands by one of them, or by what stands by them, and is none of them by another name.
    fn add_kin(&self, things: &mut Vec<Detection>, kin: &[&Detection]) {
        let mut rest = kin.to_vec();
        let is_one = |a: Rect, b: Rect| a.common_area(b) >= ONE_THING * a.area().min(b.area());
        let is_by = |a: Rect, b: Rect| gap(a, b) <= self.at.rule.merge && !one_is_far_behind(a, b);
        while let Some(next) = rest.iter().position(|k| things.iter().any(|t| is_by(t.bbox, k.bbox))) {
            let by_it = rest.swap_remove(next);
            if !things.iter().any(|t| is_one(t.bbox, by_it.bbox)) {
                things.push(by_it.clone());
            }
        }
    }

    /// The box of a case that is weighed, and of what stands about it: a parasol is no part of what a mobile vendor's rule
    /// is about, but of where he sells.
    fn with_its_gear(&self, bbox: Rect) -> Rect {
        let rule = self.at.rule;
        if !rule.evidence.is_weighed() {
            return bbox;
        }
        let is_gear = |s: &&Sighting| {
            let belongs = |label: &Label| s.is_a(label);
            s.is_steady()
                && s.unseen_for(self.at.clock) <= rule.max_gap
                && s.reference.area() <= rule.max_area
                && (rule.things.iter().any(belongs) || GEAR.iter().any(|gear| belongs(&Label::new(gear))))
        };
        let gear: Vec<Rect> = self.sightings.all().iter().filter(is_gear).map(|s| s.reference).collect();
        // From what is near to what is near to that; more would lead along a row of stalls.
        (0..2).fold(bbox, |bbox, _| {
            gear.iter().filter(|place| gap(**place, bbox) <= GEAR_REACH).copied().fold(bbox, Rect::union)
        })
    }

    /// Whether `home` stands in a queue of traffic.
    fn queues(&self, home: &Candidate<'_>) -> bool {
        let rule = self.at.rule;
        let forms_here = rule.queue.min_things > 0 && rule.queue.zones.contains(&self.zones[home.zone].purpose);
        let halted = |c: &Candidate<'_>| Halted { place: c.sighting.reference, since: c.sighting.since };
        let others = self.candidates.iter().filter(|c| {
            c.zone == home.zone && c.sighting.id != home.sighting.id && c.role == Role::Core && c.sighting.stays()
        });
        forms_here
            && is_queueing(
                &rule.queue,
                &std::iter::once(home).chain(others).map(halted).collect::<Vec<_>>(),
                rule.merge,
            )
    }

    fn sample(&self, finding: &Finding<'_>, place: Rect) -> Sample {
        let relation = &self.at.rule.person;
        let boxes: Vec<Rect> = if finding.things.is_empty() {
            vec![place]
        } else {
            finding.things.iter().map(|c| c.sighting.reference).collect()
        };
        let people_fit = match relation.need {
            PersonNeed::Any => true,
            PersonNeed::Stays => self.people.somebody_stays(&boxes, relation.distance),
            PersonNeed::Absent => !self.people.somebody_keeps(&boxes, relation.distance),
        };
        let displaced = finding.home.is_some_and(|home| !self.at.rule.is_of_clusters() && home.sighting.displaced);
        Sample {
            at: self.at.clock,
            score: finding.score.unwrap_or(0.0),
            hit: finding.score.is_some(),
            displaced,
            covered: finding.score.is_none() && !displaced && self.is_covered(place),
            signs: self.signs(&finding.things, &boxes),
            backed: finding.home.is_some_and(|home| home.backed),
            detected: self.seen.source == LookSource::Detector,
            people_fit,
        }
    }

    /// The signs of a case that this look shows in these things and around them.
    fn signs(&self, things: &[&Candidate<'_>], boxes: &[Rect]) -> u32 {
        let rule = self.at.rule;
        if !rule.evidence.is_weighed() {
            return 0;
        }
        let labels = things.iter().map(|c| (&c.sighting.class, &c.sighting.group));
        let stay = self.people.how_many_stay(boxes, rule.person.distance);
        let vendor = if stay > 0 { VENDOR } else { 0 };
        rule.evidence.signs_of(labels) | vendor | if stay >= CROWD_FROM { CROWD } else { 0 }
    }

    /// A thing that is a case by itself, and those that stand by it.
    fn single(&'a self, anchor: SightingId) -> Finding<'a> {
        let Some(home) = self.candidates.iter().find(|c| c.sighting.id == anchor) else {
            return Finding { things: Vec::new(), home: None, place: None, score: None };
        };
        let stands_by = |c: &&Candidate<'_>| {
            let (a, b) = (c.sighting.reference, home.sighting.reference);
            let near = || gap(a, b) <= self.at.rule.merge && !one_is_far_behind(a, b);
            c.sighting.id == anchor || (self.is_credible(c) && c.sighting.stays() && near())
        };
        Finding {
            things: self.candidates.iter().filter(stands_by).collect(),
            home: Some(home),
            place: Some(home.sighting.reference),
            score: home.score,
        }
    }

    /// Whether the look shows something by itself: of what the detector thinks to see on the bare ground now and then, it is not
    /// sure.
    fn is_credible(&self, c: &Candidate<'_>) -> bool {
        c.score.is_some_and(|score| c.backed || score >= self.at.rule.open_score)
    }

    /// Candidates that stand together, where the rule is about several.
    fn together(&self) -> Vec<Cluster> {
        if !self.at.rule.is_of_clusters() {
            return Vec::new();
        }
        let free: Vec<usize> =
            (0..self.candidates.len()).filter(|n| self.candidates[*n].leave == Leave::None).collect();
        let boxes: Vec<Rect> = free.iter().map(|n| self.candidates[*n].sighting.reference).collect();
        let groups = clusters(&boxes, self.at.rule.merge).into_iter();
        let cluster = |members: Vec<usize>| {
            let bbox = around(members.iter().map(|m| boxes[*m]))?;
            let members = members.into_iter().map(|m| free[m]).collect();
            Some(Cluster { members, bbox, claimed: Claim::Free })
        };
        groups.filter_map(cluster).collect()
    }

    /// The clusters that a suspect is: those that share a thing with it or are at its place. None where an older
    /// suspect has claimed them all: two clusters have grown together.
    fn cluster(&'a self, members: &[SightingId], place: Rect, together: &mut [Cluster]) -> Option<Finding<'a>> {
        let mut own = Vec::new();
        let mut lost_to_another = false;
        for cluster in together {
            let shares = cluster.members.iter().any(|m| members.contains(&self.candidates[*m].sighting.id));
            if shares || gap(cluster.bbox, place) <= self.at.rule.merge {
                match std::mem::replace(&mut cluster.claimed, Claim::Claimed) {
                    Claim::Free => own.extend(cluster.members.iter().map(|m| &self.candidates[*m])),
                    Claim::Claimed => lost_to_another = true,
                }
            }
        }
        if own.is_empty() && lost_to_another {
            return None;
        }
        own.retain(|c| c.sighting.is_steady());
        let score = self.makes_case(&own).then(|| self.score_of(&own)).flatten();
        Some(Finding {
            home: own.iter().copied().min_by(|a, b| b.share.total_cmp(&a.share)),
            place: around(own.iter().map(|c| c.sighting.reference)),
            things: own,
            score,
        })
    }

    /// Whether these are enough things, of enough sorts, and not only things that count beside others.
    fn makes_case(&self, things: &[&Candidate<'_>]) -> bool {
        let rule = self.at.rule;
        let mut sorts: Vec<&Label> = things.iter().map(|c| &c.sighting.group).collect();
        sorts.sort_unstable();
        sorts.dedup();
        things.len() >= rule.min_things as usize
            && sorts.len() >= rule.min_sorts as usize
            && things.iter().any(|c| c.role == Role::Core)
    }

    /// Whether the evidence could suffice: else nobody need look at these more often.
    fn is_promising(&self, things: &[&Candidate<'_>]) -> bool {
        let rule = self.at.rule;
        let boxes: Vec<Rect> = things.iter().map(|c| c.sighting.reference).collect();
        !rule.evidence.is_weighed()
            || (rule.evidence.at_best(self.signs(things, &boxes)) >= rule.evidence.needed - 1e-4
                && self.people.anybody_near(&boxes, rule.person.distance))
    }

    /// The mean score of as many of the best things as the rule asks for, one that this look does not show counting 0;
    /// none where it shows nothing of them.
    fn score_of(&self, things: &[&Candidate<'_>]) -> Option<f32> {
        let mut scores: Vec<f32> = things.iter().filter_map(|c| c.score).collect();
        scores.sort_unstable_by(|a, b| b.total_cmp(a));
        let needed = self.at.rule.min_things as usize;
        (!scores.is_empty()).then(|| scores.iter().take(needed).sum::<f32>() / needed as f32)
    }

    /// Suspects that this look begins; their ids are given later.
    fn fresh(&'a self, known: &[Problem], together: &[Cluster]) -> Vec<Problem> {
        if self.at.rule.is_of_clusters() {
            let clusters = together.iter().filter(|cluster| cluster.claimed == Claim::Free);
            let suspicious = clusters.filter_map(|cluster| {
                let things: Vec<_> = cluster.members.iter().map(|m| &self.candidates[*m]).collect();
                let home = things.iter().copied().min_by(|a, b| b.share.total_cmp(&a.share))?;
                let seen = self.makes_case(&things) && self.score_of(&things).is_some() && self.is_promising(&things);
                let members = things.iter().map(|c| c.sighting.id).collect();
                seen.then(|| self.suspect(home, None, members, cluster.bbox))
            });
            return suspicious.collect();
        }
        let suspects: Vec<(&Suspicion, Rect)> = known
            .iter()
            .filter_map(|p| match &p.stage {
                Stage::Suspected(suspicion) => Some((suspicion, p.place)),
                _ => None,
            })
            .collect();
        let is_known = |id: SightingId| suspects.iter().any(|(s, _)| s.anchor == Some(id));
        // A box over a suspect that this look misses is what is left of it behind somebody, or what stands before it.
        let is_shadow = |bbox: Rect| {
            suspects.iter().any(|(s, place)| {
                let unseen = s.anchor.and_then(|a| self.sightings.get(a)).is_some_and(|s| s.current.is_none());
                let common = bbox.common_area(*place);
                unseen && common >= 0.5 * bbox.area().min(place.area())
            })
        };
        self.candidates
            .iter()
            .filter(|c| c.score.is_some() && c.role == Role::Core && c.leave == Leave::None)
            .filter(|c| !is_known(c.sighting.id) && !is_shadow(c.sighting.reference))
            .map(|c| {
                let mut problem = self.suspect(c, Some(c.sighting.id), Vec::new(), c.sighting.reference);
                if let Stage::Suspected(suspicion) = &mut problem.stage {
                    let sample = self.sample(&self.single(c.sighting.id), problem.place);
                    suspicion.look(sample, Sight::Seen, Millis::ZERO);
                }
                problem
            })
            .collect()
    }

    fn suspect(
        &self,
        home: &Candidate<'_>,
        anchor: Option<SightingId>,
        members: Vec<SightingId>,
        place: Rect,
    ) -> Problem {
        let zone = &self.zones[home.zone];
        let dwell = self.at.rule.dwell_in(zone);
        Problem {
            rule: self.index,
            kind: self.at.rule.kind.clone(),
            zone: zone.id.clone(),
            place,
            things: Vec::new(),
            nameless: false,
            stage: Stage::Suspected(Suspicion::new(SuspectId(0), &self.at, dwell, anchor, members)),
        }
    }

    /// Whether `place` belongs to a ticket that tells of this problem already, or had one a short while ago.
    fn is_taken(&self, taken: &[Taken], place: Rect) -> bool {
        let rule = self.at.rule;
        taken.iter().any(|t| {
            let same = t.kind == rule.kind || (t.by == Holder::OpenTicket && rule.yields_to.contains(&t.kind));
            same && belongs(place, t.place, &t.things, rule.merge)
        })
    }

    /// Whether something that has stood for a dwell itself stands between these things and an open ticket of their kind, and
    /// belongs to both: one row of cars, one heap.
    fn is_in_row(&self, taken: &[Taken], finding: &Finding<'_>) -> bool {
        let rule = self.at.rule;
        let dwell = finding.home.map_or(rule.dwell, |home| rule.dwell_in(&self.zones[home.zone]));
        let open: Vec<_> = taken.iter().filter(|t| t.by == Holder::OpenTicket && t.kind == rule.kind).collect();
        finding.things.iter().map(|between| between.sighting).any(|between| {
            self.at.clock.0 - between.since.0 >= dwell.0
                && open.iter().any(|t| belongs(between.reference, t.place, &t.things, rule.merge))
        })
    }
}

impl Taken {
    fn by(problem: &Problem) -> Option<Self> {
        let by = match problem.stage {
            Stage::Suspected(_) => return None,
            Stage::Ticketed(_) => Holder::OpenTicket,
            Stage::Quiet { .. } | Stage::Closed { .. } | Stage::Resting { .. } => Holder::Rest,
        };
        Some(Self { kind: problem.kind.clone(), place: problem.place, things: problem.things.clone(), by })
    }
}

/// How a sighting's end is called where its suspect is dropped.
fn end_word(end: Option<End>) -> &'static str {
    match end {
        Some(End::Moved) => "moved",
        Some(End::Gone) | None => "gone",
    }
}
