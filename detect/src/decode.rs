//! Output tensors to candidates, by decoder. Scores below the floor never leave here.

use crate::{
    DetectError, Manifest,
    candidate::Candidate,
    manifest::{NanodetTensors, Output},
    session::{Outputs, Tensor},
};

/// Reads the outputs of one run as the manifest says, into `found`.
pub(crate) fn decode(
    manifest: &Manifest,
    outputs: &Outputs<'_>,
    floor: f32,
    found: &mut Vec<Candidate>,
) -> Result<(), DetectError> {
    found.clear();
    let reader = Reader { manifest, outputs, n_classes: manifest.classes.len() };
    match &manifest.output {
        Output::Detr { labels, boxes, scores, .. } => reader.detr([labels, boxes, scores], floor, found),
        Output::Nanodet { tensors, strides, reg_max, cell_offset } => {
            reader.nanodet(tensors, strides, *reg_max, *cell_offset, floor, found)
        }
        Output::Yolox { name, strides } => reader.yolox(name, strides, floor, found),
        Output::Yolov8 { name } => reader.yolov8(name, floor, found),
    }
}

struct Reader<'a> {
    manifest: &'a Manifest,
    outputs: &'a Outputs<'a>,
    n_classes: usize,
}

/// Columns and rows of the cells of `stride`, which covers the input's edges.
fn grid(manifest: &Manifest, stride: u32) -> (usize, usize) {
    let cells = |side: u32| side.div_ceil(stride) as usize;
    (cells(manifest.input.width), cells(manifest.input.height))
}

/// The highest of the scores and whose it is; the first of equals.
fn best(scores: &[f32]) -> (usize, f32) {
    // The maximum first: it vectorises, the search for its place is for the few cells above the floor.
    let mut lanes = [f32::NEG_INFINITY; 8];
    let (chunks, rest) = scores.as_chunks::<8>();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, score)| *lane = if *score > *lane { *score } else { *lane });
    }
    let score = lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max);
    (scores.iter().position(|s| *s == score).unwrap_or(0), score)
}

