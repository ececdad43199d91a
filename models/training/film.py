"""A bag as a sheet of film: a tube with a flat seam, filled with things, drawn together at its neck and dropped.

Position-based dynamics (Mueller et al. 2007) on a grid: film hardly stretches and buckles easily, so that pleats run from the
knot, corners stand out at the seam and things inside show as faces and ridges, as they do in a real bag.
"""

import dataclasses
import math

import numpy as np


@dataclasses.dataclass
class Thing:
    """Something in the bag: a box with round edges, or an egg (`round`). `axes` are its rows; `half` its half sizes."""

    middle: np.ndarray
    axes: np.ndarray
    half: np.ndarray
    round: bool


def rotation(rng):
    """A random one (QR of a normal matrix)."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    return q * np.sign(np.diag(r))


def about_x(angle):
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def pile(rng, wide, deep, high, count):
    """Things that fill an upright egg of these half sizes, each a little over another; the heap's foot is at 0."""
    things = []
    for _ in range(count):
        half = rng.uniform(0.25, 0.65) * min(wide, deep, high) * rng.uniform(0.4, 1.0, 3)
        p = rng.normal(size=3)
        p *= rng.uniform(0.4, 1.0) / np.linalg.norm(p)
        room = np.maximum(0.02, np.array([wide, deep, high]) - half.mean() * 0.8)
        middle = p * room + [0, 0, high]
        things.append(Thing(middle, rotation(rng), half, rng.random() < 0.35))
    return things


def pushed(points, things, skin=0.02):
    """The points, those inside a thing at its surface."""
    for thing in things:
        local = (points - thing.middle) @ thing.axes.T
        half = thing.half + skin
        if thing.round:
            far = np.linalg.norm(local / half, axis=1)
            inside = (far < 1) & (far > 1e-6)
            local = np.where(inside[:, None], local / np.maximum(far, 1e-6)[:, None], local)
        else:
            away = half - np.abs(local)
            inside = (away > 0).all(1)
            axis = away.argmin(1)
            rows = np.nonzero(inside)[0]
            sign = np.where(local[rows, axis[rows]] < 0, -1, 1)
            local[rows, axis[rows]] = sign * half[axis[rows]]
        if inside.any():
            points = np.where(inside[:, None], local @ thing.axes + thing.middle, points)
    return points


