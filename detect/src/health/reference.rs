//! A camera's reference, and how a picture fits it. Views are compared by the direction of their slopes, cell by cell and
//! then block by block, which neither light nor what stands in some of the blocks changes much.

use domain::health::Sign;

use super::measure::{BLOCK, BLOCKS, CELLS, COLUMNS, Edges, Measure, ROWS, STRUCTURE, size};
use crate::bits::Bits;

/// Share of the blocks that must match for the view to be the same, and below which it is another.
pub(super) const FITS: f32 = 0.35;
/// Share from which nobody need look whether it fits better elsewhere.
const FITS_SURELY: f32 = 0.7;
pub(super) const FITS_NOT: f32 = 0.24;
/// Share of the blocks that must match elsewhere for the view to have gone there, and by how many times more than here.
const FITS_THERE: f32 = 0.4;
const BETTER_THERE: f32 = 1.6;
/// Cosine between the slopes of two blocks from which they match.
const MATCH: f32 = 0.5;
/// Cells with structure from which a block has a say, and the share of it that is left at most when it is hidden.
const LEAST_CELLS: usize = 6;
const HIDDEN: f32 = 0.35;
/// Cells by which a view may tremble and be the same: 1.6 % of the picture.
const TREMBLE: i32 = 1;
/// Cells within which a view that has moved is sought; every second one at first.
const REACH: (i32, i32) = (20, 14);
/// Slopes of so many levels count half.
const SOFT: f32 = 5.0;
/// Edges that a block has when its sharpness counts, in blocks of which at least so many are needed.
const LEAST_EDGES: u32 = 40;
const LEAST_BLOCKS: usize = 4;
/// Steepness and number of a block's edges, as shares of the reference's, under which it is smeared, and over which sharp.
const SMEARED: f32 = 0.78;
const SHARP: f32 = 0.88;
const FEW_EDGES: f32 = 0.25;
const MANY_EDGES: f32 = 0.5;
/// Share of blocks that are smeared in a blurred picture.
const BLURRED: f32 = 0.6;
const NOT_BLURRED: f32 = 0.35;

/// The view as it should be.
#[derive(Debug)]
pub(super) struct Reference {
    /// Slopes in 127ths, softened.
    slopes: Vec<(i8, i8)>,
    /// Cells with structure, and the sum of their slopes in levels, by block.
    structure: [(usize, f32); BLOCKS],
    cells: Bits,
    contrast: f32,
    edges: Vec<Edges>,
}

/// How a picture fits the reference.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fit {
    /// Share of the reference's blocks that match where they are.
    pub(super) near: f32,
    /// Where they match better, in shares of the picture's sides.
    pub(super) far: Option<(f32, f32)>,
    /// Share of the reference's blocks that have lost their structure.
    pub(super) hidden: f32,
    /// The picture's contrast as a share of the reference's.
    pub(super) contrast: f32,
    /// What is left of each block's structure.
    left: [f32; BLOCKS],
}

/// Which blocks match, and their share of those that have a say.
struct Matching {
    share: f32,
    blocks: [bool; BLOCKS],
}

fn block_of(column: usize, row: usize) -> usize {
    row / BLOCK * (COLUMNS / BLOCK) + column / BLOCK
}

fn soften((x, y): (f32, f32), half: f32) -> (f32, f32) {
    let length = x.hypot(y);
    let share = 1.0 / (length + half);
    (x * share, y * share)
}

impl Reference {
    pub(super) fn of(measure: &Measure, edges: Vec<Edges>) -> Self {
        let cells: Bits = measure.slopes.iter().map(|slope| size(*slope) > STRUCTURE).collect();
        let mut structure = [(0, 0.0); BLOCKS];
        for (i, slope) in measure.slopes.iter().enumerate().filter(|(i, _)| cells.get(*i)) {
            let block = &mut structure[block_of(i % COLUMNS, i / COLUMNS)];
            *block = (block.0 + 1, block.1 + size(*slope));
        }
        let pack = |slope| {
            let (x, y) = soften(slope, SOFT);
            ((x * 127.0) as i8, (y * 127.0) as i8)
        };
        let slopes = measure.slopes.iter().map(|slope| pack(*slope)).collect();
        Self { slopes, structure, cells, contrast: measure.contrast.max(0.1), edges }
    }

    /// The blocks with enough structure.
    fn blocks(&self) -> impl Iterator<Item = usize> + Clone {
        (0..BLOCKS).filter(|b| self.structure[*b].0 >= LEAST_CELLS)
    }