impl Reader<'_> {
    /// The output `name` is another than the manifest's `key` makes it.
    fn mismatch(&self, key: &str, name: &str, manifest: String, weights: String) -> DetectError {
        DetectError::Interface {
            at: self.manifest.line_of(key),
            place: format!("output \"{name}\""),
            manifest,
            weights,
        }
    }

    /// The floats of output `name`, which must have `shape`; a zero there stands for any size. The manifest's `keys`
    /// are those that make the sizes, the first of them also for a wrong type or number of dimensions.
    fn floats<const N: usize>(&self, name: &str, shape: [usize; N], keys: [&str; N]) -> Result<&[f32], DetectError> {
        let wanted = || {
            let sizes: Vec<_> = shape.iter().map(|n| if *n == 0 { "n".to_owned() } else { n.to_string() }).collect();
            format!("float32 [{}]", sizes.join(", "))
        };
        match self.outputs.0.iter().find(|(n, _)| *n == name) {
            Some((_, Tensor::Floats { shape: have, data })) => {
                let differs = |axis: &usize| shape[*axis] != 0 && usize::try_from(have[*axis]) != Ok(shape[*axis]);
                let misfit = if have.len() == N { (0..N).find(differs) } else { Some(0) };
                match misfit {
                    None => Ok(data),
                    Some(axis) => Err(self.mismatch(keys[axis], name, wanted(), format!("float32 {have:?}"))),
                }
            }
            Some((_, Tensor::Longs { shape, .. })) => {
                Err(self.mismatch(keys[0], name, wanted(), format!("int64 {shape:?}")))
            }
            None => Err(self.mismatch(keys[0], name, wanted(), "none of that name and type".to_owned())),
        }
    }

    fn detr(&self, names: [&String; 3], floor: f32, found: &mut Vec<Candidate>) -> Result<(), DetectError> {
        let [labels_name, boxes_name, scores_name] = names;
        let scores = self.floats(scores_name, [1, 0], ["output.scores"; 2])?;
        let boxes = self.floats(boxes_name, [1, scores.len(), 4], ["output.boxes"; 3])?;
        let labels = match self.outputs.0.iter().find(|(n, _)| n == labels_name) {
            Some((_, Tensor::Longs { data, .. })) if data.len() == scores.len() => *data,
            Some((_, Tensor::Longs { shape, .. } | Tensor::Floats { shape, .. })) => {
                let wanted = format!("int64 [1, {}]", scores.len());
                return Err(self.mismatch(
                    "output.labels",
                    labels_name,
                    wanted,
                    format!("{shape:?} of another type or size"),
                ));
            }
            None => {
                let wanted = "int64 [1, n]".to_owned();
                return Err(self.mismatch("output.labels", labels_name, wanted, "none of that name and type".into()));
            }
        };
        for ((&label, &bbox), &score) in labels.iter().zip(boxes.as_chunks::<4>().0).zip(scores) {
            let class = usize::try_from(label).ok().filter(|c| *c < self.n_classes);
            if let Some(class) = class.filter(|_| score >= floor) {
                found.push(Candidate { class, score, bbox });
            }
        }
        Ok(())
    }

    fn nanodet(
        &self,
        tensors: &NanodetTensors,
        strides: &[u32],
        reg_max: usize,
        cell_offset: f32,
        floor: f32,
        found: &mut Vec<Candidate>,
    ) -> Result<(), DetectError> {
        let (n_classes, n_bins) = (self.n_classes, reg_max + 1);
        let mut level = |stride: u32, scores: &[f32], distances: &[f32], pitch: [usize; 2]| {
            let (columns, rows) = grid(self.manifest, stride);
            let stride = stride as f32;
            for cell in 0..columns * rows {
                let (class, score) = best(&scores[cell * pitch[0]..][..n_classes]);
                if score < floor {
                    continue;
                }
                let mut sides = [0.0; 4];
                for (side, bins) in sides.iter_mut().zip(distances[cell * pitch[1]..].chunks_exact(n_bins)) {
                    *side = expectation(bins) * stride;
                }
                let x = ((cell % columns) as f32 + cell_offset) * stride;
                let y = ((cell / columns) as f32 + cell_offset) * stride;
                let bbox = [x - sides[0], y - sides[1], x + sides[2], y + sides[3]];
                found.push(Candidate { class, score, bbox });
            }
        };
        match tensors {
            NanodetTensors::ByStride { cls, reg } => {
                for (i, ((&stride, cls), reg)) in strides.iter().zip(cls).zip(reg).enumerate() {
                    let (columns, rows) = grid(self.manifest, stride);
                    let stride_key = format!("output.strides.{i}");
                    let keys = [&format!("output.cls.{i}"), stride_key.as_str(), "classes"];
                    let scores = self.floats(cls, [1, columns * rows, n_classes], keys)?;
                    let keys = [&format!("output.reg.{i}"), stride_key.as_str(), "output.reg_max"];
                    let distances = self.floats(reg, [1, columns * rows, 4 * n_bins], keys)?;
                    level(stride, scores, distances, [n_classes, 4 * n_bins]);
                }
            }
            NanodetTensors::Joined(name) => {
                let n_cells = |stride| {
                    let (columns, rows) = grid(self.manifest, stride);
                    columns * rows
                };
                let pitch = n_classes + 4 * n_bins;
                // A row is classes and bins: which of the two is wrong, the weights do not tell.
                let keys = ["output.name", "output.strides", "output.reg_max"];
                let mut data = self.floats(name, [1, strides.iter().copied().map(n_cells).sum(), pitch], keys)?;
                for &stride in strides {
                    let (here, rest) = data.split_at(n_cells(stride) * pitch);
                    level(stride, here, &here[n_classes..], [pitch, pitch]);
                    data = rest;
                }
            }
        }
        Ok(())
    }

    fn yolox(&self, name: &str, strides: &[u32], floor: f32, found: &mut Vec<Candidate>) -> Result<(), DetectError> {
        let pitch = 5 + self.n_classes;
        let cells = strides.iter().flat_map(|&stride| {
            let (columns, rows) = grid(self.manifest, stride);
            (0..columns * rows).map(move |cell| ((cell % columns) as f32, (cell / columns) as f32, stride as f32))
        });
        let n_cells = strides.iter().map(|&s| grid(self.manifest, s)).map(|(columns, rows)| columns * rows).sum();
        let data = self.floats(name, [1, n_cells, pitch], ["output.name", "output.strides", "classes"])?;
        for (cell, (x, y, stride)) in data.chunks_exact(pitch).zip(cells) {
            let objectness = cell[4];
            if objectness < floor {
                continue;
            }
            let (class, score) = best(&cell[5..]);
            let score = score * objectness;
            if score >= floor {
                let (cx, cy) = ((cell[0] + x) * stride, (cell[1] + y) * stride);
                let (w, h) = (cell[2].exp() * stride / 2.0, cell[3].exp() * stride / 2.0);
                found.push(Candidate { class, score, bbox: [cx - w, cy - h, cx + w, cy + h] });
            }
        }
        Ok(())
    }

    fn yolov8(&self, name: &str, floor: f32, found: &mut Vec<Candidate>) -> Result<(), DetectError> {
        let data = self.floats(name, [1, 4 + self.n_classes, 0], ["output.name", "classes", "output.name"])?;
        let n_cells = data.len() / (4 + self.n_classes);
        // Classes are rows: a running maximum over rows reads memory in order.
        let (boxes, scores) = data.split_at(4 * n_cells);
        let mut tops = vec![(0, f32::NEG_INFINITY); n_cells];
        for (class, row) in scores.chunks_exact(n_cells.max(1)).enumerate() {
            for (top, &score) in tops.iter_mut().zip(row) {
                if score > top.1 {
                    *top = (class, score);
                }
            }
        }
        for (cell, &(class, score)) in tops.iter().enumerate().filter(|(_, top)| top.1 >= floor) {
            let [cx, cy, w, h] = [0, 1, 2, 3].map(|k| boxes[k * n_cells + cell]);
            let bbox = [cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0];
            found.push(Candidate { class, score, bbox });
        }
        Ok(())
    }
}

