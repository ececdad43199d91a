//! A scene's picture at a time: the backdrop, the things on it from the farthest to the nearest, then weather, light and camera.

use domain::{Millis, Picture, Point, Rect};

use crate::{Canvas, Effect, Sprite, Thing, effect, grain, thing::Stand};

/// A scene that cannot be painted; names the key and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SceneryError {
    /// A value of a thing that makes no sense.
    #[error("things.{thing}: {key} {remedy}")]
    Thing {
        /// The thing's name.
        thing: String,
        /// The key.
        key: &'static str,
        /// What it must be.
        remedy: &'static str,
    },
    /// A value of an effect that makes no sense.
    #[error("effects[{index}]: {key} {remedy}")]
    Effect {
        /// Which, from 0.
        index: usize,
        /// The key.
        key: &'static str,
        /// What it must be.
        remedy: &'static str,
    },
}

/// Paints one scene.
#[derive(Debug, Clone)]
pub struct Painter {
    things: Vec<(Thing, Sprite)>,
    effects: Vec<Effect>,
    seed: u64,
}

impl Painter {
    /// A painter of these things, each with its sprite, under these effects.
    ///
    /// # Errors
    /// The first value that makes no sense.
    pub fn new(things: Vec<(Thing, Sprite)>, effects: Vec<Effect>, seed: u64) -> Result<Self, SceneryError> {
        for (index, effect) in effects.iter().enumerate() {
            if let Some((key, remedy)) = effect.fault() {
                return Err(SceneryError::Effect { index, key, remedy });
            }
        }
        for (index, (thing, sprite)) in things.iter().enumerate() {
            let bad = |key, remedy| Err(SceneryError::Thing { thing: thing.name.clone(), key, remedy });
            if things[..index].iter().any(|(other, _)| other.name == thing.name) {
                return bad("name", "is given twice; every thing needs a name of its own");
            }
            if thing.path.is_empty() && sprite.origin.is_none() {
                return bad("path", "is missing; what is drawn needs a path with at least one foot and height");
            }
            if thing.path.first().is_some_and(|point| point.height.is_none()) && sprite.origin.is_none() {
                return bad("path", "needs a height in its first entry, since what is drawn has none of its own");
            }
            if thing.path.iter().any(|point| point.height.is_some_and(|h| !(0.005..=2.0).contains(&h))) {
                return bad("path", "has a height that is not from 0.005 to 2 picture heights");
            }
            if thing.path.windows(2).any(|pair| pair[0].at > pair[1].at) {
                return bad("path", "must be in the order of its times");
            }
            if thing.every.is_some_and(|every| every <= thing.path.last().map_or(Millis::ZERO, |point| point.at)) {
                return bad("every", "must be longer than the path takes");
            }
            if !(0.0..=1.0).contains(&thing.shadow)
                || !(0.0..=0.2).contains(&thing.sway)
                || !(0.05..=5.0).contains(&thing.gain)
            {
                return bad("shadow, sway, gain", "must be from 0 to 1, from 0 to 0.2, and from 0.05 to 5");
            }
        }
        Ok(Self { things, effects, seed })
    }

    /// The picture at `t` after the scene's start, on this backdrop.
    #[must_use]
    pub fn paint(&self, t: Millis, backdrop: &Canvas) -> Picture {
        let mut canvas = backdrop.clone();
        let mut there: Vec<(&Thing, &Sprite, Stand)> = self
            .things
            .iter()
            .enumerate()
            .filter_map(|(n, (thing, sprite))| Some((thing, sprite, self.swayed(n, t, thing.at(t, sprite.origin)?))))
            .collect();
        // What stands lower in the picture is nearer and covers what is behind it.
        there.sort_by(|a, b| a.2.foot.y.total_cmp(&b.2.foot.y));
        for (thing, sprite, stand) in there {
            put(&mut canvas, thing, sprite, stand);
        }
        effect::apply(&mut canvas, &self.effects, t, self.seed);
        canvas.to_picture()
    }

    /// The true place of a thing at `t`, relative to a picture of `size` pixels and cut at its edges; none while it is not
    /// in the picture.
    #[must_use]
    pub fn place(&self, name: &str, t: Millis, size: (usize, usize)) -> Option<Rect> {
        let (thing, sprite) = self.things.iter().find(|(thing, _)| thing.name == name)?;
        let stand = thing.at(t, sprite.origin)?;
        let aspect = sprite.width as f32 / sprite.height as f32 * size.1 as f32 / size.0 as f32;
        let half = stand.height * aspect / 2.0;
        let Point { x, y } = stand.foot;
        let place = Rect { x0: x - half, y0: y - stand.height, x1: x + half, y1: y }.clamped();
        (place.area() > 0.0).then_some(place)
    }

    fn swayed(&self, n: usize, t: Millis, stand: Stand) -> Stand {
        let sway = self.things[n].0.sway * stand.height;
        let d = |k| grain::normal(grain::seed(self.seed, n as u64 + 1_000), t.0 as u64 * 2 + k) * sway;
        Stand { foot: Point { x: stand.foot.x + d(0), y: stand.foot.y + d(1) * 0.4 }, ..stand }
    }
}

