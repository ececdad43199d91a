//! Which parts of a picture are looked at by themselves, so that small things there reach the model as large as the
//! camera shows them.

use domain::{Picture, Polygon, Rect};
use serde::Deserialize;

/// How a zone is looked at by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Manner {
    /// The zone as one part, shrunk to the model's input where it is larger.
    Crop,
    /// In overlapping parts, shrunk no more than their number asks for.
    Tiles,
}

/// A part of a picture in pixels; left and top are even, as its chroma asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Room around a zone, as a share of its sides: what stands on its edge is seen whole.
const MARGIN: f64 = 0.1;
/// Least room around a zone in pixels.
const LEAST_MARGIN: f64 = 16.0;
/// By how much a part's shape may differ from the input's: beyond, models that stretch pictures find less.
const MAX_STRETCH: f64 = 1.5;
/// What neighbouring tiles have in common, as a share of their sides.
const OVERLAP: f64 = 0.2;
/// A part that shows things less than this much larger than the whole picture does is not worth a run.
const LEAST_GAIN: f64 = 1.25;
/// Tiles grow by this until few enough cover the zone.
const GROWTH: f64 = 1.1;

/// The parts of a picture of `size` that show the zone `outline` in the given manner to a model whose input has the
/// size `input`: at most `most` (1 or more), none where the whole picture shows it as well.
pub(crate) fn regions(outline: &Polygon, manner: Manner, size: [u32; 2], input: [u32; 2], most: usize) -> Vec<Region> {
    let bounds = outline.bounds();
    let x = Span::around(bounds.x0, bounds.x1, size[0]);
    let y = Span::around(bounds.y0, bounds.y1, size[1]);
    let (input, limit) = (input.map(f64::from), size.map(f64::from));
    // By how much the whole zone would be shrunk; never enlarged.
    let whole = (x.length() / input[0]).max(y.length() / input[1]).max(1.0);
    let parts = match manner {
        Manner::Crop => {
            let side = |span: Span, axis: usize| span.grown_to(whole * input[axis] / MAX_STRETCH, limit[axis]);
            let least = |span: Span, axis: usize| span.grown_to(input[axis], limit[axis]);
            vec![(least(side(x, 0), 0), least(side(y, 1), 1))]
        }
        Manner::Tiles => {
            let mut scale = 1.0;
            loop {
                let [columns, rows] = [(x, 0), (y, 1)].map(|(span, axis)| span.tiled(scale * input[axis], limit[axis]));
                let all = rows.iter().flat_map(|row| columns.iter().map(move |column| (*column, *row)));
                let touched: Vec<_> = all.filter(|tile| outline.overlap_area(relative(*tile, limit)) > 0.0).collect();
                // At `whole` a single tile covers all.
                if touched.len() <= most || scale >= whole {
                    break touched;
                }
                scale *= GROWTH;
            }
        }
    };
    let gains = |(x, y): &(Span, Span)| (limit[0] / x.length()).max(limit[1] / y.length()) >= LEAST_GAIN;
    parts.into_iter().filter(gains).map(|(x, y)| region(x, y, size)).collect()
}

/// How much of a part that shows one thing is that thing, by its longest side, and by how much the part is enlarged at most.
const THING: f64 = 0.5;
const MOST_ENLARGED: f64 = 2.0;
/// A part that shows one thing less than this much larger than the whole picture does is not worth a run.
const LEAST_GAIN_OF_ONE: f64 = 1.5;

/// The part of a picture of `size` that shows what stands at `bbox` as large as a model with an input of the size `input` sees
/// it best; none where the whole picture shows it nearly as large.
pub(crate) fn near(bbox: Rect, size: [u32; 2], input: [u32; 2]) -> Option<Region> {
    let limit = size.map(f64::from);
    let side = (longest(bbox, size) / THING).max(least(input));
    let span = |from: f32, to: f32, axis: usize| {
        Span { from: f64::from(from) * limit[axis], to: f64::from(to) * limit[axis] }.grown_to(side, limit[axis])
    };
    let (x, y) = (span(bbox.x0, bbox.x1, 0), span(bbox.y0, bbox.y1, 1));
    let gain = (limit[0] / x.length()).max(limit[1] / y.length());
    (gain >= LEAST_GAIN_OF_ONE).then(|| region(x, y, size))
}

