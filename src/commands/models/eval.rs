//! `gridwatch models eval`: a model judged on labelled pictures.

use std::{fs, path::Path};

use anyhow::Context as _;
use comfy_table::CellAlignment;
use detect::{
    Calibration, DetectConfig, Model,
    eval::{ClassResult, Precision},
};
use serde::Serialize;

use super::super::table;
use crate::{
    cli::EvalArgs,
    dataset,
    evaluation::{self, ClassMap, Merging, Report, percentile},
};

/// Pictures and labels that could not be used are named up to this many; the JSON names all.
const FAULTS_SHOWN: usize = 10;

/// Judges a model and prints what it is worth. Takes minutes: not for an async thread.
///
/// # Errors
/// When the model or the dataset cannot be used, or a report cannot be written.
pub fn run(arguments: &EvalArgs) -> anyhow::Result<()> {
    let model = Model::load(&arguments.models.models_dir, &arguments.name)?;
    let other = arguments.like.as_ref().map(|name| Model::load(&arguments.models.models_dir, name)).transpose()?;
    let (report, ids) = judge(arguments, &model)?;
    print(&report, &arguments.name);
    if let Some(other) = &other {
        let (of_other, _) = judge(arguments, other)?;
        let (name, verdicts) = (&other.manifest().name, [&report, &of_other].map(|r| r.evaluation.verdicts()));
        print_calibration(model.manifest().calibration, name, verdicts);
    }
    if let Some(file) = &arguments.json {
        write_json(file, &report.json(&model, &arguments.dataset))?;
    }
    if let Some(file) = &arguments.detections {
        write_json(file, &report.coco_results(&ids))?;
    }
    if let Some(file) = &arguments.svg {
        let title =
            format!("{}, {} pictures 张图片, {} labels 个标注", arguments.name, report.n_pictures, report.n_labels());
        fs::write(file, evaluation::svg(&report, &title)).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// Runs a model over the dataset; gives with the report the dataset's numbers of the evaluated classes.
fn judge(arguments: &EvalArgs, model: &Model) -> anyhow::Result<(Report, Vec<Option<i64>>)> {
    let dataset = dataset::read(&arguments.dataset, arguments.images.as_deref())?;
    let merging = if arguments.groups { Merging::Groups } else { Merging::Classes };
    let classes = ClassMap::new(&dataset.classes, model.manifest(), &arguments.classes, merging)?;
    let ids = classes.origins().map(|class| class.map(|class| dataset.ids[class])).collect();
    let n_pictures = dataset.pictures.len();
    let mut shown = 0;
    let report = evaluation::run(model, &DetectConfig::default(), dataset, &classes, |done| {
        let percent = done * 100 / n_pictures;
        if percent >= shown + 10 {
            shown = percent;
            eprintln!("{percent} %");
        }
    })?;
    Ok((report, ids))
}

/// Prints what brings the scores of a model, which its manifest calibrates by `now`, to the scale of `other`'s.
fn print_calibration(now: Calibration, other: &str, verdicts: [impl Iterator<Item = (f64, bool)>; 2]) {
    let [Some(of_model), Some(of_other)] = verdicts.map(Calibration::fit) else {
        println!("\nno calibration: one of the models has too few right or too few wrong detections here");
        return;
    };
    let change = of_model.to_scale_of(of_other);
    let Calibration { slope, offset } = change.after(now);
    println!("\nfor the manifest, so that scores mean what those of {other} do:\n");
    println!("[calibration]\nslope = {slope:.2}\noffset = {offset:.2}\n");
    let shown = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7].map(|score| format!("{score} -> {:.2}", change.apply(score)));
    println!("scores now, and then: {}", shown.join(", "));
}

fn write_json(file: &Path, content: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(content)?;
    text.push('\n');
    fs::write(file, text).with_context(|| file.display().to_string())
}

fn print(report: &Report, model: &str) {
    let unlabelled = match report.n_unlabelled {
        0 => String::new(),
        n => format!(" ({n} without a label file count as pictures of nothing)"),
    };
    println!(
        "{model}: {} pictures{unlabelled}, {} labels, {} classes",
        report.n_pictures,
        report.n_labels(),
        report.names.len()
    );
    if !report.left_out.is_empty() {
        println!("left out, for the model has no such class: {}", report.left_out.join(", "));
    }
    let mut classes = numbers(&["class", "labels", "mAP", "AP50", "AP75", "small", "medium", "large"]);
    for (name, class) in report.names.iter().zip(&report.evaluation.classes).filter(|(_, c)| c.n_truths[0] > 0) {
        classes.add_row(row(name, class.n_truths[0], class.precision));
    }
    classes.add_row(row("all", report.n_labels(), report.evaluation.mean));
    println!("\n{classes}");
    let labels_of = |i: usize| -> usize { report.evaluation.classes.iter().map(|c: &ClassResult| c.n_truths[i]).sum() };
    println!(
        "small: below 32 x 32 pixels ({} labels), medium: to 96 x 96 ({}), large: above ({})",
        labels_of(1),
        labels_of(2),
        labels_of(3)
    );
    let mut points = numbers(&["score from", "precision", "recall", "right", "wrong", "wrong a picture"]);
    for point in report.working_points() {
        points.add_row([
            format!("{:.2}", point.score),
            percent(point.precision),
            percent(point.recall),
            point.n_right.to_string(),
            point.n_wrong.to_string(),
            format!("{:.3}", point.wrong_per_picture),
        ]);
    }
    println!("\n{points}");
    println!("a detection is right that overlaps a label of its class by half (IoU 0.50)");
    let ms = |share| percentile(&report.looks, share).as_secs_f64() * 1e3;
    println!("\na look took {:.1} ms (median; 95 %: {:.1} ms), one thread", ms(0.5), ms(0.95));
    if !report.faults.is_empty() {
        println!("\n{} pictures or labels could not be used:", report.faults.len());
        for fault in report.faults.iter().take(FAULTS_SHOWN) {
            println!("  {}: {}", fault.place, fault.reason);
        }
        if report.faults.len() > FAULTS_SHOWN {
            println!("  ... --json FILE names all of them");
        }
    }
}

/// A table whose columns but the first are numbers.
fn numbers(header: &[&str]) -> comfy_table::Table {
    let mut table = table(header);
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

fn row(name: &str, n_labels: usize, p: Precision) -> Vec<String> {
    let averages = [p.ap, p.ap50, p.ap75, p.small, p.medium, p.large].map(percent);
    [name.to_owned(), n_labels.to_string()].into_iter().chain(averages).collect()
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".into(), |share| format!("{:.1} %", share * 100.0))
}
