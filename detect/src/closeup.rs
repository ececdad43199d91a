//! Close-ups: the zones of a camera looked at by themselves besides the whole picture, within a budget, so that small
//! things are found there; and one answer from all of it.
//!
//! A look makes a few close-ups in turn. What the others showed last time stands until their turn comes, for rules need
//! the same answer to the same street: but only where the pixels are still the same, and only things that are too small
//! for the whole picture, which is looked at afresh each time. What stands in the view is looked at by itself as well,
//! wherever it is ([`standing`]).

mod joined;
mod patch;
mod standing;

use domain::{Detection, Picture, Polygon, Rect, Timestamp};
use metrics::counter;

use self::{
    joined::{Near, is_cut, joined},
    patch::Patch,
    standing::Things,
};
use crate::{
    DetectError, Detectors,
    region::{Manner, Region, regions},
};

/// Looks within which each close-up has its turn: there are no more than this times those of one look.
const LOOKS_A_ROUND: usize = 4;
/// The whole picture finds what is at least this long in the pixels of the model's input (recall of small detectors drops
/// below 0.8 from 64 pixels down).
const FOUND_BY_ALL: f32 = 64.0;

/// The close-ups of one camera.
pub struct CloseUps {
    zones: Vec<(Polygon, Manner)>,
    per_look: usize,
    plan: Plan,
    things: Things,
    /// The models that look at them, none if nobody does.
    models_of_things: Vec<String>,
}

/// The close-ups of pictures of one size.
#[derive(Default)]
struct Plan {
    size: [u32; 2],
    views: Vec<View>,
    /// Whose turn is next.
    next: usize,
    /// How many have not had their turn since the picture changed.
    owed: usize,
}

/// One close-up, and what it showed when it was last made.
struct View {
    region: Region,
    seen: Vec<(Detection, Patch)>,
}

impl CloseUps {
    /// Close-ups of `zones` for a camera, at most `per_look` in one look.
    #[must_use]
    pub fn new(zones: Vec<(Polygon, Manner)>, per_look: usize) -> Self {
        Self { zones, per_look, plan: Plan::default(), things: Things::default(), models_of_things: Vec::new() }
    }

    /// Has `models` look at what stands in the view ([`CloseUps::see`]), one thing a look; without any nobody does.
    pub fn look_at_things_with(&mut self, models: Vec<String>) {
        if self.models_of_things != models {
            self.things = Things::default();
            self.models_of_things = models;
        }
    }

