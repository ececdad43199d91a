"""The whole way in seconds: labels, a head, one ONNX, its manifest and report. `make train-test` runs it.

The pictures are drawn here: red discs are taught, green squares are not.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import tomllib

import numpy as np
import onnxruntime
from PIL import Image, ImageDraw

import judge
import labels
from base import Base

HERE = pathlib.Path(__file__).resolve().parent


def draw(folder, count, rng):
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    for i in range(count):
        picture = Image.fromarray(rng.integers(90, 150, (208, 208, 3), np.uint8)).resize((416, 416))
        pen, lines = ImageDraw.Draw(picture), []
        for kind, colour in ((0, "#d01010"), (1, "#10b010")):
            side = int(rng.integers(50, 130))
            x, y = (int(v) for v in rng.integers(0, 416 - side, 2))
            (pen.ellipse if kind == 0 else pen.rectangle)([x, y, x + side, y + side], fill=colour)
            lines.append(f"{kind} {(x + side / 2) / 416} {(y + side / 2) / 416} {side / 416} {side / 416}")
            if kind == 0:
                disc = [x, y, x + side, y + side]
        # The square lies on top: a disc that it hides is not taught.
        if i % 4 == 3:
            lines = lines[1:]
            pen.rectangle(disc, fill="#777777")
        picture.save(folder / "images" / f"{i}.png")
        (folder / "labels" / f"{i}.txt").write_text("\n".join(lines))
    (folder / "classes.txt").write_text("disc\nsquare\n")


def labels_are_checked(folder):
    (folder / "images/bad.png").write_bytes(b"no picture")
    (folder / "labels/bad.txt").write_text("")
    (folder / "labels/0.txt").write_text("0 0.5 0.5 0.2 0.2\n7 0.5 0.5 0.2 0.2\n0 1.5 0.5 0.2 0.2\n0 0.5 0.5 0 0.2\nnonsense\n")
    Image.new("RGB", (8, 8)).save(folder / "images/none.png")
    samples, problems = labels.read(folder)
    counts = {reason.split(" (")[0]: len(places) for reason, places in problems.places.items()}
    assert counts == {
        "label is not `class x y width height` with a known class": 2, "box outside its picture": 1, "box without an area": 1,
        "picture without a label file": 1, "picture cannot be read": 1,
    }, counts
    assert any("0.txt:2" in line for line in problems.lines())
    document = {
        "images": [{"id": 1, "file_name": "0.png", "width": 416, "height": 416}, {"id": 2, "file_name": "gone.png", "width": 9, "height": 9}],
        "categories": [{"id": 5, "name": "disc"}],
        "annotations": [{"image_id": 1, "category_id": 5, "bbox": [104, 208, 104, 52]}, {"image_id": 9, "category_id": 5, "bbox": [0, 0, 1, 1]}],
    }
    (folder / "all.json").write_text(json.dumps(document))
    (only,), problems = labels.read(folder)
    assert only.kinds == ["disc"] and np.allclose(only.boxes, [[0.25, 0.5, 0.5, 0.625]]) and len(problems) == 2
    assert len(samples) > 1


def figures_are_right():
    box = lambda x: [x, 0.0, x + 10, 10]
    truth = np.array([box(0), box(50)])
    found = np.array([box(1), box(100), box(50), box(0)])
    scores, right, _, every = judge.matched([(truth, found, np.array([0.9, 0.8, 0.7, 0.6]))])
    assert right.tolist() == [True, False, True, False] and len(every) == 2
    # Recall 0.5 at precision 1, recall 1 at precision 2/3: 51 of 101 points at 1, 50 at 2/3.
    assert abs(judge.average_precision(right, 2) - (51 + 50 * 2 / 3) / 101) < 1e-9
    rng = np.random.default_rng(1)
    p = rng.uniform(0.05, 0.95, 4000)
    over = 1 / (1 + np.exp(-2 * np.log(p / (1 - p))))  # scores that are too sure by a factor of two
    steep, shift = judge.calibrated(over, rng.random(4000) < p)
    assert abs(steep - 0.5) < 0.08 and abs(shift) < 0.15, (steep, shift)


def main():
    figures_are_right()
    rng = np.random.default_rng(3)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        draw(scratch / "data", 48, rng)
        draw(scratch / "test", 12, rng)
        out = scratch / "discs"
        command = [
            sys.executable, HERE / "train_head.py", "--labels", scratch / "data", "--classes", "disc", "--out", out,
            "--test", f"unseen={scratch / 'test'}", "--epochs", "12", "--batch", "4", "--width", "16", "--blocks", "1", "--rate", "0.01",
            "--window", "40", "--shake", "0.05", "--average", "0.9",
        ]
        subprocess.run(command, check=True)
        report = json.loads((out / "report.json").read_text())["sets"]["unseen"]
        assert report["ap50"] > 0.6, report
        # A run that is started again has nothing left to learn, and makes the same file.
        first = (out / "discs.onnx").read_bytes()
        again = subprocess.run(command, check=True, capture_output=True, text=True)
        assert "goes on after epoch 12" in again.stdout and (out / "discs.onnx").read_bytes() == first

        manifest = tomllib.loads((out / "model.toml").read_text())
        session = onnxruntime.InferenceSession(out / manifest["weights"], providers=["CPUExecutionProvider"])
        outputs = [o.name for o in session.get_outputs()]
        assert "cls_8" in outputs and manifest["output"]["name"] in outputs, outputs
        base, pictures = Base(HERE.parent / "nanodet-g"), []
        for sample in labels.read(scratch / "test")[0]:
            with Image.open(sample.path) as picture:
                found = session.run([manifest["output"]["name"]], {"input_1": base.tensor(picture)[0]})[0][0].T.astype(float)
            boxes = np.concatenate([found[:, :2] - found[:, 2:4] / 2, found[:, :2] + found[:, 2:4] / 2], 1)
            stand = judge.keep(boxes, found[:, 4])
            truth = sample.boxes[[k == "disc" for k in sample.kinds]] * 416
            pictures.append((truth, boxes[stand], found[stand, 4]))
        graph = judge.judge(pictures, 0.5)
        assert abs(graph["ap50"] - report["ap50"]) < 0.02, (graph["ap50"], report["ap50"])
        subprocess.run([*command, "--alone"], check=True, capture_output=True)
        small = onnxruntime.InferenceSession(out / manifest["weights"], providers=["CPUExecutionProvider"])
        blank = {"input_1": base.tensor(Image.new("RGB", (64, 64), "red"))[0]}
        assert [o.name for o in small.get_outputs()] == [manifest["output"]["name"]]
        assert np.allclose(small.run(None, blank)[0], session.run([manifest["output"]["name"]], blank)[0], atol=1e-4)
        labels_are_checked(scratch / "data")
    print(f"smoke test passed: AP50 {report['ap50']} on unseen drawings, the ONNX finds the same")


if __name__ == "__main__":
    main()
