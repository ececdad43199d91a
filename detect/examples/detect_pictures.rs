//! Runs a model over JPEG files: one JSON line each on standard output, the time of a look on standard error.
//! `models/tools/evaluate.py` makes a COCO score of it.
//!
//!     cargo run --release --example detect_pictures -- MODELS_DIR MODEL REPEAT FILE.jpg...

use std::{
    error::Error,
    io::Write as _,
    path::{Path, PathBuf},
    time::Instant,
};

use detect::{DetectConfig, Detector, Model};

#[path = "../tests/it/jpeg.rs"]
mod jpeg;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().ok_or_else(|| format!("{what} is missing"));
    let (models_dir, name) = (PathBuf::from(next("MODELS_DIR")?), next("MODEL")?);
    let repeat: usize = next("REPEAT")?.parse()?;
    let config = DetectConfig { score_floor: 0.0, ..DetectConfig::default() };
    let model = Model::load(&models_dir, &name)?;
    let mut detector = Detector::new(&model, &config)?;
    let mut looks = Vec::new();
    for file in arguments {
        let picture = jpeg::picture(Path::new(&file))?;
        for _ in 1..repeat.max(1) {
            let begun = Instant::now();
            detector.detect(&picture)?;
            looks.push(begun.elapsed());
        }
        let detections = detector.detect(&picture)?;
        writeln!(std::io::stdout(), "{}", serde_json::json!({ "file": file, "detections": detections }))?;
    }
    looks.sort_unstable();
    if let Some(median) = looks.get(looks.len() / 2) {
        let best = looks[0];
        writeln!(std::io::stderr(), "{name}: {} looks, median {median:.1?}, best {best:.1?}", looks.len())?;
    }
    Ok(())
}