    /// Takes what stands in the view now, of class `standing` or `occupied`, before each look.
    pub fn see<'a>(&mut self, standing: impl Iterator<Item = &'a Detection>) {
        if !self.models_of_things.is_empty() {
            self.things.see(standing);
        }
    }

    /// Whether some close-up has not had its turn since the last look that was `afresh`, or something that stands there has not
    /// been looked at by itself. Then the next look is needed even if nothing changes.
    #[must_use]
    pub fn are_owed(&self) -> bool {
        self.plan.owed > 0 || self.things.are_owed()
    }

    /// Whether a picture of the camera's main stream would tell more of what stands there, at the time `at`.
    #[must_use]
    pub fn want_main(&self, at: Timestamp) -> bool {
        self.things.want_main(at)
    }

    /// What the models `names` find on `picture` and on the close-ups whose turn it is, with what the others showed last,
    /// best first, one detection for each thing. `main` is a picture that the camera's main stream showed just before, if one was
    /// fetched ([`CloseUps::want_main`]); `at` is the picture's time; `afresh`: something may have changed, so all are to have
    /// their turn.
    ///
    /// # Errors
    /// Those of [`Detectors::detect`].
    pub fn look(
        &mut self,
        detectors: &mut Detectors,
        names: &[String],
        picture: &Picture,
        main: Option<&Picture>,
        at: Timestamp,
        afresh: bool,
    ) -> Result<Vec<Detection>, DetectError> {
        let whole = detectors.detect(names, picture)?;
        let Some(input) = names.first().and_then(|name| detectors.input_size(name)) else { return Ok(whole) };
        let found = self.look_at_zones(detectors, names, input, picture, whole, afresh)?;
        if self.things.are_none() {
            return Ok(found);
        }
        self.things.look(detectors, &self.models_of_things, input, (picture, main), at)?;
        Ok(self.things.name(picture, found))
    }

    /// `whole`, which the whole picture shows, with what close-ups of zones do.
    fn look_at_zones(
        &mut self,
        detectors: &mut Detectors,
        names: &[String],
        input: [u32; 2],
        picture: &Picture,
        whole: Vec<Detection>,
        afresh: bool,
    ) -> Result<Vec<Detection>, DetectError> {
        let size = [picture.width, picture.height];
        if self.plan.size != size {
            self.plan = Plan::new(&self.zones, size, input, self.per_look);
        }
        let plan = &mut self.plan;
        let n = self.per_look.min(plan.views.len());
        if n == 0 {
            return Ok(whole);
        }
        if afresh {
            plan.owed = plan.views.len();
        }
        let mut turn = vec![false; plan.views.len()];
        for _ in 0..n {
            let view = &mut plan.views[plan.next];
            let found = look_at(view.region, detectors, names, picture)?;
            view.seen = found.map(|d| (d.clone(), Patch::of(picture, d.bbox))).collect();
            turn[plan.next] = true;
            plan.next = (plan.next + 1) % plan.views.len();
        }
        plan.owed = plan.owed.saturating_sub(n);
        counter!("gridwatch_close_ups_total").increment(n as u64);
        for (view, _) in plan.views.iter_mut().zip(&turn).filter(|(_, turn)| !**turn) {
            view.seen.retain(|(d, patch)| is_small(d.bbox, input) && !patch.differs(&Patch::of(picture, d.bbox)));
        }
        let near = plan.views.iter().enumerate().flat_map(|(number, view)| {
            let place = view.region.place(size);
            view.seen.iter().map(move |(d, _)| Near { cut: is_cut(d.bbox, place), view: number, detection: d.clone() })
        });
        Ok(joined(near.collect(), whole))
    }
}

impl Plan {
    fn new(zones: &[(Polygon, Manner)], size: [u32; 2], input: [u32; 2], per_look: usize) -> Self {
        let most = (per_look * LOOKS_A_ROUND / zones.len().max(1)).max(1);
        let all = zones.iter().flat_map(|(outline, manner)| regions(outline, *manner, size, input, most));
        let views: Vec<_> = all.map(|region| View { region, seen: Vec::new() }).collect();
        Self { size, owed: views.len(), views, next: 0 }
    }
}

/// What the models `names` find in a part of `picture`, with boxes relative to the whole.
fn look_at(
    region: Region,
    detectors: &mut Detectors,
    names: &[String],
    picture: &Picture,
) -> Result<impl Iterator<Item = Detection> + use<>, DetectError> {
    let part = region.of(picture).ok_or_else(|| DetectError::Picture {
        reason: format!("its planes do not hold {}x{} pixels", picture.width, picture.height),
    })?;
    let place = region.place([picture.width, picture.height]);
    let found = detectors.detect(names, &part)?.into_iter();
    Ok(found.map(move |d| Detection { bbox: placed(d.bbox, place), ..d }))
}

/// A box relative to a part that lies at `place`, relative to the whole.
fn placed(bbox: Rect, place: Rect) -> Rect {
    let x = |x: f32| place.x0 + x * place.width();
    let y = |y: f32| place.y0 + y * place.height();
    Rect { x0: x(bbox.x0), y0: y(bbox.y0), x1: x(bbox.x1), y1: y(bbox.y1) }.clamped()
}

/// Whether the whole picture may miss a thing of that size.
fn is_small(bbox: Rect, input: [u32; 2]) -> bool {
    (bbox.width() * input[0] as f32).max(bbox.height() * input[1] as f32) < FOUND_BY_ALL
}

/// A detection of a class that is its own group.
#[cfg(test)]
fn seen(label: &str, score: f32, bbox: [f32; 4]) -> Detection {
    let label = domain::Label::new(label);
    Detection { class: label.clone(), group: label, score, bbox: bbox.into(), mask: None, model: None }
}