    pub(super) fn compare(&self, measure: &Measure) -> Fit {
        let contrast = measure.contrast / self.contrast;
        let half = SOFT * contrast.clamp(0.3, 1.5);
        let now: [(f32, f32); CELLS] = std::array::from_fn(|i| soften(measure.slopes[i], half));
        let mut sums = [0.0; BLOCKS];
        for (i, slope) in measure.slopes.iter().enumerate().filter(|(i, _)| self.cells.get(*i)) {
            sums[block_of(i % COLUMNS, i / COLUMNS)] += size(*slope);
        }
        let left = std::array::from_fn(|b| sums[b] / self.structure[b].1.max(1.0) / contrast.clamp(0.5, 1.0));
        let here = self.matching(&now, 0, 0);
        let is_hidden = |b: usize| left[b] < HIDDEN && !here.blocks[b];
        let (n, hidden) = self.blocks().fold((0, 0), |(n, hidden), b| (n + 1, hidden + usize::from(is_hidden(b))));
        let mut near = here.share;
        if near < FITS {
            let around = (-TREMBLE..=TREMBLE).flat_map(|y| (-TREMBLE..=TREMBLE).map(move |x| (x, y)));
            near = around.map(|(x, y)| self.matching(&now, x, y).share).fold(near, f32::max);
        }
        let far = if near < FITS_SURELY { self.elsewhere(&now, near) } else { None };
        Fit { near, far, hidden: if n == 0 { 0.0 } else { hidden as f32 / n as f32 }, contrast, left }
    }

    /// Which blocks a picture shows if it has moved by so many cells. Blocks that moved out of the picture have no say; where
    /// they are most, nothing matches.
    fn matching(&self, now: &[(f32, f32)], dx: i32, dy: i32) -> Matching {
        let mut sums = [(0.0_f32, 0.0_f32, 0.0_f32, 0_usize); BLOCKS];
        for row in 0..ROWS as i32 {
            let there = row + dy;
            if !(0..ROWS as i32).contains(&there) {
                continue;
            }
            let columns = 0.max(-dx)..(COLUMNS as i32).min(COLUMNS as i32 - dx);
            for column in columns {
                let i = row as usize * COLUMNS + column as usize;
                if !self.cells.get(i) {
                    continue;
                }
                let (x, y) = now[there as usize * COLUMNS + (column + dx) as usize];
                let (rx, ry) = (f32::from(self.slopes[i].0), f32::from(self.slopes[i].1));
                let sum = &mut sums[block_of(column as usize, row as usize)];
                sum.0 += x * rx + y * ry;
                sum.1 += x * x + y * y;
                sum.2 += rx * rx + ry * ry;
                sum.3 += 1;
            }
        }
        let (mut all, mut n, mut matching) = (0, 0, Matching { share: 0.0, blocks: [false; BLOCKS] });
        for b in self.blocks() {
            let (product, now, then, cells) = sums[b];
            all += 1;
            if 2 * cells >= self.structure[b].0 {
                n += 1;
                matching.blocks[b] = product > MATCH * (now * then).sqrt();
            }
        }
        if n > 0 && 3 * n >= all {
            matching.share = matching.blocks.iter().filter(|matches| **matches).count() as f32 / n as f32;
        }
        matching
    }

    /// Where the view fits much better than here.
    fn elsewhere(&self, now: &[(f32, f32)], near: f32) -> Option<(f32, f32)> {
        let best = |shifts: &mut dyn Iterator<Item = (i32, i32)>| {
            shifts.map(|(x, y)| (self.matching(now, x, y).share, x, y)).max_by(|a, b| a.0.total_cmp(&b.0))
        };
        let steps = |reach: i32| (-reach..=reach).step_by(2);
        let (_, x, y) = best(&mut steps(REACH.1).flat_map(|y| steps(REACH.0).map(move |x| (x, y))))?;
        let (share, x, y) = best(&mut (y - 1..=y + 1).flat_map(|y| (x - 1..=x + 1).map(move |x| (x, y))))?;
        let is_far = x.abs() > TREMBLE || y.abs() > TREMBLE;
        (is_far && share >= FITS_THERE && share >= BETTER_THERE * near)
            .then(|| (x as f32 / COLUMNS as f32, y as f32 / ROWS as f32))
    }

    /// Whether edges are smeared where the reference has sharp ones.
    pub(super) fn blur(&self, edges: &[Edges], fit: &Fit) -> Sign {
        let (mut n, mut smeared, mut sharp) = (0, 0, 0);
        for b in self.blocks().filter(|b| self.edges[*b].n >= LEAST_EDGES && fit.left[*b] >= HIDDEN) {
            let (then, now) = (self.edges[b], edges[b]);
            let steepness = now.steepness().zip(then.steepness()).map_or(0.0, |(now, then)| now / then);
            let number = now.n as f32 / then.n as f32;
            n += 1;
            smeared += usize::from(steepness < SMEARED || number < FEW_EDGES);
            sharp += usize::from(steepness > SHARP && number > MANY_EDGES);
        }
        let share = |part: usize| part as f32 / n as f32;
        match () {
            () if n < LEAST_BLOCKS => Sign::Unclear,
            () if share(smeared) >= BLURRED => Sign::Bad,
            () if share(smeared) <= NOT_BLURRED || share(sharp) >= 0.5 => Sign::Good,
            () => Sign::Unclear,
        }
    }
}
