//! One camera's view: its zones, what stands in it, and the problems there.

use domain::{CameraId, Detection, GroundPoint, Millis, OCCUPIED, Rect, TicketId, Timestamp, ZoneId};

use super::{
    book::Book,
    candidate::candidates,
    cluster::gap,
    config::Footing,
    elsewhere::{Abroad, News, Overlaps, Reach, Same, Vantage, lower_edge},
    ground::Ground,
    known::{Known, STANDING, is, is_carried},
    people::People,
    permit::AtHand,
    problem::{At, Event, Problem, Stage, Watch},
    round::{InForce, Round},
    sighting::Sightings,
    spot::Spots,
};
use crate::{
    incident::{Effect, Ending, Observation, OpenTicket, Pace, Sight, Zone, ZonePurpose},
    sensor::Word,
};

/// Observed time that one look can stand for: what happened between two looks further apart is not known.
const LOOK_CREDIT: Millis = Millis::secs(60);
/// How late a look may come out of order before it means that the clock was set back.
const OUT_OF_ORDER: Millis = Millis::secs(60);
/// Share of a thing's footing that makes it stand in a zone that is masked out.
const WITHIN: f32 = 0.5;

/// One camera's view.
#[derive(Debug)]
pub(super) struct View {
    camera: CameraId,
    zones: Vec<Zone>,
    sightings: Sightings,
    people: People,
    ground: Ground,
    spots: Spots,
    problems: Vec<Problem>,
    /// The ground that it shows, where that is known.
    plane: Option<domain::Ground>,
    /// What other views hold of what this one may see, as it was before the present look.
    abroad: Vec<Abroad>,
    /// What parking sensors said last, one word a sensor.
    words: Vec<Word>,
    /// Observed time: runs from look to look, stands still while the stream is lost, never runs back.
    clock: Millis,
    last_look: Option<Timestamp>,
    stream: Stream,
    fitness: Fitness,
    pace: Pace,
}

/// Whether what the camera shows can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fitness {
    Fit,
    Unfit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Up,
    Lost,
}

impl View {
    pub(super) fn new(camera: CameraId, zones: Vec<Zone>) -> Self {
        Self {
            camera,
            zones,
            sightings: Sightings::default(),
            people: People::default(),
            ground: Ground::default(),
            spots: Spots::default(),
            problems: Vec::new(),
            plane: None,
            abroad: Vec::new(),
            words: Vec::new(),
            clock: Millis::ZERO,
            last_look: None,
            stream: Stream::Up,
            fitness: Fitness::Fit,
            pace: Pace::Idle,
        }
    }

    pub(super) fn restore(&mut self, open: &OpenTicket, book: &Book) {
        let known = self.problems.iter().any(|p| matches!(&p.stage, Stage::Ticketed(w) if w.ticket == open.ticket));
        if let (false, Some(rule)) = (known, book.rule_for(open, &self.zones)) {
            let stage = Stage::Ticketed(Watch::restored(open.ticket, open.last_seen, !open.standing.is_empty()));
            self.push_restored(rule, open, stage);
        }
    }

    pub(super) fn restore_cleared(&mut self, cleared: &OpenTicket, cleared_at: Timestamp, book: &Book) {
        if let Some(rule) = book.rule_for(cleared, &self.zones) {
            let stage = Stage::resting(Some(cleared.ticket), cleared_at, &book.rules[rule].rule);
            self.push_restored(rule, cleared, stage);
        }
    }

    pub(super) fn restore_ended(&mut self, ended: &OpenTicket, ending: Ending, at: Timestamp, book: &Book) {
        let Some(index) = book.rule_for(ended, &self.zones) else { return };
        let rule = &book.rules[index].rule;
        let taken = self.problems.iter().any(|p| {
            matches!(p.stage, Stage::Ticketed(_)) && p.kind == ended.kind && gap(p.place, ended.bbox) <= rule.merge
        });
        if !taken {
            let watch = Watch::restored(ended.ticket, ended.last_seen, !ended.standing.is_empty());
            self.push_restored(index, ended, Stage::ended(ending, watch, at, rule));
        }
    }

    /// Somebody ended a ticket of this view. One that looks have ended before, or that nobody knows, is left alone.
    pub(super) fn ended(
        &mut self,
        now: Timestamp,
        ticket: TicketId,
        ending: Ending,
        book: &Book,
        out: &mut Vec<Effect>,
    ) {
        self.each(now, book, out, |problem, _| {
            if problem.stage.ticket() == Some(ticket) { Event::Ended(ending) } else { Event::Tick }
        });
        self.settle_pace(now, book, out);
    }

