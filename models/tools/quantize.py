"""A model in 8-bit integers (static, weights by channel), calibrated on pictures.

    python quantize.py MODEL.toml OUT.onnx PICTURE...

MODEL.toml is the manifest of the model in floating point; it says how a picture is put into the input. Convolutions,
activations and what lies between them are quantised, activations to 0..255 by the lowest and highest value seen; what
comes after the last convolutions stays in floating point. The pictures only give those ranges: nothing of them is in
OUT.onnx.
"""

import pathlib
import sys
import tempfile
import tomllib

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

from goldens import resize

QUANTISED = ["Conv", "LeakyRelu", "Concat", "MaxPool", "Add"]


class Pictures(CalibrationDataReader):
    """The input tensors of pictures, one by one."""

    def __init__(self, tensor, files):
        self.tensor, self.files = tensor, iter(files)

    def get_next(self):
        file = next(self.files, None)
        if file is None:
            return None
        pixels = np.asarray(Image.open(file).convert("RGB")).astype(np.float64)
        pixels = resize(pixels, self.tensor["width"], self.tensor["height"])
        pixels = pixels[:, :, ::-1] if self.tensor["color"] == "bgr" else pixels
        pixels = (pixels - self.tensor.get("mean", [0, 0, 0])) / self.tensor.get("std", [1, 1, 1])
        return {self.tensor["name"]: pixels.transpose(2, 0, 1)[None].astype(np.float32)}


def scales_for_sizes(model):
    """Says each Resize by scales of all axes: ONNX Runtime 1.32 fails to move one with `axes` into its 8-bit layout."""
    model = onnx.shape_inference.infer_shapes(model)
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in [*model.graph.value_info, *model.graph.input, *model.graph.output]
    }
    for node in model.graph.node:
        if node.op_type != "Resize":
            continue
        before, after = shapes[node.input[0]], shapes[node.output[0]]
        scales = numpy_helper.from_array(np.divide(after, before).astype(np.float32), node.output[0] + "_scales")
        model.graph.initializer.append(scales)
        keep = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        kept = {name: keep[name] for name in ("mode", "coordinate_transformation_mode")}
        node.CopyFrom(helper.make_node("Resize", [node.input[0], "", scales.name], list(node.output), **kept))
    used = {name for node in model.graph.node for name in node.input}
    for weights in [w for w in model.graph.initializer if w.name not in used]:
        model.graph.initializer.remove(weights)
    return model


def quantise(manifest, weights, out, pictures):
    with tempfile.TemporaryDirectory() as folder:
        folded = pathlib.Path(folder) / "folded.onnx"
        quant_pre_process(weights, folded, skip_symbolic_shape=True)  # constants folded: the casts of 16-bit weights go
        model = scales_for_sizes(onnx.load(folded))
        for node in model.graph.node:
            node.name = node.name or node.output[0]
        onnx.save(model, folded)
        quantize_static(
            folded, out, Pictures(manifest["input"], pictures), quant_format=QuantFormat.QOperator,
            op_types_to_quantize=QUANTISED, per_channel=True, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax,
        )


def main():
    manifest = pathlib.Path(sys.argv[1])
    out, pictures = pathlib.Path(sys.argv[2]), sorted(sys.argv[3:])
    read = tomllib.loads(manifest.read_text())
    quantise(read, manifest.parent / read["weights"], out, pictures)
    print(f"{out}: {out.stat().st_size} bytes, calibrated on {len(pictures)} pictures")


if __name__ == "__main__":
    main()
