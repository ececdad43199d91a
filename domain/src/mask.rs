//! Which part of a detection's box the thing covers.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Point, Rect};

/// A bitmap over a box, of at most [`Mask::MAX_SIDE`] cells a side; cheap to clone. Written as columns, rows and the
/// bits in hexadecimal, row by row from the top left, most significant bit first: `4x2:f6`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mask {
    columns: u8,
    rows: u8,
    bits: Arc<[u8]>,
}

/// A text that is no mask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no mask; expected columns, rows (1 to 64) and their bits in hexadecimal, such as \"4x2:f6\"")]
pub struct MaskError(String);

impl Mask {
    /// Most cells from left to right and from top to bottom.
    pub const MAX_SIDE: usize = 64;

    /// A mask of `columns` by `rows` cells, each of 1 to [`Mask::MAX_SIDE`] (else clamped); `covered(column, row)` says which
    /// the thing covers.
    #[must_use]
    pub fn new(columns: usize, rows: usize, covered: impl Fn(usize, usize) -> bool) -> Self {
        let (columns, rows) = (columns.clamp(1, Self::MAX_SIDE), rows.clamp(1, Self::MAX_SIDE));
        let mut bits = vec![0_u8; (columns * rows).div_ceil(8)];
        for cell in (0..columns * rows).filter(|cell| covered(cell % columns, cell / columns)) {
            bits[cell / 8] |= 0x80 >> (cell % 8);
        }
        Self { columns: columns as u8, rows: rows as u8, bits: bits.into() }
    }

    /// Cells from left to right.
    #[must_use]
    pub fn columns(&self) -> usize {
        usize::from(self.columns)
    }

    /// Cells from top to bottom.
    #[must_use]
    pub fn rows(&self) -> usize {
        usize::from(self.rows)
    }

    /// Whether the thing covers a cell; nothing outside the mask is covered.
    #[must_use]
    pub fn covers(&self, column: usize, row: usize) -> bool {
        let cell = row * self.columns() + column;
        column < self.columns() && row < self.rows() && self.bits[cell / 8] & (0x80 >> (cell % 8)) != 0
    }

    /// Whether the thing covers a point of the picture, where `bbox` is its box.
    #[must_use]
    pub fn covers_point(&self, bbox: Rect, at: Point) -> bool {
        let (x, y) = ((at.x - bbox.x0) / bbox.width(), (at.y - bbox.y0) / bbox.height());
        let inside = (0.0..1.0).contains(&x) && (0.0..1.0).contains(&y);
        inside && self.covers((x * f32::from(self.columns)) as usize, (y * f32::from(self.rows)) as usize)
    }

    /// The covered share of the box, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f32 {
        let covered: u32 = self.bits.iter().map(|bits| bits.count_ones()).sum();
        covered as f32 / (self.columns() * self.rows()) as f32
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}:", self.columns, self.rows)?;
        self.bits.iter().try_for_each(|bits| write!(f, "{bits:02x}"))
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mask({self})")
    }
}

impl FromStr for Mask {
    type Err = MaskError;

    fn from_str(text: &str) -> Result<Self, MaskError> {
        parse(text).ok_or_else(|| MaskError(text.chars().take(80).collect()))
    }
}

fn parse(text: &str) -> Option<Mask> {
    let side = |text: &str| text.parse::<u8>().ok().filter(|n| (1..=Mask::MAX_SIDE).contains(&usize::from(*n)));
    let (size, digits) = text.split_once(':')?;
    let (columns, rows) = size.split_once('x')?;
    let (columns, rows) = (side(columns)?, side(rows)?);
    let (cells, digits) = (usize::from(columns) * usize::from(rows), digits.as_bytes());
    if digits.len() != 2 * cells.div_ceil(8) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let pairs = digits.chunks_exact(2).map(|pair| std::str::from_utf8(pair).ok());
    let bits: Arc<[u8]> = pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect::<Option<_>>()?;
    // What lies past the last cell belongs to none.
    let unused = bits.last()?.trailing_zeros() as usize + cells;
    (unused >= 8 * bits.len()).then_some(Mask { columns, rows, bits })
}

impl TryFrom<String> for Mask {
    type Error = MaskError;

    fn try_from(text: String) -> Result<Self, MaskError> {
        text.parse()
    }
}

impl From<Mask> for String {
    fn from(mask: Mask) -> Self {
        mask.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cells_are_told_by_place() {
        let mask = Mask::new(4, 2, |column, row| row == 0 || column == 1 || column == 2);
        assert_eq!(mask.to_string(), "4x2:f6");
        assert!(mask.covers(3, 0) && !mask.covers(3, 1) && !mask.covers(4, 0) && !mask.covers(0, 2));
        assert_eq!(mask.share(), 0.75);
        let bbox = Rect { x0: 0.5, y0: 0.5, x1: 0.9, y1: 0.7 };
        assert!(mask.covers_point(bbox, Point { x: 0.65, y: 0.65 }));
        assert!(!mask.covers_point(bbox, Point { x: 0.51, y: 0.69 }));
        assert!(!mask.covers_point(bbox, Point { x: 0.4, y: 0.5 }));
    }

    #[track_caller]
    fn check_refused(text: &str) {
        let error = text.parse::<Mask>().expect_err("no mask").to_string();
        assert!(error.contains("4x2:f6"), "{error}");
    }

    #[test]
    fn what_is_no_mask_is_refused() {
        for text in
            ["", "4x2", "4x2:f", "4x2:f6f6", "4x2:+6", "0x2:f6", "65x1:000000000000000000", "3x1:ff", "4x2:\u{e9}"]
        {
            check_refused(text);
        }
    }

    proptest! {
        #[test]
        fn masks_read_as_they_are_written(columns in 1_usize..=64, rows in 1_usize..=64, seed: u64) {
            let mask = Mask::new(columns, rows, |c, r| (seed >> ((c * 7 + r * 13) % 64)) & 1 == 1);
            prop_assert_eq!(mask.to_string().parse(), Ok(mask.clone()));
            let json = serde_json::to_string(&mask).unwrap();
            prop_assert_eq!(serde_json::from_str::<Mask>(&json).unwrap(), mask);
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<Mask>();
        }
    }
}
