//! Camera health: what pictures tell of the camera that took them. Frozen, dark, blind, blurred, moved.
//!
//! Pure: pictures and their times come in, changes of what is believed go out. A picture is reduced to a grid of 64 by 48
//! levels, whatever its size (`measure`), and compared with the one before, and with the camera's reference
//! (`reference`): a picture of the view that its zones were drawn for. Each fault is believed after some looks and some time, and
//! given up after some too ([`Latch`]); what cannot be told at a look counts for neither side.

mod measure;
mod reference;
#[cfg(test)]
mod tests;

use domain::{
    Ailment, CameraFault, Millis, Picture, Timestamp,
    health::{Latch, Patience, Sign, Turn},
};

pub use self::measure::Gauge;
use self::{
    measure::{CELLS, Measure},
    reference::{Fit, Reference},
};
use crate::{DetectError, config::HealthConfig, preprocess};

/// Level, above black, that nine tenths of a picture stay under when there is too little light; and with which there is
/// enough again.
const DARK: f32 = 20.0;
const LIGHT_AGAIN: f32 = 30.0;
/// Share of cells with structure below which nothing can be made out (a clock in a corner has 1 % of them), and from
/// which something can.
const BLIND: f32 = 0.02;
const SEES_AGAIN: f32 = 0.05;
/// Share of the reference's structure that is hidden when the view is covered, and that may be when it is not.
const COVERED: f32 = 0.6;
const UNCOVERED: f32 = 0.45;
/// Share of textured cells that differ between two looks at most when the picture is frozen: a clock does.
const FROZEN: f32 = 0.02;
/// Share of cells that have texture, without which nothing can be said of frozen pictures.
const ENOUGH_TEXTURE: f32 = 0.04;
/// Looks in a row that show one picture before it is held to be frozen.
const FROZEN_LOOKS: u32 = 6;
/// Looks in a row that must show a fault, or must not, and the time that they must span for it to end.
const LOOKS: u32 = 4;
const LOOKS_AGAIN: u32 = 3;
const WELL_AFTER: Millis = Millis::secs(20);
/// A view that fits nothing (rather than fitting elsewhere) may have a lorry in front of it: so many times as long.
const LORRY: u32 = 3;

/// A change of what is believed of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Which fault.
    pub fault: CameraFault,
    /// Whether it begins (with when it was first seen) or ends.
    pub turn: Turn,
}

/// What is known of the health of one camera; some 14 kB.
#[derive(Debug)]
pub struct Health {
    config: HealthConfig,
    reference: Option<Reference>,
    /// The marks of the last look's cells, for pictures that do not change.
    last: Option<(Timestamp, Box<[u16; CELLS]>)>,
    frozen: Latch,
    dark: Latch,
    blind: Latch,
    blurred: Latch,
    moved: Latch,
    /// What seemed to be wrong in the last look.
    doubt: Option<CameraFault>,
    /// Where the view has gone, in shares of the picture, while it is held to have moved and that can be told.
    displacement: Option<(f32, f32)>,
}

impl Health {
    /// A camera of which nothing is known yet.
    #[must_use]
    pub fn new(config: HealthConfig) -> Self {
        Self {
            config,
            reference: None,
            last: None,
            frozen: Latch::default(),
            dark: Latch::default(),
            blind: Latch::default(),
            blurred: Latch::default(),
            moved: Latch::default(),
            doubt: None,
            displacement: None,
        }
    }

    /// Takes `picture` for what the camera should show. Whether it has moved or is blurred is judged anew.
    ///
    /// # Errors
    /// When the picture's planes do not hold what its size says.
    pub fn set_reference(&mut self, picture: &Picture, gauge: &mut Gauge) -> Result<Vec<Change>, DetectError> {
        preprocess::check(picture)?;
        let edges = gauge.edges(picture, measure::EDGE).to_vec();
        self.reference = Some(Reference::of(gauge.read(picture), edges));
        self.displacement = None;
        let mut changes = Vec::new();
        for (fault, latch) in [(CameraFault::Moved, &mut self.moved), (CameraFault::Blurred, &mut self.blurred)] {
            if std::mem::take(latch).since().is_some() {
                changes.push(Change { fault, turn: Turn::Well });
            }
        }
        Ok(changes)
    }

    /// Whether there is a reference to compare with.
    #[must_use]
    pub fn has_reference(&self) -> bool {
        self.reference.is_some()
    }

    /// Whether nothing is wrong, nor suspected to be: then a picture may be the reference.
    #[must_use]
    pub fn is_well(&self) -> bool {
        [self.frozen, self.dark, self.blind, self.blurred, self.moved].iter().all(|latch| *latch == Latch::Well)
    }

    /// What seemed to be wrong in the last look, believed or not yet: a fault with which a picture proves nothing. One that
    /// does not change shows at least what was there when it froze.
    #[must_use]
    pub fn doubt(&self) -> Option<CameraFault> {
        self.doubt
    }

    /// What is believed to be wrong.
    #[must_use]
    pub fn ailments(&self) -> Vec<Ailment> {
        let latches = [
            (CameraFault::Frozen, &self.frozen),
            (CameraFault::Blind, &self.blind),
            (CameraFault::Dark, &self.dark),
            (CameraFault::Blurred, &self.blurred),
            (CameraFault::Moved, &self.moved),
        ];
        let ill = |(fault, latch): (CameraFault, &Latch)| Some(Ailment { fault, since: latch.since()? });
        latches.into_iter().filter_map(ill).collect()
    }