/// Whether that part shows it enlarged as far as it may be: a picture of more pixels would show more of it.
pub(crate) fn is_enlarged(bbox: Rect, size: [u32; 2], input: [u32; 2]) -> bool {
    longest(bbox, size) / THING < least(input)
}

/// The longer side of a box in pixels.
fn longest(bbox: Rect, [width, height]: [u32; 2]) -> f64 {
    (f64::from(bbox.width()) * f64::from(width)).max(f64::from(bbox.height()) * f64::from(height))
}

/// The least side of a part that shows one thing.
fn least(input: [u32; 2]) -> f64 {
    f64::from(input[0].max(input[1])) / MOST_ENLARGED
}

/// From where to where along one axis, in pixels.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: f64,
    to: f64,
}

impl Span {
    /// From `from` to `to`, relative to `side`, with room around it.
    fn around(from: f32, to: f32, side: u32) -> Self {
        let side = f64::from(side);
        let (from, to) = (f64::from(from) * side, f64::from(to) * side);
        let margin = ((to - from) * MARGIN).max(LEAST_MARGIN);
        Self { from: (from - margin).max(0.0), to: (to + margin).min(side) }
    }

    fn length(self) -> f64 {
        self.to - self.from
    }

    /// At least `length` long about the same middle, as far as there is room up to `limit`.
    fn grown_to(self, length: f64, limit: f64) -> Self {
        let length = length.max(self.length()).min(limit);
        let from = (f64::midpoint(self.from, self.to) - length / 2.0).clamp(0.0, limit - length);
        Self { from, to: from + length }
    }

    /// Parts of `length` that cover it with some overlap.
    fn tiled(self, length: f64, limit: f64) -> Vec<Self> {
        let all = self.grown_to(length, limit);
        let length = length.min(limit);
        let step = length * (1.0 - OVERLAP);
        let n = 1 + ((all.length() - length) / step - 1e-6).max(0.0).ceil() as usize;
        let gap = if n > 1 { (all.length() - length) / (n - 1) as f64 } else { 0.0 };
        (0..n).map(|i| all.from + gap * i as f64).map(|from| Self { from, to: from + length }).collect()
    }
}

fn relative((x, y): (Span, Span), [width, height]: [f64; 2]) -> Rect {
    let [x0, x1] = [x.from, x.to].map(|x| (x / width) as f32);
    let [y0, y1] = [y.from, y.to].map(|y| (y / height) as f32);
    Rect { x0, y0, x1, y1 }
}

fn region(x: Span, y: Span, size: [u32; 2]) -> Region {
    let fit = |span: Span, side: u32| {
        let from = span.from as u32 & !1;
        (from, (span.length().round() as u32).clamp(2, side - from))
    };
    let ((x, width), (y, height)) = (fit(x, size[0]), fit(y, size[1]));
    Region { x, y, width, height }
}

impl Region {
    /// The part of `picture`; its bytes are not copied.
    pub(crate) fn of(self, picture: &Picture) -> Option<Picture> {
        picture.region(self.x, self.y, self.width, self.height)
    }

