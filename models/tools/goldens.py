"""What each decoder must find on a few pictures, worked out without gridwatch: plain ONNX Runtime and NumPy.

    python goldens.py SHARED > ../../detect/tests/it/fixtures/goldens.json

SHARED is the folder of test data. The file holds, by model and picture, class, score and box (relative to the
picture) of everything from 0.3 up, with the merging of groups that the manifests ask for.
"""

import json
import pathlib
import sys
import tomllib

import numpy as np
import onnxruntime
from PIL import Image

MODELS = pathlib.Path(__file__).resolve().parent.parent
PICTURES = [
    "media/bus.jpg", "media/jetson_city_0.jpg", "media/jetson_city_1.jpg", "media/jetson_city_2.jpg",
    "media/jetson_peds_0.jpg", "coco/train2017/000000051191.jpg", "coco/train2017/000000224736.jpg",
]
WEIGHTS = {  # model: weights in SHARED; the shipped model has its own
    "nanodet-g": None,
    "deimv2-femto": "data/models/deimv2_hgnetv2_femto_coco.onnx",
    "yolox-nano": "data/models/yolox_nano_416.onnx",
    "nanodet-plus-m": "data/models/nanodet_plus_m_416_dynbatch.onnx",
}
# nanodet-g with its outputs in YOLOv8's layout (yolov8_layout.py): appended nodes, and the manifest's other output.
AS_YOLOV8 = MODELS.parent / "detect/tests/it/fixtures/nanodet_g_as_yolov8.onnx"
FLOOR = 0.3


def axis(n_out, n_in):
    """The matrix that resamples n_in samples to n_out: linear, or the mean over the area when shrinking by over 2."""
    step, matrix = n_in / n_out, np.zeros((n_out, n_in))
    for i in range(n_out):
        if step > 2:
            for j in range(int(i * step), min(n_in, int(np.ceil((i + 1) * step)))):
                matrix[i, j] = min(j + 1, (i + 1) * step) - max(j, i * step)
        else:
            at = min(max((i + 0.5) * step - 0.5, 0), n_in - 1)
            low = min(int(at), n_in - 2)
            matrix[i, low], matrix[i, low + 1] = low + 1 - at, at - low
    return matrix / matrix.sum(1, keepdims=True)


def resize(picture, width, height):
    rows = np.einsum("ij,jkc->ikc", axis(height, picture.shape[0]), picture)
    return np.einsum("ij,kjc->kic", axis(width, picture.shape[1]), rows)


def grid(strides, width, height):
    cells = []
    for stride in strides:
        y, x = np.mgrid[: -(-height // stride), : -(-width // stride)]
        cells.append(np.stack([x.ravel(), y.ravel(), np.full(x.size, stride)], 1))
    return np.concatenate(cells).astype(np.float64)


def find(manifest, session, picture):
    tensor, output = manifest["input"], manifest["output"]
    width, height = tensor["width"], tensor["height"]
    scale = np.array([width / picture.shape[1], height / picture.shape[0]])
    if tensor["resize"] == "letterbox":
        scale[:] = scale.min()
    fitted = np.round(scale * [picture.shape[1], picture.shape[0]]).astype(int)
    pixels = np.full((height, width, 3), tensor.get("pad", 0.0))
    pixels[: fitted[1], : fitted[0]] = resize(picture, *fitted)
    pixels = pixels[:, :, ::-1] if tensor["color"] == "bgr" else pixels
    pixels = (pixels - tensor.get("mean", [0, 0, 0])) / tensor.get("std", [1, 1, 1])
    feed = {tensor["name"]: pixels.transpose(2, 0, 1)[None].astype(np.float32)}
    if output["decoder"] == "detr":
        feed["orig_target_sizes"] = np.array([[width, height]], np.int64)
    names = [o.name for o in session.get_outputs()]
    out = {n: v[0].astype(np.float64) for n, v in zip(names, session.run(names, feed))}
    if output["decoder"] == "detr":
        classes, boxes, scores = out["labels"].astype(int), out["boxes"], out["scores"]
    elif output["decoder"] == "yolov8":
        (cx, cy, w, h), table = out[output["name"]][:4], out[output["name"]][4:].T
        boxes = np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], 1)
    else:
        cells = grid(output["strides"], width, height)
        origin, stride = cells[:, :2], cells[:, 2:]
        if output["decoder"] == "yolox":
            raw = out[output["name"]]
            middle, half = (raw[:, :2] + origin) * stride, np.exp(raw[:, 2:4]) * stride / 2
            boxes, table = np.concatenate([middle - half, middle + half], 1), raw[:, 4:5] * raw[:, 5:]
        else:
            if "name" in output:
                table, bins = np.split(out[output["name"]], [80], 1)
            else:
                table = np.concatenate([out[n] for n in output["cls"]])
                bins = np.concatenate([out[n] for n in output["reg"]])
            bins = np.exp(bins.reshape(len(bins), 4, -1))
            sides = (bins / bins.sum(-1, keepdims=True)) @ np.arange(bins.shape[-1]) * stride
            middle = (origin + output["cell_offset"]) * stride
            boxes = np.concatenate([middle - sides[:, :2], middle + sides[:, 2:]], 1)
    if output["decoder"] != "detr":
        classes, scores = table.argmax(1), table.max(1)
    boxes = np.clip(boxes / np.tile(fitted, 2), 0, 1)
    return merge(manifest, classes, scores, boxes)


def merge(manifest, classes, scores, boxes):
    group = {c: g for g, members in manifest["groups"].items() for c in members}
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        name, box = COCO[classes[i]], boxes[i]
        if scores[i] < FLOOR:
            break
        for other, _, b in kept:
            common = np.prod(np.clip(np.minimum(box[2:], b[2:]) - np.maximum(box[:2], b[:2]), 0, None))
            areas = np.prod(box[2:] - box[:2]) + np.prod(b[2:] - b[:2])
            if group.get(name, name) == group.get(other, other) and common / (areas - common) > manifest["nms_iou"]:
                break
        else:
            kept.append((name, scores[i], box))
    return [[name, round(float(score), 3), *(round(float(x), 4) for x in box)] for name, score, box in kept]


# The class list is read from the one place where it stands.
SOURCE = (MODELS.parent / "detect/src/coco.rs").read_text()
COCO = json.loads("[" + SOURCE.split("= [")[1].split("];")[0].strip().rstrip(",") + "]")


def find_all(shared, manifest, weights, options):
    session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    found = {}
    for name in PICTURES:
        picture = np.asarray(Image.open(shared / "data" / name).convert("RGB")).astype(np.float64)
        found[name] = find(manifest, session, picture)
    return found


def main():
    shared, result = pathlib.Path(sys.argv[1]), {}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    for model, weights in WEIGHTS.items():
        manifest = tomllib.loads((MODELS / model / "model.toml").read_text())
        path = shared / weights if weights else MODELS / model / manifest["weights"]
        result[model] = find_all(shared, manifest, path.read_bytes(), options)
    manifest = tomllib.loads((MODELS / "nanodet-g/model.toml").read_text())
    weights = (MODELS / "nanodet-g" / manifest["weights"]).read_bytes() + AS_YOLOV8.read_bytes()
    manifest["output"] = {"decoder": "yolov8", "name": "output0"}
    result["nanodet-g as yolov8"] = find_all(shared, manifest, weights, options)
    lines = [
        f' "{model}": {{\n' + ",\n".join(f'  "{n}": {json.dumps(d)}' for n, d in found.items()) + "\n }"
        for model, found in result.items()
    ]
    print("{\n" + ",\n".join(lines) + "\n}")


if __name__ == "__main__":
    main()
