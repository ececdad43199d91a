//! Things that are drawn, for scenes that need no photograph. They have the outline, the shading and the roughness of what
//! they stand for, so that a background model meets them as it would the thing; a detector for classes need not know them.

use domain::Point;
use serde::Deserialize;
use tiny_skia::{
    Color, FillRule, GradientStop, LinearGradient, Paint, Path, PathBuilder, Pixmap, Rect, SpreadMode, Stroke,
    Transform,
};

use crate::{Sprite, grain};

/// Height of a drawing in pixels; larger than it is ever shown in a usual picture.
const HEIGHT: f32 = 192.0;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A carton.
    Carton,
    /// Two cartons, one on the other.
    Cartons,
    /// A tied garbage bag.
    Bag,
    /// A heap of loose garbage.
    Heap,
    /// A table with goods on it.
    Table,
    /// A large sunshade on a pole.
    Sunshade,
    /// A stool.
    Stool,
    /// A handcart with goods on it.
    Cart,
    /// A tree in a tub.
    Planter,
    /// A litter bin with a lid.
    Bin,
    /// A tricycle with a closed box for parcels.
    Tricycle,
    /// A shop window: a frame around glass that lets most of what is behind it through.
    Window,
    /// A strip of tactile paving, as flat as the ground.
    Tactile,
    /// The row of lamps on the roof of a vehicle on duty.
    Lamps,
    /// A cone that keeps traffic off.
    Cone,
    /// A pushchair for a child.
    Stroller,
    /// A doorway that stands open, dark within.
    Doorway,
}

impl Form {
    /// All of them.
    #[cfg(test)]
    const ALL: [Self; 17] = [
        Self::Carton,
        Self::Cartons,
        Self::Bag,
        Self::Heap,
        Self::Table,
        Self::Sunshade,
        Self::Stool,
        Self::Cart,
        Self::Planter,
        Self::Bin,
        Self::Tricycle,
        Self::Window,
        Self::Tactile,
        Self::Lamps,
        Self::Cone,
        Self::Stroller,
        Self::Doorway,
    ];
}

/// A drawn thing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// What.
    pub form: Form,
    /// Its main colour: red, green, blue from 0 to 255.
    #[serde(default = "cardboard")]
    pub color: [u8; 3],
}

fn cardboard() -> [u8; 3] {
    [164, 128, 88]
}

impl Shape {
    /// Draws it.
    #[must_use]
    pub fn sprite(&self) -> Sprite {
        let aspect = match self.form {
            Form::Carton => 1.25,
            Form::Cartons => 0.8,
            Form::Bag | Form::Stool => 0.9,
            Form::Heap => 2.2,
            Form::Table | Form::Cart => 1.7,
            Form::Sunshade => 1.1,
            Form::Planter | Form::Bin => 0.6,
            Form::Tricycle => 1.55,
            Form::Window => 1.9,
            Form::Tactile => 12.0,
            Form::Lamps => 5.0,
            Form::Cone => 0.7,
            Form::Stroller => 0.95,
            Form::Doorway => 0.55,
        };
        let (width, height) = ((HEIGHT * aspect) as u32, HEIGHT as u32);
        let mut drawing = Drawing {
            pixmap: Pixmap::new(width, height).expect("it has a size"),
            size: (width as f32, height as f32),
            color: self.color,
        };
        drawing.form(self.form);
        roughen(Sprite::drawn(&drawing.pixmap), self.form as u64)
    }
}

/// The thing's surface is nowhere one colour.
fn roughen(mut sprite: Sprite, seed: u64) -> Sprite {
    for (i, color) in sprite.colors.iter_mut().enumerate() {
        let (x, y) = (i % sprite.width, i / sprite.width);
        let patch = grain::normal(grain::seed(seed, 1), (y / 8 * 1_000 + x / 8) as u64) * 5.0;
        let fine = grain::normal(grain::seed(seed, 2), i as u64) * 5.0;
        *color = color.map(|c| (c + patch + fine).clamp(0.0, 255.0));
    }
    sprite
}

struct Drawing {
    pixmap: Pixmap,
    size: (f32, f32),
    color: [u8; 3],
}

