"""Draws bags of crumpled film without a renderer: a height field of facets, folds towards the knot and dents, lit as gloss.

    python draw_bags.py OUT [--count 400] [--size 224] [--seed 1] [--first 5000]

Writes the same files as render_bags.py (NNNN-KIND.png with transparency and shadow, NNNN-KIND.json), a hundred times as fast;
all shapes, contents and colours come from random numbers.
"""

import argparse
import json
import pathlib

import cv2
import numpy as np

from compose import noise

KINDS = ["black", "black", "black", "grey", "clear", "clear", "clear", "clear", "white", "white", "white", "coloured"]


def outline(rng, size):
    """The bag's mask [size, size] from 0 to 1 and where its knot is: a sagging body with corners, often a tuft above it."""
    corners = rng.integers(6, 12)
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False) + rng.uniform(0, 6.3) + rng.normal(0, 0.2, corners)
    wide, high = rng.uniform(0.25, 0.36), rng.uniform(0.16, 0.32)
    reach = rng.uniform(0.75, 1.12, corners)
    points = np.stack([0.5 + wide * reach * np.cos(angles), 0.56 + high * reach * np.sin(angles)], 1)
    points[:, 1] = np.minimum(points[:, 1], 0.56 + high * rng.uniform(0.75, 1.0))
    mask = np.zeros((size, size), np.float32)
    hull = cv2.convexHull((points * size).astype(np.int32))
    cv2.fillPoly(mask, [hull], 1.0)
    soft = cv2.GaussianBlur(mask, (0, 0), size * rng.uniform(0.008, 0.05))
    knot = points[points[:, 1].argmin()] + [0, 0.03]
    if rng.random() < 0.6:  # the tied end: a fan of film above the knot
        lean, tall = rng.normal(0, 0.5), rng.uniform(0.05, 0.14)
        fan = [knot + [-0.09, 0.10], knot + [0.09, 0.10]]
        for k in np.linspace(0.5, -0.5, rng.integers(2, 6)):
            turn = lean + k * rng.uniform(0.5, 1.6)
            fan.append(knot + tall * rng.uniform(0.5, 1.2) * np.array([np.sin(turn), -np.cos(turn)]))
        tuft = np.zeros_like(mask)
        cv2.fillPoly(tuft, [(np.array(fan) * size).astype(np.int32)], 1.0)
        soft = np.maximum(soft, cv2.GaussianBlur(tuft, (0, 0), size * 0.008))
    edge = 0.5 + rng.uniform(0.1, 0.4) * (noise(rng, mask.shape, size / rng.uniform(4, 10)) - 0.5)
    mask = np.clip((soft - edge) * 14 + 0.5, 0, 1)
    return cv2.GaussianBlur(mask, (0, 0), 0.7), knot * size


