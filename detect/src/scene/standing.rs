//! Cells at which something new stands, put together to things: which of them belong together, whether they are a
//! thing rather than a shadow, and whether the thing has come or another one has left.

use std::ops::Range;

use domain::{Detection, Label, Mask, OCCUPIED, Rect, STANDING};

use super::{
    cell::{Cell, Moment},
    grid::{Look, Size},
    light::{Cause, Difference},
    moved::{Departures, Figure},
};

/// Least cells of a thing, and least cells a side.
const LEAST_CELLS: usize = 4;
const LEAST_SIDE: usize = 2;
/// Largest share of the picture that one thing can take; more is weather.
const LARGEST_SHARE: f32 = 0.25;
/// Least share of its box that a thing fills: the edge of a shadow is a line.
const LEAST_FILL: f32 = 0.35;
/// Share of the inner cells that light must not explain.
const LEAST_SOLID: f32 = 0.3;
/// Least excess of the picture's edges at the rim over those of the learnt scene; below, something has left.
const COME: f32 = -0.06;
/// Most things told of one camera.
const MOST_THINGS: usize = 24;
/// How far apart, in cells, parts of one thing may lie.
const GAP: isize = 2;

/// Cells of the grid that belong together.
struct Region {
    /// Column and row, of each cell.
    cells: Vec<(usize, usize)>,
    columns: Range<usize>,
    rows: Range<usize>,
}

/// Cells at which something stands that has not been put to a thing yet.
#[derive(Debug, Default)]
pub(super) struct Left {
    nameless: Vec<bool>,
    named: Vec<bool>,
    /// Those that are no thing by themselves.
    parts: Vec<bool>,
}

/// What a region comes to.
enum Judged {
    Thing(Detection),
    /// Too little, or too unlike a thing, to be one by itself.
    Part(Region),
    /// No thing, nor part of one.
    Nothing,
}

/// What stands in the view, best first. Marks the cells that must not fade into the scene, and lets those fade where
/// something of the learnt scene has left.
///
/// What the detector has mostly had a name for (a parked car) must not fade either; it is told apart from the rest, so that
/// a bag beside a car is no part of it. Where neither is a thing by itself (half of a bag has a name, now this, now that) they are
/// one together. What only was put elsewhere is part of the scene from now on.
pub(super) fn find(
    size: Size,
    cells: &mut [Cell],
    left: &mut Left,
    departures: &mut Departures,
    moment: Moment,
) -> Vec<Detection> {
    departures.pass(moment.seconds);
    left.nameless.clear();
    left.named.clear();
    left.parts.clear();
    left.parts.resize(cells.len(), false);
    for cell in &mut *cells {
        let stands = cell.stands(moment);
        cell.held = stands && cell.is_known();
        left.nameless.push(stands && !cell.held);
        left.named.push(cell.held);
    }
    let mut things = Vec::new();
    let Left { nameless, named, parts } = left;
    for (left, class) in [(nameless, STANDING), (named, OCCUPIED)] {
        each_region(size, left, |region| match region.judge(size, cells, departures, class) {
            Judged::Thing(thing) => things.push(thing),
            Judged::Part(part) => part.cells.iter().for_each(|&(c, r)| parts[r * size.columns + c] = true),
            Judged::Nothing => {}
        });
    }
    each_region(size, parts, |region| {
        let known = region.cells.iter().filter(|&&(c, r)| cells[r * size.columns + c].is_known()).count();
        // Of one sort only, it has been judged.
        if known > 0 && known < region.cells.len() {
            let class = if 3 * known > 2 * region.cells.len() { OCCUPIED } else { STANDING };
            if let Judged::Thing(thing) = region.judge(size, cells, departures, class) {
                things.push(thing);
            }
        }
    });
    things.sort_by(|a, b| b.score.total_cmp(&a.score));
    things.truncate(MOST_THINGS);
    things
}

/// Takes all cells out of `left` and gives those that hang together to `each`.
fn each_region(size: Size, left: &mut [bool], mut each: impl FnMut(Region)) {
    let mut next = 0;
    while let Some(start) = left[next..].iter().position(|left| *left).map(|ahead| next + ahead) {
        each(Region::grow(size, left, start));
        next = start + 1;
    }
}

