//! All cells of a view: learning it at the start, following it, and learning it anew where it has become another one.
//!
//! ```text
//!            long enough
//!  learning -------------> learnt
//!     ^                      |
//!     +----------------------+  the view, its size or its colours are others
//! ```

use domain::{Detection, Point, Rect, STANDING};

use super::{
    cell::{Cell, Cover, Moment},
    grid::{Look, Profile, Sampler, Shift, Size},
    kept::Kept,
    light::{Cause, Difference, Light},
    moved::Departures,
    standing::{self, Left},
};
use crate::config::StandingConfig;

/// Looks that learning takes at least.
const LEARNING_LOOKS: u32 = 6;
/// Share of cells with something else in them at which the view is held to be another one, and for how many looks and
/// seconds. A bus that stops in front of the camera leaves sooner.
const OTHER_VIEW: f32 = 0.5;
const OTHER_VIEW_LOOKS: u32 = 3;
const OTHER_VIEW_SECONDS: f32 = 45.0;
/// Levels from which a cell has colour; share of such cells in a view by day, and in infrared light; looks that it takes
/// to believe it.
const COLOUR: f32 = 2.5;
const COLOURED: f32 = 0.25;
const GREY: f32 = 0.02;
const COLOUR_LOOKS: u32 = 2;
/// Score from which a detection says what something is, and the share of the picture above which it says nothing of a
/// place.
const KNOWN_SCORE: f32 = 0.3;
const LARGEST_KNOWN: f32 = 0.5;

/// Why a scene is learnt anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relearn {
    /// The picture has another size.
    Size,
    /// The camera shows another view.
    View,
    /// The camera went to infrared light or back.
    Colour,
}

impl Relearn {
    /// A short name for metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::View => "view",
            Self::Colour => "colour",
        }
    }
}

#[derive(Debug, Default)]
enum State {
    /// Nothing was seen yet.
    #[default]
    Empty,
    /// So many looks and seconds have been spent.
    Learning {
        looks: u32,
        seconds: f32,
    },
    Learnt,
}

/// The learnt scene of one view.
#[derive(Debug, Default)]
pub(super) struct Background {
    size: Size,
    state: State,
    kept: Kept,
    anchor: Profile,
    /// Looks in a row, and their seconds, that showed another view.
    other_view: (u32, f32),
    /// Looks in a row that showed other colours.
    other_colour: u32,
    things: Vec<Detection>,
    departures: Departures,
    /// What is known to stand in the view before anything of it is learnt.
    expected: Vec<Detection>,
    /// Whether another view is not learnt.
    kept_view: bool,
}

/// The cells of the view that is looked at, and what is worked out of them; used for all cameras in turn.
#[derive(Debug, Default)]
pub(super) struct Opened {
    cells: Vec<Cell>,
    pairs: Vec<(Look, Look)>,
    cover: Vec<Cover>,
    /// By how many levels each cell differs; and it or its neighbours in the row.
    levels: Vec<f32>,
    wide: Vec<f32>,
    left: Left,
}

impl Background {
    pub(super) fn is_learnt(&self) -> bool {
        matches!(self.state, State::Learnt)
    }

    /// How far a picture has moved against the learnt scene.
    pub(super) fn shift(&self, profile: &Profile) -> Shift {
        profile.shift_from(&self.anchor)
    }

    /// By how many levels a cell varies by itself.
    pub(super) fn varies(&self, i: usize) -> f32 {
        self.kept.varies(i).unwrap_or(1.0)
    }

    /// What stands there that is new.
    pub(super) fn standing(&self) -> &[Detection] {
        &self.things
    }

    /// Keeps these out of the scene that is learnt next from its beginning, so that they are told after it, if they still stand.
    pub(super) fn expect(&mut self, things: Vec<Detection>) {
        self.expected = things;
    }

    pub(super) fn keep_view(&mut self, keep: bool) {
        self.kept_view = keep;
    }

