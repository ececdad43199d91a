"""COCO mAP of models as gridwatch runs them, from the output of `detect_pictures`.

    python evaluate.py DETECT_PICTURES SHARED MODEL[=WEIGHTS]...

DETECT_PICTURES is the built example (`cargo build --release --example detect_pictures`), SHARED the folder of test data
(50 COCO pictures: for ranking, not a benchmark result). For the score, groups are not merged and the floor is 0.02, as
COCO wants it; everything else is as in the manifest.
"""

import contextlib
import io
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

MODELS = pathlib.Path(__file__).resolve().parent.parent
STREET = ["person", "bicycle", "car", "motorcycle", "bus", "truck"]


def for_coco(manifest, weights):
    """The manifest without groups, with a low floor and with its weights elsewhere."""
    text = re.sub(r"(?m)^score_floor = .*$", "score_floor = 0.02", manifest.split("[groups]")[0])
    return re.sub(r"(?m)^weights = .*$", f"weights = {json.dumps(str(weights))}", text)


def score(truth, results, classes=None):
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        if classes:
            evaluation.params.catIds = truth.getCatIds(catNms=classes)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[0] * 100, evaluation.stats[1] * 100


def main():
    program, shared = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(shared / "data/coco/annotations/instances_train2017.json")
    number = {c["name"]: c["id"] for c in truth.loadCats(truth.getCatIds())}
    pictures = {
        str(shared / "data/coco/train2017" / picture["file_name"]): picture for picture in truth.loadImgs(truth.getImgIds())
    }
    for argument in sys.argv[3:]:
        name, _, weights = argument.partition("=")
        manifest = (MODELS / name / "model.toml").read_text()
        own = MODELS / name / re.search(r'(?m)^weights = "(.*)"$', manifest)[1]
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / name).mkdir()
            text = for_coco(manifest, pathlib.Path(weights).resolve() if weights else own)
            (pathlib.Path(folder) / name / "model.toml").write_text(text)
            run = subprocess.run([program, folder, name, "1", *pictures], check=True, capture_output=True, text=True)
        results = []
        for line in map(json.loads, run.stdout.splitlines()):
            picture = pictures[line["file"]]
            for found in line["detections"]:
                x0, y0, x1, y1 = found["bbox"]
                box = [x0 * picture["width"], y0 * picture["height"], (x1 - x0) * picture["width"], (y1 - y0) * picture["height"]]
                results.append({
                    "image_id": picture["id"], "category_id": number[found["class"]], "bbox": box, "score": found["score"],
                })
        every, street = score(truth, results), score(truth, results, STREET)
        print(f"{name:20} mAP {every[0]:.1f}, at IoU 0.5 {every[1]:.1f}; street classes {street[0]:.1f}, {street[1]:.1f}")


if __name__ == "__main__":
    main()
