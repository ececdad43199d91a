"""Puts rendered cut-outs on streets: drawn ones (ground and wall with textures, in perspective) and free photographs.

    python compose.py CUTS OUT [--count 1500] [--photographs DIR] [--textures DIR] [--size 416] [--seed 1] [--scraps 2]

CUTS is what render_bags.py made; OUT becomes a labelled set in YOLO form (class 0, garbage). A part of the pictures has no bag,
only other things; up to --scraps pieces of photographs stand in it. DIR: any pictures whose licence allows it; the ones that we used are in README.md. A picture depends on the
seed, its number and the inputs only.
"""

import argparse
import json
import pathlib

import cv2
import numpy as np


def noise(rng, shape, scale):
    """Smooth noise from 0 to 1: several octaves, the coarsest `scale` pixels wide."""
    total, weight = np.zeros(shape, np.float32), 1.0
    amount = 0.0
    while scale >= 2:
        small = rng.random((max(2, int(shape[0] / scale) + 1), max(2, int(shape[1] / scale) + 1)), np.float32)
        total += weight * cv2.resize(small, shape[::-1], interpolation=cv2.INTER_CUBIC)
        amount, weight, scale = amount + weight, weight * rng.uniform(0.45, 0.8), scale / 2
    return np.clip(total / max(amount, 1e-6), 0, 1)


def stone_colour(rng):
    """Concrete, asphalt, limestone, brick, paint (blue, green, red)."""
    grey = rng.uniform(80, 220)
    if rng.random() < 0.96:
        warm = rng.uniform(-4, 40) * grey / 200
        return np.array([grey - warm, grey, grey + warm * 0.6], np.float32)
    return rng.uniform(30, 220, 3).astype(np.float32)