    /// Takes in the picture that was sampled, `seconds` after the last one, with what the detector knows of it.
    pub(super) fn look(
        &mut self,
        config: &StandingConfig,
        sampler: &Sampler,
        profile: &Profile,
        seconds: f32,
        known: &[Detection],
        opened: &mut Opened,
    ) -> Option<Relearn> {
        if self.size != sampler.size {
            let relearn = (!self.kept.is_empty()).then_some(Relearn::Size);
            if relearn.is_some() {
                // The same view in other pixels.
                self.expected = std::mem::take(&mut self.things);
            }
            self.begin_anew(sampler, profile, opened);
            return relearn;
        }
        self.kept.open(&mut opened.cells);
        if self.colour_switched(sampler, &opened.cells) {
            // What stands there is told on, and told from the scene when that is learnt.
            self.begin(sampler, profile, opened);
            return Some(Relearn::Colour);
        }
        sampler.pair(|i| opened.cells[i].scene, &mut opened.pairs);
        let light = Light::between(&opened.pairs);
        if self.other_colour > 0 {
            return None;
        }
        if self.is_other_view(sampler, light, seconds, &opened.cells) {
            let lasts = self.other_view.0 >= OTHER_VIEW_LOOKS && self.other_view.1 >= OTHER_VIEW_SECONDS;
            if lasts && !self.kept_view {
                self.begin_anew(sampler, profile, opened);
                return Some(Relearn::View);
            }
            return None;
        }
        if sampler.shift == Shift::default() {
            self.anchor.follow(profile);
        }
        let moment = Moment::new(seconds, config.after.as_secs_f64() as f32);
        self.take_in(sampler, light, moment, known, opened);
        if let State::Learning { looks, seconds } = &mut self.state {
            (*looks, *seconds) = (*looks + 1, *seconds + moment.seconds);
            if *looks >= LEARNING_LOOKS && f64::from(*seconds) >= config.learn.as_secs_f64() {
                self.learnt(&mut opened.cells);
            }
        } else {
            self.things = standing::find(self.size, &mut opened.cells, &mut opened.left, &mut self.departures, moment);
        }
        self.kept.keep(&opened.cells);
        None
    }

    /// Takes each cell's look into it, and learns by how much it varies by itself.
    fn take_in(
        &self,
        sampler: &Sampler,
        light: Light,
        moment: Moment,
        known: &[Detection],
        Opened { cells, cover, levels, wide, .. }: &mut Opened,
    ) {
        let size = sampler.size;
        mark_cover(size, known, cover);
        levels.clear();
        levels.resize(cells.len(), 0.0);
        for i in sampler.inside() {
            let now = light.undo(sampler.cells[i]);
            levels[i] = match self.state {
                State::Learnt => cells[i].update(now, cover[i], moment),
                State::Empty | State::Learning { .. } => cells[i].learn(now),
            };
        }
        wide.clear();
        for row in levels.chunks(size.columns) {
            let beside = |c: usize| row[c.saturating_sub(1)].max(row[(c + 1).min(row.len() - 1)]);
            wide.extend(row.iter().enumerate().map(|(c, level)| level.max(beside(c))));
        }
        for i in sampler.inside().filter(|&i| cover[i] == Cover::None) {
            let above = wide[if i < size.columns { i } else { i - size.columns }];
            let below = wide.get(i + size.columns).copied().unwrap_or(0.0);
            cells[i].vary(wide[i].max(above).max(below));
        }
    }

    fn begin_anew(&mut self, sampler: &Sampler, profile: &Profile, opened: &mut Opened) {
        self.things.clear();
        opened.cells.clear();
        opened.cells.resize(sampler.size.cells(), Cell::default());
        for thing in std::mem::take(&mut self.expected).iter().filter(|thing| thing.class.as_str() == STANDING) {
            hold(sampler.size, &mut opened.cells, thing);
        }
        self.begin(sampler, profile, opened);
    }

    /// Begins to learn from the picture that was sampled; opened cells that are held stay so.
    fn begin(&mut self, sampler: &Sampler, profile: &Profile, Opened { cells, .. }: &mut Opened) {
        self.size = sampler.size;
        cells.resize(sampler.size.cells(), Cell::default());
        cells.iter_mut().zip(&sampler.cells).for_each(|(cell, look)| cell.begin(*look));
        self.kept.keep(cells);
        self.anchor.set(profile);
        self.state = State::Learning { looks: 1, seconds: 0.0 };
        (self.other_view, self.other_colour) = ((0, 0.0), 0);
        self.departures = Departures::default();
    }

    /// From here on what differs is new.
    fn learnt(&mut self, cells: &mut [Cell]) {
        self.state = State::Learnt;
        // The rim of what stood before is half ground and no guide to the rest of it.
        let near: Vec<bool> = (0..cells.len()).map(|i| around(self.size, i).any(|j| cells[j].held)).collect();
        let ground: Vec<Option<Look>> = (0..cells.len()).map(|i| ground(self.size, cells, i, &near)).collect();
        cells.iter_mut().zip(ground).for_each(|(cell, ground)| cell.learnt(ground));
    }

    /// Whether a colour picture has become a grey one or the other way round, for some looks.
    fn colour_switched(&mut self, sampler: &Sampler, cells: &[Cell]) -> bool {
        let is_coloured = |look: &Look| look.u.abs() + look.v.abs() > COLOUR;
        let n = cells.len() as f32;
        let before = cells.iter().filter(|cell| is_coloured(&cell.scene)).count() as f32 / n;
        let now = sampler.cells.iter().filter(|look| is_coloured(look)).count() as f32 / n;
        let switched = before.max(now) > COLOURED && before.min(now) < GREY;
        self.other_colour = if switched { self.other_colour + 1 } else { 0 };
        self.other_colour >= COLOUR_LOOKS
    }