def bag(rng, rows=30, columns=64, steps=110, rounds=3):
    """Points [rows, columns, 3] of the film (row 0 is the seam, columns go around), its row that is drawn together, and the things
    inside."""
    wide, high = 1.0, rng.uniform(0.55, 1.25)  # of the filling, half
    deep = rng.uniform(0.55, 1.0)
    fill = rng.uniform(0.75, 1.0) if rng.random() < 0.75 else rng.uniform(0.35, 0.7)  # else it is slack
    things = pile(rng, wide * fill, deep * fill, high * fill * (0.6 if fill < 0.7 else 1), int(rng.integers(14, 32)))
    slack = rng.uniform(1.0, 1.25)
    around = math.pi * (wide + deep) * slack  # the film's circumference
    body, end = math.pi * math.hypot((wide + deep) / 2, high) / math.sqrt(2) * rng.uniform(1.02, 1.2), rng.uniform(0.3, 0.8)
    tall = body + end
    neck = min(rows - 4, round(rows * body / tall))
    u, v = np.meshgrid(np.arange(columns) / columns * 2 * math.pi, np.linspace(0, 1, rows))
    opened = np.sin(np.minimum(1, v * 2.2) * math.pi / 2) ** 0.7
    x = np.cos(u) * around / (2 * math.pi) * (1.25 - 0.25 * opened)
    y = np.sin(u) * around / (2 * math.pi) * (0.02 + 0.98 * opened)
    z = v * tall - 0.15
    points = np.stack([x, y, z], -1)
    across, up = around / columns, tall / (rows - 1)
    turn = np.eye(3)
    if rng.random() < 0.4:
        turn = about_x(rng.uniform(0.6, 2.1) * rng.choice([-1, 1]))
    elif rng.random() < 0.5:
        turn = about_x(rng.normal(0, 0.25))
    points = points @ turn.T
    things = [Thing(turn @ t.middle, t.axes @ turn.T, t.half, t.round) for t in things]
    floor = min((t.middle[2] - np.abs(t.axes.T @ np.diag(t.half)).sum(1)[2] * 0.8 for t in things))
    points[..., 2] = np.maximum(points[..., 2], floor)
    speed = np.zeros_like(points)
    gather = rng.uniform(0.05, 0.12) if rng.random() < 0.85 else rng.uniform(0.2, 0.5)  # tied, or left open
    ears = rng.random() < 0.45
    flare = rng.normal(0, 1.0, 3) * 0.3
    air = rng.uniform(0.0, 0.008)
    stiff = rng.uniform(0.05, 0.3)  # how film takes being pushed together
    moved = np.empty_like(points)

    def link(points, a, b, rest, press):
        """Moves the ends of springs so that they are no longer than `rest`, and a little if they are shorter."""
        d = points[b] - points[a]
        far = np.sqrt((d * d).sum(-1, keepdims=True)) + 1e-9
        miss = far - rest
        shift = d / far * np.where(miss > 0, miss, miss * press) * 0.5
        moved[a] += shift
        moved[b] -= shift

    s = np.s_
    for step in range(steps):
        tight = min(1.0, step / (steps * 0.45))
        wanted = points + speed
        wanted[..., 2] -= 0.004
        if air:
            e1, e2 = np.roll(wanted, -1, 1) - np.roll(wanted, 1, 1), np.gradient(wanted, axis=0)
            out = np.cross(e1, e2)
            out /= np.linalg.norm(out, axis=-1, keepdims=True) + 1e-9
            wanted[:neck] += air * out[:neck]
        if ears:  # the two halves of the end are pulled apart while it is tied
            half = np.sign(np.cos(u[neck + 1 :] + 0.3))[..., None]
            wanted[neck + 1 :] += 0.010 * half * turn[:, 0] * np.linspace(0.3, 1, rows - neck - 1)[:, None, None] + 0.006 * turn[:, 2]
        else:
            wanted[neck + 1 :] += 0.008 * (turn[:, 2] + flare)
        before = points
        points = wanted
        for _ in range(rounds):
            moved[:] = 0
            ring = np.roll(points, -1, 1)
            d = ring - points
            far = np.sqrt((d * d).sum(-1, keepdims=True)) + 1e-9
            miss = far - across
            shift = d / far * np.where(miss > 0, miss, miss * stiff) * 0.5
            moved += shift - np.roll(shift, 1, 1)
            link(points, s[:-1], s[1:], up, stiff)
            for turned in (1, -1):  # shear
                d = np.roll(points[1:], turned, 1) - points[:-1]
                far = np.sqrt((d * d).sum(-1, keepdims=True)) + 1e-9
                miss = far - math.hypot(across, up)
                shift = d / far * np.where(miss > 0, miss, miss * stiff * 0.5) * 0.35
                moved[:-1] += shift
                moved[1:] -= np.roll(shift, -turned, 1)
            link(points, s[:-3], s[3:], 3 * up, 0.02)  # a fold has a width
            points = points + moved * 0.45
            seam = (points[0] + points[0][(-np.arange(columns)) % columns]) / 2
            points[0] = seam
            ring = points[neck]
            middle = ring.mean(0)
            d = ring - middle
            far = np.linalg.norm(d, axis=1, keepdims=True)
            limit = gather + (1 - tight) * 1.5
            points[neck] = np.where(far > limit, middle + d / np.maximum(far, 1e-9) * limit, ring)
            flat = pushed(points.reshape(-1, 3), things)
            low = flat[:, 2] < floor
            flat[low, 2] = floor
            points = flat.reshape(points.shape)
            touching = low.reshape(points.shape[:2])
        speed = (points - before) * 0.88
        speed[touching] *= 0.4
        speed = np.clip(speed, -0.08, 0.08)
    shift = np.array([*points[..., :2].reshape(-1, 2).mean(0), floor])
    for thing in things:
        thing.middle = thing.middle - shift
    return points - shift, neck, things


def stuffing(rng, film, count):
    """More things, close to the film from within, so that a bag that can be seen into is full."""
    film = film.reshape(-1, 3)
    size = film.max(0) - film.min(0)
    middle = (film.min(0) + film.max(0)) / 2
    found = []
    for _ in range(count):
        at = middle + (film[rng.integers(len(film))] - middle) * rng.uniform(0.55, 0.95)
        half = np.sort(size)[1] * rng.uniform(0.08, 0.26) * rng.uniform(0.25, 1.0, 3)
        found.append(Thing(at, rotation(rng), half, rng.random() < 0.4))
    return found


def held(points, film):
    """Points of things, those outside the film drawn to just inside it, as seen from its middle."""
    film = film.reshape(-1, 3)
    middle = (film.min(0) + film.max(0)) / 2
    out, away = film - middle, points - middle
    reach, far = np.linalg.norm(out, axis=1), np.linalg.norm(away, axis=1) + 1e-9
    toward = (away / far[:, None]) @ (out / reach[:, None]).T
    nearest = np.argpartition(-toward, 3, 1)[:, :3]
    limit = reach[nearest].min(1) * 0.96
    return middle + away * np.minimum(1, limit / far)[:, None]
