"""How good found boxes are: average precision, precision and recall by score and by size, calibration, the report."""

import json

import numpy as np
from PIL import Image, ImageDraw

SIZES = [(0, 20), (20, 32), (32, 64), (64, 128), (128, 1e9)]
SAME = 0.5  # overlap (intersection over union) from which a box is right


def iou(box, others):
    common = np.prod(np.clip(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), 0, None), 1)
    return common / (np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1) - common + 1e-9)


def keep(boxes, scores, nms=0.6, floor=0.02, most=100):
    """The numbers of the boxes that stand, best first: of two that overlap by more than `nms` the better."""
    order, kept = np.argsort(-scores, kind="stable"), []
    order = order[scores[order] >= floor][:1000]
    while len(order) and len(kept) < most:
        kept.append(order[0])
        order = order[1:][iou(boxes[order[0]], boxes[order[1:]]) <= nms]
    return np.array(kept, int)


def matched(pictures):
    """`pictures`: (true boxes, found boxes, scores) each. Gives scores, right or wrong, the longest side of the thing found (of
    the box where wrong), all best first, and the longest sides of all things."""
    rows, every = [], []
    for truth, boxes, scores in pictures:
        sides = (truth[:, 2:] - truth[:, :2]).max(1) if len(truth) else np.zeros(0)
        every.extend(sides)
        free = np.ones(len(truth), bool)
        for i in np.argsort(-scores, kind="stable"):
            overlaps = np.where(free, iou(boxes[i], truth), 0) if len(truth) else np.zeros(0)
            best = int(overlaps.argmax()) if len(truth) else -1
            right = best >= 0 and overlaps[best] >= SAME
            if right:
                free[best] = False
            rows.append((scores[i], right, sides[best] if right else (boxes[i, 2:] - boxes[i, :2]).max()))
    rows.sort(key=lambda r: -r[0])
    columns = np.array(rows, float).reshape(-1, 3).T
    return columns[0], columns[1].astype(bool), columns[2], np.array(every)


def curve(right, things):
    hits = np.cumsum(right)
    return hits / np.arange(1, len(right) + 1), hits / max(things, 1)


def average_precision(right, things):
    """Area under precision over recall at 101 points, as COCO takes it."""
    precision, recall = curve(right, things)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101))
    return float(np.mean([best[i] if i < len(best) else 0 for i in at]))


def calibrated(scores, right):
    """Platt's scaling: (a, b) so that sigmoid(a * logit + b) is the share of right boxes at that score.

    The targets are drawn in a little (Platt 1999), so that a set without errors gives no infinite slope. With fewer than 10
    right or 10 wrong boxes nothing can be said, and scores stay as they are.
    """
    n_right, n_wrong = int(right.sum()), int((~right).sum())
    if min(n_right, n_wrong) < 10:
        return 1.0, 0.0
    p = np.clip(scores, 1e-6, 1 - 1e-6)
    x = np.stack([np.log(p / (1 - p)), np.ones(len(p))], 1)
    want = np.where(right, (n_right + 1) / (n_right + 2), 1 / (n_wrong + 2))
    weights = np.array([1.0, 0.0])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(2)
        weights = weights - np.linalg.solve(hessian, x.T @ (p - want))
    # A falling slope would turn good into bad: then the scores carry no information, and that is the report's to say.
    return (float(weights[0]), float(weights[1])) if weights[0] > 0 else (1.0, 0.0)


