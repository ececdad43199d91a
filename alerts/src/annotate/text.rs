//! Text in two fonts: one in the program for Latin, one from the machine for Chinese.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ab_glyph::{Font, FontRef, FontVec, Glyph, GlyphId, PxScale, ScaleFont as _, point};
use tiny_skia::Pixmap;

/// Where the distributions put fonts with Chinese glyphs.
const USUAL_PLACES: &[&str] = &[
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-sans-cjk-fonts/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/opentype/source-han-sans/SourceHanSansSC-Regular.otf",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/wqy-microhei/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/System/Library/Fonts/PingFang.ttc",
];

/// The fonts that pictures are written on with.
pub(super) struct Fonts {
    latin: FontRef<'static>,
    chinese: Option<FontVec>,
}

/// One line in one size.
pub(super) struct Line {
    glyphs: Vec<(Face, Glyph)>,
    /// In pixels.
    pub(super) width: f32,
}

#[derive(Clone, Copy, PartialEq)]
enum Face {
    Latin,
    Chinese,
}

impl Fonts {
    /// Loads `named`, or what is found in the usual places. A font that is missing or damaged is told in the log and
    /// done without.
    pub(super) fn load(named: Option<&Path>) -> Self {
        let latin = FontRef::try_from_slice(dejavu::sans_condensed::bold()).expect("the font in the program is whole");
        let chinese = match named {
            Some(path) => match read(path) {
                Ok(font) => Some(font),
                Err(reason) => {
                    tracing::warn!(font = %path.display(), reason, "cannot use the font for evidence, writing English only");
                    None
                }
            },
            None => {
                let found = USUAL_PLACES.iter().map(PathBuf::from).find_map(|path| read(&path).ok());
                if found.is_none() {
                    tracing::info!("no font with Chinese glyphs found, writing English only on evidence");
                }
                found
            }
        };
        Self { latin, chinese }
    }

    /// Whether all of `text` can be written.
    pub(super) fn can_write(&self, text: &str) -> bool {
        text.chars().all(|c| self.glyph(c).is_some())
    }

    fn glyph(&self, c: char) -> Option<(Face, GlyphId)> {
        let some = |face, id: GlyphId| (id.0 != 0).then_some((face, id));
        some(Face::Latin, self.latin.glyph_id(c))
            .or_else(|| self.chinese.as_ref().and_then(|font| some(Face::Chinese, font.glyph_id(c))))
    }

    /// Sets `text` in letters of `px` pixels; what no font has is left out.
    pub(super) fn set(&self, text: &str, px: f32) -> Line {
        let mut glyphs = Vec::with_capacity(text.len());
        let mut x = 0.0;
        for (face, id) in text.chars().filter_map(|c| self.glyph(c)) {
            glyphs.push((face, id.with_scale_and_position(PxScale::from(px), point(x, 0.0))));
            x += match (face, &self.chinese) {
                (Face::Chinese, Some(font)) => font.as_scaled(px).h_advance(id),
                _ => self.latin.as_scaled(px).h_advance(id),
            };
        }
        Line { glyphs, width: x }
    }

    /// Sets `text` in letters of `px` pixels, or smaller ones where it would be wider than `room`.
    pub(super) fn set_within(&self, text: &str, px: f32, room: f32) -> Line {
        let line = self.set(text, px);
        if line.width <= room { line } else { self.set(text, (px * room / line.width).max(6.0)) }
    }

    /// Writes `line` with its base at `(x, y)`, clipped to the canvas.
    pub(super) fn write(&self, canvas: &mut Pixmap, line: &Line, (x, y): (f32, f32), [r, g, b]: [u8; 3]) {
        let (width, height) = (canvas.width() as i32, canvas.height() as i32);
        let pixels = canvas.pixels_mut();
        for (face, glyph) in &line.glyphs {
            let mut glyph = glyph.clone();
            glyph.position.x += x;
            glyph.position.y += y;
            let outline = match (face, &self.chinese) {
                (Face::Chinese, Some(font)) => font.outline_glyph(glyph),
                _ => self.latin.outline_glyph(glyph),
            };
            let Some(outline) = outline else { continue };
            let (left, top) = (outline.px_bounds().min.x as i32, outline.px_bounds().min.y as i32);
            outline.draw(|dx, dy, coverage| {
                let (px, py) = (left + dx as i32, top + dy as i32);
                if (0..width).contains(&px) && (0..height).contains(&py) {
                    let pixel = &mut pixels[(py * width + px) as usize];
                    let alpha = coverage.clamp(0.0, 1.0);
                    let mix = |over: u8, under: u8| (f32::from(over) * alpha + f32::from(under) * (1.0 - alpha)) as u8;
                    let a = mix(255, pixel.alpha());
                    let over = |c, under| mix(c, under).min(a);
                    let mixed = [over(r, pixel.red()), over(g, pixel.green()), over(b, pixel.blue())];
                    if let Some(mixed) = tiny_skia::PremultipliedColorU8::from_rgba(mixed[0], mixed[1], mixed[2], a) {
                        *pixel = mixed;
                    }
                }
            });
        }
    }
}

fn read(path: &Path) -> Result<FontVec, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    FontVec::try_from_vec(bytes).map_err(|error| error.to_string())
}
