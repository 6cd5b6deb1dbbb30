"""The same network in fewer operations: what an exported graph does in vain is taken out."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from hematovision.learning import LearningError

HEADS = ("logits", "morphology")
VIEWS = 4
SPLIT_COUNTS = 18
"""From this version on a split says into how many parts."""

BACKWARDS = np.iinfo(np.int64).min


class GraphUnknownError(LearningError):
    """A graph is not of the form that `learning.export` writes; it is left as it is."""


class Graph:
    """An ONNX graph that can be asked who makes and who takes a tensor."""

    def __init__(self, model: onnx.ModelProto) -> None:
        """Read a model; it is not changed."""
        self.model = model
        self.nodes = list(model.graph.node)
        self.constants = {one.name: one for one in model.graph.initializer}
        self.makers = {name: node for node in self.nodes for name in node.output}
        self.takers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                self.takers[name].append(node)

    @property
    def convolutions(self) -> list[onnx.NodeProto]:
        """The convolutions in their order."""
        return [node for node in self.nodes if node.op_type == "Conv"]

    def array(self, name: str) -> NDArray[Any]:
        """Give a constant.

        Raises:
            GraphUnknownError: If it is none.
        """
        if name not in self.constants:
            raise GraphUnknownError(f"{name} is no constant.")
        return numpy_helper.to_array(self.constants[name])

    def maker(self, name: str, operation: str) -> Any:
        """Give the node that makes a tensor.

        Raises:
            GraphUnknownError: If it is not of this operation.
        """
        node = self.makers.get(name)
        if node is None or node.op_type != operation:
            raise GraphUnknownError(f"{name} is not made by {operation}.")
        return node

    def between(self, start: str, end: str) -> list[onnx.NodeProto]:
        """List the nodes that lead from one tensor to another, in their order."""
        wanted, found = [end], set()
        while wanted:
            name = wanted.pop()
            node = self.makers.get(name)
            if name != start and node is not None and node.output[0] not in found:
                found.add(node.output[0])
                wanted.extend(node.input)
        return [node for node in self.nodes if node.output[0] in found]


class Draft:
    """Nodes and constants of a graph that is being written."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Keep a constant, and give its name back."""
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def add(self, operation: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add a node with one output, and give the output's name back."""
        node = helper.make_node(operation, inputs, [output], name=output, **attributes)
        self.nodes.append(node)
        return output

    def turn(self, name: str, axis: int, output: str) -> str:
        """Add a node that turns one axis round."""
        ends = {"starts": -1, "ends": BACKWARDS, "axes": axis, "steps": -1}
        names = [
            self.constant(f"{output}/{key}", np.asarray([value], np.int64))
            for key, value in ends.items()
        ]
        return self.add("Slice", [name, *names], output)

    def finish(self, like: onnx.ModelProto, kept: Sequence[onnx.TensorProto]) -> onnx.ModelProto:
        """Make a model with the inputs and outputs of another.

        Args:
            like: The other model.
            kept: Constants to take over where they are used.
        """
        used = {name for node in self.nodes for name in node.input}
        graph = helper.make_graph(
            self.nodes,
            like.graph.name,
            like.graph.input,
            like.graph.output,
            [one for one in (*kept, *self.constants) if one.name in used],
        )
        opsets = [helper.make_opsetid("", version_of(like))]
        return helper.make_model(graph, opset_imports=opsets, ir_version=like.ir_version)


def version_of(model: onnx.ModelProto) -> int:
    """Say in which version of the plain operations a model is written."""
    return int(max(one.version for one in model.opset_import if not one.domain))


def slim_classifier(model: onnx.ModelProto) -> onnx.ModelProto:
    """Write the classifier's views and heads anew, and leave its backbone as it is.

    One picture is scaled and laid out before it is turned, not four after it; maps are pooled and
    weighed by the heads before they are turned back, for both are linear.

    Args:
        model: From `export.export_classifier`.

    Returns:
        A model with the same input and outputs, equal but for rounding.

    Raises:
        GraphUnknownError: If it is of another form.
    """
    graph = Graph(model)
    end = _last_map(graph)
    first, draft = graph.convolutions[0], Draft()
    views = _write_views(graph, first.input[0], draft)
    for node in graph.between(first.input[0], end):
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        if node.output[0] == first.output[0]:
            copy.input[0] = views
        draft.nodes.append(copy)
    _write_heads(graph, end, draft)
    return draft.finish(model, list(graph.constants.values()))


def _last_map(graph: Graph) -> str:
    """Find what the backbone gives: the output of its last activation."""
    clips = [node for node in graph.nodes if node.op_type == "Clip"]
    if not clips or not graph.convolutions:
        raise GraphUnknownError("The graph has no backbone.")
    return str(clips[-1].output[0])


def _write_views(graph: Graph, start: str, draft: Draft) -> str:
    """Scale the picture, lay it out by channels, and turn it."""
    shift = graph.maker(graph.maker(start, "Transpose").input[0], "Add")
    scale = graph.maker(shift.input[0], "Mul")
    picture = graph.model.graph.input[0].name
    planes = draft.add("Transpose", [picture], "planes", perm=[0, 3, 1, 2])
    values = [
        draft.constant(name, graph.array(node.input[1]).astype(np.float32).reshape(()))
        for name, node in (("scale", scale), ("shift", shift))
    ]
    upright = draft.add("Add", [draft.add("Mul", [planes, values[0]], "scaled"), values[1]], "view")
    across, down = draft.turn(upright, 3, "across"), draft.turn(upright, 2, "down")
    both = draft.turn(across, 2, "both")
    return draft.add("Concat", [upright, across, down, both], "views", axis=0)


def _write_heads(graph: Graph, maps: str, draft: Draft) -> None:
    """Pool the maps of all views, and put the heads on."""
    counted = {"num_outputs": VIEWS} if version_of(graph.model) >= SPLIT_COUNTS else {}
    pooled = _parts(draft, draft.add("GlobalAveragePool", [maps], "pooled"), counted)
    mean = draft.add("Mean", pooled, "mean_pooled")
    features = draft.add("Flatten", [mean], "features", axis=1)
    kernels = {}
    for name in HEADS:
        offset = graph.maker(name, "Add")
        product = graph.maker(offset.input[0], "MatMul")
        kernels[name] = graph.array(product.input[1])
        held = [
            draft.constant(f"{name}/kernel", kernels[name]),
            draft.constant(f"{name}/bias", graph.array(offset.input[1])),
        ]
        draft.add("Gemm", [features, *held], name)
    by_place = np.ascontiguousarray(kernels["logits"].T[:, :, None, None])
    weighed = draft.add("Conv", [maps, draft.constant("heat/kernel", by_place)], "heat_of_views")
    views = _parts(draft, weighed, counted)
    back = [
        views[0],
        draft.turn(views[1], 3, "heat/across"),
        draft.turn(views[2], 2, "heat/down"),
        draft.turn(draft.turn(views[3], 3, "heat/half"), 2, "heat/both"),
    ]
    draft.add("Transpose", [draft.add("Mean", back, "heat/mean")], "heat", perm=[0, 2, 3, 1])


def _parts(draft: Draft, name: str, counted: Mapping[str, int]) -> list[str]:
    """Split what lies along the batch into the four views."""
    parts = [f"{name}/{number}" for number in range(VIEWS)]
    node = helper.make_node("Split", [name], parts, name=f"{name}/split")
    counts = {"axis": 0, **counted}
    node.attribute.extend(helper.make_attribute(key, value) for key, value in counts.items())
    draft.nodes.append(node)
    return parts


def fold_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Put normalisation and padding into the convolutions, and work out what is constant."""
    with TemporaryDirectory() as folder:
        written = Path(folder) / "folded.onnx"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(written)
        options.log_severity_level = 3
        onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return onnx.load(written)