/// The expected bin number under the softmax of `bins`.
fn expectation(bins: &[f32]) -> f32 {
    let top = bins.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (k, bin) in bins.iter().enumerate() {
        let e = (bin - top).exp();
        sum += e;
        weighted += e * k as f32;
    }
    weighted / sum
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// The shipped manifest with another decoder.
    fn manifest(output: &str) -> Manifest {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/nanodet-g/model.toml");
        let text = fs::read_to_string(shipped).unwrap();
        let (head, tail) = text.split_once("[output]").unwrap();
        let (_, groups) = tail.split_once("[groups]").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("nanodet-g");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("model.toml"), format!("{head}[output]\n{output}\n[groups]{groups}")).unwrap();
        Manifest::read(&folder.join("model.toml")).unwrap()
    }

    #[test]
    fn yolov8_reads_classes_as_rows() {
        let manifest = manifest("decoder = \"yolov8\"\nname = \"out\"");
        let n = 6;
        let mut data = vec![0.0; 84 * n];
        // Cell 4: a car (class 2) in the middle; cell 1: a person below the floor.
        for (row, value) in [(0, 208.0), (1, 200.0), (2, 40.0), (3, 20.0), (4 + 2, 0.9), (4 + 7, 0.5)] {
            data[row * n + 4] = value;
        }
        data[4 * n + 1] = 0.1;
        let (shape, other) = ([1, 84, 6], [1, 6, 84]);
        let mut found = Vec::new();
        let outputs = Outputs(vec![("out", Tensor::Floats { shape: &shape, data: &data })]);
        decode(&manifest, &outputs, 0.2, &mut found).unwrap();
        assert_eq!(found, [Candidate { class: 2, score: 0.9, bbox: [188.0, 190.0, 228.0, 210.0] }]);
        let turned = Outputs(vec![("out", Tensor::Floats { shape: &other, data: &data })]);
        let error = decode(&manifest, &turned, 0.2, &mut found).unwrap_err().to_string();
        assert!(error.contains("float32 [1, 84, n], the weights have float32 [1, 6, 84]"), "{error}");
    }

    #[test]
    fn labels_that_are_no_class_and_scores_that_are_no_number_go() {
        let manifest = manifest("decoder = \"detr\"");
        let (two, boxes_shape) = ([1, 4], [1, 4, 4]);
        let boxes = [1.0_f32; 16];
        let (scores, labels) = ([0.9, 0.9, f32::NAN, 0.8], [80_i64, -1, 0, 5]);
        let outputs = Outputs(vec![
            ("labels", Tensor::Longs { shape: &two, data: &labels }),
            ("boxes", Tensor::Floats { shape: &boxes_shape, data: &boxes }),
            ("scores", Tensor::Floats { shape: &two, data: &scores }),
        ]);
        let mut found = Vec::new();
        decode(&manifest, &outputs, 0.2, &mut found).unwrap();
        assert_eq!(found, [Candidate { class: 5, score: 0.8, bbox: [1.0; 4] }]);
    }
}