    fn push_restored(&mut self, rule: usize, ticket: &OpenTicket, stage: Stage) {
        let (kind, zone) = (ticket.kind.clone(), ticket.zone.clone());
        let (place, nameless) = (ticket.bbox, !ticket.standing.is_empty());
        self.problems.push(Problem { rule, kind, zone, place, things: Vec::new(), nameless, stage });
    }

    /// Takes new zones. Suspects in a zone that is gone are dropped; their tickets stay until a look shows them gone.
    pub(super) fn set_zones(&mut self, zones: Vec<Zone>, now: Timestamp, book: &Book, out: &mut Vec<Effect>) {
        self.zones = zones;
        let zones = std::mem::take(&mut self.zones);
        self.each(now, book, out, |problem, at| {
            let stands = zones.iter().any(|z| z.id == problem.zone && at.rule.zones.contains(&z.purpose));
            if stands { Event::Tick } else { Event::Dropped("zone_removed") }
        });
        self.zones = zones;
        self.settle_pace(now, book, out);
    }

    /// Drops all suspects, for a camera that is no longer watched.
    pub(super) fn retire(&mut self, now: Timestamp, book: &Book, out: &mut Vec<Effect>) {
        self.zones.clear();
        self.each(now, book, out, |_, _| Event::Dropped("zone_removed"));
        self.settle_pace(now, book, out);
    }

    /// Takes the ground that it shows.
    pub(super) fn set_plane(&mut self, plane: Option<domain::Ground>) {
        self.plane = plane;
    }

    pub(super) fn zones(&self) -> &[Zone] {
        &self.zones
    }

    /// The ground that its zones show; none where that is not known.
    pub(super) fn reach(&self) -> Option<Reach> {
        Reach::of(self.plane.as_ref()?, &self.zones)
    }

    /// The tickets that it has a place for.
    pub(super) fn held(&self) -> impl Iterator<Item = TicketId> {
        self.problems.iter().filter_map(|problem| problem.stage.ticket())
    }

    /// Where it has a ticket's problem.
    pub(super) fn place_of(&self, ticket: TicketId) -> Option<(&ZoneId, Rect)> {
        let problem = self.problems.iter().find(|problem| problem.stage.ticket() == Some(ticket))?;
        Some((&problem.zone, problem.place))
    }

