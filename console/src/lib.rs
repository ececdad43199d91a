//! The console: tickets with their evidence and cameras with their state, as web pages and as JSON.
//!
//! It reads: the store and the evidence from `alerts`, the cameras through [`Fleet`], and writes nothing but what a person
//! decides on a case that waits for it. Pages are made on
//! the server, hold all they need (no script is required, nothing comes from the internet) and exist in Chinese and English.
//! What promises hold for every answer: foreign text is escaped, an internal error's text stays in the log, a client's own
//! mistake is named precisely, and no credential is ever known here.

mod answer;
mod api;
mod assets;
pub mod backtest;
mod camera_page;
mod cameras;
mod case;
mod config;
mod console;
mod download;
mod duty_page;
mod evidence;
mod figures_page;
mod fleet;
mod health;
mod hold;
mod i18n;
mod layout;
mod open311;
mod params;
mod problems;
mod review;
mod sensors;
mod server;
mod ticket_page;
mod tickets;
mod times;
mod visit;
mod zero_page;

pub use config::{ConsoleConfig, PublicUrl, PublicUrlError};
pub use console::{Console, LookVitals, Vitals};
pub use fleet::{CameraChanges, CameraView, Fleet, ReloadFuture, StillError, StillFuture};
pub use server::{ConsoleError, describe_metrics, router, serve};