def judge(pictures, threshold):
    """All figures of a set as one document; `pictures` as for `matched`."""
    scores, right, sides, every = matched(pictures)
    over = scores >= threshold
    working = {"threshold": threshold, "found": int(right[over].sum()), "false": int((~right[over]).sum())}
    working["precision"] = round(working["found"] / int(over.sum()), 4) if over.any() else None
    working["recall"] = round(working["found"] / len(every), 4) if len(every) else None
    working["false_per_picture"] = round(working["false"] / max(len(pictures), 1), 4)
    result = {"pictures": len(pictures), "things": len(every), "working": working}
    if len(every):
        result["ap50"] = round(average_precision(right, len(every)), 4)
        result["by_size"] = [
            {"from": a, "below": b if b < 1e9 else None, "things": int(n),
             "recall": round(float((right & over & (sides >= a) & (sides < b)).sum() / n), 4)}
            for a, b in SIZES if (n := ((every >= a) & (every < b)).sum())
        ]
        precision, recall = curve(right, len(every))
        picked = np.unique(np.linspace(0, len(scores) - 1, 200).astype(int)) if len(scores) else []
        result["curve"] = [[round(float(v[i]), 4) for v in (scores, precision, recall)] for i in picked]
    bins = []
    for low in np.arange(0, 1, 0.1):
        inside = (scores >= low) & (scores < low + 0.1 + 1e-9)
        if inside.sum() >= 5:
            bins.append([round(float(scores[inside].mean()), 3), round(float(right[inside].mean()), 3), int(inside.sum())])
    result["calibration"] = bins
    return result


def picture_of(curves, path, size=480, edge=50):
    """Precision over recall, a line a set, as a PNG."""
    image = Image.new("RGB", (size + 2 * edge, size + 2 * edge), "white")
    draw = ImageDraw.Draw(image)
    at = lambda recall, precision: (edge + recall * size, edge + (1 - precision) * size)
    for i in range(11):
        draw.line([at(i / 10, 0), at(i / 10, 1)], "#e5e5e5")
        draw.line([at(0, i / 10), at(1, i / 10)], "#e5e5e5")
    for v in (0, 0.5, 1):
        draw.text((at(v, 0)[0] - 8, edge + size + 6), f"{v:g}", "black")
        draw.text((edge - 26, at(0, v)[1] - 6), f"{v:g}", "black")
    draw.text((edge + size / 2 - 16, edge + size + 24), "recall", "black")
    draw.text((4, edge - 24), "precision", "black")
    for i, ((name, points), colour) in enumerate(zip(curves.items(), ["#1668b8", "#c2410c", "#15803d", "#7e22ce", "#555555"])):
        draw.line([at(r, p) for _, p, r in points], colour, 2)
        draw.text((edge + size - 150, edge + 8 + 14 * i), name[:24], colour)
    image.save(path)


def report(title, facts, sets, folder):
    """Writes report.json, report.md and precision-recall.png."""
    (folder / "report.json").write_text(json.dumps({**facts, "sets": sets}, indent=1) + "\n")
    lines = [f"# {title}", "", *(f"- {k}: {v}" for k, v in facts.items()), ""]
    lines += ["| set | pictures | things | AP50 | precision | recall | false boxes a picture |", "|---|---|---|---|---|---|---|"]
    dash = lambda value: "-" if value is None else value
    for name, found in sets.items():
        w = found["working"]
        cells = [name, found["pictures"], found["things"], found.get("ap50"), w["precision"], w["recall"], w["false_per_picture"]]
        lines.append("| " + " | ".join(str(dash(c)) for c in cells) + " |")
    threshold = next(iter(sets.values()))["working"]["threshold"]
    lines += ["", f"Precision, recall and false boxes at score {threshold}. Recall by longest side in pixels of the input:", ""]
    lines += ["| set | side | things | recall |", "|---|---|---|---|"]
    for name, found in sets.items():
        for row in found.get("by_size", []):
            lines.append(f"| {name} | {row['from']}-{row['below'] or ''} | {row['things']} | {row['recall']} |")
    lines += ["", "Calibration: mean score, share that is right, boxes (by tenths of the score):", ""]
    lines += [f"- {name}: {'; '.join(' / '.join(map(str, b)) for b in found['calibration'])}" for name, found in sets.items()]
    curves = {name: found["curve"] for name, found in sets.items() if found.get("curve")}
    if curves:
        picture_of(curves, folder / "precision-recall.png")
        lines += ["", "![precision over recall](precision-recall.png)"]
    (folder / "report.md").write_text("\n".join(lines) + "\n")