impl Drawing {
    fn form(&mut self, form: Form) {
        let main = self.color;
        match form {
            Form::Carton => self.carton(0.0, 0.0, 1.0, 1.0, main),
            Form::Cartons => {
                self.carton(0.0, 0.48, 1.0, 0.52, main);
                self.carton(0.12, 0.0, 0.76, 0.52, lighter(main, 1.15));
            }
            Form::Bag => self.bag(0.0, 0.0, 1.0, 1.0, main),
            Form::Heap => {
                let colors =
                    [main, lighter(main, 0.6), [200, 200, 196], [40, 44, 60], lighter(main, 1.3), [120, 40, 36]];
                for (i, (x, y, w)) in [
                    (0.0, 0.42, 0.34),
                    (0.62, 0.4, 0.38),
                    (0.2, 0.1, 0.32),
                    (0.46, 0.05, 0.3),
                    (0.3, 0.5, 0.36),
                    (0.5, 0.55, 0.2),
                ]
                .into_iter()
                .enumerate()
                {
                    self.bag(x, y, w, (1.0 - y).min(0.58), colors[i % colors.len()]);
                }
            }
            Form::Table => {
                self.legs(&[0.08, 0.9], 0.5);
                self.block(0.0, 0.42, 1.0, 0.14, lighter(main, 1.1));
                self.block(0.04, 0.56, 0.92, 0.2, lighter(main, 0.75));
                self.goods(0.04, 0.42, 0.92);
            }
            Form::Sunshade => {
                self.block(0.485, 0.2, 0.03, 0.78, [180, 180, 184]);
                self.block(0.4, 0.94, 0.2, 0.06, [96, 96, 100]);
                let panels = 6;
                for i in 0..panels {
                    let color = if i % 2 == 0 { main } else { [232, 228, 220] };
                    self.panel(i as f32 / panels as f32, (i + 1) as f32 / panels as f32, color);
                }
            }
            Form::Stool => {
                self.legs(&[0.12, 0.45, 0.8], 0.3);
                self.block(0.02, 0.14, 0.96, 0.2, main);
            }
            Form::Cart => {
                self.wheel(0.22, 0.84, 0.15);
                self.wheel(0.72, 0.84, 0.15);
                self.block(0.05, 0.5, 0.82, 0.24, main);
                self.goods(0.06, 0.5, 0.78);
                let mut handle = PathBuilder::new();
                handle.move_to(self.size.0 * 0.86, self.size.1 * 0.56);
                handle.line_to(self.size.0 * 0.99, self.size.1 * 0.3);
                self.line(handle, 7.0, [70, 70, 74]);
            }
            Form::Planter => {
                self.bag(0.0, 0.0, 1.0, 0.66, [48, 96, 44]);
                self.bag(0.18, 0.05, 0.6, 0.4, [70, 120, 60]);
                self.block(0.47, 0.5, 0.08, 0.3, [92, 70, 50]);
                self.block(0.2, 0.72, 0.6, 0.28, main);
            }
            Form::Bin => {
                self.polygon(&[(0.06, 0.2), (0.94, 0.2), (0.86, 1.0), (0.14, 1.0)], main);
                self.polygon(&[(0.0, 0.2), (0.12, 0.04), (0.88, 0.04), (1.0, 0.2)], lighter(main, 0.7));
                self.block(0.24, 0.24, 0.52, 0.12, [24, 26, 28]);
                self.block(0.3, 0.5, 0.4, 0.2, [224, 228, 224]);
            }
            Form::Tricycle => self.tricycle(main),
            Form::Window => {
                self.glass(0.04, 0.06, 0.92, 0.7);
                self.block(0.0, 0.0, 1.0, 0.08, main);
                self.block(0.0, 0.74, 1.0, 0.26, lighter(main, 0.85));
                for x in [0.0, 0.32, 0.65, 0.97] {
                    self.block(x, 0.06, 0.03, 0.7, main);
                }
            }
            Form::Tactile => {
                self.block(0.0, 0.0, 1.0, 1.0, main);
                for bar in 0..4 {
                    self.block(0.0, 0.1 + 0.23 * bar as f32, 1.0, 0.1, lighter(main, 1.2));
                }
                for joint in 0..36 {
                    self.block(joint as f32 / 36.0, 0.0, 0.002, 1.0, lighter(main, 0.7));
                }
            }
            Form::Cone => {
                self.polygon(&[(0.44, 0.0), (0.56, 0.0), (0.82, 0.9), (0.18, 0.9)], main);
                self.polygon(&[(0.36, 0.36), (0.64, 0.36), (0.71, 0.58), (0.29, 0.58)], [232, 232, 228]);
                self.block(0.02, 0.88, 0.96, 0.12, lighter(main, 0.7));
            }
            Form::Stroller => {
                self.bag(0.02, 0.0, 0.66, 0.56, main);
                self.block(0.06, 0.44, 0.7, 0.16, lighter(main, 0.7));
                for (from, to) in [((0.2, 0.58), (0.7, 0.9)), ((0.66, 0.58), (0.2, 0.9)), ((0.72, 0.5), (0.98, 0.16))] {
                    let mut frame = PathBuilder::new();
                    frame.move_to(from.0 * self.size.0, from.1 * self.size.1);
                    frame.line_to(to.0 * self.size.0, to.1 * self.size.1);
                    self.line(frame, 6.0, [60, 62, 66]);
                }
                self.wheel(0.2, 0.88, 0.12);
                self.wheel(0.72, 0.88, 0.12);
            }
            Form::Doorway => {
                self.block(0.0, 0.0, 1.0, 1.0, lighter(main, 0.8));
                self.block(0.06, 0.04, 0.88, 0.96, [34, 30, 28]);
                self.polygon(&[(0.06, 0.04), (0.26, 0.1), (0.26, 0.96), (0.06, 1.0)], main);
                self.block(0.5, 0.2, 0.3, 0.24, [96, 84, 60]);
            }
            Form::Lamps => {
                self.block(0.04, 0.78, 0.92, 0.22, [30, 30, 34]);
                self.block(0.0, 0.1, 0.42, 0.7, main);
                self.block(0.42, 0.1, 0.16, 0.7, [226, 228, 232]);
                self.block(0.58, 0.1, 0.42, 0.7, lighter(main, 0.8));
            }
        }
    }