    /// Where the view of a camera that has moved went, in shares of the picture's width and height, where that can be told.
    #[must_use]
    pub fn displacement(&self) -> Option<(f32, f32)> {
        self.moved.since().and(self.displacement)
    }

    /// One look at `picture`, taken at `at`. What changed is told once.
    ///
    /// # Errors
    /// When the picture's planes do not hold what its size says; nothing is learnt of it then.
    pub fn look(&mut self, picture: &Picture, at: Timestamp, gauge: &mut Gauge) -> Result<Vec<Change>, DetectError> {
        if !self.config.enabled {
            return Ok(Vec::new());
        }
        preprocess::check(picture)?;
        let measure = gauge.read(picture);
        let frozen = self.frozen(measure, at);
        let dark = match measure.bright {
            level if level < DARK => Sign::Bad,
            level if level > LIGHT_AGAIN => Sign::Good,
            _ => Sign::Unclear,
        };
        let fit = self.reference.as_ref().map(|reference| reference.compare(measure));
        let blind = blind(measure, dark, fit.as_ref());
        let sees = dark == Sign::Good && blind != Sign::Bad;
        let (moved, displacement) = match &fit {
            Some(fit) if sees => moved(fit),
            _ => (Sign::Unclear, None),
        };
        let blurred = match (&self.reference, &fit) {
            (Some(reference), Some(fit)) if sees && moved == Sign::Good => {
                reference.blur(gauge.edges(picture, measure::EDGE * fit.contrast.clamp(0.4, 1.5)), fit)
            }
            _ => Sign::Unclear,
        };

        let signs = [
            (CameraFault::Blind, blind),
            (CameraFault::Dark, dark),
            (CameraFault::Moved, moved),
            (CameraFault::Blurred, blurred),
        ];
        self.doubt = signs.into_iter().find(|(_, sign)| *sign == Sign::Bad).map(|(fault, _)| fault);
        let after = self.config.after;
        let usual = Patience { looks: LOOKS, time: after };
        let strange = Patience { looks: LORRY * LOOKS, time: Millis(after.0.saturating_mul(i64::from(LORRY))) };
        let still = Patience { looks: FROZEN_LOOKS, time: self.config.frozen_after };
        let again = Patience { looks: LOOKS_AGAIN, time: WELL_AFTER };
        let moves = Patience { looks: 2, time: Millis::ZERO };
        let mut changes = Vec::new();
        let mut judge = |fault, latch: &mut Latch, sign, on, off| {
            changes.extend(latch.observe(at, sign, on, off).map(|turn| Change { fault, turn }));
        };
        judge(CameraFault::Frozen, &mut self.frozen, frozen, still, moves);
        judge(CameraFault::Blind, &mut self.blind, blind, usual, again);
        judge(CameraFault::Dark, &mut self.dark, dark, usual, again);
        judge(CameraFault::Blurred, &mut self.blurred, blurred, usual, again);
        let on = if displacement.is_some() { usual } else { strange };
        judge(CameraFault::Moved, &mut self.moved, moved, on, again);
        if moved == Sign::Bad {
            self.displacement = displacement;
        }
        Ok(changes)
    }

    /// Whether this is the last look's picture but for a clock. Sensors are never still: of a camera that sees, most cells
    /// with texture differ from look to look, however quiet the street.
    fn frozen(&mut self, measure: &Measure, at: Timestamp) -> Sign {
        let sign = match &self.last {
            // A look that comes twice shows nothing new.
            Some((last, _)) if *last == at => Sign::Unclear,
            Some((_, last)) => {
                let textured = measure.textured();
                let (n, differ) =
                    textured.fold((0, 0), |(n, differ), i| (n + 1, differ + usize::from(measure.marks[i] != last[i])));
                if (n as f32) < ENOUGH_TEXTURE * CELLS as f32 {
                    Sign::Unclear
                } else if differ as f32 <= FROZEN * n as f32 {
                    Sign::Bad
                } else {
                    Sign::Good
                }
            }
            None => Sign::Unclear,
        };
        match &mut self.last {
            Some((last, marks)) => {
                *last = at;
                marks.copy_from_slice(&measure.marks);
            }
            None => self.last = measure.marks.clone().try_into().ok().map(|marks| (at, marks)),
        }
        sign
    }
}

fn blind(measure: &Measure, dark: Sign, fit: Option<&Fit>) -> Sign {
    let hidden = fit.map_or(0.0, |fit| fit.hidden);
    if dark != Sign::Good {
        // In the dark there is nothing to see for the best of cameras.
        Sign::Unclear
    } else if measure.structured < BLIND || hidden > COVERED {
        Sign::Bad
    } else if measure.structured > SEES_AGAIN && hidden < UNCOVERED {
        Sign::Good
    } else {
        Sign::Unclear
    }
}

fn moved(fit: &Fit) -> (Sign, Option<(f32, f32)>) {
    match fit {
        Fit { far: Some(far), .. } => (Sign::Bad, Some(*far)),
        _ if fit.near >= reference::FITS => (Sign::Good, None),
        _ if fit.near <= reference::FITS_NOT && fit.hidden < UNCOVERED => (Sign::Bad, None),
        _ => (Sign::Unclear, None),
    }
}
