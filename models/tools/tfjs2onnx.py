"""Converts a TensorFlow.js graph model (model.json + weight shards) to ONNX, without TensorFlow.

TensorFlow convolutions are channels-last, ONNX ones channels-first. Nothing is transposed for that: every tensor is
carried as a *view*, an ONNX tensor and the order in which TensorFlow sees its axes, so that a TensorFlow `Transpose`
only changes the view. Explicit padding goes into the convolution or the pooling that follows, the addition of a
constant per channel into the convolution's bias. What is left of an NHWC graph is the plain NCHW graph that it was
trained as.

Weights that are exact in float16 are stored so, each behind a `Cast` to float32: half the file, the same arithmetic,
since ONNX Runtime folds the casts when it loads the model.

    python tfjs2onnx.py model.json out.onnx NAME=TENSOR...

Each NAME=TENSOR makes TensorFlow's tensor TENSOR (`Identity_3:0`) the ONNX output NAME.
"""

import argparse
import base64
import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

NHWC = (0, 2, 3, 1)  # how TensorFlow sees a channels-first tensor
PLAIN = {
    "Add": "Add", "AddV2": "Add", "Mul": "Mul", "Sub": "Sub", "RealDiv": "Div", "Maximum": "Max", "Minimum": "Min",
    "Relu": "Relu", "Sigmoid": "Sigmoid", "Exp": "Exp",
}


def load_weights(manifest, folder):
    """All weights by name, dequantised to their declared type."""
    weights = {}
    for group in manifest:
        data = b"".join((folder / path).read_bytes() for path in group["paths"])
        at = 0
        for spec in group["weights"]:
            declared = {"float32": np.float32, "int32": np.int32, "bool": np.bool_}[spec["dtype"]]
            packing = spec.get("quantization")
            stored = np.dtype(packing["dtype"] if packing else declared)
            count = int(np.prod(spec["shape"], dtype=np.int64))
            array = np.frombuffer(data, stored, count, at)
            at += count * stored.itemsize
            if packing and stored != np.float16:
                array = array * packing["scale"] + packing["min"]
            weights[spec["name"]] = array.astype(declared).reshape(spec["shape"])
        if at != len(data):
            raise ValueError(f"{group['paths']}: {len(data)} bytes, the manifest describes {at}")
    return weights


def key(name):
    name = name.lstrip("^")
    return name[:-2] if name.endswith(":0") else name


def ints(attribute):
    return [int(i) for i in attribute["list"]["i"]]