impl Region {
    /// Takes all cells out of `left` that hang together with `start`.
    fn grow(size: Size, left: &mut [bool], start: usize) -> Self {
        let place = |i: usize| (i % size.columns, i / size.columns);
        let mut cells = vec![place(start)];
        left[start] = false;
        let mut next = 0;
        while let Some(&(column, row)) = cells.get(next) {
            next += 1;
            for r in row.saturating_sub(GAP as usize)..(row + GAP as usize + 1).min(size.rows) {
                for c in column.saturating_sub(GAP as usize)..(column + GAP as usize + 1).min(size.columns) {
                    if std::mem::take(&mut left[r * size.columns + c]) {
                        cells.push((c, r));
                    }
                }
            }
        }
        Self::around(cells)
    }

    fn around(mut cells: Vec<(usize, usize)>) -> Self {
        let columns = cells.iter().fold(None, |span, c| Some(widened(span, c.0))).unwrap_or_default();
        let rows = cells.iter().fold(None, |span, c| Some(widened(span, c.1))).unwrap_or_default();
        // What is closed in from all four sides belongs to it.
        let mut by_row = vec![None; rows.len()];
        let mut by_column = vec![None; columns.len()];
        for &(c, r) in &cells {
            let (in_row, in_column) = (&mut by_row[r - rows.start], &mut by_column[c - columns.start]);
            *in_row = Some(widened(in_row.take(), c));
            *in_column = Some(widened(in_column.take(), r));
        }
        let within = |span: &Option<Range<usize>>, at: usize| span.as_ref().is_some_and(|span| span.contains(&at));
        cells.clear();
        for r in rows.clone() {
            let inside = columns
                .clone()
                .filter(|&c| within(&by_row[r - rows.start], c) && within(&by_column[c - columns.start], r));
            cells.extend(inside.map(|c| (c, r)));
        }
        Self { cells, columns, rows }
    }

    fn contains(&self, column: usize, row: usize) -> bool {
        self.cells.binary_search_by_key(&(row, column), |&(c, r)| (r, c)).is_ok()
    }

    /// The thing that stands there, if it is one, as a detection of `class`.
    fn judge(self, size: Size, cells: &mut [Cell], departures: &mut Departures, class: &str) -> Judged {
        let (width, height) = (self.columns.len(), self.rows.len());
        let fill = self.cells.len() as f32 / (width * height) as f32;
        let share = self.cells.len() as f32 / size.cells() as f32;
        let fits = self.cells.len() >= LEAST_CELLS && width.min(height) >= LEAST_SIDE;
        if share > LARGEST_SHARE {
            return Judged::Nothing;
        }
        if !fits || fill < LEAST_FILL {
            return Judged::Part(self);
        }
        let solidity = self.solidity(size, cells);
        if solidity.share < LEAST_SOLID {
            return Judged::Part(self);
        }
        let come = self.come(size, cells);
        let has_left = come < COME;
        if has_left && class == OCCUPIED {
            return Judged::Nothing;
        }
        let age = self.age(size, cells);
        if class == STANDING && (has_left || departures.may_be(age)) {
            let figure = self.figure(size, cells, age, if has_left { |cell| cell.scene } else { Cell::thing });
            if has_left {
                departures.add(figure);
            }
            if has_left || departures.take(figure) {
                self.cells.iter().for_each(|&(c, r)| cells[r * size.columns + c].absorb());
                return Judged::Nothing;
            }
        }
        self.cells.iter().for_each(|&(c, r)| cells[r * size.columns + c].held = true);
        // How clearly it differs, how clearly it is the thing that has the edges, and for how long it has stood.
        let clear = ((solidity.size - 1.0) / 2.0).clamp(0.0, 1.0);
        let edges = ((come - COME) / 0.4).clamp(0.0, 1.0);
        let stable = (age / 120.0).clamp(0.0, 1.0);
        let score = (0.3 + 0.7 * clear) * (0.5 + 0.5 * edges) * (0.75 + 0.25 * stable);
        let at = |i: usize, n: usize| i as f32 / n as f32;
        let bbox = Rect {
            x0: at(self.columns.start, size.columns),
            y0: at(self.rows.start, size.rows),
            x1: at(self.columns.end, size.columns),
            y1: at(self.rows.end, size.rows),
        };
        Judged::Thing(Detection {
            class: Label::new(class),
            group: Label::new(class),
            score,
            bbox,
            mask: Some(self.mask()),
            model: None,
        })
    }

    /// Seconds for which it has been there: the median of its cells.
    fn age(&self, size: Size, cells: &[Cell]) -> f32 {
        let mut ages: Vec<f32> = self.cells.iter().map(|&(c, r)| cells[r * size.columns + c].age).collect();
        let middle = ages.len() / 2;
        *ages.select_nth_unstable_by(middle, f32::total_cmp).1
    }

