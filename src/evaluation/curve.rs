//! The precision-recall curves of a report as an SVG picture.

use std::fmt::Write as _;

use detect::eval::{N_RECALLS, recall_at};

use super::Report;

/// Left and top edge, width and height of the plot, in the picture's units.
const PLOT: [f64; 4] = [70.0, 50.0, 520.0, 400.0];
const SIZE: (u32, u32) = (860, 520);

/// Colours that people with any colour vision can tell apart (Okabe and Ito, "Color Universal Design", 2008).
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999"];

/// Precision at overlap 0.50 by recall: the mean, and the classes with the most labels. `title` says of what.
#[must_use]
pub fn svg(report: &Report, title: &str) -> String {
    let mut svg = frame(title);
    let mut classes: Vec<_> = report.names.iter().zip(&report.evaluation.classes).collect();
    classes.retain(|(_, class)| class.n_truths[0] > 0);
    classes.sort_by_key(|(_, class)| std::cmp::Reverse(class.n_truths[0]));
    let mut lines: Vec<(String, &str, f64, &[f64; N_RECALLS])> = Vec::new();
    for ((name, class), colour) in classes.iter().zip(COLOURS) {
        let legend = format!("{name}: AP50 {:.3} ({})", class.precision.ap50.unwrap_or(0.0), class.n_truths[0]);
        lines.push((legend, colour, 1.5, &class.curve50));
    }
    let mean = report.evaluation.curve50();
    if let Some(curve) = mean.as_ref().filter(|_| classes.len() > 1) {
        let ap50 = report.evaluation.mean.ap50.unwrap_or(0.0);
        lines.push((format!("mean 平均 ({}): AP50 {ap50:.3}", classes.len()), "#000000", 3.0, curve));
    }
    for (i, (legend, colour, width, curve)) in lines.iter().rev().enumerate() {
        line(&mut svg, curve, colour, *width);
        let (x, y) = (PLOT[0] + PLOT[2] + 20.0, PLOT[1] + 14.0 + 22.0 * i as f64);
        let _ = writeln!(
            svg,
            r#"<line x1="{x}" y1="{}" x2="{}" y2="{}" stroke="{colour}" stroke-width="{width}"/><text x="{}" y="{y}">{}</text>"#,
            y - 4.0,
            x + 18.0,
            y - 4.0,
            x + 24.0,
            escaped(legend)
        );
    }
    svg + "</svg>\n"
}

/// Title, axes and grid.
fn frame(title: &str) -> String {
    let ([left, top, width, height], (w, h)) = (PLOT, SIZE);
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="{left}" y="28" font-size="16">{}</text>
"##,
        escaped(title)
    );
    for i in 0..=10 {
        let share = f64::from(i) / 10.0;
        let (x, y) = (left + share * width, top + (1.0 - share) * height);
        let _ = writeln!(
            svg,
            r##"<path d="M{x} {top}v{height}M{left} {y}h{width}" stroke="#dddddd"/><text x="{x}" y="{}" text-anchor="middle">{share:.1}</text><text x="{}" y="{}" text-anchor="end">{share:.1}</text>"##,
            top + height + 18.0,
            left - 8.0,
            y + 4.0
        );
    }
    let (middle, centre) = (left + width / 2.0, top + height / 2.0);
    let _ = writeln!(
        svg,
        r#"<text x="{middle}" y="{}" text-anchor="middle">recall 召回率 (IoU 0.50)</text><text x="24" y="{centre}" text-anchor="middle" transform="rotate(-90 24 {centre})">precision 准确率</text>"#,
        top + height + 42.0
    );
    svg
}

fn line(svg: &mut String, curve: &[f64; N_RECALLS], colour: &str, width: f64) {
    let [left, top, plot_width, height] = PLOT;
    let points: Vec<String> = (0..N_RECALLS)
        .map(|i| format!("{:.1},{:.1}", left + recall_at(i) * plot_width, top + (1.0 - curve[i]) * height))
        .collect();
    let points = points.join(" ");
    let _ = writeln!(svg, r#"<polyline fill="none" stroke="{colour}" stroke-width="{width}" points="{points}"/>"#);
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
