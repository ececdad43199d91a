//! A program cut into packets: what all viewers of all cameras that show it share.

use domain::Codec;

use super::{
    super::{
        SimulateError, annexb,
        program::{Cursor, Program},
    },
    description,
    packets::{Numbers, Packets},
};

/// A program with its pictures in packets.
pub(super) struct Reel {
    pub(super) program: Program,
    /// By clip and picture.
    packets: Vec<Vec<Packets>>,
    /// What DESCRIBE answers.
    pub(super) description: String,
}

impl Reel {
    pub(super) fn new(program: Program) -> Result<Self, SimulateError> {
        let unmapped = || SimulateError::Gstreamer { reason: "a picture in memory cannot be read".to_owned() };
        let mut packets = Vec::with_capacity(program.clips().len());
        for clip in program.clips() {
            let cut = clip.units.iter().map(|unit| Ok(Packets::new(clip.codec, &unit.buffer.map_readable()?)));
            packets.push(cut.collect::<Result<Vec<_>, gstreamer::glib::BoolError>>().map_err(|_| unmapped())?);
        }
        let first = &program.clips()[0];
        let sets = first.parameter_sets.map_readable().map_err(|_| unmapped())?;
        let description = description::describe(first.codec, &sets);
        drop(sets);
        Ok(Self { program, packets, description })
    }

    pub(super) fn codec(&self) -> Codec {
        self.program.clips()[0].codec
    }

    /// Appends the picture at `cursor` as one viewer gets it.
    pub(super) fn write_to(&self, out: &mut Vec<u8>, cursor: Cursor, numbers: &mut Numbers, timestamp: u32) {
        let (clip, unit) = cursor.place();
        self.packets[clip][unit].write_to(out, numbers, timestamp);
    }

    /// The same, with noise in place of a keyframe's picture.
    pub(super) fn write_damaged_to(&self, out: &mut Vec<u8>, cursor: Cursor, numbers: &mut Numbers, timestamp: u32) {
        match self.program.unit(cursor).buffer.map_readable() {
            Ok(unit) => {
                let damaged = annexb::damaged(self.codec(), &unit);
                Packets::new(self.codec(), &damaged).write_to(out, numbers, timestamp);
            }
            Err(_) => self.write_to(out, cursor, numbers, timestamp),
        }
    }
}