def surface(rng, shape, textures, grain=1.0):
    """A flat piece of ground or wall [rows, columns, 3], 0 to 255."""
    if textures and rng.random() < 0.5:
        texture = textures[rng.integers(len(textures))]
        times = rng.integers(1, 4)
        tile = cv2.resize(texture, (max(8, shape[1] // times), max(8, shape[1] // times)), interpolation=cv2.INTER_AREA)
        field = np.tile(tile, (shape[0] // tile.shape[0] + 1, shape[1] // tile.shape[1] + 1, 1))[: shape[0], : shape[1]].astype(np.float32)
        field = field * rng.uniform(0.7, 1.3)
    else:
        field = np.ones((*shape, 3), np.float32) * stone_colour(rng)
        field *= 1 + rng.uniform(0.1, 0.5) * (noise(rng, shape, shape[1] / 3)[..., None] - 0.5)
        field += rng.normal(0, rng.uniform(3, 22) * grain, shape)[..., None].astype(np.float32)
    laid = rng.random()
    if laid < 0.55:  # slabs, bricks, cobbles, tiles; or the slats of a shutter
        wide = max(4, int(shape[1] / rng.uniform(2, 18)))
        high = max(4, int(wide * rng.choice([0.3, 0.5, 1.0, 1.0, 1.5])))
        if laid < 0.07:
            wide, high = shape[1] * 2, max(4, shape[0] // rng.integers(12, 40))
        joint = max(1, int(min(wide, high) * rng.uniform(0.02, 0.08)))
        depth, tone = rng.uniform(0.5, 1.1), rng.uniform(0, 0.25)
        for row, y in enumerate(range(0, shape[0], high)):
            shift = (row % 2) * wide // 2 if high < wide else 0
            field[y : y + joint] *= depth
            for x in range(-shift, shape[1], wide):
                field[y : y + high, max(0, x) : max(0, x + wide)] *= 1 + tone * rng.normal() * 0.5
                field[y : y + high, max(0, x) : max(0, x + joint)] *= depth
    for _ in range(rng.poisson(2)):  # stains and cracks
        if rng.random() < 0.5:
            stain = noise(rng, shape, shape[1] / rng.uniform(2, 8))
            field *= 1 - rng.uniform(0.1, 0.6) * np.clip((stain - rng.uniform(0.5, 0.7)) * 6, 0, 1)[..., None]
        else:
            steps = np.cumsum(rng.normal(0, shape[1] / 30, (12, 2)), 0) + rng.uniform(0, 1, 2) * shape[::-1]
            cv2.polylines(field, [steps.astype(np.int32)], False, (field.mean((0, 1)) * rng.uniform(0.2, 0.6)).tolist(), int(rng.integers(1, 3)))
    return np.clip(field, 0, 255)


def street(rng, size, textures):
    """A drawn street and where things can stand: (picture, horizon row, mask of the ground)."""
    horizon = rng.uniform(-0.5, 0.55) * size  # above the picture: the camera looks down
    foot = np.array([rng.uniform(0.1, 0.75), rng.uniform(0.1, 0.75)]) * size  # where the wall meets the ground, left and right
    if rng.random() < 0.2:
        foot[:] = -1.0
    flat = surface(rng, (size * 2, size * 2), textures)
    squeeze = rng.uniform(0.05, 0.45)
    turn = rng.uniform(-0.4, 0.4) * size
    corners = np.float32([[0, 0], [2 * size, 0], [2 * size, 2 * size], [0, 2 * size]])
    top = max(-0.3 * size, min(foot.min(), 0.7 * size) - 0.15 * size)
    onto = np.float32([
        [size * squeeze + turn, top], [size * (1 - squeeze) + turn, top],
        [size * (1.5 + squeeze), size * 1.15], [-size * (0.5 + squeeze), size * 1.15],
    ])
    ground = cv2.warpPerspective(flat, cv2.getPerspectiveTransform(corners, onto), (size, size), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT)
    picture, mask = ground, np.ones((size, size), bool)
    x = np.arange(size)
    line = foot[0] + (foot[1] - foot[0]) * x / size
    if foot.max() > 0:
        face = surface(rng, (size, size), textures)
        rise = (foot[1] - foot[0]) / 2
        onto = np.float32([[0, -size * 0.3 - rise], [size, -size * 0.3 + rise], [size, foot[1]], [0, foot[0]]])
        face = cv2.warpPerspective(face, cv2.getPerspectiveTransform(np.float32([[0, 0], [size, 0], [size, size], [0, size]]), onto), (size, size), borderMode=cv2.BORDER_REFLECT)
        mask = np.arange(size)[:, None] > line
        below = np.arange(size)[:, None] - line
        picture = np.where(mask[..., None], ground * (1 - 0.35 * np.exp(-np.maximum(below, 0) / rng.uniform(6, 25)))[..., None], face)
        for _ in range(rng.poisson(1)):  # doors, windows, a bush
            x0, wide = int(rng.uniform(0, size)), int(rng.uniform(0.1, 0.35) * size)
            bottom = int(line[min(size - 1, x0)] - rng.choice([0, rng.uniform(0, 0.3)]) * size)
            patch = np.s_[max(0, bottom - int(rng.uniform(0.2, 0.8) * size)) : max(0, bottom), x0 : x0 + wide]
            shape = picture[patch].shape[:2]
            if min(shape) > 8:
                picture[patch] = surface(rng, shape, [])
        if rng.random() < 0.3:  # a kerb
            step, drop = rng.uniform(0.05, 0.3) * size, rng.uniform(3, 14)
            kerb = (below > step) & (below < step + drop)
            picture = picture * np.where(kerb, rng.uniform(0.5, 1.4), np.where(below >= step + drop, rng.uniform(0.6, 1.1), 1.0))[..., None]
    if rng.random() < 0.35:  # a shadow with a hard edge
        a, b = rng.uniform(0, size, 2), rng.normal(size=2)
        side = ((np.mgrid[:size, :size].transpose(1, 2, 0) - a) @ b) > 0
        soft = cv2.GaussianBlur(side.astype(np.float32), (0, 0), rng.uniform(0.8, 4))
        picture = picture * (1 - rng.uniform(0.3, 0.6) * soft)[..., None]
    return np.clip(picture, 0, 255).astype(np.float32), horizon, mask


def photograph(rng, size, pictures):
    """A cut of a free photograph; things stand in its lower two thirds."""
    picture = cv2.imread(str(pictures[rng.integers(len(pictures))]), cv2.IMREAD_COLOR)
    rows, columns = picture.shape[:2]
    part = rng.uniform(0.35, 1.0) * min(rows, columns)
    y, x = rng.uniform(0, rows - part), rng.uniform(0, columns - part)
    picture = cv2.resize(picture[int(y) : int(y + part), int(x) : int(x + part)], (size, size), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
    mask = np.zeros((size, size), bool)
    mask[size // 3 :] = True
    return picture.astype(np.float32), size * 0.1, mask


class Cuts:
    def __init__(self, folder, share):
        """`share` of the cut-outs, by their number: (first, last) of ten, so that a held-out set can have others."""
        self.bags, self.others = [], []
        for facts in sorted(folder.glob("*.json")):
            if share[0] <= int(facts.stem.split("-")[0]) * 7 % 10 < share[1]:
                fact = json.loads(facts.read_text())
                picture = cv2.imread(str(facts.with_suffix(".png")), cv2.IMREAD_UNCHANGED).astype(np.float32)
                picture[..., 3] = np.clip((picture[..., 3] - 10) * (255 / 245), 0, 255)  # a renderer's shadows have specks
                (self.bags if fact["garbage"] else self.others).append((picture, fact["box"]))


def scrap(rng, photographs, side=160):
    """A piece of a photograph in an outline of its own, with a shadow: it stands there and is no bag. Without such pieces the
    head learns what was pasted rather than what is garbage."""
    picture = cv2.imread(str(photographs[rng.integers(len(photographs))]), cv2.IMREAD_COLOR)
    rows, columns = picture.shape[:2]
    part = rng.uniform(0.15, 0.6) * min(rows, columns)
    y, x = rng.uniform(0, rows - part), rng.uniform(0, columns - part)
    picture = cv2.resize(picture[int(y) : int(y + part), int(x) : int(x + part)], (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    if rng.random() < 0.4:  # of one colour, with the photograph's light and shade
        tint = stone_colour(rng) if rng.random() < 0.5 else rng.uniform(5, 250, 3)
        picture = picture.mean(2, keepdims=True) / max(picture.mean(), 1) * tint
    mask = np.zeros((side, side), np.float32)
    wide, high = rng.uniform(0.1, 0.42), rng.uniform(0.1, 0.42)
    if rng.random() < 0.5:  # boxy
        corners = np.array([[-wide, -high], [wide, -high], [wide, high], [-wide, high]]) * rng.uniform(0.7, 1.0, (4, 2))
    else:
        angles = np.linspace(0, 2 * np.pi, rng.integers(5, 20), endpoint=False)
        corners = np.stack([wide * np.cos(angles), high * np.sin(angles)], 1) * rng.uniform(0.6, 1.1, (len(angles), 1))
    corners = ((corners + 0.5) * side).astype(np.int32)
    cv2.fillPoly(mask, [corners], 1.0)
    mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.6, 1.5))
    shaded = picture * (1.1 - rng.uniform(0, 0.5) * np.linspace(0, 1, side)[:, None, None])
    shade = cv2.GaussianBlur(np.roll(mask, (int(side * 0.03), int(rng.normal(0, 0.05) * side)), (0, 1)), (0, 0), side * 0.02) * rng.uniform(0.2, 0.6)
    alpha = mask + shade * (1 - mask)
    box = [*corners.min(0), *corners.max(0)]
    return np.dstack([shaded * (mask / np.maximum(alpha, 1e-3))[..., None], alpha * 255]), [float(v) for v in box]


def place(rng, picture, cut, at, side, tone):
    """Lays a cut-out with its shadow on the picture, its foot at `at`, its longest side `side` pixels. Gives its box."""
    image, box = cut
    scale = side / max(box[2] - box[0], box[3] - box[1])
    image = cv2.resize(image, None, fx=scale, fy=scale * rng.uniform(0.85, 1.15), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    scale_y = image.shape[0] / cut[0].shape[0]
    box = np.array(box) * [scale, scale_y, scale, scale_y]
    if rng.random() < 0.5:
        image = image[:, ::-1]
        box[[0, 2]] = image.shape[1] - box[[2, 0]]
    x, y = int(at[0] - (box[0] + box[2]) / 2), int(at[1] - box[3])
    size = picture.shape[0]
    x0, y0, x1, y1 = max(0, x), max(0, y), min(size, x + image.shape[1]), min(size, y + image.shape[0])
    if x1 <= x0 or y1 <= y0:
        return None
    part = image[y0 - y : y1 - y, x0 - x : x1 - x]
    alpha = part[..., 3:] / 255
    # Blender saves straight colours: the shadow is black with some alpha. Each time it is another bag: darker, duller, of another tint.
    colour = 255 * (np.clip(part[..., :3], 0, 255) / 255) ** rng.uniform(0.75, 1.3) * rng.uniform(0.93, 1.07, 3)
    grey = colour.mean(2, keepdims=True)
    colour = grey + (colour - grey) * rng.uniform(0.4, 1.2)
    picture[y0:y1, x0:x1] = picture[y0:y1, x0:x1] * (1 - alpha) + np.clip(colour * tone, 0, 255) * alpha
    return np.array([box[0] + x, box[1] + y, box[2] + x, box[3] + y])


def spot(rng, mask, near=None):
    """A place on the ground, more often close to the wall's foot; or beside another."""
    size = mask.shape[0]
    if near is not None:
        return near + rng.normal(0, 0.05 * size, 2) * [2.0, 0.6]
    x = int(rng.uniform(0.05, 0.95) * size)
    rows = np.nonzero(mask[:, x])[0]
    first = rows[0] if len(rows) else size // 2
    deep = rng.random() ** (2.0 if rng.random() < 0.6 else 1.0)
    return np.array([x, min(size * 1.02, first + 0.03 * size + deep * (size - first))], float)


def turned(rng, picture, boxes):
    """A camera that is not level: often a few degrees, now and then by quarters. A thing is taken for an ellipse in its box."""
    size = picture.shape[0]
    degrees = rng.normal(0, 8) if rng.random() < 0.7 else rng.choice([-90, 90, 180]) + rng.normal(0, 12)
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), degrees, 1.0)
    picture = cv2.warpAffine(picture, turn, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    found = []
    for box in boxes:
        middle = turn @ [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, 1]
        half = np.hypot(*(turn[:, :2] * (box[2:] - box[:2]) / 2).T)
        whole = np.concatenate([middle - half, middle + half])
        inside = np.clip(whole, 0, size)
        if (inside[2:] - inside[:2]).prod() > 0.4 * (whole[2:] - whole[:2]).prod():
            found.append(inside)
    return picture, found


def weather(rng, picture):
    """Camera and air: exposure, colour, night, rain, blur, noise, JPEG."""
    size = picture.shape[0]
    picture = 255 * (np.clip(picture, 0, 255) / 255) ** rng.uniform(0.65, 1.2)
    picture = picture * rng.uniform(0.85, 1.25) * rng.uniform(0.93, 1.07, 3)
    kind = rng.random()
    if kind < 0.08:  # night: dim, one lamp, little colour
        y, x = np.mgrid[:size, :size]
        lamp = np.exp(-((x - rng.uniform(0, size)) ** 2 + (y - rng.uniform(0, size)) ** 2) / (rng.uniform(0.3, 0.8) * size) ** 2)
        picture = picture * (rng.uniform(0.25, 0.45) + 0.7 * lamp)[..., None] * [rng.uniform(0.6, 1), 0.9, 1]
        grey = picture.mean(2, keepdims=True)
        picture = grey + (picture - grey) * rng.uniform(0, 0.8)
    elif kind < 0.15:  # rain: streaks and haze
        drops = (rng.random((size, size)) > 0.995).astype(np.float32)
        streak = cv2.filter2D(drops, -1, np.eye(9, dtype=np.float32)) * rng.uniform(30, 90)
        picture = picture * 0.8 + 35 + streak[..., None]
    if rng.random() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.6))
    picture = picture + rng.normal(0, rng.uniform(0, 8), picture.shape)
    if rng.random() < 0.4:
        small = cv2.resize(picture, None, fx=(f := rng.uniform(0.25, 0.9)), fy=f, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.clip(picture, 0, 255).astype(np.uint8)


def scene(rng, cuts, photographs, textures, size, scraps):
    drawn = not photographs or rng.random() < 0.45
    picture, _, mask = street(rng, size, textures) if drawn else photograph(rng, size, photographs)
    things = []
    for _ in range(rng.integers(0, 3)):
        things.append((cuts.others, spot(rng, mask)))
    for _ in range(rng.integers(0, scraps + 1) if photographs else 0):
        things.append(([scrap(rng, photographs)], spot(rng, mask)))
    if rng.random() < 0.82:
        first = spot(rng, mask)
        things.append((cuts.bags, first))
        heap = rng.random() < 0.35
        for _ in range(rng.integers(1, 6) if heap else rng.poisson(0.7)):
            things.append((cuts.bags, spot(rng, mask, first if heap else None)))
    unit = np.exp(rng.uniform(np.log(26), np.log(210))) * size / 416
    tone = np.clip(picture.mean() / 110, 0.6, 1.4) * rng.uniform(0.8, 1.2) * (0.85 + 0.15 * picture.mean((0, 1)) / picture.mean())
    boxes = []
    for kind, at in sorted(things, key=lambda thing: thing[1][1]):  # the near ones hide the far ones
        if not kind:
            continue
        box = place(rng, picture, kind[rng.integers(len(kind))], at, unit * rng.uniform(0.7, 1.35), tone)
        if box is None:
            continue
        hidden = []
        for i, (other, area) in enumerate(boxes):
            common = np.clip(np.minimum(other[2:], box[2:]) - np.maximum(other[:2], box[:2]), 0, None).prod()
            if common > 0.75 * area:
                hidden.append(i)
        boxes = [b for i, b in enumerate(boxes) if i not in hidden]
        if kind is cuts.bags:
            inside = np.clip(box, 0, size)
            if (inside[2:] - inside[:2]).prod() > 0.4 * (box[2:] - box[:2]).prod() and (inside[2:] - inside[:2]).min() > 6:
                boxes.append((inside, (inside[2:] - inside[:2]).prod()))
    boxes = [box for box, _ in boxes]
    if rng.random() < 0.5:
        picture, boxes = turned(rng, picture, boxes)
    return weather(rng, picture), boxes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cuts", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    for name, default in [("count", 1500), ("size", 416), ("seed", 1), ("first", 0), ("last", 10), ("scraps", 2)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--photographs", type=pathlib.Path)
    parser.add_argument("--textures", type=pathlib.Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    listed = lambda folder: sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"}) if folder else []
    textures = [t for p in listed(options.textures) if (t := cv2.imread(str(p), cv2.IMREAD_COLOR)) is not None]
    cuts, photographs = Cuts(options.cuts, (options.first, options.last)), listed(options.photographs)
    if not cuts.bags:
        parser.error(f"{options.cuts}: no rendered bags (NNNN-KIND.json): run render_bags.py first")
    for folder in ("images", "labels"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    for number in range(options.count):
        rng = np.random.default_rng([options.seed, number])
        picture, boxes = scene(rng, cuts, photographs, textures, options.size, options.scraps)
        quality = int(rng.integers(35, 95))
        cv2.imwrite(str(options.out / "images" / f"{number:05}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        lines = [
            f"0 {(b[0] + b[2]) / 2 / options.size:.5f} {(b[1] + b[3]) / 2 / options.size:.5f} "
            f"{(b[2] - b[0]) / options.size:.5f} {(b[3] - b[1]) / options.size:.5f}\n" for b in boxes
        ]
        (options.out / "labels" / f"{number:05}.txt").write_text("".join(lines))
    (options.out / "classes.txt").write_text("garbage\n")
    print(f"{options.count} pictures in {options.out}, from {len(cuts.bags)} bags and {len(cuts.others)} other things")


if __name__ == "__main__":
    main()
