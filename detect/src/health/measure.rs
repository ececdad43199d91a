//! A picture reduced to what its health is judged by: a grid of levels, and how steep its edges are.

use domain::{Picture, picture::ColorRange};

pub(super) const COLUMNS: usize = 64;
pub(super) const ROWS: usize = 48;
pub(super) const CELLS: usize = COLUMNS * ROWS;
/// Blocks of cells, in which edges are counted and views compared.
pub(super) const BLOCK: usize = 8;
pub(super) const BLOCKS: usize = (COLUMNS / BLOCK) * (ROWS / BLOCK);
/// Pixel rows that are read in each row of cells, and those of them in which edges are sought.
const LINES: usize = 6;
const EDGE_LINES: usize = 3;
/// Levels, over `REACH` pixels, from which there is an edge.
pub(super) const EDGE: f32 = 18.0;
const REACH: usize = 4;
/// Difference of a cell to its neighbours, in levels, that noise does not make.
pub(super) const STRUCTURE: f32 = 4.0;
/// The same for cells that count as textured.
const TEXTURE: f32 = 2.5;

/// The edges of one block: how many pixels lie on one, their differences over the reach, and the greatest step from pixel
/// to pixel within it. Steps are as large as differences where edges are sharp, and a quarter where they are smeared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Edges {
    pub(super) n: u32,
    pub(super) differences: u32,
    pub(super) steps: u32,
}

impl Edges {
    /// 0.25 (smeared) to 1 and more (sharp); none without edges.
    pub(super) fn steepness(self) -> Option<f32> {
        (self.n > 0).then(|| self.steps as f32 / self.differences as f32)
    }
}

/// What was read of a picture.
#[derive(Debug, Default)]
pub(super) struct Measure {
    /// The lower half of the sum of each cell's pixels: two pictures of one camera have equal ones only if they are one
    /// picture.
    pub(super) marks: Vec<u16>,
    /// The mean level of each cell above black.
    pub(super) levels: Vec<f32>,
    /// By how much each cell rises to the right and downwards, between its neighbours.
    pub(super) slopes: Vec<(f32, f32)>,
    /// The level that nine tenths of the cells stay under.
    pub(super) bright: f32,
    /// Share of cells with structure.
    pub(super) structured: f32,
    /// The mean of the slopes.
    pub(super) contrast: f32,
    order: Vec<f32>,
}

impl Measure {
    /// The cells whose neighbourhood is not flat: flat ones may be clipped, and equal in pictures that are not.
    pub(super) fn textured(&self) -> impl Iterator<Item = usize> {
        self.slopes.iter().enumerate().filter(|(_, slope)| size(**slope) > TEXTURE).map(|(i, _)| i)
    }
}

/// The size of a slope.
pub(super) fn size((x, y): (f32, f32)) -> f32 {
    x.abs().max(y.abs())
}

/// What one thread reads pictures into; used for all cameras in turn.
#[derive(Debug, Default)]
pub struct Gauge {
    measure: Measure,
    columns: Vec<u16>,
    steps: Vec<u8>,
    edges: Vec<Edges>,
}

impl Gauge {
    /// Reads a sound picture.
    pub(super) fn read(&mut self, picture: &Picture) -> &Measure {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let black = if picture.range == ColorRange::Limited { 16.0 } else { 0.0 };
        let measure = &mut self.measure;
        measure.marks.clear();
        measure.levels.clear();
        for row in 0..ROWS {
            self.columns.clear();
            self.columns.resize(width, 0);
            let (from, to) = span(row, ROWS, height);
            let step = (to - from).div_ceil(LINES);
            let mut lines = 0_u32;
            for y in (from..to).step_by(step) {
                let line = &picture.planes[0][y * picture.strides[0]..][..width];
                self.columns.iter_mut().zip(line).for_each(|(sum, &a)| *sum += u16::from(a));
                lines += 1;
            }
            for column in 0..COLUMNS {
                let (from, to) = span(column, COLUMNS, width);
                let sum: u32 = self.columns[from..to].iter().map(|&s| u32::from(s)).sum();
                measure.marks.push(sum as u16);
                measure.levels.push(sum as f32 / (lines * (to - from) as u32) as f32 - black);
            }
        }
        measure.slopes.clear();
        let level = |column: usize, row: usize| measure.levels[row * COLUMNS + column];
        for row in 0..ROWS {
            let (above, below) = (row.saturating_sub(1), (row + 1).min(ROWS - 1));
            for column in 0..COLUMNS {
                let (left, right) = (column.saturating_sub(1), (column + 1).min(COLUMNS - 1));
                measure
                    .slopes
                    .push((level(right, row) - level(left, row), level(column, below) - level(column, above)));
            }
        }
        measure.order.clear();
        measure.order.extend_from_slice(&measure.levels);
        measure.bright = *measure.order.select_nth_unstable_by(CELLS * 9 / 10, f32::total_cmp).1;
        let structured = measure.slopes.iter().filter(|slope| size(**slope) > STRUCTURE).count();
        measure.structured = structured as f32 / CELLS as f32;
        measure.contrast = measure.slopes.iter().map(|slope| size(*slope)).sum::<f32>() / CELLS as f32;
        measure
    }

    /// Reads the edges of a sound picture, by blocks; an edge differs by `limit` levels.
    pub(super) fn edges(&mut self, picture: &Picture, limit: f32) -> &[Edges] {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let limit = limit.clamp(1.0, 255.0) as u8;
        self.edges.clear();
        self.edges.resize(BLOCKS, Edges::default());
        if width < COLUMNS * 2 {
            return &self.edges;
        }
        for row in 0..ROWS {
            let (from, to) = span(row, ROWS, height);
            let step = (to - from).div_ceil(EDGE_LINES);
            for y in (from..to).step_by(step) {
                let line = &picture.planes[0][y * picture.strides[0]..][..width];
                self.steps.clear();
                self.steps.extend(line.windows(2).map(|pair| pair[0].abs_diff(pair[1])));
                for block in 0..COLUMNS / BLOCK {
                    let (from, to) = span(block, COLUMNS / BLOCK, width - REACH);
                    let edges = &mut self.edges[row / BLOCK * (COLUMNS / BLOCK) + block];
                    let (mut n, mut differences, mut steps) = (0_u32, 0_u32, 0_u32);
                    let ends = line[from..to].iter().zip(&line[from + REACH..to + REACH]);
                    for ((&a, &b), step) in ends.zip(self.steps[from..].windows(REACH)) {
                        let difference = a.abs_diff(b);
                        let steepest = step[0].max(step[1]).max(step[2]).max(step[3]);
                        let counts = u32::from(difference >= limit);
                        n += counts;
                        differences += counts * u32::from(difference);
                        steps += counts * u32::from(steepest);
                    }
                    edges.n += n;
                    edges.differences += differences;
                    edges.steps += steps;
                }
            }
        }
        &self.edges
    }
}

/// The pixels of part `i` of `n`; one at least.
fn span(i: usize, n: usize, length: usize) -> (usize, usize) {
    let from = (i * length / n).min(length - 1);
    (from, ((i + 1) * length / n).max(from + 1))
}