    /// Where it lies, relative to a picture of `size`.
    pub(crate) fn place(self, size: [u32; 2]) -> Rect {
        let [width, height] = size.map(|side| side as f32);
        Rect {
            x0: self.x as f32 / width,
            y0: self.y as f32 / height,
            x1: (self.x + self.width) as f32 / width,
            y1: (self.y + self.height) as f32 / height,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::Point;

    use super::*;

    const INPUT: [u32; 2] = [416, 416];

    fn zone([x0, y0, x1, y1]: [f32; 4]) -> Polygon {
        let corner = |x, y| Point { x, y };
        Polygon::new(vec![corner(x0, y0), corner(x1, y0), corner(x1, y1), corner(x0, y1)]).unwrap()
    }

    #[test]
    fn a_small_zone_is_cut_out_at_the_cameras_own_scale() {
        let parts = regions(&zone([0.45, 0.45, 0.55, 0.55]), Manner::Crop, [1920, 1080], INPUT, 4);
        assert_eq!(parts, [Region { x: 752, y: 332, width: 416, height: 416 }]);
        let corner = regions(&zone([0.0, 0.0, 0.1, 0.1]), Manner::Tiles, [1920, 1080], INPUT, 4);
        assert_eq!(corner, [Region { x: 0, y: 0, width: 416, height: 416 }]);
    }

    #[test]
    fn a_long_zone_is_not_squeezed_beyond_what_models_bear() {
        let [part] = regions(&zone([0.2, 0.5, 0.7, 0.6]), Manner::Crop, [1920, 1080], INPUT, 4)[..] else { panic!() };
        assert_eq!((part.x, part.width, part.height), (288, 1152, 768));
        // Across the whole picture there is nothing to gain but by tiles.
        let across = zone([0.0, 0.5, 1.0, 0.6]);
        assert_eq!(regions(&across, Manner::Crop, [1920, 1080], INPUT, 4), []);
        assert_eq!(regions(&across, Manner::Tiles, [1920, 1080], INPUT, 6).len(), 6);
    }

    #[test]
    fn a_zone_that_fills_the_picture_needs_no_crop_and_a_small_picture_no_close_up() {
        assert_eq!(regions(&zone([0.0, 0.0, 1.0, 1.0]), Manner::Crop, [1920, 1080], INPUT, 4), []);
        assert_eq!(regions(&zone([0.4, 0.4, 0.6, 0.6]), Manner::Crop, [416, 416], INPUT, 4), []);
    }

    #[test]
    fn tiles_cover_the_zone_overlap_and_are_no_more_than_allowed() {
        let size = [1920, 1080];
        for most in [4, 8, 40] {
            let outline = zone([0.1, 0.3, 0.9, 0.9]);
            let tiles = regions(&outline, Manner::Tiles, size, INPUT, most);
            assert!((2..=most).contains(&tiles.len()), "{most}: {tiles:?}");
            for i in 0..900 {
                let at = Point { x: 0.1 + 0.8 * (i % 30) as f32 / 30.0, y: 0.3 + 0.6 * (i / 30) as f32 / 30.0 };
                let shows = |tile: &&Region| {
                    let r = tile.place(size);
                    (r.x0..=r.x1).contains(&at.x) && (r.y0..=r.y1).contains(&at.y)
                };
                assert!(tiles.iter().any(|tile| shows(&tile)), "{most}: {at:?} is in no tile");
            }
            assert!(tiles.iter().all(|t| t.x.is_multiple_of(2) && t.y.is_multiple_of(2)));
            assert!(tiles.iter().all(|t| t.x + t.width <= size[0] && t.y + t.height <= size[1]));
        }
        let native = regions(&zone([0.1, 0.3, 0.9, 0.9]), Manner::Tiles, size, INPUT, 40);
        assert!(native.iter().all(|t| t.width == 416 && t.height == 416), "{native:?}");
    }

    #[test]
    fn tiles_beside_a_slanted_zone_are_left_out() {
        let corner = |x, y| Point { x, y };
        let slope = vec![corner(0.0, 0.0), corner(0.1, 0.0), corner(1.0, 0.9), corner(1.0, 1.0), corner(0.9, 1.0)];
        let slanted = regions(&Polygon::new(slope).unwrap(), Manner::Tiles, [1920, 1920], INPUT, 100);
        let full = regions(&zone([0.0, 0.0, 1.0, 1.0]), Manner::Tiles, [1920, 1920], INPUT, 100);
        assert!(slanted.len() < full.len(), "{} of {}", slanted.len(), full.len());
    }
}
