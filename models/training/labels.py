"""Labelled pictures in COCO or YOLO form, checked: what is wrong is counted and named, never silently used."""

import dataclasses
import json
import pathlib

import numpy as np
from PIL import Image

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


class LabelError(Exception):
    """The folder as a whole cannot be used; says what was looked for."""


@dataclasses.dataclass
class Sample:
    """A picture with its things: `boxes` [n, 4] are left, top, right, bottom, relative to the picture; `kinds` [n] class names."""

    path: pathlib.Path
    boxes: np.ndarray
    kinds: list[str]


class Problems:
    """What was left out, by reason, with the places."""

    def __init__(self):
        self.places = {}

    def add(self, reason, place):
        self.places.setdefault(reason, []).append(str(place))

    def __len__(self):
        return sum(map(len, self.places.values()))

    def lines(self, shown=5):
        for reason, places in sorted(self.places.items()):
            more = f" and {len(places) - shown} more" if len(places) > shown else ""
            yield f"{len(places)} x {reason}: {', '.join(places[:shown])}{more}"


def read(folder):
    """The samples of a folder, and the problems.

    COCO: one .json with `images`, `annotations` and `categories`, in the folder or in its `annotations`; pictures anywhere
    below. YOLO: `images` and `labels` beside one another, here or one level below (`train`, `valid`); a picture without
    things has an empty label file, one without a file is left out: it may be unlabelled. Names come from `classes.txt` or
    `data.yaml`, else they are the numbers.
    """
    folder, problems = pathlib.Path(folder), Problems()
    documents = sorted([*folder.glob("*.json"), *folder.glob("annotations/*.json")])
    if documents:
        samples = [s for document in documents for s in coco(document, folder, problems)]
    else:
        pairs = [p.parent for p in sorted([*folder.glob("labels"), *folder.glob("*/labels")]) if (p.parent / "images").is_dir()]
        if not pairs:
            raise LabelError(f"{folder}: expected a COCO .json, or folders images and labels (YOLO), here or one level below")
        names = class_names(folder)
        samples = [s for pair in pairs for s in yolo(pair, names, problems)]
    usable = []
    for sample in samples:
        try:
            with Image.open(sample.path) as picture:
                picture.load()
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            problems.add(f"picture cannot be read ({type(error).__name__})", sample.path)
            continue
        usable.append(sample)
    if not usable:
        raise LabelError("\n".join([f"{folder}: no usable picture", *problems.lines()]))
    return usable, problems


def class_names(folder):
    listed, described = folder / "classes.txt", folder / "data.yaml"
    if listed.exists():
        return [line.strip() for line in listed.read_text().splitlines() if line.strip()]
    if described.exists():  # only its one line `names: [a, b]` is read, as exports write it
        for line in described.read_text().splitlines():
            if line.startswith("names:") and "[" in line:
                return [name.strip(" '\"") for name in line.split("[", 1)[1].split("]")[0].split(",")]
    return []


def checked(box, place, problems):
    """`box` inside the picture, or None. A box may stick out by a hundredth of the picture: tools round."""
    box = np.asarray(box, float)
    if not np.isfinite(box).all() or (box < -0.01).any() or (box > 1.01).any():
        return problems.add("box outside its picture", place)
    box = np.clip(box, 0, 1)
    if (box[2:] - box[:2] <= 0).any():
        return problems.add("box without an area", place)
    return box


def as_sample(path, found):
    return Sample(path, np.array([b for b, _ in found]).reshape(-1, 4), [k for _, k in found])


def yolo(pair, names, problems):
    for path in sorted(p for p in (pair / "images").iterdir() if p.suffix.lower() in PICTURES):
        document, found = pair / "labels" / f"{path.stem}.txt", []
        if not document.exists():
            problems.add("picture without a label file", path)
            continue
        for number, line in enumerate(document.read_text().splitlines(), 1):
            if not line.strip():
                continue
            place = f"{document}:{number}"
            try:
                kind, x, y, w, h = line.split()
                kind, x, y, w, h = int(kind), float(x), float(y), float(w), float(h)
                kind = names[kind] if names and kind >= 0 else str(kind)
            except (ValueError, IndexError):
                problems.add("label is not `class x y width height` with a known class", place)
                continue
            box = checked([x - w / 2, y - h / 2, x + w / 2, y + h / 2], place, problems)
            if box is not None:
                found.append((box, kind))
        yield as_sample(path, found)


def coco(document, folder, problems):
    try:
        content = json.loads(document.read_text())
        names = {c["id"]: c["name"] for c in content["categories"]}
        pictures = {p["id"]: (p["file_name"], p["width"], p["height"]) for p in content["images"]}
        entries = content["annotations"]
    except (ValueError, KeyError, TypeError) as error:
        raise LabelError(f"{document}: no COCO document ({type(error).__name__}: {error})") from error
    things = {number: [] for number in pictures}
    for i, entry in enumerate(entries):
        place = f"{document}: annotations[{i}]"
        try:
            (x, y, w, h), kind, (_, width, height) = entry["bbox"], names[entry["category_id"]], pictures[entry["image_id"]]
            box = np.array([x, y, x + w, y + h], float) / [width, height, width, height]
        except (KeyError, TypeError, ValueError):
            problems.add("annotation without a box, a known class or a known picture", place)
            continue
        box = None if entry.get("iscrowd") else checked(box, place, problems)
        if box is not None:
            things[entry["image_id"]].append((box, kind))
    where = {p.name: p for p in folder.rglob("*") if p.suffix.lower() in PICTURES}
    for number, (name, _, _) in pictures.items():
        path = where.get(pathlib.PurePath(name).name)
        if path is None:
            problems.add("picture is missing", f"{document}: {name}")
            continue
        yield as_sample(path, things[number])