    /// Whether most of the view shows something else than the scene.
    fn is_other_view(&mut self, sampler: &Sampler, light: Light, seconds: f32, cells: &[Cell]) -> bool {
        let (mut all, mut others) = (0, 0);
        for i in sampler.inside().step_by(2) {
            let cell = &cells[i];
            let difference = Difference::between(light.undo(sampler.cells[i]), cell.scene, cell.varies);
            (all, others) = (all + 1, others + usize::from(difference.cause == Cause::Thing));
        }
        let is_other = others as f32 > OTHER_VIEW * all as f32;
        self.other_view = if is_other { (self.other_view.0 + 1, self.other_view.1 + seconds) } else { (0, 0.0) };
        is_other
    }
}

/// Marks the cells at which a thing stands.
fn hold(size: Size, cells: &mut [Cell], thing: &Detection) {
    let bbox = thing.bbox.clamped();
    for (i, cell) in cells.iter_mut().enumerate() {
        let middle = |at: usize, n: usize| (at as f32 + 0.5) / n as f32;
        let p = Point { x: middle(i % size.columns, size.columns), y: middle(i / size.columns, size.rows) };
        let within = (bbox.x0..=bbox.x1).contains(&p.x) && (bbox.y0..=bbox.y1).contains(&p.y);
        cell.held |= within && thing.mask.as_ref().is_none_or(|mask| mask.covers_point(thing.bbox, p));
    }
}

/// What is held to be behind a cell at which something stood before the scene was learnt: the nearest cells beside it.
fn ground(size: Size, cells: &[Cell], i: usize, near: &[bool]) -> Option<Look> {
    if !cells[i].held {
        return None;
    }
    let Size { columns, rows, .. } = size;
    let (mut sum, mut n) = (Look::default(), 0.0);
    for (dc, dr) in [(-1_isize, 0_isize), (1, 0), (0, -1), (0, 1)] {
        let steps = (1..).map(|k| ((i % columns) as isize + k * dc, (i / columns) as isize + k * dr));
        let inside = |&(c, r): &(isize, isize)| (0..columns as isize).contains(&c) && (0..rows as isize).contains(&r);
        let free = steps.take_while(inside).map(|(c, r)| r as usize * columns + c as usize).find(|&j| !near[j]);
        if let Some(j) = free {
            n += 1.0;
            sum = sum.toward(cells[j].scene, 1.0 / n);
        }
    }
    (n > 0.0).then_some(sum)
}

/// A cell and its neighbours.
fn around(size: Size, i: usize) -> impl Iterator<Item = usize> {
    let near = |at: usize, end: usize| at.saturating_sub(1)..(at + 2).min(end);
    let (columns, rows) = (near(i % size.columns, size.columns), near(i / size.columns, size.rows));
    rows.flat_map(move |r| columns.clone().map(move |c| r * size.columns + c))
}

/// Writes into `cover` which cells lie under or near a detection that says what is there.
fn mark_cover(size: Size, known: &[Detection], cover: &mut Vec<Cover>) {
    cover.clear();
    cover.resize(size.cells(), Cover::None);
    let sure = known.iter().filter(|d| d.score >= KNOWN_SCORE && d.bbox.area() < LARGEST_KNOWN);
    for Rect { x0, y0, x1, y1 } in sure.map(|d| d.bbox.clamped()) {
        // Cells whose middle lies in the box; and one cell and a tenth of the box around it.
        let span = |from: f32, to: f32, n: usize, margin: f32| {
            let at = |x: f32| (x * n as f32).clamp(0.0, n as f32);
            let first = (at(from) - 0.5 - margin).ceil().max(0.0) as usize;
            first..((at(to) - 0.5 + margin).floor() + 1.0).clamp(0.0, n as f32) as usize
        };
        let around = |from: f32, to: f32, n: usize| span(from, to, n, 1.0 + 0.1 * (to - from) * n as f32);
        let (columns, rows) = (around(x0, x1, size.columns), around(y0, y1, size.rows));
        let (inner_columns, inner_rows) = (span(x0, x1, size.columns, 0.0), span(y0, y1, size.rows, 0.0));
        for r in rows {
            for c in columns.clone() {
                let over = inner_columns.contains(&c) && inner_rows.contains(&r);
                let cell = &mut cover[r * size.columns + c];
                *cell = (*cell).max(if over { Cover::Over } else { Cover::Near });
            }
        }
    }
}
