//! What a simulated camera shows: clips one after the other, again and again, on one unbroken time line.

use std::{sync::Arc, time::Duration};

use super::clip::{Clip, Unit};

/// Clips in a loop; at least one, all of one codec.
pub(super) struct Program {
    clips: Vec<Arc<Clip>>,
    total: Duration,
}

/// A place in the endless loop. `base` is when the current clip begins, on a time line that never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    base: Duration,
    clip: usize,
    unit: usize,
}

impl Cursor {
    /// The numbers of the clip and of the picture within it.
    pub(super) fn place(self) -> (usize, usize) {
        (self.clip, self.unit)
    }
}

impl Program {
    /// `None` without clips.
    pub(super) fn new(clips: Vec<Arc<Clip>>) -> Option<Self> {
        let total = clips.iter().map(|clip| clip.duration).sum();
        (!clips.is_empty()).then_some(Self { clips, total })
    }

    pub(super) fn clips(&self) -> &[Arc<Clip>] {
        &self.clips
    }

    /// One lap.
    pub(super) fn total(&self) -> Duration {
        self.total
    }

    pub(super) fn unit(&self, cursor: Cursor) -> &Unit {
        &self.clips[cursor.clip].units[cursor.unit]
    }

    pub(super) fn clip(&self, cursor: Cursor) -> &Clip {
        &self.clips[cursor.clip]
    }

    /// When the picture at `cursor` is shown, from the loop's start.
    pub(super) fn time(&self, cursor: Cursor) -> Duration {
        cursor.base + self.unit(cursor).at
    }

    pub(super) fn next(&self, cursor: Cursor) -> Cursor {
        if cursor.unit + 1 < self.clip(cursor).units.len() {
            return Cursor { unit: cursor.unit + 1, ..cursor };
        }
        let base = cursor.base + self.clip(cursor).duration;
        Cursor { base, clip: (cursor.clip + 1) % self.clips.len(), unit: 0 }
    }

    /// The last keyframe that is due at `at` or before.
    pub(super) fn keyframe_at(&self, at: Duration) -> Cursor {
        let laps = at.as_nanos() / self.total.as_nanos().max(1);
        let mut base = self.total * u32::try_from(laps).unwrap_or(u32::MAX);
        let mut clip = 0;
        while clip + 1 < self.clips.len() && base + self.clips[clip].duration <= at {
            base += self.clips[clip].duration;
            clip += 1;
        }
        let within = at.saturating_sub(base);
        let unit = self.clips[clip].units.iter().rposition(|unit| unit.keyframe && unit.at <= within).unwrap_or(0);
        Cursor { base, clip, unit }
    }
}

#[cfg(test)]
mod tests {
    use domain::Codec;
    use gstreamer as gst;

    use super::*;

    fn clip(pictures: u32, each: Duration, key_each: u32) -> Arc<Clip> {
        gst::init().unwrap();
        Arc::new(Clip {
            codec: Codec::H264,
            size: None,
            units: (0..pictures)
                .map(|i| Unit { at: each * i, keyframe: i % key_each == 0, buffer: gst::Buffer::new() })
                .collect(),
            duration: each * pictures,
            parameter_sets: gst::Buffer::new(),
        })
    }

    const FRAME: Duration = Duration::from_millis(100);

    #[test]
    fn time_goes_on_over_the_seam() {
        let program = Program::new(vec![clip(10, FRAME, 5), clip(4, FRAME, 4)]).unwrap();
        assert_eq!(program.total(), FRAME * 14);
        let mut cursor = program.keyframe_at(Duration::ZERO);
        for i in 0..50 {
            assert_eq!(program.time(cursor), FRAME * i);
            assert_eq!(program.unit(cursor).keyframe, matches!(i % 14, 0 | 5 | 10));
            cursor = program.next(cursor);
        }
    }

    #[test]
    fn entry_is_at_the_keyframe_before() {
        let program = Program::new(vec![clip(10, FRAME, 5), clip(4, FRAME, 4)]).unwrap();
        for (at, expect) in
            [(0, 0), (499, 0), (500, 500), (999, 500), (1000, 1000), (1399, 1000), (1400, 1400), (3399, 3300)]
        {
            let cursor = program.keyframe_at(Duration::from_millis(at));
            assert!(program.unit(cursor).keyframe);
            assert_eq!(program.time(cursor), Duration::from_millis(expect), "at {at}");
        }
    }

    #[test]
    fn no_clips_are_no_program() {
        assert!(Program::new(Vec::new()).is_none());
    }
}
