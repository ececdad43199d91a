"""Labels in, a model out: teaches a small head on the frozen feature maps of one of our detectors.

    python train_head.py --labels LABELS --classes garbage --out NAME [--held-out LABELS] [--test SET=LABELS]...

Writes OUT: one ONNX (the base's outputs and the head's), model.toml, NOTICE.md and the report. Features and the state after
each epoch lie in OUT/work: a run that was stopped goes on there; the same seed, data and machine give the same weights.
"""

import argparse
import hashlib
import json
import pathlib
import pickle
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import optax

import head
import judge
import labels
from base import Base, BaseError


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", required=True, action="append", help="a folder in COCO or YOLO form; may be repeated")
    parser.add_argument("--classes", required=True, help="names that are taught, comma between: what has another is a part of the background")
    parser.add_argument("--as", dest="called", help="all of them are one class of this name")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="the new model's folder; its name is the model's")
    parser.add_argument("--held-out", help="labels for calibration; without it a tenth of the pictures is taken away, by the seed")
    parser.add_argument("--test", action="append", default=[], help="NAME=FOLDER: labels that are only judged; may be repeated")
    parser.add_argument("--base", type=pathlib.Path, default=pathlib.Path(__file__).parent.parent / "nanodet-g", help="the model's folder")
    parser.add_argument("--taps", help="tensors of the base by cell size: a,b,c; a+x lays two on one another")
    parser.add_argument("--licence", default="not stated", help="of the new weights: it follows from base, pictures and labels")
    parser.add_argument("--copies", type=int, default=0, help="more looks of each picture: mirrored, cut, darker, blurred")
    for name, default in [("epochs", 12), ("batch", 8), ("width", 64), ("blocks", 2), ("seed", 1), ("threads", 2)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--shake", type=float, default=0.0, help="how much channels are scaled and shifted at random: for drawn pictures, whose maps are unlike real ones")
    parser.add_argument("--average", type=float, default=0.0, help="the weights that ship are a running mean: 0.998 keeps that share each step")
    parser.add_argument("--window", type=int, default=0, help="rows and columns of the finest map that a step is taught with, at a place of chance: 26 of 52 halve the time")
    parser.add_argument("--alone", action="store_true", help="the ONNX has the head's output only, not the base's: smaller and faster")
    parser.add_argument("--threshold", type=float, default=0.5, help="the score that the report works at")
    return parser.parse_args()


class Set:
    """Features in memory as float16 (about 2 MB a picture with the shipped model and its taps), boxes and what cells are taught."""

    def __init__(self, name, samples, base, options, classes, copies=0):
        folder = options.out / "work" / "features"
        folder.mkdir(parents=True, exist_ok=True)
        self.flat, self.boxes, self.kinds, began = [], [], [], time.monotonic()
        jobs = [(sample, copy) for sample in samples for copy in range(copies + 1)]
        for i, (sample, copy) in enumerate(jobs):
            flat, boxes, kinds = base.cached(folder, sample, copy, options.seed)
            self.flat.append(flat)
            self.boxes.append(boxes)
            self.kinds.append([options.called if options.called and k in classes else str(k) for k in kinds])
            if (i + 1) % 100 == 0 or i + 1 == len(jobs):
                print(f"{name}: features of {i + 1} of {len(jobs)} pictures, {time.monotonic() - began:.0f} s", flush=True)

    def levels(self, numbers, base, part=None):
        """Feature maps by cell size; of the finest only the rows and columns of `part`."""
        batch, at, found = np.stack([self.flat[i] for i in numbers]), 0, []
        for channels, (rows, columns) in zip(base.channels, base.shapes):
            end = at + channels * rows * columns
            found.append(batch[:, at:end].reshape(-1, channels, rows, columns))
            at = end
        if part:
            found[0] = np.ascontiguousarray(found[0][:, :, part[0], part[1]])
        return found

    def true_boxes(self, number, names):
        boxes, kinds = self.boxes[number], self.kinds[number]
        return boxes[[k in names for k in kinds]] if len(boxes) else boxes.reshape(-1, 4)


def spread_of(data, base):
    """Mean and spread by channel over up to 64 pictures."""
    levels = data.levels(np.linspace(0, len(data.flat) - 1, min(64, len(data.flat))).astype(int), base)
    return [(x.mean((0, 2, 3), dtype=np.float64).astype(np.float32), x.std((0, 2, 3), dtype=np.float64).astype(np.float32) + 1e-3) for x in levels]


def taught(data, base, grid, names, options):
    """The weights after the last epoch; continues after the last one that was finished."""
    norm = spread_of(data, base)
    answers = [head.targets(grid, b, k, names) for b, k in zip(data.boxes, data.kinds)]
    steps = max(1, len(data.flat) // options.batch)
    rate = optax.warmup_cosine_decay_schedule(0, options.rate, min(100, steps), steps * options.epochs, options.rate / 50)
    learner = optax.chain(optax.clip_by_global_norm(5.0), optax.adamw(rate, weight_decay=1e-3))
    weights = head.fresh(jax.random.key(options.seed), base.channels, options.width, options.blocks, len(names))
    state, start, mean = learner.init(weights), 0, weights
    kept = ["labels", "classes", "called", "held_out", "taps", "copies", "epochs", "batch", "width", "blocks", "seed", "rate", "shake", "average", "window"]
    same = hashlib.sha256(repr(([getattr(options, k) for k in kept], base.digest, len(data.flat))).encode()).hexdigest()
    saved = options.out / "work" / "state.pickle"
    if saved.exists():
        found = pickle.loads(saved.read_bytes())  # written by this program in its own folder
        if found["same"] == same:
            weights, state, start, mean = found["weights"], found["state"], found["epoch"], found["mean"]
            print(f"goes on after epoch {start}")

    @jax.jit
    def step(weights, mean, state, levels, grid, kind, box, key, keep):
        if options.shake:
            levels = shaken(levels, norm, key, options.shake)
        value, slope = jax.value_and_grad(head.loss)(weights, norm, grid, levels, kind, box)
        change, state = learner.update(slope, state, weights)
        weights = optax.apply_updates(weights, change)
        return weights, jax.tree.map(lambda a, b: keep * a + (1 - keep) * b, mean, weights), state, value

    for epoch in range(start, options.epochs):
        began, total = time.monotonic(), 0.0
        order = np.random.default_rng([options.seed, epoch]).permutation(len(data.flat))
        order = np.resize(order, steps * options.batch)
        for turn, numbers in enumerate(order.reshape(steps, options.batch)):
            # Early on the mean follows fast, so that it holds nothing of the random start.
            done, key = epoch * steps + turn, jax.random.fold_in(jax.random.key(options.seed), epoch * steps + turn)
            keep = min(options.average, done / (done + 10))
            part, shown = windowed(np.random.default_rng([options.seed, epoch, turn]), base.shapes, options.window, len(grid))
            kind, box = (np.stack([answers[i][which][shown] for i in numbers]) for which in (0, 1))
            levels = data.levels(numbers, base, part)
            weights, mean, state, value = step(weights, mean, state, levels, grid[shown], kind, box, key, keep)
            total += float(value)
        if not np.isfinite(total):
            sys.exit("the loss is not finite: lower --rate")
        print(f"epoch {epoch + 1} of {options.epochs}: loss {total / steps:.3f}, {time.monotonic() - began:.0f} s", flush=True)
        partial = saved.with_suffix(".part")
        partial.write_bytes(pickle.dumps({"same": same, "weights": weights, "state": state, "epoch": epoch + 1, "mean": mean}))
        partial.replace(saved)
    return mean, norm


def windowed(rng, shapes, window, total):
    """Rows and columns of the finest map, and which of all cells are then seen."""
    rows, columns = shapes[0]
    if not 0 < window < min(rows, columns):
        return None, np.arange(total)
    top, left = rng.integers(0, rows - window + 1), rng.integers(0, columns - window + 1)
    part = np.s_[top : top + window], np.s_[left : left + window]
    finest = np.arange(rows * columns).reshape(rows, columns)[part].ravel()
    return part, np.concatenate([finest, np.arange(rows * columns, total)])


def shaken(levels, norm, key, much):
    """Feature maps with each picture's channels scaled and shifted at random, as another camera or light would."""
    found = []
    for number, (level, (_, spread)) in enumerate(zip(levels, norm)):
        scale, shift = jax.random.normal(jax.random.fold_in(key, number), (2, *level.shape[:2], 1, 1)) * much
        found.append(level.astype(jnp.float32) * (1 + scale) + shift * spread[:, None, None])
    return found


def found_in(data, base, grid, weights, norm, names, calibration=(1.0, 0.0)):
    """(true boxes, found boxes, scores) of each picture, all classes in one: which is which is the class scores' affair."""
    forward = jax.jit(lambda levels: head.apply(weights, norm, levels))
    pictures = []
    for number in range(len(data.flat)):
        logits, distances = forward(data.levels([number], base))
        scores = np.asarray(jax.nn.sigmoid(logits[0].max(-1) * calibration[0] + calibration[1]), np.float64)
        boxes = np.asarray(head.boxes_of(grid, distances[0]), np.float64)
        stand = judge.keep(boxes, scores, base.manifest.get("nms_iou", 0.6))
        pictures.append((data.true_boxes(number, names), boxes[stand], scores[stand]))
    return pictures


def manifest_of(base, options, names, weights):
    """A model.toml by which gridwatch runs the head's output; the base's own outputs are in the file too."""
    begin, rest = base.text.split("[input]", 1)
    tensor = "[input]" + rest.split("\n[output]")[0].rstrip()
    url = "\n".join(line for line in begin.splitlines() if line.startswith("nms_iou"))
    return f"""# Made by models/training/train_head.py; report.md beside it says what it was taught with and how good it is.
name = {json.dumps(options.out.name)}
description = {json.dumps(f"{', '.join(names)}: a head on {base.manifest['name']}")}
licence = {json.dumps(options.licence)}
source = {json.dumps(f"models/training, on {base.manifest['name']} ({base.manifest['source']})")}
weights = {json.dumps(weights.name)}
sha256 = "{hashlib.sha256(weights.read_bytes()).hexdigest()}"
bytes = {weights.stat().st_size}
score_floor = 0.2
{url or 'nms_iou = 0.6'}
classes = {json.dumps(names)}

{tensor}

# [1, 4 + classes, cells]: centre and size in pixels, then scores, calibrated on held-out pictures: 0.5 is right every other time.
[output]
decoder = "yolov8"
name = "{tensor_name(options)}"

[groups]
{chr(10).join(f'{name} = [{json.dumps(name)}]' for name in names if name.replace('_', '').isalnum())}
"""


def tensor_name(options):
    return "head_" + "".join(c if c.isalnum() else "_" for c in options.out.name)


def main():
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    classes = [name.strip() for name in options.classes.split(",") if name.strip()]
    names = [options.called] if options.called else classes
    jax.config.update("jax_default_matmul_precision", "highest")
    taps = [level.split("+") for level in options.taps.split(",")] if options.taps else None
    try:
        base = Base(options.base, taps, options.threads)
        everything, problems = [], labels.Problems()
        for folder in options.labels:
            samples, found = labels.read(folder)
            everything += samples
            for reason, places in found.places.items():
                problems.places.setdefault(reason, []).extend(places)
        if options.held_out:
            held, found = labels.read(options.held_out)
            problems.places.update({f"held out: {k}": v for k, v in found.places.items()})
        else:
            order = np.random.default_rng(options.seed).permutation(len(everything))
            n = max(1, len(everything) // 10)
            held, everything = [everything[i] for i in order[:n]], [everything[i] for i in order[n:]]
        tests = {}
        for pair in options.test:
            name, _, folder = pair.partition("=")
            tests[name] = labels.read(folder)[0]
    except (labels.LabelError, BaseError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
    for line in problems.lines():
        print(f"left out: {line}", file=sys.stderr)
    known = {k for s in everything for k in s.kinds}
    if missing := [c for c in classes if c not in known]:
        sys.exit(f"error: no label of class {', '.join(missing)}; there are: {', '.join(sorted(known)) or 'none'}")

    grid = head.cells(base.strides, base.shapes)
    data = Set("training", everything, base, options, classes, options.copies)
    weights, norm = taught(data, base, grid, names, options)
    del data
    judged = {name: Set(name, s, base, options, classes) for name, s in {"held-out": held, **tests}.items()}
    scores, right, _, _ = judge.matched(found_in(judged["held-out"], base, grid, weights, norm, names))
    calibration = judge.calibrated(scores, right)

    model = head.grafted(base.model, weights, norm, base.taps, grid, base.shapes, tensor_name(options), calibration)
    if options.alone:
        model = head.alone(model, tensor_name(options))
    onnx.checker.check_model(model)
    file = options.out / f"{options.out.name}.onnx"
    onnx.save(model, file)
    (options.out / "model.toml").write_text(manifest_of(base, options, names, file))
    sources = "\n".join(f"- `{folder}`" for folder in options.labels)
    (options.out / "NOTICE.md").write_text(
        f"# Whose model this is\n\nThe base is {base.manifest['name']}: {base.manifest['licence']} ({base.manifest['source']}).\n"
        f"The head was taught with the labels in\n\n{sources}\n\nLicence of the whole: {options.licence}. "
        "Say here whose pictures and labels they are before the model is passed on.\n"
    )
    sets = {
        name: judge.judge(found_in(found, base, grid, weights, norm, names, calibration), options.threshold)
        for name, found in judged.items()
    }
    facts = {
        "base": f"{base.manifest['name']}, taps {' '.join('+'.join(t) for t in base.taps)}", "classes": ", ".join(names),
        "training pictures": f"{len(everything)}, and {options.copies} other looks of each", "left out": len(problems),
        "head": f"width {options.width}, {options.blocks} blocks, {sum(x.size for x in jax.tree.leaves(weights))} weights",
        "taught": f"{options.epochs} epochs, batch {options.batch}, rate {options.rate}, seed {options.seed}",
        "calibration": f"logit x {calibration[0]:.3f} + {calibration[1]:.3f}",
    }
    judge.report(options.out.name, facts, sets, options.out)
    for name, found in sets.items():
        print(f"{name}: AP50 {found.get('ap50', '-')}, {found['working']}")


if __name__ == "__main__":
    main()
