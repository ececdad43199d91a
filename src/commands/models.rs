//! `gridwatch models list|pull|verify|eval|bench`.

pub mod bench;
pub mod eval;

use std::path::Path;

use anyhow::bail;
use detect::{
    DetectConfig, Detector, Model,
    catalog::{self, Entry, Status},
};

use super::table;

/// Lists the models with the state of their weights.
///
/// # Errors
/// When the models folder cannot be read.
pub fn run_list(models_dir: &Path) -> anyhow::Result<()> {
    let mut listing = table(&["model", "state", "licence", "description"]);
    for entry in catalog::list(models_dir)? {
        let state = state(&entry);
        let (licence, description) = entry.manifest.map_or_else(Default::default, |m| (m.licence, m.description));
        listing.add_row([entry.name, state, licence, description]);
    }
    println!("{listing}");
    Ok(())
}

fn state(entry: &Entry) -> String {
    match &entry.status {
        Status::Ready => "ready".into(),
        Status::WeightsMissing => format!("weights missing: gridwatch models pull {}", entry.name),
        Status::HashMismatch(found) => format!("other weights (SHA-256 {found}): remove them and pull again"),
        Status::Broken(error) => error.to_string(),
    }
}

/// Fetches a model's weights.
///
/// # Errors
/// When they cannot be fetched or are not what the manifest says.
pub async fn run_pull(models_dir: &Path, name: &str) -> anyhow::Result<()> {
    let mut shown = 0;
    let path = catalog::pull(models_dir, name, |done, total| {
        let percent = (done * 100).checked_div(total).unwrap_or(0);
        if percent >= shown + 10 {
            shown = percent;
            eprintln!("{percent} %");
        }
    })
    .await?;
    println!("{name}: fetched and verified: {}", path.display());
    Ok(())
}

/// Verifies the weights of `name`, or of every model that has weights, and runs each once.
///
/// # Errors
/// When any does not fit.
pub fn run_verify(config: &DetectConfig, models_dir: &Path, name: Option<&str>) -> anyhow::Result<()> {
    let runtime = detect::load_runtime(config)?;
    eprintln!("ONNX Runtime {} from {}", runtime.version, runtime.path.display());
    let names: Vec<String> = match name {
        Some(name) => vec![name.into()],
        None => catalog::list(models_dir)?
            .into_iter()
            .filter(|entry| !matches!(entry.status, Status::WeightsMissing))
            .map(|entry| entry.name)
            .collect(),
    };
    let mut bad = 0;
    for name in &names {
        match Model::load(models_dir, name).and_then(|model| Detector::new(&model, config)) {
            Ok(_) => println!("{name}: the weights fit the manifest, and the model runs"),
            Err(error) => {
                bad += 1;
                println!("{name}: {error}");
            }
        }
    }
    if bad > 0 {
        bail!("{bad} of {} models do not fit", names.len());
    }
    Ok(())
}
