//! Back-testing: scenes with known truth go through the whole pipeline faster than real time, and the tickets that come of
//! them are held against those that should have come.
//!
//! ```text
//! scene file ─▶ painted picture ─▶ H.264 keyframe ─▶ decoder ─▶ looker ─▶ rules, evidence, store ─▶ tickets ─▶ score
//!                                      ▲                                    │
//!                                      └──────── pace of looks ─────────────┘
//! ```
//!
//! Time is the scene's: a look follows the one before as soon as that is judged, and all clocks stand between. The same scene,
//! model and rules give the same tickets.

mod material;
mod play;
mod report;
mod scene;
mod score;

pub use material::Shelf;
pub use play::{Played, Player};
pub use report::scene_report;
pub use scene::{Backdrop, Expect, Forbid, Scene};
pub use score::{Awaited, Filed, Judgement, Score, Where, judge};