    /// What it holds at a device's place: within the rule's radius on the ground where that tells, else in one of these zones.
    pub(super) fn problems_at<'a>(
        &'a self,
        ground: Option<&'a GroundPoint>,
        zones: &'a [ZoneId],
        book: &'a Book,
    ) -> impl Iterator<Item = (&'a Problem, Same)> + 'a {
        self.problems.iter().filter_map(move |problem| {
            let edge = self.plane.as_ref().map_or_else(Vec::new, |plane| lower_edge(plane, problem.place));
            let rule = &book.rules[problem.rule].rule;
            Some((problem, Same::of(&edge, ground, (&problem.zone, zones), rule)?))
        })
    }

    /// Whether it keeps others from clearing a ticket.
    pub(super) fn has_a_say(&self, ticket: TicketId, now: Timestamp, book: &Book) -> bool {
        let speaks = |problem: &Problem| {
            let watch = problem.stage.watch().filter(|watch| watch.ticket == ticket);
            watch.is_some_and(|watch| watch.has_a_say(now, &book.rules[problem.rule].rule))
        };
        self.problems.iter().any(speaks)
    }

    /// When it saw a ticket's problem last.
    pub(super) fn last_seen(&self, ticket: TicketId) -> Option<Timestamp> {
        self.problems
            .iter()
            .find_map(|problem| problem.stage.watch().filter(|w| w.ticket == ticket))
            .map(|w| w.last_seen)
    }

    /// What it holds that `asking` may see, too.
    pub(super) fn holds_for<'a>(
        &'a self,
        asking: &'a CameraId,
        overlaps: &'a Overlaps,
        now: Timestamp,
        book: &'a Book,
    ) -> impl Iterator<Item = Abroad> + 'a {
        self.problems.iter().filter_map(move |problem| {
            let rule = &book.rules[problem.rule].rule;
            let at = Vantage { camera: &self.camera, plane: self.plane.as_ref(), rule, overlaps, asking };
            Abroad::of(problem, &at, now)
        })
    }

    /// Takes what other views hold, for the next look.
    pub(super) fn set_abroad(&mut self, abroad: Vec<Abroad>) {
        self.abroad = abroad;
    }

    /// Another view of a ticket says so.
    pub(super) fn hear_of(&mut self, ticket: TicketId, news: News, now: Timestamp, book: &Book, out: &mut Vec<Effect>) {
        self.each(now, book, out, |problem, _| {
            if problem.stage.ticket() == Some(ticket) { Event::Elsewhere(news) } else { Event::Tick }
        });
        self.settle_pace(now, book, out);
    }

    /// Takes in what a parking sensor says; a word outlasts a lost stream.
    pub(super) fn hear(&mut self, word: &Word) {
        self.words.retain(|known| known.device != word.device);
        if word.occupied.is_some() {
            self.words.push(word.clone());
        }
    }

    pub(super) fn lost(&mut self) {
        self.stream = Stream::Lost;
        self.people.clear();
    }

    /// What the camera shows can be trusted no more, or again; the time between counts for nothing.
    pub(super) fn judge(&mut self, fitness: Fitness, now: Timestamp, book: &Book, out: &mut Vec<Effect>) {
        if std::mem::replace(&mut self.fitness, fitness) != fitness {
            self.lost();
            self.settle_pace(now, book, out);
        }
    }

    pub(super) fn tick(&mut self, now: Timestamp, book: &Book, out: &mut Vec<Effect>) {
        if self.problems.is_empty() {
            return;
        }
        let unseen = self.last_look.map_or(Millis::ZERO, |last| now.since(last));
        self.each(now, book, out, |problem, at| {
            if unseen > at.rule.max_pause {
                Event::Dropped("lost_camera")
            } else if !book.holds(problem.rule, now) {
                Event::Dropped("calendar")
            } else {
                Event::Tick
            }
        });
        self.settle_pace(now, book, out);
    }

    pub(super) fn look(
        &mut self,
        now: Timestamp,
        seen: &Observation<'_>,
        book: &Book,
        names: &mut u64,
        out: &mut Vec<Effect>,
    ) {
        if self.fitness == Fitness::Unfit || (self.zones.is_empty() && self.problems.is_empty()) {
            return;
        }
        let Some(passed) = self.advance(now, book, out) else { return };
        self.ground.look(seen.detections);
        self.spots.look(self.clock, seen.detections, &self.ground);
        let shown = self.spots.name(seen.detections, |label| book.is_about(label));
        let (mut things, mut persons) = book.sort(&shown);
        if self.zones.iter().any(|zone| zone.purpose == ZonePurpose::Indoors) {
            things.retain(|thing| !self.is_indoors(thing));
            persons.retain(|person| !self.is_indoors(person));
        }
        self.people.look(self.clock, &persons, &self.ground);
        if things.iter().any(|thing| is(thing, STANDING)) {
            let known = Known::of(&shown, &self.sightings, &self.people);
            things.retain(|thing| !is(thing, STANDING) || !known.explain(thing));
        }
        if things.iter().any(|thing| is(thing, OCCUPIED)) {
            let people = Known::people(&self.people);
            things.retain(|thing| !is(thing, OCCUPIED) || !people.explain(thing));
        }
        things.retain(|thing| !is_carried(thing, &self.people));
        self.sightings.look(self.clock, &things, book.retention);
        let permits = book.permits.at_hand(&self.camera, &self.zones, now, &book.time_zone);
        let mut problems = std::mem::take(&mut self.problems);
        for index in 0..book.rules.len() {
            let round = self.round(index, now, seen, passed, &permits, book);
            let (mine, others): (Vec<_>, Vec<_>) = problems.into_iter().partition(|p| p.rule == index);
            problems = others;
            if !mine.is_empty() || !round.candidates.is_empty() {
                let mine = round.play(mine, &problems, names, out);
                problems.extend(mine);
            }
        }
        self.problems = problems;
        self.settle_pace(now, book, out);
    }

    fn round<'a>(
        &'a self,
        index: usize,
        now: Timestamp,
        seen: &'a Observation<'a>,
        passed: Millis,
        permits: &'a AtHand<'a>,
        book: &'a Book,
    ) -> Round<'a> {
        let armed = &book.rules[index];
        Round {
            index,
            armed,
            at: At { camera: &self.camera, now, clock: self.clock, rule: &armed.rule },
            calendar: if book.holds(index, now) { InForce::Now } else { InForce::NotNow },
            zones: &self.zones,
            sightings: &self.sightings,
            people: &self.people,
            permits,
            plane: self.plane.as_ref(),
            abroad: &self.abroad,
            words: &self.words,
            seen,
            passed,
            candidates: candidates(&armed.rule, &self.zones, &self.sightings, &self.ground, permits, self.clock),
        }
    }

    /// What the look that was just taken in shows of a ticket's place; none where no rule knows its kind any more, or where the
    /// view must be learnt to tell.
    pub(super) fn sight(
        &self,
        ticket: &OpenTicket,
        now: Timestamp,
        seen: &Observation<'_>,
        book: &Book,
    ) -> Option<Sight> {
        if self.fitness == Fitness::Unfit || (seen.learning && !ticket.standing.is_empty()) {
            return None;
        }
        let index = book.rule_for(ticket, &self.zones)?;
        let permits = book.permits.at_hand(&self.camera, &self.zones, now, &book.time_zone);
        let round = self.round(index, now, seen, Millis::ZERO, &permits, book);
        // What is only remembered explains nothing that stands there now.
        let known = Known::of(seen.detections, &Sightings::default(), &self.people);
        let problem = self.problems.iter().find(|p| p.stage.ticket() == Some(ticket.ticket));
        let things = problem.map_or(&[][..], |problem| &problem.things);
        Some(round.sight(&ticket.zone, ticket.bbox, things, &known))
    }

    /// Whether it stands behind glass or within doors.
    fn is_indoors(&self, detection: &Detection) -> bool {
        let footing = Footing::LowerThird.part_of(detection.bbox);
        let within = |zone: &Zone| zone.polygon.share_of(footing) >= WITHIN;
        self.zones.iter().any(|zone| zone.purpose == ZonePurpose::Indoors && within(zone))
    }

    /// Moves the observed time on to a look at `now`. Returns how much of it passed since the look before; none for a
    /// look that comes out of order, which says nothing new.
    fn advance(&mut self, now: Timestamp, book: &Book, out: &mut Vec<Effect>) -> Option<Millis> {
        let unseen = match self.last_look {
            None => Millis::ZERO,
            Some(last) if now <= last && last.since(now) <= OUT_OF_ORDER => return None,
            // Set back by more than that: how long the gap really was is unknown, so nothing is counted.
            Some(last) if now <= last => {
                self.stream = Stream::Lost;
                Millis::ZERO
            }
            Some(last) => now.since(last),
        };
        self.last_look = Some(now);
        let passed = match std::mem::replace(&mut self.stream, Stream::Up) {
            Stream::Up => unseen.min(LOOK_CREDIT),
            Stream::Lost => {
                self.sightings.interrupt();
                Millis::ZERO
            }
        };
        self.clock = Millis(self.clock.0.saturating_add(passed.0));
        self.each(
            now,
            book,
            out,
            |_, at| {
                if unseen > at.rule.max_pause { Event::Dropped("lost_camera") } else { Event::Tick }
            },
        );
        if unseen > book.max_pause {
            self.sightings.clear();
            self.people.clear();
            self.ground.clear();
            self.spots.clear();
        }
        Some(passed)
    }

    /// Sends every problem the event that `event` makes for it.
    fn each(&mut self, now: Timestamp, book: &Book, out: &mut Vec<Effect>, event: impl Fn(&Problem, &At<'_>) -> Event) {
        let (camera, clock) = (&self.camera, self.clock);
        self.problems = std::mem::take(&mut self.problems)
            .into_iter()
            .filter_map(|problem| {
                let at = At { camera, now, clock, rule: &book.rules[problem.rule].rule };
                let event = event(&problem, &at);
                problem.on(event, &at, out)
            })
            .collect();
    }

    fn settle_pace(&mut self, now: Timestamp, book: &Book, out: &mut Vec<Effect>) {
        let wants_looks = self.problems.iter().any(|problem| {
            let at = At { camera: &self.camera, now, clock: self.clock, rule: &book.rules[problem.rule].rule };
            match &problem.stage {
                Stage::Suspected(suspicion) => suspicion.is_eager(&at),
                // One that is clear here and not elsewhere waits for the others.
                Stage::Ticketed(watch) => watch.absent_looks > 0 && !watch.is_clear(at.rule),
                Stage::Quiet { .. } | Stage::Closed { .. } | Stage::Resting { .. } => false,
            }
        });
        let pace = if wants_looks && self.fitness == Fitness::Fit { Pace::Active } else { Pace::Idle };
        if pace != self.pace {
            self.pace = pace;
            out.push(Effect::Pace { camera: self.camera.clone(), pace });
        }
    }

    pub(super) fn count(&self, wanted: impl Fn(&Stage) -> bool) -> usize {
        self.problems.iter().filter(|p| wanted(&p.stage)).count()
    }

    pub(super) fn sightings(&self) -> usize {
        self.sightings.all().len()
    }
}
