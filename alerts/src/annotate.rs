//! What is drawn on the annotated rendition: the zone, the things, and a bar below the picture that says what, where and
//! when. Every line is bright with a dark edge, so that it shows by day and by night; nothing covers the picture but
//! lines, the things' labels and a faint tint of the zone.

use std::path::Path;

use domain::{CameraId, Detection, Kind, Picture, Point, Rect, TicketId, Timestamp};
use jiff::tz::TimeZone;
use tiny_skia::{
    Color, FillRule, LineJoin, Paint, PathBuilder, Pixmap, Rect as PixelRect, Stroke, StrokeDash, Transform,
};

use crate::{
    AlertsError,
    incident::Zone,
    jpeg::{self, Jpeg},
    kinds::kind_info,
    ticket::EvidenceRole,
};

mod text;

use text::Fonts;

const ZONE: [u8; 3] = [255, 200, 0];
const THING: [u8; 3] = [255, 56, 96];
const GONE: [u8; 3] = [0, 224, 120];
const EDGE: [u8; 3] = [0, 0, 0];
const WHITE: [u8; 3] = [255, 255, 255];
const GREY: [u8; 3] = [200, 204, 208];

/// What is said on a picture.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// When in the case's life the picture was taken.
    pub role: EvidenceRole,
    /// The case.
    pub ticket: TicketId,
    /// What it is.
    pub kind: &'a Kind,
    /// The camera's id.
    pub camera: &'a CameraId,
    /// The camera's name; the id alone is written where this is empty.
    pub camera_name: &'a str,
    /// Where the case is.
    pub zone: &'a Zone,
    /// The things that the picture shows; none on a picture from after the case.
    pub things: &'a [Detection],
    /// A box around the case.
    pub bbox: Rect,
    /// When the picture was taken.
    pub captured_at: Timestamp,
}

/// Draws on pictures.
pub struct Annotator {
    fonts: Fonts,
    timezone: TimeZone,
}

impl std::fmt::Debug for Annotator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Annotator").field("timezone", &self.timezone).finish_non_exhaustive()
    }
}

impl Annotator {
    /// Loads the fonts (`font` has Chinese glyphs; searched in the usual places where none is named) and writes times
    /// in `timezone`. A font that is missing is told in the log, once, and done without.
    #[must_use]
    pub fn new(font: Option<&Path>, timezone: TimeZone) -> Self {
        Self { fonts: Fonts::load(font), timezone }
    }

    /// `picture` with all of `scene` on it, as a JPEG that is higher than the picture by the bar below it.
    ///
    /// # Errors
    /// When the picture cannot be encoded.
    pub fn annotate(&self, picture: &Picture, scene: &Scene<'_>, quality: u8) -> Result<Jpeg, AlertsError> {
        let (w, h) = (picture.width as f32, picture.height as f32);
        // Letters of 1/34 of the shorter side: readable on a page that shows the picture at half its size.
        let letter = (w.min(h) / 34.0).clamp(11.0, 48.0).round();
        let bar = (letter * 4.6).ceil();
        let refuse = || AlertsError::Picture {
            width: picture.width,
            height: picture.height,
            reason: "it is too large to draw on".to_owned(),
        };
        let mut canvas = Pixmap::new(picture.width, (h + bar) as u32).ok_or_else(refuse)?;
        let mut draw = Draw { canvas: &mut canvas, fonts: &self.fonts, size: (w, h), letter };
        draw.zone(&scene.zone.polygon);
        match scene.role {
            EvidenceRole::FirstSeen
            | EvidenceRole::Further
            | EvidenceRole::Confirming
            | EvidenceRole::OtherView
            | EvidenceRole::StillThere => {
                if scene.things.is_empty() {
                    draw.frame(scene.bbox, THING, Line::Solid);
                }
                // The best one last, so that its label lies on top.
                for thing in scene.things.iter().rev() {
                    draw.frame(thing.bbox, THING, Line::Solid);
                }
                for thing in scene.things.iter().rev() {
                    draw.label(thing.bbox, &format!("{} {:.2}", thing.class, thing.score));
                }
            }
            EvidenceRole::Unclear => draw.frame(scene.bbox, ZONE, Line::Dashed),
            EvidenceRole::After => draw.frame(scene.bbox, GONE, Line::Dashed),
        }
        draw.bar(&self.caption(scene), stamp(scene.role), bar);
        jpeg::encode_with(picture, &canvas, quality)
    }