    /// It as `look` has it of each cell.
    fn figure(&self, size: Size, cells: &[Cell], age: f32, look: fn(&Cell) -> Look) -> Figure {
        let looks = self.cells.iter().map(|&(c, r)| look(&cells[r * size.columns + c]));
        let (mean, _) =
            looks.fold((Look::default(), 0.0), |(mean, n), look| (mean.toward(look, 1.0 / (n + 1.0)), n + 1.0));
        Figure { look: mean, n_cells: self.cells.len(), age }
    }

    fn mask(&self) -> Mask {
        let (width, height) = (self.columns.len(), self.rows.len());
        let (columns, rows) = (width.min(Mask::MAX_SIDE), height.min(Mask::MAX_SIDE));
        let scale = |i: usize, n: usize, all: usize| (2 * i + 1) * all / (2 * n);
        Mask::new(columns, rows, |c, r| {
            self.contains(self.columns.start + scale(c, columns, width), self.rows.start + scale(r, rows, height))
        })
    }

    /// How far light fails to explain it. The rim of a hard shadow is as much an edge as that of a thing, so the inner
    /// cells decide where there are any.
    fn solidity(&self, size: Size, cells: &[Cell]) -> Solidity {
        let inner = |&&(c, r): &&(usize, usize)| {
            c > 0 && r > 0 && [(c - 1, r), (c + 1, r), (c, r - 1), (c, r + 1)].iter().all(|&(c, r)| self.contains(c, r))
        };
        let difference = |&(c, r): &(usize, usize)| {
            let cell = &cells[r * size.columns + c];
            Difference::between(cell.thing(), cell.scene, cell.varies)
        };
        let strong = |d: &Difference| d.cause == Cause::Thing;
        let share = |all: &[Difference]| all.iter().filter(|d| strong(d)).count() as f32 / all.len() as f32;
        let all: Vec<Difference> = self.cells.iter().map(difference).collect();
        let inside: Vec<Difference> = self.cells.iter().filter(inner).map(difference).collect();
        let of_strong: Vec<f32> = all.iter().filter(|d| strong(d)).map(|d| d.size.min(4.0)).collect();
        Solidity {
            // Without an inside it must be all the clearer.
            share: if inside.len() >= 2 { share(&inside) } else { share(&all) / 2.0 },
            size: of_strong.iter().sum::<f32>() / of_strong.len().max(1) as f32,
        }
    }

    /// Whether what is seen now (up to 1) or what was learnt (down to -1) has the edges at the rim. What comes stands out
    /// of its surroundings; where something has left, the ground is like the ground around it.
    fn come(&self, size: Size, cells: &[Cell]) -> f32 {
        let (mut now, mut before) = (0.0, 0.0);
        let inside = |c: isize, r: isize| c >= 0 && r >= 0 && self.contains(c as usize, r as usize);
        for &(c, r) in &self.cells {
            let cell = &cells[r * size.columns + c];
            let (c, r) = (c as isize, r as isize);
            for (dc, dr) in [(-1, 0), (1, 0), (0, -1), (0, 1)] {
                let (oc, or) = (c + dc, r + dr);
                let in_view = oc >= 0 && or >= 0 && (oc as usize) < size.columns && (or as usize) < size.rows;
                if !in_view || inside(oc, or) {
                    continue;
                }
                // The rim's own cells are half ground: a step further in, and a step further out.
                let deep = |c: isize, r: isize| &cells[r as usize * size.columns + c as usize];
                let within = if inside(c - dc, r - dr) { deep(c - dc, r - dr) } else { cell };
                let (fc, fr) = (oc + dc, or + dr);
                let far = fc >= 0 && fr >= 0 && (fc as usize) < size.columns && (fr as usize) < size.rows;
                let ground = if far && !inside(fc, fr) { deep(fc, fr) } else { deep(oc, or) };
                now += within.thing().apart(ground.scene) + cell.thing().t.max(0.0);
                before += within.scene.apart(ground.scene) + cell.scene.t.max(0.0);
            }
        }
        let all: f32 = now + before;
        if all > 0.0 { (now - before) / all } else { 0.0 }
    }
}

/// The span with `at` in it.
fn widened(span: Option<Range<usize>>, at: usize) -> Range<usize> {
    span.map_or(at..at + 1, |span| span.start.min(at)..span.end.max(at + 1))
}

struct Solidity {
    /// Share of cells that light does not explain.
    share: f32,
    /// Mean difference of those, in units of what noise explains.
    size: f32,
}
