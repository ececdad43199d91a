"""Cuts views of streets, yards and rooms out of the panoramas (CC0) that come with Blender's Python module, as backgrounds.

    python views.py OUT [--each 14] [--size 416] [--seed 1]

Needs `bpy` (requirements-render.txt). Writes OUT/PLACE-NN.png: looking level or down, as a camera on a wall does.
"""

import argparse
import pathlib

import bpy
import numpy as np

PLACES = ["city", "courtyard", "forest", "interior", "sunrise", "sunset", "night"]


def view(panorama, turn, down, wide, size):
    """[size, size, 3] of a panorama [rows, columns, 3] that lies from the zenith (row 0) down."""
    reach = np.tan(wide / 2)
    x, y = np.meshgrid(np.linspace(-reach, reach, size), np.linspace(reach, -reach, size))
    up, ahead = y * np.cos(down) - np.sin(down), y * np.sin(down) + np.cos(down)
    around, height = np.arctan2(x, ahead) + turn, np.arctan2(up, np.hypot(x, ahead))
    rows, columns = panorama.shape[:2]
    c, r = (around / (2 * np.pi)) % 1 * columns - 0.5, np.clip((0.5 - height / np.pi) * rows - 0.5, 0, rows - 1.001)
    c0, r0 = np.floor(c).astype(int), np.floor(r).astype(int)
    fc, fr = (c - c0)[..., None], (r - r0)[..., None]
    at = lambda dr, dc: panorama[r0 + dr, (c0 + dc) % columns]
    return (at(0, 0) * (1 - fc) + at(0, 1) * fc) * (1 - fr) + (at(1, 0) * (1 - fc) + at(1, 1) * fc) * fr


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    for name, default in [("each", 14), ("size", 416), ("seed", 1)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(bpy.utils.system_resource("DATAFILES")) / "studiolights" / "world"
    for place in PLACES:
        image = bpy.data.images.load(str(folder / f"{place}.exr"))
        columns, rows = image.size
        panorama = np.array(image.pixels[:], np.float32).reshape(rows, columns, -1)[::-1, :, :3]
        for number in range(options.each):
            rng = np.random.default_rng([options.seed, PLACES.index(place), number])
            found = view(panorama, rng.uniform(0, 6.3), rng.uniform(0.0, 0.8), rng.uniform(0.8, 1.6), options.size)
            found = np.clip(found * 0.35 / (np.median(found) + 1e-6), 0, None)
            found = np.clip(found / (1 + 0.5 * found), 0, 1) ** (1 / 2.2)
            made = bpy.data.images.new("view", options.size, options.size)
            made.colorspace_settings.name = "sRGB"
            made.pixels = np.dstack([found, np.ones(found.shape[:2])])[::-1].astype(np.float32).ravel().tolist()
            made.file_format = "PNG"
            made.filepath_raw = str(options.out / f"{place}-{number:02}.png")
            made.save()
    print(f"{len(PLACES) * options.each} views in {options.out}")


if __name__ == "__main__":
    main()
