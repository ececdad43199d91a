//! Ingest against real RTSP servers, an HTTP server, real recordings and real decoders.

#![allow(clippy::unwrap_used, reason = "a test says by a panic what went wrong")]

mod all_frames;
mod decoding;
mod fleet;
mod footage;
mod live;
mod patrol;
mod recordings;
mod rtsp_server;
mod snapshots;
mod storm;
mod streams;