    /// The three lines of the bar.
    fn caption(&self, scene: &Scene<'_>) -> [String; 3] {
        let what = match kind_info(scene.kind) {
            Some(info) if self.fonts.can_write(info.name_zh) => format!("{}  {}", info.name_zh, info.name_en),
            Some(info) => info.name_en.to_owned(),
            None => scene.kind.to_string(),
        };
        let named = |name: &str, id: &str| {
            if name.is_empty() || name == id || !self.fonts.can_write(name) {
                id.to_owned()
            } else {
                format!("{name} ({id})")
            }
        };
        let camera = named(scene.camera_name, scene.camera.as_str());
        let zone = named(&scene.zone.name, scene.zone.id.as_str());
        let time = jiff::Timestamp::from_millisecond(scene.captured_at.0).unwrap_or_default();
        let time = time.to_zoned(self.timezone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z");
        [what, format!("{camera}  ·  {zone}"), format!("{time}  ·  {}", scene.ticket)]
    }
}

/// What a picture stands for in a case, in Chinese and English, and the colour of it.
fn stamp(role: EvidenceRole) -> (&'static str, &'static str, [u8; 3]) {
    match role {
        EvidenceRole::FirstSeen => ("首次发现", "first seen", ZONE),
        EvidenceRole::Further => ("补充", "further", THING),
        EvidenceRole::Confirming => ("确认", "confirmed", THING),
        EvidenceRole::OtherView => ("另一视角", "other view", THING),
        EvidenceRole::StillThere => ("仍在", "still there", THING),
        EvidenceRole::Unclear => ("无法判定", "unclear", ZONE),
        EvidenceRole::After => ("已消除", "cleared", GONE),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Line {
    Solid,
    Dashed,
}

struct Draw<'a> {
    canvas: &'a mut Pixmap,
    fonts: &'a Fonts,
    /// Of the picture without the bar.
    size: (f32, f32),
    letter: f32,
}

impl Draw<'_> {
    fn at(&self, p: Point) -> (f32, f32) {
        (p.x * self.size.0, p.y * self.size.1)
    }

    fn stroke_width(&self) -> f32 {
        (self.letter / 7.0).max(2.0)
    }

    fn zone(&mut self, polygon: &domain::Polygon) {
        let mut path = PathBuilder::new();
        for (n, p) in polygon.points().iter().enumerate() {
            let (x, y) = self.at(*p);
            if n == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
        }
        path.close();
        let Some(path) = path.finish() else { return };
        self.canvas.fill_path(&path, &paint(ZONE, 24), FillRule::EvenOdd, Transform::identity(), None);
        self.line(&path, ZONE, Line::Solid, 0.75);
    }

    fn frame(&mut self, bbox: Rect, color: [u8; 3], line: Line) {
        let bbox = bbox.clamped();
        let ((x0, y0), (x1, y1)) = (self.at([bbox.x0, bbox.y0].into()), self.at([bbox.x1, bbox.y1].into()));
        let Some(rect) = PixelRect::from_ltrb(x0, y0, x1.max(x0 + 1.0), y1.max(y0 + 1.0)) else { return };
        self.line(&PathBuilder::from_rect(rect), color, line, 1.0);
    }

    /// A bright line on a wider dark one.
    fn line(&mut self, path: &tiny_skia::Path, color: [u8; 3], line: Line, weight: f32) {
        let width = self.stroke_width() * weight;
        let dash = match line {
            Line::Solid => None,
            Line::Dashed => StrokeDash::new(vec![self.letter * 0.8, self.letter * 0.4], 0.0),
        };
        for (color, width, alpha) in [(EDGE, width + 2.0, 150), (color, width, 255)] {
            let stroke = Stroke { width, dash: dash.clone(), line_join: LineJoin::Round, ..Stroke::default() };
            self.canvas.stroke_path(path, &paint(color, alpha), &stroke, Transform::identity(), None);
        }
    }

    /// A label on top of a box, or within it where there is no room above.
    fn label(&mut self, bbox: Rect, label: &str) {
        let px = self.letter * 0.9;
        let line = self.fonts.set(label, px);
        let (pad, height) = (self.letter * 0.3, self.letter * 1.25);
        let width = line.width + 2.0 * pad;
        let (x, y) = self.at(Point { x: bbox.x0, y: bbox.y0 });
        let half = self.stroke_width() / 2.0;
        let x = (x - half).clamp(0.0, (self.size.0 - width).max(0.0));
        let y = if y - height >= 0.0 { y - height } else { y.max(0.0) };
        if let Some(chip) = PixelRect::from_xywh(x, y, width, height) {
            self.canvas.fill_rect(chip, &paint(THING, 235), Transform::identity(), None);
        }
        self.fonts.write(self.canvas, &line, (x + pad, y + height * 0.76), WHITE);
    }

    fn bar(&mut self, lines: &[String; 3], (zh, en, color): (&str, &str, [u8; 3]), height: f32) {
        let (width, top) = self.size;
        if let Some(bar) = PixelRect::from_xywh(0.0, top, width, height) {
            self.canvas.fill_rect(bar, &paint([16, 18, 22], 255), Transform::identity(), None);
        }
        if let Some(edge) = PixelRect::from_xywh(0.0, top, width, self.stroke_width()) {
            self.canvas.fill_rect(edge, &paint(color, 255), Transform::identity(), None);
        }
        let pad = self.letter * 0.6;
        let stamp = if self.fonts.can_write(zh) { format!("{zh} {en}") } else { en.to_owned() };
        let stamp = self.fonts.set_within(&stamp, self.letter, width * 0.4);
        self.fonts.write(self.canvas, &stamp, (width - pad - stamp.width, top + self.letter * 1.55), color);
        let room = [width - 3.0 * pad - stamp.width, width - 2.0 * pad, width - 2.0 * pad];
        let base = [1.55, 2.85, 4.05];
        let colors = [WHITE, GREY, GREY];
        for n in 0..3 {
            let px = if n == 0 { self.letter * 1.15 } else { self.letter * 0.92 };
            let line = self.fonts.set_within(&lines[n], px, room[n]);
            self.fonts.write(self.canvas, &line, (pad, top + self.letter * base[n]), colors[n]);
        }
    }
}

fn paint([r, g, b]: [u8; 3], alpha: u8) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(Color::from_rgba8(r, g, b, alpha));
    paint
}