class Converter:
    def __init__(self, model, weights):
        self.nodes = {n["name"]: n for n in model["modelTopology"]["node"]}
        self.weights = weights
        self.graph, self.made_by, self.initializers, self.inputs = [], {}, {}, []
        self.consts, self.views, self.n_names = {}, {}, 0

    # --- building blocks

    def name(self, stem):
        self.n_names += 1
        return f"{stem}_{self.n_names}"

    def emit(self, op, inputs, n_outputs=1, **attributes):
        outputs = [self.name(op.lower()) for _ in range(n_outputs)]
        node = helper.make_node(op, inputs, outputs, **attributes)
        self.graph.append(node)
        self.made_by.update({o: node for o in outputs})
        return outputs if n_outputs > 1 else outputs[0]

    def constant(self, array, stem="w"):
        array = np.array(array, order="C")  # keeps a scalar a scalar
        name = self.name(stem)
        if array.dtype == np.float32 and array.size > 1:
            half = array.astype(np.float16)
            if np.array_equal(half.astype(np.float32), array):
                self.initializers[name + "_f16"] = half
                return self.emit("Cast", [name + "_f16"], to=TensorProto.FLOAT)
        self.initializers[name] = array
        return name

    def view(self, name, axes):
        """The ONNX tensor behind TensorFlow's `name`, arranged so that TensorFlow's axis i is ONNX axis axes[i]."""
        tensor, have = self.views[name]
        if have == tuple(axes):
            return tensor
        # ONNX axis axes[i] must hold what is now ONNX axis have[i].
        order = [0] * len(axes)
        for wanted, current in zip(axes, have):
            order[wanted] = current
        return self.emit("Transpose", [tensor], perm=order)

    def set(self, name, tensor, axes):
        self.views[name] = (tensor, tuple(axes))

    # --- operators

    def convert(self, node):
        op, inputs = node["op"], [key(i) for i in node.get("input", []) if not i.startswith("^")]
        attributes, name = node.get("attr", {}), node["name"]
        method = getattr(self, "op_" + op, None)
        if method:
            method(name, inputs, attributes)
        elif op in PLAIN:
            self.elementwise(name, PLAIN[op], inputs)
        else:
            raise NotImplementedError(f"operator {op} of node {name}")

    def op_Const(self, name, _inputs, _attributes):
        self.consts[name] = self.weights[name]

    def op_Placeholder(self, name, _inputs, attributes):
        shape = [int(d["size"]) for d in attributes["shape"]["shape"]["dim"]]
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        self.set(name, name, range(len(shape)))

    def op_Identity(self, name, inputs, _attributes):
        if inputs[0] in self.consts:
            self.consts[name] = self.consts[inputs[0]]
        else:
            self.views[name] = self.views[inputs[0]]

    def op_Transpose(self, name, inputs, _attributes):
        tensor, axes = self.views[inputs[0]]
        self.set(name, tensor, [axes[int(i)] for i in self.consts[inputs[1]]])

    def elementwise(self, name, op, inputs):
        if all(i in self.consts for i in inputs):  # shape arithmetic
            a, b = (self.consts[i] for i in inputs)
            self.consts[name] = {"Add": a + b, "Mul": a * b, "Sub": a - b}[op]
            return
        axes = next(self.views[i][1] for i in inputs if i in self.views)
        operands = []
        for i in inputs:
            if i not in self.consts:
                operands.append(self.view(i, axes))
                continue
            value = self.consts[i]
            if op == "Add" and value.ndim == 1 and axes == NHWC and self.fold_bias(name, inputs, value):
                return
            value = value.reshape((1,) * (len(axes) - value.ndim) + value.shape)
            operands.append(self.constant(np.transpose(value, np.argsort(axes))))
        self.set(name, self.emit(op, operands), axes)

    def fold_bias(self, name, inputs, bias):
        other = next(i for i in inputs if i in self.views)
        conv = self.made_by.get(self.views[other][0])
        if conv is None or conv.op_type != "Conv" or len(conv.input) != 2:
            return False
        attributes = {a.name: helper.get_attribute_value(a) for a in conv.attribute}
        self.set(name, self.emit("Conv", [*conv.input, self.constant(bias, "b")], **attributes), NHWC)
        return True

    def unpadded(self, tensor, accept):
        """`tensor` without a spatial padding that went before it, and that padding (top, left, bottom, right)."""
        pad = self.made_by.get(tensor)
        if pad is None or pad.op_type != "Pad":
            return tensor, [0, 0, 0, 0]
        amounts = self.initializers[pad.input[1]]
        value = float(self.initializers[pad.input[2]]) if len(pad.input) > 2 else 0.0
        if amounts[[0, 1, 4, 5]].any() or not accept(value):
            return tensor, [0, 0, 0, 0]
        return pad.input[0], [int(p) for p in amounts[[2, 3, 6, 7]]]

    def op_Conv2D(self, name, inputs, attributes, depthwise=False):
        kernel = self.consts[inputs[1]]
        strides, dilations = ints(attributes["strides"])[1:3], [1, 1]
        if attributes.get("dilations", {}).get("list"):
            dilations = ints(attributes["dilations"])[1:3]
        group = 1
        if depthwise:
            height, width, group, multiplier = kernel.shape
            kernel = kernel.reshape(height, width, 1, group * multiplier)
        tensor = self.view(inputs[0], NHWC)
        padding = base64.b64decode(attributes["padding"]["s"]).decode()
        where = {}
        if padding == "SAME":
            where["auto_pad"] = "SAME_UPPER"
        elif padding == "EXPLICIT":
            p = ints(attributes["explicit_paddings"])
            where["pads"] = [p[2], p[4], p[3], p[5]]
        else:
            tensor, where["pads"] = self.unpadded(tensor, lambda value: value == 0.0)
        out = self.emit(
            "Conv", [tensor, self.constant(kernel.transpose(3, 2, 0, 1))], strides=strides, dilations=dilations,
            group=group, **where,
        )
        self.set(name, out, NHWC)

    def op_DepthwiseConv2dNative(self, name, inputs, attributes):
        self.op_Conv2D(name, inputs, attributes, depthwise=True)

    def op_LeakyRelu(self, name, inputs, attributes):
        tensor, axes = self.views[inputs[0]]
        self.set(name, self.emit("LeakyRelu", [tensor], alpha=float(attributes.get("alpha", {}).get("f", 0.2))), axes)

    def op_Pad(self, name, inputs, _attributes):
        tensor, axes = self.views[inputs[0]]
        amounts = np.zeros((2, len(axes)), np.int64)
        for axis, (before, after) in zip(axes, self.consts[inputs[1]]):
            amounts[:, axis] = before, after
        fill = [self.constant(self.consts[inputs[2]].reshape(()))] if len(inputs) > 2 else []
        self.set(name, self.emit("Pad", [tensor, self.constant(amounts.reshape(-1)), *fill]), axes)

    op_PadV2 = op_Pad

    def op_MaxPool(self, name, inputs, attributes):
        tensor, where = self.view(inputs[0], NHWC), {}
        if base64.b64decode(attributes["padding"]["s"]).decode() == "SAME":
            where["auto_pad"] = "SAME_UPPER"
        else:
            # ONNX pads a pooling with minus infinity; a fill that no activation goes below is the same.
            tensor, where["pads"] = self.unpadded(tensor, lambda value: value < -1e30)
        size, strides = ints(attributes["ksize"])[1:3], ints(attributes["strides"])[1:3]
        self.set(name, self.emit("MaxPool", [tensor], kernel_shape=size, strides=strides, **where), NHWC)

    def op_ResizeBilinear(self, name, inputs, attributes):
        flags = [attributes.get(f, {}).get("b", False) for f in ("align_corners", "half_pixel_centers")]
        mode = "align_corners" if flags[0] else "half_pixel" if flags[1] else "asymmetric"
        sizes = self.constant(self.consts[inputs[1]].astype(np.int64))
        out = self.emit(
            "Resize", [self.view(inputs[0], NHWC), "", "", sizes], axes=[2, 3], mode="linear",
            coordinate_transformation_mode=mode,
        )
        self.set(name, out, NHWC)

    def op_ConcatV2(self, name, inputs, _attributes):
        *parts, axis = inputs
        axis = int(self.consts[axis])
        axes = self.views[parts[0]][1]
        self.set(name, self.emit("Concat", [self.view(p, axes) for p in parts], axis=axes[axis]), axes)

    def op_SplitV(self, name, inputs, _attributes):
        tensor, axes = self.views[inputs[0]]
        sizes = self.consts[inputs[1]].astype(np.int64)
        outputs = self.emit("Split", [tensor, self.constant(sizes)], len(sizes), axis=axes[int(self.consts[inputs[2]])])
        for i, output in enumerate(outputs):
            self.set(f"{name}:{i}" if i else name, output, axes)

    def op_Reshape(self, name, inputs, _attributes):
        shape = self.consts[inputs[1]].astype(np.int64)
        tensor = self.view(inputs[0], range(len(self.views[inputs[0]][1])))
        self.set(name, self.emit("Reshape", [tensor, self.constant(shape)]), range(len(shape)))

    def op_SparseToDense(self, name, inputs, _attributes):
        places, shape, values, default = (self.consts[i] for i in inputs)
        dense = np.full([int(n) for n in shape.reshape(-1)], default.reshape(()))
        for place, value in zip(places.reshape(-1, dense.ndim), np.broadcast_to(values.reshape(-1), len(places))):
            dense[tuple(int(i) for i in place)] = value
        self.consts[name] = dense

    # --- the whole

    def run(self, outputs, producer):
        done = set()

        def visit(name):
            base = name.split(":")[0]
            if base in done:
                return
            for i in self.nodes[base].get("input", []):
                if not i.startswith("^"):
                    visit(key(i))
            done.add(base)
            self.convert(self.nodes[base])

        results = []
        for name, tensor in outputs.items():
            visit(key(tensor))
            axes = self.views[key(tensor)][1]
            made = self.emit("Identity", [self.view(key(tensor), range(len(axes)))])
            self.graph[-1].output[0] = name
            self.made_by[name] = self.made_by.pop(made)
            results.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
        # Folding leaves the unfolded nodes behind: keep what the outputs need.
        needed, kept = set(outputs), []
        for node in reversed(self.graph):
            if any(o in needed for o in node.output):
                needed.update(node.input)
                kept.append(node)
        weights = [numpy_helper.from_array(a, n) for n, a in self.initializers.items() if n in needed]
        graph = helper.make_graph(kept[::-1], "model", self.inputs, results, weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], producer_name=producer)
        model.ir_version = 8
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        del model.graph.value_info[:]
        onnx.checker.check_model(model)
        return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=pathlib.Path, help="the model.json")
    parser.add_argument("out", type=pathlib.Path, help="the ONNX file to write")
    parser.add_argument("outputs", nargs="+", metavar="NAME=TENSOR")
    arguments = parser.parse_args()
    model = json.loads(arguments.model.read_text())
    weights = load_weights(model["weightsManifest"], arguments.model.parent)
    outputs = dict(o.split("=", 1) for o in arguments.outputs)
    onnx_model = Converter(model, weights).run(outputs, "tfjs2onnx")
    onnx.save(onnx_model, arguments.out)
    print(f"{arguments.out}: {len(onnx_model.graph.node)} nodes, {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
