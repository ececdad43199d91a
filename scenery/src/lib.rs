//! Streets with known truth: a backdrop, things that are put on it where and when a scene says, and the weather, light and
//! camera faults above all. What comes out are decoded pictures as a camera's decoder gives them.
//!
//! It knows no file: whoever reads clips and photographs hands them in as pictures. The same description and seed give the
//! same pictures, byte for byte, on every machine.

mod canvas;
mod effect;
mod grain;
mod painter;
mod shape;
mod sprite;
mod street;
mod thing;

pub use canvas::Canvas;
pub use effect::{Effect, Lamp};
pub use painter::{Painter, SceneryError};
pub use shape::{Form, Shape};
pub use sprite::{Outline, Sprite};
pub use street::street;
pub use thing::{Coco, Cutout, Source, Thing, Waypoint};
