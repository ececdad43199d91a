//! What is put on a picture: colours with a coverage, cut out of a photograph or drawn.

use domain::Point;
use tiny_skia::{FillRule, Mask, PathBuilder, Pixmap, Transform};

use crate::Canvas;

/// Pixels in rows from the top left with how much of what is behind they cover (0 to 1).
#[derive(Debug, Clone, PartialEq)]
pub struct Sprite {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Colour from 0 to 255, not multiplied by the coverage.
    pub colors: Vec<[f32; 3]>,
    /// How much of what is behind is covered, 0 to 1.
    pub cover: Vec<f32>,
    /// Where it lay in the picture that it was cut out of: the middle of its lower edge, and its height, both relative
    /// to that picture.
    pub origin: Option<(Point, f32)>,
}

/// The outlines of one thing, each as corners in pixels of the photograph; the coverage is that of all together.
pub type Outline = Vec<Vec<(f32, f32)>>;

/// Width of the soft edge, in pixels: a camera's lens and codec leave none sharper.
const FEATHER: usize = 1;

impl Sprite {
    /// Cuts what lies inside `outline` out of a photograph; none where that is nothing.
    #[must_use]
    pub fn cut(photograph: &Canvas, outline: &Outline) -> Option<Self> {
        let (w, h) = (photograph.width, photograph.height);
        let mut path = PathBuilder::new();
        for corners in outline {
            let mut corners = corners.iter();
            let (x, y) = corners.next()?;
            path.move_to(*x, *y);
            corners.for_each(|(x, y)| path.line_to(*x, *y));
            path.close();
        }
        let path = path.finish()?;
        let mut mask = Mask::new(w as u32, h as u32)?;
        mask.fill_path(&path, FillRule::Winding, true, Transform::identity());
        let cover: Vec<f32> = mask.data().iter().map(|m| f32::from(*m) / 255.0).collect();
        let cover = soft(&cover, w, h);
        let inside = |i: &usize| cover[*i] > 0.02;
        let columns = (0..w * h).filter(inside).map(|i| i % w);
        let rows = (0..w * h).filter(inside).map(|i| i / w);
        let (left, right) = (columns.clone().min()?, columns.max()?);
        let (top, bottom) = (rows.clone().min()?, rows.max()?);
        let (width, height) = (right - left + 1, bottom - top + 1);
        let at = (top..=bottom).flat_map(|y| (left..=right).map(move |x| y * w + x));
        Some(Self {
            width,
            height,
            colors: at.clone().map(|i| photograph.pixels[i]).collect(),
            cover: at.map(|i| cover[i]).collect(),
            origin: Some((
                Point { x: (left as f32 + width as f32 / 2.0) / w as f32, y: (bottom + 1) as f32 / h as f32 },
                height as f32 / h as f32,
            )),
        })
    }

    /// What was drawn on a pixmap.
    pub(crate) fn drawn(pixmap: &Pixmap) -> Self {
        let (mut colors, mut cover) = (Vec::new(), Vec::new());
        for pixel in pixmap.pixels() {
            let color = pixel.demultiply();
            colors.push([color.red(), color.green(), color.blue()].map(f32::from));
            cover.push(f32::from(color.alpha()) / 255.0);
        }
        Self { width: pixmap.width() as usize, height: pixmap.height() as usize, colors, cover, origin: None }
    }

    /// Its mirror image.
    #[must_use]
    pub fn flipped(mut self) -> Self {
        self.colors.chunks_exact_mut(self.width).for_each(<[_]>::reverse);
        self.cover.chunks_exact_mut(self.width).for_each(<[_]>::reverse);
        self
    }

