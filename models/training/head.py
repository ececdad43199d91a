"""A small detection head on frozen feature maps: its network, what it is taught, and the same network as ONNX nodes.

By cell: a score per class and the distances to the box's four sides (FCOS, Tian et al. 2019), taught with the quality
focal loss and GIoU (Li et al. 2020; Rezatofighi et al. 2019).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from onnx import TensorProto, helper, numpy_helper

# A thing is taught to the cells whose size suits its longest side in pixels; the ranges overlap on purpose.
REACH = {8: (0, 72), 16: (44, 168), 32: (112, 1e9)}
CENTRE = 1.5  # cells around a thing's centre that are taught it
SLOPE = 0.1


def cells(strides, shapes):
    """[n, 3]: x, y of each cell's centre in pixels, and the cell's size."""
    found = []
    for stride, (rows, columns) in zip(strides, shapes):
        y, x = np.mgrid[:rows, :columns]
        found.append(np.stack([(x + 0.5) * stride, (y + 0.5) * stride, np.full(x.shape, stride)], -1).reshape(-1, 3))
    return np.concatenate(found).astype(np.float32)


def targets(grid, boxes, kinds, classes):
    """Per cell: the class (-1 nothing, -2 not to be judged) and the box [n, 4] in pixels."""
    kind = np.full(len(grid), -1, np.int8)
    box = np.zeros((len(grid), 4), np.float32)
    best = np.full(len(grid), np.inf)
    x, y, stride = grid.T
    low = np.vectorize(lambda s: REACH.get(int(s), (0, 1e9))[0])(stride)
    high = np.vectorize(lambda s: REACH.get(int(s), (0, 1e9))[1])(stride)
    for (x0, y0, x1, y1), name in zip(boxes, kinds):
        longest, area = max(x1 - x0, y1 - y0), (x1 - x0) * (y1 - y0)
        inside = (x > x0) & (x < x1) & (y > y0) & (y < y1)
        near = (np.abs(x - (x0 + x1) / 2) < CENTRE * stride) & (np.abs(y - (y0 + y1) / 2) < CENTRE * stride)
        # The cell that holds the centre of a thing smaller than a cell lies inside neither: it is taught it all the same.
        holds = (np.abs(x - (x0 + x1) / 2) <= stride / 2) & (np.abs(y - (y0 + y1) / 2) <= stride / 2)
        fits = (longest >= low) & (longest <= high)
        kind[inside & (kind == -1)] = -2
        if name not in classes:
            continue
        taught = (holds | (inside & near)) & fits & (area < best)
        kind[taught], box[taught], best[taught] = classes.index(name), (x0, y0, x1, y1), area
    return kind, box


def fresh(key, channels, width, blocks, classes):
    """Random weights; `norm` (mean, spread by channel) is set from the features before training."""
    keys = iter(jax.random.split(key, 3 + len(channels) + 2 * blocks))
    near = lambda shape, inputs: jax.random.normal(next(keys), shape) * (2 / inputs) ** 0.5
    return {
        "lateral": [{"w": near((width, c), c), "b": jnp.zeros(width)} for c in channels],
        "blocks": [
            {"depth": near((width, 3, 3), 9), "point": near((width, width), width), "b": jnp.zeros(width)}
            for _ in range(blocks)
        ],
        "out": {"w": near((4 + classes, width), width) * 0.1, "b": jnp.array([1.0] * 4 + [-4.0] * classes)},
    }


def leaky(x):
    return jnp.where(x > 0, x, SLOPE * x)


def depthwise(x, w):
    """3 x 3 by channel as nine shifted products: on a CPU much faster to train than a grouped convolution."""
    rows, columns = x.shape[2:]
    wide = jnp.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    parts = [wide[:, :, i : i + rows, j : j + columns] * w[:, i, j, None, None] for i in range(3) for j in range(3)]
    return sum(parts[1:], parts[0])


def apply(weights, norm, levels):
    """Class logits [batch, cells, classes] and distances in cells [batch, cells, 4] of feature maps by cell size."""
    found = []
    for level, (mean, spread), lateral in zip(levels, norm, weights["lateral"]):
        x = (level.astype(jnp.float32) - mean[:, None, None]) / spread[:, None, None]
        x = leaky(jnp.einsum("bchw,dc->bdhw", x, lateral["w"]) + lateral["b"][:, None, None])
        for block in weights["blocks"]:
            y = jnp.einsum("bchw,dc->bdhw", depthwise(x, block["depth"]), block["point"])
            x = x + leaky(y + block["b"][:, None, None])
        y = jnp.einsum("bchw,dc->bdhw", x, weights["out"]["w"]) + weights["out"]["b"][:, None, None]
        found.append(y.reshape(*y.shape[:2], -1))
    every = jnp.concatenate(found, 2).transpose(0, 2, 1)
    return every[..., 4:], jnp.exp(jnp.clip(every[..., :4], -6, 4))


def boxes_of(grid, distances):
    """Left, top, right, bottom in pixels."""
    sides = distances * grid[:, 2:]
    return jnp.concatenate([grid[:, :2] - sides[..., :2], grid[:, :2] + sides[..., 2:]], -1)


def overlap(a, b):
    """Intersection over union and GIoU of boxes, pair by pair."""
    size = lambda box: jnp.prod(jnp.maximum(box[..., 2:] - box[..., :2], 0), -1)
    corner = jnp.maximum(a[..., :2], b[..., :2]), jnp.minimum(a[..., 2:], b[..., 2:])
    common = jnp.prod(jnp.maximum(corner[1] - corner[0], 0), -1)
    union = jnp.maximum(size(a) + size(b) - common, 1e-6)
    around = jnp.prod(jnp.maximum(a[..., 2:], b[..., 2:]) - jnp.minimum(a[..., :2], b[..., :2]), -1)
    iou = common / union
    return iou, iou - (around - union) / jnp.maximum(around, 1e-6)


def loss(weights, norm, grid, levels, kind, box):
    logits, distances = apply(weights, norm, levels)
    taught = kind >= 0
    iou, giou = overlap(boxes_of(grid, distances), box)
    quality = lax.stop_gradient(jnp.clip(iou, 0, 1))[..., None]
    want = jax.nn.one_hot(kind, logits.shape[-1]) * quality
    p = jax.nn.sigmoid(logits)
    cross = jnp.maximum(logits, 0) - logits * want + jnp.log1p(jnp.exp(-jnp.abs(logits)))
    scores = (jnp.abs(want - p) ** 2 * cross * (kind != -2)[..., None]).sum()
    n = jnp.maximum(taught.sum(), 1)
    return (scores + 2 * ((1 - giou) * taught).sum()) / n


def grafted(model, weights, norm, taps, grid, shapes, name, calibration):
    """`model` with an output `name` [1, 4 + classes, cells]: centre and size in pixels, calibrated scores (as YOLOv8 gives)."""
    graph, weights = model.graph, jax.tree.map(np.asarray, weights)
    nodes, constants = [], []

    def constant(tag, value):
        constants.append(numpy_helper.from_array(np.array(value, np.float32, order="C"), f"{name}_{tag}"))
        return f"{name}_{tag}"

    def node(kind, inputs, tag, **attributes):
        nodes.append(helper.make_node(kind, inputs, [f"{name}_{tag}"], **attributes))
        return f"{name}_{tag}"

    shared = {}
    for i, block in enumerate(weights["blocks"]):
        shared[i] = [
            constant(f"depth{i}", block["depth"][:, None]), constant(f"point{i}", block["point"][:, :, None, None]),
            constant(f"bias{i}", block["b"]),
        ]
    out = [constant("out_w", weights["out"]["w"][:, :, None, None]), constant("out_b", weights["out"]["b"])]
    parts = []
    for i, (names, lateral, (mean, spread)) in enumerate(zip(taps, weights["lateral"], norm)):
        x = names[0] if len(names) == 1 else node("Concat", names, f"in{i}", axis=1)
        w = lateral["w"] / spread  # the normalisation goes into the first layer
        w, b = constant(f"lat_w{i}", w[:, :, None, None]), constant(f"lat_b{i}", lateral["b"] - w @ mean)
        x = node("LeakyRelu", [node("Conv", [x, w, b], f"lat{i}")], f"x{i}", alpha=SLOPE)
        for j, (depth, point, bias) in shared.items():
            tag, width = f"{i}_{j}", weights["blocks"][j]["b"].size
            y = node("Conv", [x, depth], f"d{tag}", group=width, pads=[1, 1, 1, 1])
            y = node("LeakyRelu", [node("Conv", [y, point, bias], f"p{tag}")], f"l{tag}", alpha=SLOPE)
            x = node("Add", [x, y], f"a{tag}")
        y = node("Conv", [x, *out], f"o{i}")
        rows = 4 + weights["out"]["b"].size - 4
        shape = numpy_helper.from_array(np.array([1, rows, shapes[i][0] * shapes[i][1]], np.int64), f"{name}_s{i}")
        constants.append(shape)
        parts.append(node("Reshape", [y, shape.name], f"f{i}"))
    every = node("Concat", parts, "every", axis=2)
    cut = numpy_helper.from_array(np.array([2, 2, weights["out"]["b"].size - 4], np.int64), f"{name}_cut")
    constants.append(cut)
    raw = [f"{name}_before", f"{name}_after", f"{name}_logits"]
    nodes.append(helper.make_node("Split", [every, cut.name], raw, axis=1))
    low, high, stride = constant("low", -6), constant("high", 4), constant("stride", grid[None, :, 2][:, None])
    sides = []
    for part, tag in zip(raw[:2], ["b", "a"]):
        cells_wide = node("Exp", [node("Clip", [part, low, high], f"c{tag}")], f"e{tag}")
        sides.append(node("Mul", [cells_wide, stride], f"px{tag}"))
    offset = node("Mul", [node("Sub", [sides[1], sides[0]], "difference"), constant("half", 0.5)], "offset")
    centre = node("Add", [offset, constant("centres", grid[None, :, :2].transpose(0, 2, 1))], "centre")
    size = node("Add", sides, "size")
    steep, shift = constant("steep", calibration[0]), constant("shift", calibration[1])
    scores = node("Sigmoid", [node("Add", [node("Mul", [raw[2], steep], "steeper"), shift], "shifted")], "scores")
    nodes.append(helper.make_node("Concat", [centre, size, scores], [name], axis=1))
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
    shape = [1, weights["out"]["b"].size, len(grid)]
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    return model


def alone(model, name):
    """`model` with the output `name` only, and what it needs."""
    graph, needed, kept = model.graph, {name}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    for field, wanted in (
        (graph.node, kept[::-1]), (graph.output, [o for o in graph.output if o.name == name]),
        (graph.initializer, [i for i in graph.initializer if i.name in needed]), (graph.value_info, []),
    ):
        wanted = list(wanted)
        del field[:]
        field.extend(wanted)
    return model
