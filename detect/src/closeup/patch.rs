//! A small part of a picture, kept to tell whether it still shows the same.

use domain::{Picture, Rect};

/// Cells a side of a patch, and pixels a side that are read of a cell.
const CELLS: usize = 8;
const READ: usize = 4;
/// Mean difference, in levels of 255, from which two patches show different things; recompression makes 2 to 4.
const DIFFERENT: f32 = 10.0;

/// How bright a small part of a picture is, cell by cell, above or below its mean: a cloud changes nothing of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Patch([f32; CELLS * CELLS]);

impl Patch {
    pub(super) fn of(picture: &Picture, bbox: Rect) -> Self {
        let (luma, stride) = (&picture.planes[0], picture.strides[0]);
        let pixel = |at: f32, from: f32, length: f32, side: u32| {
            (((from + at * length) * side as f32) as usize).min(side as usize - 1)
        };
        let share = |cell: usize, i: usize| (cell as f32 + (i as f32 + 0.5) / READ as f32) / CELLS as f32;
        let mut cells: [f32; CELLS * CELLS] = std::array::from_fn(|cell| {
            let read = (0..READ * READ).map(|i| {
                let x = pixel(share(cell % CELLS, i % READ), bbox.x0, bbox.width(), picture.width);
                let y = pixel(share(cell / CELLS, i / READ), bbox.y0, bbox.height(), picture.height);
                f32::from(luma.get(y * stride + x).copied().unwrap_or_default())
            });
            read.sum::<f32>() / (READ * READ) as f32
        });
        let mean = cells.iter().sum::<f32>() / cells.len() as f32;
        cells.iter_mut().for_each(|cell| *cell -= mean);
        Self(cells)
    }

    pub(super) fn differs(&self, other: &Self) -> bool {
        let apart: f32 = self.0.iter().zip(&other.0).map(|(a, b)| (a - b).abs()).sum();
        apart > DIFFERENT * self.0.len() as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_knows_other_things_from_other_light() {
        let bbox = Rect { x0: 0.25, y0: 0.25, x1: 0.75, y1: 0.75 };
        let with = |bag: u8, street: u8| {
            let mut luma = vec![street; 64 * 64];
            (24..40).for_each(|y| luma[y * 64 + 24..y * 64 + 40].fill(bag));
            let mut picture = Picture::uniform(64, 64, [0, 128, 128]);
            picture.planes[0] = luma.into();
            Patch::of(&picture, bbox)
        };
        let bag = with(40, 120);
        assert!(bag.differs(&with(120, 120)), "the bag is gone");
        assert!(!bag.differs(&with(60, 140)), "the sun came out");
        assert!(!bag.differs(&with(43, 118)), "another encoding");
    }
}