#[cfg(test)]
mod tests {
    use domain::{Label, Polygon};

    use super::*;
    use crate::incident::ZonePurpose;

    fn zone() -> Zone {
        Zone {
            id: "z1".parse().expect("id"),
            name: "非机动车道".to_owned(),
            purpose: ZonePurpose::NoStopping,
            polygon: Polygon::new([[0.05, 0.55], [0.6, 0.35], [0.95, 0.6], [0.5, 0.97]].map(Point::from).to_vec())
                .expect("polygon"),
            dwell: None,
            overlaps: Vec::new(),
        }
    }

    fn thing(class: &str, score: f32, bbox: [f32; 4]) -> Detection {
        Detection {
            class: Label::new(class),
            group: Label::new("vehicle"),
            score,
            bbox: bbox.into(),
            mask: None,
            model: None,
        }
    }

    fn annotated(annotator: &Annotator, picture: &Picture, role: EvidenceRole) -> Jpeg {
        let kind = "lane.motor".parse().expect("kind");
        let camera = "31010400001320000123".parse().expect("id");
        let things = [
            thing("car", 0.83, [0.30, 0.45, 0.62, 0.80]),
            thing("truck", 0.51, [0.70, 0.0, 0.99, 0.2]),
            thing("bus", 0.40, [0.9, 0.5, 1.3, 0.7]),
        ];
        let scene = Scene {
            role,
            ticket: TicketId::derive(Timestamp(1_800_000_000_000), b"x"),
            kind: &kind,
            camera: &camera,
            camera_name: "斜土路-大木桥路 东北",
            zone: &zone(),
            things: if role == EvidenceRole::After { &[] } else { &things },
            bbox: things[0].bbox,
            captured_at: Timestamp(1_800_000_000_000),
        };
        annotator.annotate(picture, &scene, 90).expect("drawn")
    }

    fn shanghai() -> TimeZone {
        TimeZone::fixed(jiff::tz::offset(8))
    }

    #[test]
    fn every_size_and_role_can_be_drawn_on() {
        let annotator = Annotator::new(None, shanghai());
        for (w, h) in [(1, 1), (16, 16), (352, 288), (704, 576), (1920, 1080)] {
            for role in [EvidenceRole::FirstSeen, EvidenceRole::Confirming, EvidenceRole::After] {
                let picture = Picture::uniform(w, h, [60, 120, 130]);
                let jpeg = annotated(&annotator, &picture, role);
                assert_eq!(jpeg.width, w);
                assert!(jpeg.height > h);
            }
        }
    }

    #[test]
    fn without_a_chinese_font_it_is_all_english() {
        let folder = tempfile::tempdir().expect("temp dir");
        let broken = folder.path().join("broken.ttf");
        std::fs::write(&broken, b"no font").expect("written");
        let annotator = Annotator::new(Some(&broken), shanghai());
        let kind = "lane.motor".parse().expect("kind");
        let camera = "gate-2".parse().expect("id");
        let scene = Scene {
            role: EvidenceRole::Confirming,
            ticket: TicketId::derive(Timestamp(1_800_000_000_000), b"x"),
            kind: &kind,
            camera: &camera,
            camera_name: "斜土路",
            zone: &zone(),
            things: &[],
            bbox: Rect::FULL,
            captured_at: Timestamp(1_800_000_000_000),
        };
        let [what, place, time] = annotator.caption(&scene);
        assert_eq!(what, kind_info(&kind).expect("known").name_en);
        assert_eq!(place, "gate-2  ·  z1");
        assert_eq!(time, format!("2027-01-15 16:00:00 +08:00  ·  {}", scene.ticket));
    }
}
