"""Weights in whole numbers, rounded so that a layer answers as before on what it usually sees."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from hematovision.learning.slimming import Graph
from hematovision.learning.watching import watch

MOST = 63
"""Weights reach from -63 to 63: two products with 0-255 then fit 16 bits, in which processors
without VNNI add them."""

CLIPS = np.linspace(0.7, 1.0, 13)
DAMPING = 0.01
PLACES = 64
TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Rounded:
    """One convolution.

    Attributes:
        weights: Shape (out, in, height, width), -63 to 63.
        scales: What they are multiplied by, shape (out,).
        bias: Shape (out,), corrected for what rounding adds on average.
    """

    weights: NDArray[np.int8]
    scales: NDArray[np.float32]
    bias: NDArray[np.float32]

    @property
    def as_float(self) -> NDArray[np.float32]:
        """The weights as they multiply."""
        scales = self.scales[:, None, None, None]
        weights: NDArray[np.float32] = self.weights.astype(np.float32) * scales
        return weights


@dataclass(slots=True)
class Moments:
    """Sums over what a convolution sees, from which mean and covariance follow."""

    number: int = 0
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(()))
    products: NDArray[np.float64] = field(default_factory=lambda: np.zeros(()))

    def add(self, seen: NDArray[np.float32]) -> None:
        """Take in patches of shape (P, G, K): places, groups, weights a filter."""
        some = seen.astype(np.float64)
        self.number += len(some)
        self.sums = self.sums + some.sum(axis=0)
        self.products = self.products + np.einsum("pgk,pgl->gkl", some, some, optimize=True)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Shape (G, K)."""
        return np.asarray(self.sums / self.number)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Shape (G, K, K)."""
        mean = self.mean
        return np.asarray(self.products / self.number - mean[:, :, None] * mean[:, None])


def round_convolutions(
    model: onnx.ModelProto,
    pictures: Iterable[NDArray[np.uint8]],
    *,
    kept: Sequence[str] = (),
    seed: int = 0,
) -> dict[str, Rounded]:
    """Round the weights of every convolution.

    Filter by filter, weight by weight; what rounding one weight changes is made up for by those
    that come after it, as the covariance of what the layer sees says (GPTQ: Frantar et al., 2023;
    the optimal brain surgeon of Hassibi and Stork, 1993). The change of the mean goes into the bias
    (Nagel et al., 2019).

    Args:
        model: From `slimming.fold_constants`.
        pictures: Shape (1, height, width, 3), RGB, uint8 each.
        kept: Outputs of convolutions to leave as they are.
        seed: Of the places at which the layers are watched.

    Returns:
        The rounded convolutions by the name of their output.
    """
    graph = Graph(model)
    layers = [node for node in graph.convolutions if node.output[0] not in kept]
    moments = {node.output[0]: Moments() for node in layers}
    generator = np.random.default_rng(seed)
    for seen in watch(model, [node.input[0] for node in layers], pictures):
        for node in layers:
            shape = graph.array(node.input[1]).shape
            moments[node.output[0]].add(patches(seen[node.input[0]], node, shape, generator))
    return {
        node.output[0]: _round(graph.array(node.input[1]), _bias(graph, node), moments.pop(name))
        for node in layers
        for name in node.output
    }


def _bias(graph: Graph, node: onnx.NodeProto) -> NDArray[np.float32]:
    """Give the bias of a convolution; zero where it has none."""
    if len(node.input) > 2:
        return np.asarray(graph.array(node.input[2]), np.float32)
    return np.zeros(len(graph.array(node.input[1])), np.float32)


def patches(
    maps: NDArray[np.float32],
    node: onnx.NodeProto,
    shape: Sequence[int],
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """Cut out what the filters of a convolution see at some places.

    Args:
        maps: Its input, shape (N, in, height, width).
        node: The convolution.
        shape: Of its weights.
        generator: The source of chance.

    Returns:
        Shape (P, G, K): places; one group, or as many as filters; weights a filter.
    """
    options = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    top, left, bottom, right = options.get("pads", (0, 0, 0, 0))
    down, across = options.get("strides", (1, 1))
    high, wide = shape[2:]
    maps = np.pad(maps, ((0, 0), (0, 0), (top, bottom), (left, right)))
    rows, columns = (maps.shape[2] - high) // down + 1, (maps.shape[3] - wide) // across + 1
    picture = generator.integers(0, len(maps), PLACES)
    row = generator.integers(0, rows, PLACES) * down
    column = generator.integers(0, columns, PLACES) * across
    seen = [maps[picture, :, row + y, column + x] for y in range(high) for x in range(wide)]
    stacked = np.stack(seen, axis=2)
    return stacked if options.get("group", 1) > 1 else stacked.reshape(PLACES, 1, -1)


def _round(weights: NDArray[np.float32], bias: NDArray[np.float32], moments: Moments) -> Rounded:
    """Round one convolution."""
    flat = weights.reshape(len(weights), -1).astype(np.float64)
    groups = len(moments.mean)
    whole, scales, shift = np.zeros_like(flat), np.zeros(len(flat)), np.zeros(len(flat))
    for group, (mean, covariance) in enumerate(zip(moments.mean, moments.covariance, strict=True)):
        filters = slice(group * len(flat) // groups, (group + 1) * len(flat) // groups)
        scales[filters] = find_scales(flat[filters], covariance)
        whole[filters] = round_filters(flat[filters], scales[filters], covariance)
        shift[filters] = (flat[filters] - whole[filters] * scales[filters, None]) @ mean
    return Rounded(
        whole.reshape(weights.shape).astype(np.int8),
        scales.astype(np.float32),
        (bias + shift).astype(np.float32),
    )


def find_scales(
    filters: NDArray[np.float64], covariance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Find the scale at which plain rounding changes least of what each filter says.

    Args:
        filters: Shape (out, K).
        covariance: Of what they see, shape (K, K).

    Returns:
        Shape (out,).
    """
    widest = np.maximum(np.abs(filters).max(axis=1), TINY) / MOST
    best, scales = np.full(len(filters), np.inf), widest
    for clip in CLIPS:
        tried = widest * clip
        whole = np.clip(np.round(filters / tried[:, None]), -MOST, MOST)
        change = whole * tried[:, None] - filters
        error = np.einsum("ok,kl,ol->o", change, covariance, change, optimize=True)
        scales = np.where(error < best, tried, scales)
        best = np.minimum(best, error)
    return np.asarray(scales, np.float64)


