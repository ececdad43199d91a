"""The model that a head is put on: its manifest, its input, and the feature maps that are tapped inside it."""

import hashlib
import pathlib
import tomllib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from PIL import Image, ImageEnhance, ImageFilter

# Tensors of the shipped model with cells of 8, 16 and 32 pixels: what its pyramid gives to its own heads, and what the
# backbone gives to the pyramid. Other models name theirs with --taps.
TAPS = {"nanodet-g": [["add_265", "concat_108"], ["add_291", "concat_171"], ["add_317", "concat_253"]]}


class BaseError(Exception):
    """The base model cannot carry a head; says why."""


class Base:
    """`taps`: by cell size, the names of the tensors [1, channels, rows, columns] that are laid on one another."""

    def __init__(self, folder, taps=None, threads=2):
        folder = pathlib.Path(folder)
        self.text = (folder / "model.toml").read_text()
        self.manifest = tomllib.loads(self.text)
        self.input = self.manifest["input"]
        self.taps = taps or TAPS.get(self.manifest["name"])
        if not self.taps:
            raise BaseError(f"{self.manifest['name']}: name the tensors to tap: --taps a,b,c")
        weights = folder / self.manifest["weights"]
        self.model = onnx.load(weights)
        self.digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        if self.digest != self.manifest["sha256"]:
            raise BaseError(f"{weights}: not the file of model.toml (sha256 {self.digest})")
        known = {name for node in self.model.graph.node for name in node.output}
        wanted = [name for level in self.taps for name in level]
        if missing := [name for name in wanted if name not in known]:
            raise BaseError(f"{weights}: no tensor {', '.join(missing)}")
        tapped = onnx.ModelProto()
        tapped.CopyFrom(self.model)
        tapped.graph.output.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in wanted)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(tapped.SerializeToString(), options, ["CPUExecutionProvider"])
        blank = self.features(Image.new("RGB", (64, 64)))
        self.channels = [level.shape[0] for level in blank]
        self.shapes = [level.shape[1:] for level in blank]
        self.strides = [round(self.input["width"] / columns) for _, columns in self.shapes]

    def tensor(self, picture):
        """The picture as the model's input, and its (width, height) inside it."""
        shape, fitted = (self.input["width"], self.input["height"]), (self.input["width"], self.input["height"])
        if self.input.get("resize", "stretch") == "letterbox":
            if self.input.get("align", "center") != "top-left":
                raise BaseError("a letterbox that is centred is not supported: use align = \"top-left\" or stretch")
            scale = min(shape[0] / picture.width, shape[1] / picture.height)
            fitted = (round(picture.width * scale), round(picture.height * scale))
        pixels = np.full((shape[1], shape[0], 3), self.input.get("pad", 0.0), np.float32)
        pixels[: fitted[1], : fitted[0]] = np.asarray(picture.convert("RGB").resize(fitted, Image.Resampling.BILINEAR))
        pixels = pixels[:, :, ::-1] if self.input["color"] == "bgr" else pixels
        pixels = (pixels - np.float32(self.input.get("mean", [0, 0, 0]))) / np.float32(self.input.get("std", [1, 1, 1]))
        pixels = pixels if self.input.get("layout", "nchw") == "nhwc" else pixels.transpose(2, 0, 1)
        return np.ascontiguousarray(pixels[None], np.float32), fitted

    def features(self, picture):
        """By cell size: [channels, rows, columns]."""
        feed = {self.input["name"]: self.tensor(picture)[0]}
        if self.manifest["output"]["decoder"] == "detr":
            feed[self.manifest["output"].get("sizes", "orig_target_sizes")] = np.array([[64, 64]], np.int64)
        found = iter(self.session.run([name for level in self.taps for name in level], feed))
        return [np.concatenate([next(found)[0] for _ in level]) for level in self.taps]

    def cached(self, folder, sample, copy, seed):
        """Features (one flat float16 array) and boxes in pixels of the input, from `folder` where they were made before."""
        key = repr((self.digest, self.taps, copy and (copy, seed), sample.boxes.round(5).tolist(), sample.kinds)).encode()
        name = hashlib.sha256(key + sample.path.read_bytes()).hexdigest()[:24]
        file = folder / f"{name}.npz"
        if file.exists():
            with np.load(file) as saved:
                return saved["features"], saved["boxes"], saved["kinds"]
        with Image.open(sample.path) as opened:
            picture, boxes, kinds = opened.convert("RGB"), sample.boxes, np.array(sample.kinds, "U")
        if copy:
            picture, boxes, kept = varied(picture, boxes, np.random.default_rng([seed, copy, int(name[:8], 16)]))
            kinds = kinds[kept]
        boxes = (boxes * np.tile(self.tensor(picture)[1], 2)).astype(np.float32)
        flat = np.concatenate([level.ravel() for level in self.features(picture)]).astype(np.float16)
        partial = file.with_suffix(".part.npz")
        np.savez(partial, features=flat, boxes=boxes, kinds=kinds)
        partial.replace(file)
        return flat, boxes, kinds


def varied(picture, boxes, rng):
    """Another look of a labelled picture: mirrored, cut, brighter or darker, blurred. Gives the boxes that are still seen."""
    boxes = boxes.copy()
    if rng.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        boxes[:, [0, 2]] = 1 - boxes[:, [2, 0]]
    part = rng.uniform(0.5, 1.0)
    corner = rng.uniform(0, 1 - part, 2)
    picture = picture.resize(picture.size, Image.Resampling.BILINEAR, box=[
        corner[0] * picture.width, corner[1] * picture.height,
        (corner[0] + part) * picture.width, (corner[1] + part) * picture.height,
    ])
    moved = (boxes - np.tile(corner, 2)) / part
    inside = np.clip(moved, 0, 1)
    area = lambda b: np.prod(np.clip(b[:, 2:] - b[:, :2], 0, None), axis=1)
    kept = area(inside) > 0.5 * area(moved)
    for enhance, spread in [(ImageEnhance.Brightness, 0.4), (ImageEnhance.Contrast, 0.3), (ImageEnhance.Color, 0.4)]:
        picture = enhance(picture).enhance(float(rng.uniform(1 - spread, 1 + spread)))
    if rng.random() < 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 2.0))))
    return picture, inside[kept], kept
