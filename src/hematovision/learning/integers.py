"""A network in whole numbers: 8 bits between its layers, in the form that ONNX Runtime fuses."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from hematovision.learning.rounding import Rounded
from hematovision.learning.slimming import Draft, Graph
from hematovision.learning.stems import Stem, find_stem, laid_out, write_stem
from hematovision.learning.watching import watch

LEVELS = 255
BINS = 2048
CUTS = np.concatenate([np.linspace(0.3, 0.9, 13), np.linspace(0.92, 1.0, 9)])
LARGEST_BIAS = 2**30
SMALLEST = 1e-8


class Step(NamedTuple):
    """How a tensor is kept in 8 bits: `scale * (whole - zero)`."""

    scale: np.float32
    zero: np.uint8


def kept_in_bytes(model: onnx.ModelProto, rounded: Mapping[str, Rounded]) -> list[str]:
    """List the tensors that are to be kept in bytes: what rounded layers and sums take and give."""
    graph = Graph(model)
    names: list[str] = []
    for node in graph.nodes:
        if node.output[0] in rounded:
            names += [node.input[0], _end(graph, node)]
        elif node.op_type == "Add" and not any(one in graph.constants for one in node.input):
            names += [*node.input, node.output[0]]
    return list(dict.fromkeys(names))


def _end(graph: Graph, node: onnx.NodeProto) -> str:
    """Give what a convolution gives after its activation, which the range of bytes makes up for."""
    takers = graph.takers[node.output[0]]
    if len(takers) == 1 and takers[0].op_type in {"Clip", "Relu"}:
        return str(takers[0].output[0])
    return str(node.output[0])


def find_steps(
    model: onnx.ModelProto,
    names: Iterable[str],
    pictures: list[NDArray[np.uint8]],
    *,
    cut: bool = True,
) -> dict[str, Step]:
    """Find the range of every tensor.

    Args:
        model: With rounded weights.
        names: Of the tensors.
        pictures: Shape (N, height, width, 3), RGB, uint8 each.
        cut: Whether rare large values are left out where that loses least in the mean square.
    """
    names = list(names)
    ends = dict.fromkeys(names, (0.0, 0.0))
    for seen in watch(model, names, pictures):
        for name, values in seen.items():
            low, high = ends[name]
            ends[name] = min(low, float(values.min())), max(high, float(values.max()), SMALLEST)
    if not cut:
        return {name: _step(*ends[name]) for name in names}
    counts = {name: np.zeros(BINS) for name in names}
    for seen in watch(model, names, pictures):
        for name, values in seen.items():
            counts[name] += np.histogram(values, BINS, ends[name])[0]
    return {name: _step(*best_range(*ends[name], counts[name])) for name in names}


def best_range(low: float, high: float, counts: NDArray[np.float64]) -> tuple[float, float]:
    """Cut a range where what is cut off costs less than what finer steps save.

    Args:
        low: The smallest value, zero at the most.
        high: The largest value, above zero.
        counts: How many values lie where between them, shape (BINS,).
    """
    edges = np.linspace(low, high, len(counts) + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    tried = [
        (cut * low, other * high) for cut in (CUTS if low < 0 else CUTS[-1:]) for other in CUTS
    ]

    def loss(ends: tuple[float, float]) -> float:
        step = (ends[1] - ends[0]) / LEVELS
        whole = np.clip(np.round((middles - ends[0]) / step), 0, LEVELS)
        return float(counts @ (whole * step + ends[0] - middles) ** 2)

    return min(tried, key=loss)


def _step(low: float, high: float) -> Step:
    scale = np.float32((high - low) / LEVELS)
    return Step(scale, np.uint8(np.clip(round(-low / float(scale)), 0, LEVELS)))


def write_integers(
    model: onnx.ModelProto, rounded: Mapping[str, Rounded], steps: Mapping[str, Step]
) -> onnx.ModelProto:
    """Write a network whose rounded layers multiply whole numbers.

    Args:
        model: From `slimming.fold_constants`.
        rounded: Its layers, by the name of their output.
        steps: Of `kept_in_bytes`.
    """
    graph, draft = Graph(model), Draft()
    stem = find_stem(graph)
    if stem and stem.node.output[0] not in rounded:
        stem = None
    ends = {name: _end(graph, graph.makers[name]) for name in rounded}
    gone = {ends[name] for name in rounded if ends[name] != name}
    gone |= stem.skipped if stem else frozenset()
    for node in graph.nodes:
        name = str(node.output[0])
        if stem and name == stem.node.output[0]:
            _write_first(draft, graph, stem, rounded[name], ends[name])
        elif name in rounded:
            copy = _read_by(node, steps)
            held = _write_layer(draft, name, rounded[name], steps[node.input[0]].scale)
            copy.output[0] = ends[name]
            copy.input[1:] = held
            draft.nodes.append(copy)
        elif name in gone:
            continue
        else:
            draft.nodes.append(_read_by(node, steps))
        for written in (ends[name],) if name in rounded else node.output:
            _write_bytes(draft, written, steps)
    return draft.finish(model, list(graph.constants.values()))


def _read_by(node: onnx.NodeProto, steps: Mapping[str, Step]) -> onnx.NodeProto:
    """Copy a node, so that it reads what is kept in bytes."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.input[:] = [f"{name}/read" if name in steps else name for name in node.input]
    return copy


def _write_first(draft: Draft, graph: Graph, stem: Stem, layer: Rounded, output: str) -> None:
    """Write the way of a picture, and the first layer."""
    taken = write_stem(draft, graph, stem)
    layer = laid_out(layer, stem)
    held = _write_layer(draft, stem.node.output[0], layer, np.float32(stem.scale))
    draft.add("Conv", [taken, *held], output, pads=[0, 0, 1, 1], kernel_shape=[2, 2])


def _write_bytes(draft: Draft, name: str, steps: Mapping[str, Step]) -> None:
    """Keep a tensor in bytes, and read it again."""
    if name not in steps:
        return
    step = steps[name]
    held = [
        draft.constant(f"{name}/scale", np.asarray(step.scale)),
        draft.constant(f"{name}/zero", np.asarray(step.zero)),
    ]
    kept = draft.add("QuantizeLinear", [name, *held], f"{name}/kept")
    draft.add("DequantizeLinear", [kept, *held], f"{name}/read")


def _write_layer(draft: Draft, name: str, layer: Rounded, step: np.float32) -> list[str]:
    """Write weights and bias as whole numbers, and give what reads them.

    The engine takes the bias for whole steps of input times weight. Where weights are next to
    nothing, so are these, and the bias would not fit: such weights get a coarser scale.
    """
    least = np.abs(layer.bias) / (LARGEST_BIAS * step)
    scales = np.maximum(layer.scales, least).astype(np.float32)
    whole = np.round(layer.as_float / scales[:, None, None, None]).astype(np.int8)
    steps = scales * step
    weights = whole, scales, np.zeros(len(scales), np.int8)
    bias = np.round(layer.bias.astype(np.float64) / steps).astype(np.int32)
    offset = bias, steps, np.zeros(len(scales), np.int32)
    read = []
    held_as: Mapping[str, Sequence[NDArray[Any]]] = {"weights": weights, "bias": offset}
    for kind, values in held_as.items():
        parts = zip(("whole", "scale", "zero"), values, strict=True)
        held = [draft.constant(f"{name}/{kind}/{part}", value) for part, value in parts]
        read.append(draft.add("DequantizeLinear", held, f"{name}/{kind}", axis=0))
    return read
