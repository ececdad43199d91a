//! Simulated cameras as a client sees them: clips made here, served, and watched with retina.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod clips;
mod faults;
mod fleet;
mod input;
mod playback;
mod viewer;
