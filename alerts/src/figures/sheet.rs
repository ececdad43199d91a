//! Figures as CSV: one figure a row, so that a spreadsheet and a program sort and filter them alike.

use super::{Figure, Figures, Rates, Share};
use crate::export::defused;

/// `group` and `name` say whose, `figure` which; `count` of `of` is `value`, a share, or hours for stages.
const COLUMNS: [&str; 6] = ["group", "name", "figure", "count", "of", "value"];

/// The figures as CSV in UTF-8 with a mark, as Excel wants it. What is not known is empty.
#[must_use]
pub fn csv(figures: &Figures) -> Vec<u8> {
    let mut sheet = Sheet(csv::Writer::from_writer("\u{feff}".as_bytes().to_vec()));
    sheet.row(COLUMNS.map(ToOwned::to_owned));
    sheet.rates("all", "", &figures.all);
    figures.by_kind.iter().for_each(|(kind, rates)| sheet.rates("kind", kind.as_str(), rates));
    figures.by_street.iter().for_each(|(street, rates)| sheet.rates("street", street, rates));
    figures.by_camera.iter().for_each(|(camera, rates)| sheet.rates("camera", camera.as_str(), rates));
    figures.by_reason.iter().for_each(|(code, share)| sheet.share("reason", code, "rejected", *share));
    for (stage, hours) in &figures.hours {
        for (figure, value) in [("mean_hours", hours.mean), ("median_hours", hours.median)] {
            let cells = [hours.cases.to_string(), String::new(), format!("{value:.4}")];
            sheet.line("stage", stage.as_str(), figure, cells);
        }
    }
    for (place, cases) in &figures.recurring {
        let name = format!("{}/{}/{}", place.camera, place.zone, place.kind);
        sheet.line("place", &name, "cases", [cases.to_string(), String::new(), String::new()]);
    }
    sheet.0.into_inner().unwrap_or_default()
}

struct Sheet(csv::Writer<Vec<u8>>);

impl Sheet {
    fn row(&mut self, cells: [String; 6]) {
        // Writing into memory does not fail.
        let _ = self.0.write_record(cells.map(defused));
    }

    fn line(&mut self, group: &str, name: &str, figure: &str, [count, of, value]: [String; 3]) {
        self.row([group.to_owned(), name.to_owned(), figure.to_owned(), count, of, value]);
    }

    fn share(&mut self, group: &str, name: &str, figure: &str, share: Share) {
        let value = share.rate().map_or_else(String::new, |rate| format!("{rate:.4}"));
        self.line(group, name, figure, [share.count.to_string(), share.of.to_string(), value]);
    }

    fn rates(&mut self, group: &str, name: &str, rates: &Rates) {
        let count = |n: u64| [n.to_string(), String::new(), String::new()];
        self.line(group, name, "received", count(rates.received));
        self.line(group, name, "filed", count(rates.filed));
        for figure in Figure::ALL {
            self.share(group, name, figure.as_str(), rates.share(figure));
        }
    }
}