def round_filters(
    filters: NDArray[np.float64], scales: NDArray[np.float64], covariance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Round filters, the weights that see most first.

    Args:
        filters: Shape (out, K).
        scales: Shape (out,).
        covariance: Of what they see, shape (K, K).

    Returns:
        Whole numbers of the same shape, -63 to 63.
    """
    size = filters.shape[1]
    damped = covariance + (DAMPING * np.trace(covariance) / size + TINY) * np.eye(size)
    order = np.argsort(-np.diag(damped), kind="stable")
    left = filters[:, order].copy()
    upper = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T
    whole = np.zeros_like(left)
    for place in range(size):
        whole[:, place] = np.clip(np.round(left[:, place] / scales), -MOST, MOST)
        error = (left[:, place] - whole[:, place] * scales) / upper[place, place]
        left[:, place:] -= np.outer(error, upper[place, place:])
    back = np.empty_like(whole)
    back[:, order] = whole
    return back


def with_rounded(model: onnx.ModelProto, rounded: dict[str, Rounded]) -> onnx.ModelProto:
    """Give the same network with rounded weights, still in floating point."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    names = {one.name: one for one in copy.graph.initializer}
    for node in copy.graph.node:
        layer = rounded.get(node.output[0])
        if layer is None:
            continue
        values = (layer.as_float, layer.bias)
        del node.input[1:]
        for kind, value in zip(("weights", "bias"), values, strict=True):
            name = f"{node.output[0]}/{kind}"
            copy.graph.initializer.append(numpy_helper.from_array(value, name))
            node.input.append(name)
    used = {name for node in copy.graph.node for name in node.input}
    for name, one in names.items():
        if name not in used:
            copy.graph.initializer.remove(one)
    return copy
