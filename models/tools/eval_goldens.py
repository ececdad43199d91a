"""Labels, detections and what COCO's own evaluation says of them, for the test of ours.

    python eval_goldens.py > ../../detect/tests/it/fixtures/coco_eval.json

Twelve pictures of three classes: crowds, things of all sizes and on the limits, double and wrong detections, equal scores.
"""

import contextlib
import io
import json
import random

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def box(rng):
    side = rng.choice([12, 32, 60, 96, 180])
    return [round(rng.uniform(0, 400), 2), round(rng.uniform(0, 300), 2), side, round(side * rng.choice([0.6, 1, 1.5]), 2)]


def moved(rng, bbox, by):
    return [round(v + rng.uniform(-by, by) * bbox[2 + i % 2], 2) for i, v in enumerate(bbox)]


def main():
    rng, truths, found = random.Random(7), [], []
    for picture in range(12):
        for _ in range(rng.randrange(7)):
            label = {"image_id": picture, "category_id": rng.choice([0, 0, 1]), "bbox": box(rng), "iscrowd": int(rng.random() < 0.15)}
            label["area"] = round(label["bbox"][2] * label["bbox"][3] * rng.choice([0.7, 1]), 2)
            truths.append(label)
            for _ in range(rng.randrange(4)):
                hit = moved(rng, label["bbox"], rng.choice([0, 0.03, 0.1, 0.2]))
                found.append({"image_id": picture, "category_id": label["category_id"], "bbox": hit})
        for _ in range(rng.randrange(4)):
            found.append({"image_id": picture, "category_id": rng.choice([0, 1, 2]), "bbox": box(rng)})
    for detection in found:
        detection["score"] = round(rng.uniform(0.1, 1), 1)
    labelled = [{**t, "id": i + 1} for i, t in enumerate(truths)]
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO()
        reference.dataset = {
            "images": [{"id": i} for i in range(12)], "categories": [{"id": c} for c in range(3)], "annotations": labelled,
        }
        reference.createIndex()
        evaluation = COCOeval(reference, reference.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    names = ["ap", "ap50", "ap75", "small", "medium", "large"]
    result = dict(zip(names, evaluation.stats[:6].tolist())) | {"recall": float(evaluation.stats[8])}
    lines = lambda entries: ",\n  ".join(json.dumps(e) for e in entries)
    print(f'{{"truths": [\n  {lines(truths)}\n ],\n "found": [\n  {lines(found)}\n ],\n "result": {json.dumps(result)}}}')


if __name__ == "__main__":
    main()
