//! What light does to a picture, and what it cannot do: exposure changes all of it, a cloud or a headlight a part of it,
//! and neither adds an edge or a colour.

use super::grid::Look;

/// How much say, beside the cells, the assumption has that black stays black.
const STAYS_BLACK: f32 = 0.15;
/// What is left of a cell's luma in the deepest shadow: sun to shadow is about 5 to 1 in light, half in coded levels.
const DEEPEST_SHADOW: f32 = 0.48;

/// How the light of a whole picture differs from that of another: luma is `gain * other + offset`, colour `colour * other`,
/// and noise adds the same texture everywhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Light {
    gain: f32,
    offset: f32,
    colour: f32,
    texture: f32,
}

impl Default for Light {
    fn default() -> Self {
        Self { gain: 1.0, offset: 0.0, colour: 1.0, texture: 0.0 }
    }
}

impl Light {
    /// Fits pairs of looks (this picture's, the other's) by least squares, three times, the second and third without
    /// those that fit worst, so that what stands in one picture only has little say.
    pub(super) fn between(pairs: &[(Look, Look)]) -> Self {
        let mut light = Self::fit(pairs.iter()).unwrap_or_default();
        for _ in 0..2 {
            let miss = |(now, before): &(Look, Look)| (now.y - light.gain * before.y - light.offset).abs();
            // The mean is above the median where few cells differ by much.
            let limit = (pairs.iter().map(miss).sum::<f32>() / pairs.len().max(1) as f32).max(1.0);
            light = Self::fit(pairs.iter().filter(|pair| miss(pair) <= limit)).unwrap_or(light);
        }
        light
    }

    fn fit<'a>(pairs: impl Iterator<Item = &'a (Look, Look)>) -> Option<Self> {
        let (mut n, mut sx, mut sy, mut sxx, mut sxy) = (0.0_f32, 0.0, 0.0, 0.0, 0.0);
        let (mut cxx, mut cxy, mut now_t, mut before_t) = (0.0, 0.0, 0.0, 0.0);
        for (now, before) in pairs {
            n += 1.0;
            sx += before.y;
            sy += now.y;
            sxx += before.y * before.y;
            sxy += before.y * now.y;
            cxx += before.u * before.u + before.v * before.v;
            cxy += before.u * now.u + before.v * now.v;
            (now_t, before_t) = (now_t + now.t, before_t + before.t);
        }
        if n < 16.0 {
            return None;
        }
        // As if some cells more were black in both: shadow and exposure leave black as it is.
        let all = n * (1.0 + STAYS_BLACK);
        let (mx, my) = (sx / all, sy / all);
        let (variance, covariance) = (sxx / all - mx * mx, sxy / all - mx * my);
        let gain = if variance > 1.0 { (covariance / variance).clamp(0.3, 3.0) } else { 1.0 };
        // A picture without colour tells nothing of it.
        let colour = if cxx > 4.0 * n { (cxy / cxx).clamp(0.3, 3.0) } else { 1.0 };
        Some(Self { gain, offset: my - gain * mx, colour, texture: (now_t - gain * before_t) / n })
    }

    /// What the cell would show in the other picture's light.
    #[inline]
    pub(super) fn undo(self, look: Look) -> Look {
        Look {
            y: (look.y - self.offset) / self.gain,
            u: look.u / self.colour,
            v: look.v / self.colour,
            t: ((look.t - self.texture) / self.gain).max(0.0),
        }
    }
}

/// What may have made the difference between two looks at a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// There is none but noise.
    Noise,
    /// Light or shadow explains it.
    Light,
    /// Something else is seen.
    Thing,
}

/// The difference between two looks at a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Difference {
    pub(super) cause: Cause,
    /// In units of what noise explains at most.
    pub(super) size: f32,
    /// In levels, for the record of what varies by itself.
    pub(super) levels: f32,
}

impl Difference {
    /// Between `now` and `before`, in one light; `varies` is by how many levels the cell varies by itself.
    #[inline]
    pub(super) fn between(now: Look, before: Look, varies: f32) -> Self {
        let (dy, dt) = ((now.y - before.y).abs(), (now.t - before.t).abs());
        let dc = (now.u - before.u).abs().max((now.v - before.v).abs());
        // A tremble of a third of a pixel moves a cell's mean by a third of its texture.
        let limit_y = 5.0 + 1.6 * varies + 0.35 * before.t;
        let limit_c = 4.0 + 0.7 * varies;
        let limit_t = 2.5 + varies + 0.3 * before.t;
        let size = (dy / limit_y).max(dc / limit_c).max(dt / limit_t);
        let levels = dy.max(dc).max(dt);
        let cause = if size < 1.0 {
            Cause::Noise
        } else {
            let ratio = (now.y.max(0.0) + 4.0) / (before.y.max(0.0) + 4.0);
            // A lamp at night adds more than the sun.
            let brightest = if before.y < 70.0 { 4.0 } else { 2.0 };
            let lit = (DEEPEST_SHADOW..brightest).contains(&ratio)
                && (now.u - before.u * ratio).abs() < limit_c
                && (now.v - before.v * ratio).abs() < limit_c
                && (now.t - before.t * ratio).abs() < limit_t.max(2.5 + varies + 0.4 * before.t * ratio);
            if lit { Cause::Light } else { Cause::Thing }
        };
        Self { cause, size, levels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exposure_is_found_beside_something_large_and_new() {
        let street = |i: u32| Look { y: 40.0 + (i % 97) as f32, u: 10.0, v: (i % 7) as f32 - 3.0, t: 10.0 };
        let darker =
            |look: Look| Look { y: 0.7 * look.y + 6.0, u: 0.8 * look.u, v: 0.8 * look.v, t: 0.7 * look.t + 2.0 };
        let lorry = Look { y: 230.0, u: -30.0, v: 30.0, t: 1.0 };
        let pairs = (0..1000).map(|i| (if i < 250 { lorry } else { darker(street(i)) }, street(i)));
        let light = Light::between(&pairs.collect::<Vec<_>>());
        assert!((light.gain - 0.7).abs() < 0.08 && (light.offset - 6.0).abs() < 6.0, "{light:?}");
        let look = Look { y: 100.0, u: 12.0, v: -8.0, t: 14.0 };
        let back = light.undo(darker(look));
        assert!(
            (back.y - look.y).abs() < 5.0 && (back.u - look.u).abs() < 1.0 && (back.t - look.t).abs() < 2.0,
            "{back:?}"
        );
    }

    #[track_caller]
    fn check(now: Look, before: Look, expected: Cause) {
        assert_eq!(Difference::between(now, before, 1.0).cause, expected, "{now:?} against {before:?}");
    }

    #[test]
    fn light_adds_neither_colour_nor_texture() {
        let road = Look { y: 110.0, u: 4.0, v: -3.0, t: 8.0 };
        check(Look { y: 113.0, t: 8.5, ..road }, road, Cause::Noise);
        check(Look { y: 66.0, u: 2.5, v: -2.0, t: 5.0 }, road, Cause::Light);
        check(Look { y: 180.0, u: 6.0, v: -5.0, t: 13.0 }, road, Cause::Light);
        check(Look { y: 66.0, u: 22.0, ..road }, road, Cause::Thing);
        check(Look { y: 66.0, t: 25.0, ..road }, road, Cause::Thing);
        check(Look { y: 22.0, t: 3.0, ..road }, road, Cause::Thing);
    }
}
