"""The first layer in whole numbers: a picture's own bytes are what it multiplies."""

from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from hematovision.learning.rounding import Rounded
from hematovision.learning.slimming import Draft, Graph

FORM = {"strides": [2, 2], "pads": [0, 0, 1, 1], "group": 1}
SIDE = 3
CHANNELS = 3
WAY = {"Mul", "Add", "Transpose", "Slice", "Concat"}


class Stem(NamedTuple):
    """The way from a picture to the first convolution.

    Attributes:
        node: The convolution.
        scale: What a picture's bytes are multiplied by.
        shift: What is then added.
        is_turned: Whether the network looks at four views.
        skipped: Outputs of the nodes on the way.
    """

    node: onnx.NodeProto
    scale: float
    shift: float
    is_turned: bool
    skipped: frozenset[str]

    @property
    def zero(self) -> int:
        """The byte that stands for zero; padding is made of it."""
        return round(-self.shift / self.scale)


def find_stem(graph: Graph) -> Stem | None:
    """Find the way from the picture to a first convolution of 3x3 that takes every other place.

    Returns:
        None where there is another one.
    """
    node = next(iter(graph.convolutions), None)
    if node is None or not _has_form(graph, node):
        return None
    way = graph.between(graph.model.graph.input[0].name, node.input[0])
    kinds = [one.op_type for one in way]
    scale, shift = (next((n for n in way if n.op_type == kind), None) for kind in ("Mul", "Add"))
    if scale is None or shift is None or not set(kinds) <= WAY:
        return None
    return Stem(
        node,
        float(graph.array(scale.input[1]).item()),
        float(graph.array(shift.input[1]).item()),
        "Concat" in kinds,
        frozenset(one.output[0] for one in way),
    )


def _has_form(graph: Graph, node: onnx.NodeProto) -> bool:
    options = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    shape = graph.array(node.input[1]).shape
    wanted = all(list_of(options.get(key, value)) == value for key, value in FORM.items())
    return wanted and shape[1:] == (CHANNELS, SIDE, SIDE)


def list_of(value: object) -> object:
    """Give a list of ONNX as a list of Python."""
    return list(value) if isinstance(value, list | tuple) else value


def write_stem(draft: Draft, graph: Graph, stem: Stem) -> str:
    """Write the way of a picture's bytes to the first convolution.

    Two by two places are laid behind one another, so that 3x3 places of 3 numbers at every other
    place become 2x2 of 12 at every place: the engine gathers 4 pieces for an answer and not 9.

    Returns:
        What the convolution takes, shape (N, 12, height/2, width/2).
    """
    picture = graph.model.graph.input[0].name
    seen = draft.add("Cast", [picture], "bytes", to=onnx.TensorProto.UINT8)
    if stem.is_turned:
        across, down = draft.turn(seen, 2, "bytes/across"), draft.turn(seen, 1, "bytes/down")
        views = [seen, across, down, draft.turn(across, 1, "bytes/both")]
        seen = draft.add("Concat", views, "bytes/views", axis=0)
    pairs = draft.constant("bytes/shape", np.asarray([0, 0, -1, 2 * CHANNELS], np.int64))
    paired = draft.add("Reshape", [seen, pairs], "bytes/pairs")
    rows = [_every_other(draft, paired, row) for row in range(2)]
    laid = draft.add("Concat", rows, "bytes/laid", axis=3)
    planes = draft.add("Transpose", [laid], "bytes/planes", perm=[0, 3, 1, 2])
    held = [
        draft.constant("bytes/scale", np.asarray(stem.scale, np.float32)),
        draft.constant("bytes/zero", np.asarray(stem.zero, np.uint8)),
    ]
    return draft.add("DequantizeLinear", [planes, *held], "bytes/read")


def _every_other(draft: Draft, name: str, first: int) -> str:
    """Take every other row."""
    ends = {"starts": first, "ends": np.iinfo(np.int64).max, "axes": 1, "steps": 2}
    output = f"bytes/rows{first}"
    held = [
        draft.constant(f"{output}/{key}", np.asarray([value], np.int64))
        for key, value in ends.items()
    ]
    return draft.add("Slice", [name, *held], output)


def laid_out(layer: Rounded, stem: Stem) -> Rounded:
    """Give the first layer for places that are laid behind one another, and for bytes.

    Zero falls between two bytes (127.5); the half that is missing goes into the bias.
    """
    number = len(layer.weights)
    wide = np.zeros((number, CHANNELS, 2 * 2, 2 * 2), np.int8)
    wide[:, :, :SIDE, :SIDE] = layer.weights
    parts = wide.reshape(number, CHANNELS, 2, 2, 2, 2)
    weights = parts.transpose(0, 3, 5, 1, 2, 4).reshape(number, 4 * CHANNELS, 2, 2)
    missing = stem.shift + stem.zero * stem.scale
    bias: NDArray[np.float32] = layer.bias + missing * layer.as_float.sum(axis=(1, 2, 3))
    return Rounded(np.ascontiguousarray(weights), layer.scales, bias.astype(np.float32))
