"""The ONNX nodes that turn the outputs of nanodet-g into one output of YOLOv8's layout: no YOLOv8 weights are free to
keep, and its decoder is to be tested on real pictures all the same.

    python yolov8_layout.py ../../detect/tests/it/fixtures/nanodet_g_as_yolov8.onnx

The file holds these nodes alone. Protobuf merges messages that follow one another, so nanodet-g.onnx with this file
behind it is one model with one more output: `output0`, [1, 4 + 80, 3549]: centre x and y, width, height in pixels,
a score per class.
"""

import sys

import onnx
from onnx import TensorProto, helper

STRIDES, SIDE, BINS, CLASSES = [8, 16, 32], 416, 11, 80


def floats(name, values, *shape):
    return helper.make_tensor(name, TensorProto.FLOAT, shape, values)


def longs(name, *values):
    return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)


def main():
    nodes, constants = [], [
        longs("y8_split_bins", 1, -1, 4, BINS),
        longs("y8_last", 3),
        longs("y8_halves", 2, 2),
        floats("y8_bin_numbers", list(range(BINS)), BINS, 1),
        floats("y8_two", [2.0], 1),
    ]

    def node(op, inputs, *outputs, **attributes):
        nodes.append(helper.make_node(op, inputs, list(outputs), name=outputs[0], **attributes))

    for stride in STRIDES:
        n = -(-SIDE // stride)
        middles = [((i % n) + 0.5 if axis == 0 else (i // n) + 0.5) for i in range(n * n) for axis in range(2)]
        constants += [floats(f"y8_cells_{stride}", middles, 1, n * n, 2), floats(f"y8_stride_{stride}", [stride], 1)]
        node("Reshape", [f"reg_{stride}", "y8_split_bins"], f"y8_bins_{stride}")
        node("Softmax", [f"y8_bins_{stride}"], f"y8_shares_{stride}", axis=3)
        node("MatMul", [f"y8_shares_{stride}", "y8_bin_numbers"], f"y8_expected_{stride}")
        node("Squeeze", [f"y8_expected_{stride}", "y8_last"], f"y8_sides_{stride}")
        node("Split", [f"y8_sides_{stride}", "y8_halves"], f"y8_before_{stride}", f"y8_after_{stride}", axis=2)
        node("Sub", [f"y8_after_{stride}", f"y8_before_{stride}"], f"y8_lean_{stride}")
        node("Div", [f"y8_lean_{stride}", "y8_two"], f"y8_shift_{stride}")
        node("Add", [f"y8_cells_{stride}", f"y8_shift_{stride}"], f"y8_middle_{stride}")
        node("Add", [f"y8_before_{stride}", f"y8_after_{stride}"], f"y8_size_{stride}")
        node("Concat", [f"y8_middle_{stride}", f"y8_size_{stride}"], f"y8_box_{stride}", axis=2)
        node("Mul", [f"y8_box_{stride}", f"y8_stride_{stride}"], f"y8_pixels_{stride}")
        node("Concat", [f"y8_pixels_{stride}", f"cls_{stride}"], f"y8_level_{stride}", axis=2)
    node("Concat", [f"y8_level_{stride}" for stride in STRIDES], "y8_rows", axis=1)
    node("Transpose", ["y8_rows"], "output0", perm=[0, 2, 1])
    cells = sum((-(-SIDE // stride)) ** 2 for stride in STRIDES)
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 4 + CLASSES, cells])
    graph = onnx.GraphProto(node=nodes, initializer=constants, output=[output])
    with open(sys.argv[1], "wb") as file:
        file.write(onnx.ModelProto(graph=graph).SerializeToString())


if __name__ == "__main__":
    main()
