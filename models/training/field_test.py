"""How a trained model does on labelled photographs and on clips without the thing: the figures that decide whether it ships.

    python field_test.py MODEL --labels LABELS --clips CLIP... [--every 25] [--threads 2]

MODEL is a folder as train_head.py writes it. Runs its ONNX as gridwatch would, judges boxes against every label (whatever their
class) and counts what it finds in every n-th frame of the clips, each of which is a false box. Writes nothing.
"""

import argparse
import pathlib
import tomllib

import cv2
import numpy as np
import onnxruntime
from PIL import Image

import judge
import labels
from base import Base

SCORES = [0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8]


class Model:
    def __init__(self, folder, threads):
        self.manifest = tomllib.loads((folder / "model.toml").read_text())
        self.input = self.manifest["input"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(str(folder / self.manifest["weights"]), options, ["CPUExecutionProvider"])

    def found(self, picture):
        """Boxes in pixels of the input, and their scores."""
        pixels, _ = Base.tensor(self, picture)
        out = self.session.run([self.manifest["output"]["name"]], {self.input["name"]: pixels})[0][0].astype(np.float64)
        boxes, scores = np.concatenate([out[:2] - out[2:4] / 2, out[:2] + out[2:4] / 2]).T, out[4:].max(0)
        stand = judge.keep(boxes, scores, self.manifest["nms_iou"])
        return boxes[stand], scores[stand]


def frames(clip, every):
    video, number = cv2.VideoCapture(str(clip)), 0
    while video.grab():
        if number % every == 0:
            yield Image.fromarray(video.retrieve()[1][:, :, ::-1])
        number += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--labels", type=pathlib.Path)
    parser.add_argument("--clips", type=pathlib.Path, nargs="*", default=[])
    for name, default in [("every", 25), ("threads", 2)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    model, rows = Model(options.model, options.threads), {}
    if options.labels:
        pictures = []
        for sample in labels.read(options.labels)[0]:
            with Image.open(sample.path) as picture:
                picture = picture.convert("RGB")
            truth = sample.boxes * np.tile(Base.tensor(model, picture)[1], 2)
            pictures.append((truth, *model.found(picture)))
        scores, right, sides, every = judge.matched(pictures)
        print(f"{len(pictures)} photographs, {len(every)} things: AP50 {judge.average_precision(right, len(every)):.3f}")
        for low, high in judge.SIZES:
            if things := int(((every >= low) & (every < high)).sum()):
                hits = [int((right & (scores >= s) & (sides >= low) & (sides < high)).sum()) for s in (0.3, 0.5)]
                print(f"  side {low} to {high:g}: {things} things, recall {hits[0] / things:.2f} at 0.3, {hits[1] / things:.2f} at 0.5")
        rows["precision"] = [right[scores >= s].mean() if (scores >= s).any() else np.nan for s in SCORES]
        rows["recall"] = [right[scores >= s].sum() / len(every) for s in SCORES]
    wrong, total = np.zeros(len(SCORES)), 0
    for clip in options.clips:
        each, count = np.zeros(len(SCORES)), 0
        for picture in frames(clip, options.every):
            scores = model.found(picture)[1]
            each, count = each + [(scores >= s).sum() for s in SCORES], count + 1
        rows[f"{clip.name}, {count} frames"] = each / max(count, 1)
        wrong, total = wrong + each, total + count
    if total:
        rows[f"all clips, {total} frames"] = wrong / total
    print("| score | " + " | ".join(f"{s:g}" for s in SCORES) + " |")
    for name, values in rows.items():
        print(f"| {name} | " + " | ".join(f"{v:.3f}" for v in values) + " |")


if __name__ == "__main__":
    main()