def facets(rng, shape, count, steep):
    """Heights of film that is pulled into flat faces with sharp ridges: the largest of slanted planes around points."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32) / shape[1]
    bend = noise(rng, shape, shape[1] / 5) * 0.2
    points, slopes = rng.random((count, 2), np.float32), rng.normal(0, steep, (count, 2)).astype(np.float32)
    best, height = np.full(shape, np.inf, np.float32), np.zeros(shape, np.float32)
    for (px, py), (sx, sy) in zip(points, slopes):
        dx, dy = x + bend - px, y - bend - py
        away = dx * dx + dy * dy
        nearer = away < best
        best = np.where(nearer, away, best)
        height = np.where(nearer, sx * dx + sy * dy, height)
    return height


def gradient(height):
    return cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3) / 8, cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3) / 8


def bag(rng, kind, size):
    """Picture [size, size, 4], colours blue, green, red; and the box of what is no shadow."""
    mask, knot = outline(rng, size)
    shape = mask.shape
    dome = np.sqrt(np.clip(cv2.GaussianBlur(mask, (0, 0), size * 0.09), 0, 1))
    y, x = np.mgrid[:size, :size].astype(np.float32)
    turn, away = np.arctan2(y - knot[1], x - knot[0]), np.hypot(x - knot[0], y - knot[1]) / size
    warp = turn + 1.5 * (noise(rng, shape, size / 3) - 0.5)
    pleats = sum(np.abs(np.sin(warp * rng.uniform(3, 14) + rng.uniform(0, 6))) for _ in range(3)) * np.exp(-away / rng.uniform(0.08, 0.3))
    ridged = lambda scale: 1 - np.abs(2 * noise(rng, shape, size / scale) - 1)
    slope_x = slope_y = 0
    parts = [
        (dome, rng.uniform(25, 55)), (pleats, rng.uniform(2, 6)), (ridged(rng.uniform(3, 6)) ** 2, rng.uniform(2, 18)),
        (ridged(rng.uniform(8, 14)), rng.uniform(0.3, 4)),
    ]
    for height, amount in parts:
        gx, gy = gradient(height.astype(np.float32))
        slope_x, slope_y = slope_x + amount * gx, slope_y + amount * gy
    for count, steep in [(int(rng.integers(10, 30)), rng.uniform(0.2, 0.6)), (int(rng.integers(50, 130)), rng.uniform(0.1, 0.5))]:
        gx, gy = gradient(facets(rng, shape, count, steep) * size)
        slope_x, slope_y = slope_x + np.clip(gx, -1, 1), slope_y + np.clip(gy, -1, 1)
    normal = np.stack([-slope_x, -slope_y, np.ones_like(slope_x)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    sun = np.array([rng.normal(0, 0.6), -rng.uniform(0.2, 1.0), rng.uniform(0.3, 0.9)])
    sun /= np.linalg.norm(sun)
    hard = rng.random() < 0.5
    up = 0.5 - 0.5 * normal[..., 1]
    diffuse = rng.uniform(0.35, 0.6) + 0.35 * up + (rng.uniform(0.3, 0.8) if hard else 0.15) * np.clip(normal @ sun, 0, 1)
    half = (sun + [0, 0, 1]) / np.linalg.norm(sun + [0, 0, 1])
    gloss = np.clip(normal @ half, 0, 1)
    shine = gloss ** rng.uniform(15, 80) * rng.uniform(0.3, 1.0) * (1.0 if hard else 0.6)
    sky = np.clip((up - rng.uniform(0.55, 0.75)) * 5, 0, 1) * rng.uniform(0.05, 0.4)
    tint = rng.normal(0, 5, 3)
    if kind == "black":
        base = np.full((*shape, 3), rng.uniform(8, 45)) + tint * 0.4
    elif kind == "grey":
        base = np.full((*shape, 3), rng.uniform(60, 150)) + tint
    elif kind == "white":
        base = np.full((*shape, 3), rng.uniform(185, 245)) + tint
    elif kind == "coloured":
        base = np.ones((*shape, 3)) * rng.uniform(20, 210, 3)
    else:
        base = contents(rng, shape)
    if kind in ("white", "grey", "coloured") and rng.random() < 0.5:  # thin film: what is in it is seen a little
        base = base + (contents(rng, shape) - 150) * rng.uniform(0.1, 0.4)
    colour = base * diffuse[..., None]
    if kind == "clear":
        veil = np.clip(rng.uniform(0.05, 0.45) + rng.uniform(0.3, 1.0) * (noise(rng, shape, size / 3) - 0.5), 0, 0.85)
        film = (rng.uniform(150, 235) + tint) * (0.5 + 0.55 * diffuse[..., None])
        colour = colour * (1 - veil[..., None]) + film * veil[..., None]
        sky = sky + np.clip(np.abs(slope_x) + np.abs(slope_y) - 1.0, 0, 1) * 0.15
    light = np.clip(shine + sky, 0, 1)[..., None]
    colour = colour * (1 - light) + np.array([250, 248, 245]) * light
    rim = cv2.GaussianBlur(mask, (0, 0), size * 0.03)
    colour *= (0.55 + 0.45 * np.clip(rim * 1.6 - 0.5, 0, 1))[..., None]
    rows, columns = np.nonzero(mask > 0.4)
    box = [float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)]
    # The shadow: close to the foot always, thrown to a side by the sun.
    move = np.float32([[1, rng.uniform(-0.6, 0.6) if hard else 0, 0], [0, rng.uniform(0.2, 0.5), 0]])
    move[0, 2] = -move[0, 1] * box[3]
    move[1, 2] = box[3] * (1 - move[1, 1])
    thrown = cv2.warpAffine(mask, move, (size, size))
    thrown = cv2.GaussianBlur(thrown, (0, 0), 1.2 if hard else 5) * (rng.uniform(0.35, 0.65) if hard else 0.2)
    contact = cv2.GaussianBlur(np.roll(mask, int(size * 0.015), 0), (0, 0), size * 0.02) * 0.6
    shade = np.maximum(thrown, contact)
    solid = mask * (rng.uniform(0.85, 1.0) if kind == "clear" else 1.0)
    alpha = solid + shade * (1 - solid)
    colour = colour * (solid / np.maximum(alpha, 1e-3))[..., None]
    return np.dstack([np.clip(colour, 0, 255), alpha * 255]).astype(np.uint8), box


def contents(rng, shape):
    """What is in a clear bag: paper, boxes, bottles, wrappers, one over another, many white or dark."""
    size = shape[1]
    field = np.ones((*shape, 3), np.float32) * rng.uniform(60, 210)
    spread = rng.uniform(0.05, 0.2)
    for _ in range(rng.integers(15, 90)):
        middle, long = rng.uniform(0.1, 0.9, 2) * size, rng.uniform(0.03, spread + 0.05) * size
        colour = rng.uniform(0, 255, 3) if rng.random() < 0.45 else np.ones(3) * rng.choice([25, 60, 120, 180, 225, 240]) * rng.uniform(0.8, 1.05)
        shape_of = ((float(middle[0]), float(middle[1])), (float(long * 2), float(long * rng.uniform(0.4, 2))), float(rng.uniform(0, 180)))
        if rng.random() < 0.7:
            corners = cv2.boxPoints(shape_of) + rng.normal(0, long * 0.25, (4, 2))
            cv2.fillPoly(field, [corners.astype(np.int32)], colour.tolist(), cv2.LINE_AA)
            if rng.random() < 0.4:  # print
                cv2.polylines(field, [corners[:3].astype(np.int32)], False, rng.uniform(0, 255, 3).tolist(), int(rng.integers(1, 4)), cv2.LINE_AA)
        else:
            cv2.ellipse(field, shape_of, colour.tolist(), -1, cv2.LINE_AA)
    return cv2.GaussianBlur(field, (0, 0), rng.uniform(0.5, 3))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    for name, default in [("count", 400), ("size", 224), ("seed", 1), ("first", 5000)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    for number in range(options.first, options.first + options.count):
        rng = np.random.default_rng([options.seed, number])
        kind = str(rng.choice(KINDS))
        picture, box = bag(rng, kind, options.size)
        stem = options.out / f"{number:04}-{kind}"
        cv2.imwrite(str(stem.with_suffix(".png")), picture)
        stem.with_suffix(".json").write_text(json.dumps({"box": [round(v, 1) for v in box], "garbage": True}))
    print(f"{options.count} bags in {options.out}")


if __name__ == "__main__":
    main()
