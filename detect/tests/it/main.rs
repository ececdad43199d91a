//! Models, detectors and the catalogue against the real ONNX Runtime, real weights and a real HTTP server.

// clippy knows the bodies of tests, not the functions that they share.
#![allow(clippy::unwrap_used)]

mod bad_models;
mod batch;
mod close_ups;
mod eval;
mod frugal;
mod golden;
mod jpeg;
mod providers;
mod pull;
mod several;
mod site;