    /// The colour and coverage of the part of the sprite that lies under one pixel of a picture: `x`, `y` in pixels of
    /// the sprite, which are `scale` pixels of the sprite apart.
    pub(crate) fn under(&self, x: f32, y: f32, scale: f32) -> ([f32; 3], f32) {
        let n = scale.ceil().clamp(1.0, 6.0) as usize;
        let (mut color, mut cover) = ([0.0; 3], 0.0);
        for (j, i) in (0..n).flat_map(|j| (0..n).map(move |i| (j, i))) {
            let part = |k: usize| ((k as f32 + 0.5) / n as f32 - 0.5) * scale;
            let (c, a) = self.between(x + part(i), y + part(j));
            (0..3).for_each(|k| color[k] += c[k] * a);
            cover += a;
        }
        if cover > 0.0 { (color.map(|c| c / cover), cover / (n * n) as f32) } else { ([0.0; 3], 0.0) }
    }

    /// Between its pixels; nothing beyond its edges.
    fn between(&self, x: f32, y: f32) -> ([f32; 3], f32) {
        let (left, top) = (x.floor(), y.floor());
        let (fx, fy) = (x - left, y - top);
        let (mut color, mut cover) = ([0.0; 3], 0.0);
        for (dx, dy, share) in [
            (0.0, 0.0, (1.0 - fx) * (1.0 - fy)),
            (1.0, 0.0, fx * (1.0 - fy)),
            (0.0, 1.0, (1.0 - fx) * fy),
            (1.0, 1.0, fx * fy),
        ] {
            let (column, row) = (left + dx, top + dy);
            if column < 0.0 || row < 0.0 || column >= self.width as f32 || row >= self.height as f32 {
                continue;
            }
            let i = row as usize * self.width + column as usize;
            let a = self.cover[i] * share;
            (0..3).for_each(|k| color[k] += self.colors[i][k] * a);
            cover += a;
        }
        if cover > 0.0 { (color.map(|c| c / cover), cover) } else { ([0.0; 3], 0.0) }
    }
}

/// A coverage with a soft edge.
fn soft(cover: &[f32], w: usize, h: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(cover.len());
    for y in 0..h {
        for x in 0..w {
            let (rows, columns) = (
                y.saturating_sub(FEATHER)..=(y + FEATHER).min(h - 1),
                x.saturating_sub(FEATHER)..=(x + FEATHER).min(w - 1),
            );
            let n = rows.clone().count() * columns.clone().count();
            let sum: f32 =
                rows.map(|row| cover[row * w + columns.start()..=row * w + columns.end()].iter().sum::<f32>()).sum();
            out.push(sum / n as f32);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cutout_is_what_lies_inside_the_outline_with_a_soft_edge() {
        let mut photograph = Canvas::uniform(40, 30, [10.0; 3]);
        for y in 10..20 {
            for x in 8..24 {
                photograph.pixels[y * 40 + x] = [200.0, 0.0, 0.0];
            }
        }
        let outline = vec![vec![(8.0, 10.0), (24.0, 10.0), (24.0, 20.0), (8.0, 20.0)]];
        let sprite = Sprite::cut(&photograph, &outline).expect("something is inside");
        assert_eq!((sprite.width, sprite.height), (18, 12), "a pixel of soft edge on each side");
        let (middle, cover) = sprite.under(9.0, 6.0, 1.0);
        assert_eq!((middle, cover), ([200.0, 0.0, 0.0], 1.0));
        assert!(sprite.cover[0] < 0.3, "the corner is soft");
        let (foot, height) = sprite.origin.expect("it was cut out");
        assert!((foot.x - 16.0 / 40.0).abs() < 1e-6 && (foot.y - 21.0 / 30.0).abs() < 1e-6 && height == 0.4);
        assert_eq!(Sprite::cut(&photograph, &vec![]), None, "no outline, no thing");
    }

    #[test]
    fn beyond_its_edges_a_sprite_covers_nothing() {
        let photograph = Canvas::uniform(20, 20, [90.0; 3]);
        let outline = vec![vec![(5.0, 5.0), (15.0, 5.0), (15.0, 15.0), (5.0, 15.0)]];
        let sprite = Sprite::cut(&photograph, &outline).expect("something is inside");
        assert_eq!(sprite.under(-5.0, 3.0, 1.0).1, 0.0);
        assert_eq!(sprite.under(3.0, 100.0, 2.0).1, 0.0);
    }
}