fn put(canvas: &mut Canvas, thing: &Thing, sprite: &Sprite, stand: Stand) {
    let (w, h) = (canvas.width as f32, canvas.height as f32);
    let height = stand.height * h;
    let scale = sprite.height as f32 / height;
    let width = sprite.width as f32 / scale;
    let (left, top) = (stand.foot.x * w - width / 2.0, stand.foot.y * h - height);
    let columns = canvas.width;
    let reach = |from: f32, to: f32, limit: usize| {
        (from.floor().max(0.0) as usize).min(limit)..(to.ceil().max(0.0) as usize).min(limit)
    };
    if thing.shadow > 0.0 {
        // A flat ellipse where it touches the ground.
        let (cx, cy, rx, ry) =
            (stand.foot.x * w, stand.foot.y * h - height * 0.02, width * 0.56, (height * 0.1).max(1.5));
        for y in reach(cy - ry, cy + ry, canvas.height) {
            for x in reach(cx - rx, cx + rx, canvas.width) {
                let r = ((x as f32 - cx) / rx).powi(2) + ((y as f32 - cy) / ry).powi(2);
                let light = 1.0 - thing.shadow * (1.0 - r).clamp(0.0, 1.0).sqrt();
                let pixel = &mut canvas.pixels[y * columns + x];
                *pixel = pixel.map(|c| c * light);
            }
        }
    }
    for y in reach(top, top + height, canvas.height) {
        for x in reach(left, left + width, canvas.width) {
            let across = (x as f32 + 0.5 - left) * scale - 0.5;
            let across = if thing.flip { sprite.width as f32 - 1.0 - across } else { across };
            let (color, cover) = sprite.under(across, (y as f32 + 0.5 - top) * scale - 0.5, scale);
            if cover > 0.0 {
                let pixel = &mut canvas.pixels[y * columns + x];
                *pixel = std::array::from_fn(|c| {
                    let color = (color[c] * thing.gain).min(255.0);
                    pixel[c] + (color - pixel[c]) * cover
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painter(things: &str) -> Result<Painter, SceneryError> {
        #[derive(serde::Deserialize)]
        struct File {
            things: Vec<Thing>,
        }
        let file: File = toml::from_str(things).expect("things");
        let sprite = |thing: &Thing| match &thing.source {
            crate::Source::Shape(shape) => shape.sprite(),
            other => panic!("{other:?}"),
        };
        let things = file.things.into_iter().map(|thing| (thing.clone(), sprite(&thing))).collect();
        Painter::new(things, Vec::new(), 1)
    }

    const BAG: &str = "[[things]]\nname = \"bag\"\nsource.shape = { form = \"bag\", color = [20, 20, 24] }\n";

    #[test]
    fn a_thing_is_painted_where_its_truth_says() {
        let painter = painter(&format!("{BAG}from = \"10s\"\npath = [{{ foot = [0.5, 0.8], height = 0.3 }}]"))
            .expect("a painter");
        let backdrop = Canvas::uniform(160, 120, [200.0; 3]);
        let empty = painter.paint(Millis::secs(9), &backdrop);
        let bag = painter.paint(Millis::secs(10), &backdrop);
        assert_eq!(painter.place("bag", Millis::secs(9), (160, 120)), None);
        let place = painter.place("bag", Millis::secs(10), (160, 120)).expect("it is there");
        let changed: Vec<(usize, usize)> = (0..160 * 120)
            .filter(|i| empty.planes[0][*i].abs_diff(bag.planes[0][*i]) > 20)
            .map(|i| (i % 160, i / 160))
            .collect();
        let found = Rect {
            x0: changed.iter().map(|c| c.0).min().expect("something") as f32 / 160.0,
            x1: (changed.iter().map(|c| c.0).max().expect("something") + 1) as f32 / 160.0,
            y0: changed.iter().map(|c| c.1).min().expect("something") as f32 / 120.0,
            y1: (changed.iter().map(|c| c.1).max().expect("something") + 1) as f32 / 120.0,
        };
        assert!(found.iou(place) > 0.85, "{found:?} is not {place:?}");
    }

    #[test]
    fn what_is_nearer_covers_what_is_farther() {
        let front = BAG.replace("bag\"\nsource", "front\"\nsource").replace("[20, 20, 24]", "[240, 240, 240]");
        let text = format!(
            "{front}path = [{{ foot = [0.5, 0.9], height = 0.5 }}]\n{BAG}path = [{{ foot = [0.5, 0.8], height = 0.5 }}]"
        );
        let picture = painter(&text).expect("a painter").paint(Millis::ZERO, &Canvas::uniform(160, 120, [120.0; 3]));
        assert!(picture.planes[0][85 * 160 + 80] > 130, "the light one is in front");
    }

    #[test]
    fn mistakes_are_named_with_their_thing_and_key() {
        let path = "path = [{ foot = [0.5, 0.9], height = 0.5 }]\n";
        for (text, expect) in [
            (format!("{BAG}{path}{BAG}{path}"), "things.bag: name is given twice"),
            (BAG.to_owned(), "things.bag: path is missing"),
            (format!("{BAG}path = [{{ foot = [0.5, 0.9] }}]"), "needs a height"),
            (format!("{BAG}path = [{{ foot = [0.5, 0.9], height = 9.0 }}]"), "0.005 to 2"),
            (
                format!(
                    "{BAG}every = \"1s\"\npath = [{{ foot = [0.5, 0.9], height = 0.1 }}, {{ at = \"2s\", foot = [0.6, 0.9] }}]"
                ),
                "every must be longer",
            ),
            (format!("{BAG}shadow = 2.0\n{path}"), "shadow"),
        ] {
            let error = painter(&text).expect_err("a mistake").to_string();
            assert!(error.contains(expect), "{error:?} lacks {expect:?}");
        }
    }
}
