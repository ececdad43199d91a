//! The scene: what one camera's view looks like when nothing happens, learnt slowly. It answers two questions at each
//! look: whether anything changed since the detector last ran (a run is saved where nothing did), and what stands there
//! that did not stand there when the scene was learnt, whatever it is ([`domain::STANDING`]).
//!
//! Pure: time comes in, pictures come in, detections go out; the same input gives the same output. A picture is reduced
//! to some thousand cells (`grid`), brought into the light (`light`) and the place in which the scene was learnt, and
//! compared cell by cell: with the last picture that the detector ran on (`gate`), and with the scene (`background`, of
//! `cell`s), of which what stays different is put together to things (`standing`). Between looks the cells are
//! packed (`kept`): there are thousands of cameras, and few of them are looked at right now.

mod background;
mod cell;
mod gate;
mod grid;
mod kept;
mod light;
mod moved;
mod standing;
#[cfg(test)]
mod tests;

use domain::{Detection, Millis, Picture, STANDING, Timestamp};

pub use self::{background::Relearn, gate::Outcome};
use self::{
    background::{Background, Opened},
    gate::{Compared, Gate},
    grid::{Profile, Sampler, Shift, Size},
};
use crate::{DetectError, config::SceneConfig, preprocess};

/// Time between looks that counts as watched; what happened in the rest of a longer gap is unknown.
const LONGEST_STEP: Millis = Millis::secs(60);

/// Whether a look may do without a run of the detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It may, where nothing changed.
    IfChanged,
    /// It may not: the last run has left something to be done.
    Finish,
    /// It may not: something is suspected, or somebody asked.
    Always,
}

/// What one look at a scene gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The detector's, of this look or of the last run, and what stands there; best first.
    pub detections: Vec<Detection>,
    /// Whether the detector ran, and why.
    pub outcome: Outcome,
    /// Why the scene is being learnt anew from this look on, if it is.
    pub relearn: Option<Relearn>,
    /// Whether the scene was not learnt yet when this look came, so that nothing new in it can be told.
    pub learning: bool,
}

/// What one thread looks with, for all cameras in turn: buffers that grow to the largest picture and hold nothing of a
/// camera from look to look.
#[derive(Debug, Default)]
pub struct Scratch {
    profile: Profile,
    sampler: Sampler,
    compared: Compared,
    opened: Opened,
}

/// What is known of one camera's view; some 100 kB.
#[derive(Debug, Default)]
pub struct Scene {
    config: SceneConfig,
    size: Size,
    gate: Gate,
    background: Background,
    last_look: Option<Timestamp>,
}

impl Scene {
    /// A view of which nothing is known yet.
    #[must_use]
    pub fn new(config: SceneConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// Whether the scene is learnt, so that what is new can be told.
    #[must_use]
    pub fn is_learnt(&self) -> bool {
        self.background.is_learnt()
    }

    /// Tells a view of which nothing is known yet what stands in it from before: things of class `standing`, which then do not
    /// become part of the scene that is learnt.
    pub fn expect(&mut self, things: Vec<Detection>) {
        self.background.expect(things);
    }

    /// Whether another view is to be waited out rather than learnt, until this is said anew.
    pub fn keep_view(&mut self, keep: bool) {
        self.background.keep_view(keep);
    }

    /// What stands there and has no name.
    pub fn standing(&self) -> impl Iterator<Item = &Detection> {
        self.stands().filter(|thing| thing.class.as_str() == STANDING)
    }

    /// What stands there: of class `standing` what has no name, of class `occupied` what the detector mostly had one for.
    pub fn stands(&self) -> impl Iterator<Item = &Detection> {
        self.background.standing().iter()
    }

    /// One look at `picture`, taken at `at`; `detect` runs the detector, is told why, and is called
    /// at most once. A time before the last
    /// look's counts as no time at all.
    ///
    /// # Errors
    /// When the picture's planes do not hold what its size says, or `detect` fails; nothing is learnt of it then.
    pub fn look(
        &mut self,
        picture: &Picture,
        at: Timestamp,
        need: Need,
        scratch: &mut Scratch,
        detect: impl FnOnce(&Picture, Outcome) -> Result<Vec<Detection>, DetectError>,
    ) -> Result<Seen, DetectError> {
        preprocess::check(picture)?;
        let size = Size::of(picture);
        let other_size = self.size != size;
        if other_size {
            self.gate = Gate::default();
        }
        let Scratch { profile, sampler, compared, opened } = scratch;
        profile.read(picture);
        let shift = if other_size { Shift::default() } else { self.background.shift(profile) };
        sampler.sample(picture, shift);
        let varies = |i| self.background.varies(i);
        let outcome = self.gate.outcome(&self.config.gate, at, need, sampler, varies, compared);
        if outcome != Outcome::Unchanged {
            self.gate.ran(at, sampler, detect(picture, outcome)?);
        }

        let seconds = self.last_look.map_or(Millis::ZERO, |last| at.since(last).min(LONGEST_STEP)).as_secs_f64() as f32;
        self.last_look = Some(at);
        self.size = size;
        let known = self.gate.detections();
        let was_learnt = self.is_learnt();
        let relearn = self.background.look(&self.config.standing, sampler, profile, seconds, known, opened);
        let mut detections = known.to_vec();
        if self.config.standing.enabled {
            detections.extend(self.background.standing().iter().cloned());
            detections.sort_by(|a, b| b.score.total_cmp(&a.score));
        }
        Ok(Seen { detections, outcome, relearn, learning: !(was_learnt && self.is_learnt()) })
    }
}