    /// From the side: the box behind, the rider's seat and the steering in front.
    fn tricycle(&mut self, main: [u8; 3]) {
        let frame = [52, 54, 58];
        self.wheel(0.16, 0.84, 0.16);
        self.wheel(0.46, 0.84, 0.16);
        self.wheel(0.86, 0.84, 0.16);
        self.block(0.02, 0.14, 0.6, 0.6, main);
        self.block(0.02, 0.14, 0.6, 0.05, lighter(main, 1.25));
        self.block(0.1, 0.34, 0.34, 0.2, [232, 232, 226]);
        self.block(0.6, 0.68, 0.2, 0.06, frame);
        self.block(0.64, 0.46, 0.12, 0.06, [30, 30, 34]);
        self.block(0.68, 0.5, 0.03, 0.2, frame);
        for (from, to) in [((0.86, 0.84), (0.8, 0.34)), ((0.8, 0.34), (0.72, 0.3)), ((0.8, 0.7), (0.83, 0.6))] {
            let mut line = PathBuilder::new();
            line.move_to(from.0 * self.size.0, from.1 * self.size.1);
            line.line_to(to.0 * self.size.0, to.1 * self.size.1);
            self.line(line, 8.0, frame);
        }
    }

    /// A pane that mirrors a little of the sky.
    fn glass(&mut self, x: f32, y: f32, w: f32, h: f32) {
        let (sw, sh) = self.size;
        let Some(pane) = Rect::from_xywh(x * sw, y * sh, w * sw, h * sh) else { return };
        let mut paint = Paint::default();
        paint.set_color_rgba8(150, 170, 186, 70);
        self.pixmap.fill_rect(pane, &paint, Transform::identity(), None);
    }

    /// A box seen from a little above: top, front and the tape across.
    fn carton(&mut self, x: f32, y: f32, w: f32, h: f32, color: [u8; 3]) {
        self.polygon(
            &[(x + w * 0.12, y), (x + w * 0.92, y), (x + w, y + h * 0.26), (x, y + h * 0.26)],
            lighter(color, 1.25),
        );
        self.block(x, y + h * 0.26, w, h * 0.74, color);
        self.block(x + w * 0.44, y + h * 0.26, w * 0.1, h * 0.74, lighter(color, 0.82));
    }

    /// A round thing with a neck, lit from above left.
    fn bag(&mut self, x: f32, y: f32, w: f32, h: f32, color: [u8; 3]) {
        let (sw, sh) = self.size;
        let p = |px: f32, py: f32| Point { x: (x + px * w) * sw, y: (y + py * h) * sh };
        let mut path = PathBuilder::new();
        let start = p(0.42, 0.12);
        path.move_to(start.x, start.y);
        for (a, b, c) in [
            ((0.1, 0.2), (0.0, 0.45), (0.02, 0.75)),
            ((0.05, 1.0), (0.3, 1.0), (0.5, 1.0)),
            ((0.75, 1.0), (0.98, 1.0), (0.98, 0.72)),
            ((1.0, 0.4), (0.85, 0.2), (0.58, 0.12)),
            ((0.7, 0.02), (0.6, 0.0), (0.5, 0.05)),
            ((0.4, 0.0), (0.3, 0.02), (0.42, 0.12)),
        ] {
            let (a, b, c) = (p(a.0, a.1), p(b.0, b.1), p(c.0, c.1));
            path.cubic_to(a.x, a.y, b.x, b.y, c.x, c.y);
        }
        path.close();
        self.fill(path.finish(), color);
        for (from, to) in [((0.48, 0.18), (0.3, 0.6)), ((0.52, 0.18), (0.7, 0.55)), ((0.2, 0.85), (0.6, 0.8))] {
            let mut crease = PathBuilder::new();
            let (from, to) = (p(from.0, from.1), p(to.0, to.1));
            crease.move_to(from.x, from.y);
            crease.line_to(to.x, to.y);
            self.line(crease, 3.0, lighter(color, 1.5));
        }
    }

    /// A row of goods that stand with their feet at `y`.
    fn goods(&mut self, x: f32, y: f32, w: f32) {
        let colors = [[196, 60, 40], [226, 180, 60], [84, 140, 60], [210, 110, 40], [150, 40, 80], [230, 220, 190]];
        for (i, color) in colors.into_iter().enumerate() {
            let height = 0.18 + 0.12 * grain::uniform(5, i as u64);
            self.bag(x + w * i as f32 / 6.0, y - height, w / 5.6, height + 0.02, color);
        }
    }

    fn legs(&mut self, at: &[f32], from: f32) {
        for x in at {
            self.block(*x, from, 0.035, 1.0 - from, [88, 84, 80]);
        }
    }

    fn panel(&mut self, from: f32, to: f32, color: [u8; 3]) {
        let (w, h) = self.size;
        let mut path = PathBuilder::new();
        path.move_to(w * 0.5, 0.0);
        path.quad_to(w * (0.25 + 0.5 * from), h * 0.06, w * from, h * 0.3);
        path.quad_to(w * (from + to) / 2.0, h * 0.27, w * to, h * 0.3);
        path.quad_to(w * (0.25 + 0.5 * to), h * 0.06, w * 0.5, 0.0);
        self.fill(path.finish(), color);
    }

    fn wheel(&mut self, x: f32, y: f32, radius: f32) {
        let (w, h) = self.size;
        for (share, color) in [(1.0, [28, 28, 30]), (0.6, [120, 120, 124]), (0.2, [40, 40, 44])] {
            self.fill(PathBuilder::from_circle(x * w, y * h, radius * share * h), color);
        }
    }

    fn block(&mut self, x: f32, y: f32, w: f32, h: f32, color: [u8; 3]) {
        self.polygon(&[(x, y), (x + w, y), (x + w, y + h), (x, y + h)], color);
    }

    fn polygon(&mut self, corners: &[(f32, f32)], color: [u8; 3]) {
        let mut path = PathBuilder::new();
        for (i, (x, y)) in corners.iter().enumerate() {
            let (x, y) = (x * self.size.0, y * self.size.1);
            if i == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
        }
        path.close();
        self.fill(path.finish(), color);
    }

    /// Fills with light from above.
    fn fill(&mut self, path: Option<Path>, color: [u8; 3]) {
        let Some(path) = path else { return };
        let bounds: Rect = path.bounds();
        let shade = |factor| {
            let [r, g, b] = lighter(color, factor);
            Color::from_rgba8(r, g, b, 255)
        };
        let mut paint = Paint { anti_alias: true, ..Paint::default() };
        let stops = vec![GradientStop::new(0.0, shade(1.2)), GradientStop::new(1.0, shade(0.66))];
        let (from, to) = (
            tiny_skia::Point::from_xy(bounds.left(), bounds.top()),
            tiny_skia::Point::from_xy(bounds.left() + bounds.width() * 0.3, bounds.bottom()),
        );
        match LinearGradient::new(from, to, stops, SpreadMode::Pad, Transform::identity()) {
            Some(gradient) => paint.shader = gradient,
            // Too small for a gradient.
            None => paint.set_color(shade(1.0)),
        }
        self.pixmap.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
    }

    fn line(&mut self, path: PathBuilder, width: f32, [r, g, b]: [u8; 3]) {
        let Some(path) = path.finish() else { return };
        let mut paint = Paint { anti_alias: true, ..Paint::default() };
        paint.set_color_rgba8(r, g, b, 255);
        self.pixmap.stroke_path(&path, &paint, &Stroke { width, ..Stroke::default() }, Transform::identity(), None);
    }
}

fn lighter(color: [u8; 3], factor: f32) -> [u8; 3] {
    color.map(|c| (f32::from(c) * factor).clamp(0.0, 255.0) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_a_thing_that_reaches_the_ground() {
        for form in Form::ALL {
            let sprite = Shape { form, color: [90, 70, 60] }.sprite();
            let covered = sprite.cover.iter().filter(|c| **c > 0.5).count() as f32 / sprite.cover.len() as f32;
            assert!(covered > 0.2, "{form:?} covers {covered}");
            let ground = &sprite.cover[sprite.width * (sprite.height - 4)..];
            assert!(ground.iter().any(|c| *c > 0.5), "{form:?} hangs in the air");
        }
    }
}
