"""A small classifier in the form in which `learning.export` writes the large one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

SIZE = 32
CLASSES, WORDS = 6, 5
OUTPUTS = ("logits", "features", "heat", "morphology")


def exported_classifier(*, seed: int = 0, opset: int = 15) -> onnx.ModelProto:
    """Write four views, a stem, a block with a sum, and the heads; weights are drawn."""
    random = np.random.default_rng(seed)
    constants: dict[str, NDArray[np.generic]] = {
        "scale": np.float32(1 / 127.5).reshape(()),
        "shift": np.float32(-1).reshape(()),
        "zero": np.float32(0).reshape(()),
        "six": np.float32(6).reshape(()),
        "stem": random.normal(0, 0.4, (8, 3, 3, 3)).astype(np.float32),
        "stem_bias": random.normal(1, 0.4, 8).astype(np.float32),
        "wise": random.normal(0, 0.4, (8, 1, 3, 3)).astype(np.float32),
        "norm": random.uniform(0.5, 2, (1, 8, 1, 1)).astype(np.float32),
        "norm_shift": random.normal(1, 0.3, (1, 8, 1, 1)).astype(np.float32),
        "narrow": random.normal(0, 0.3, (8, 8, 1, 1)).astype(np.float32),
        "narrow_bias": random.normal(0, 0.3, 8).astype(np.float32),
        "wide": random.normal(0, 0.3, (12, 8, 1, 1)).astype(np.float32),
        "wide_bias": random.normal(1, 0.3, 12).astype(np.float32),
        "kernel": random.normal(0, 0.5, (12, CLASSES)).astype(np.float32),
        "bias": random.normal(0, 0.5, CLASSES).astype(np.float32),
        "words": random.normal(0, 0.5, (12, WORDS)).astype(np.float32),
        "words_bias": random.normal(0, 0.5, WORDS).astype(np.float32),
        "quarter": np.float32(0.25).reshape(()),
    }
    nodes = [
        *_turned("pictures", (2,), "across", constants),
        *_turned("pictures", (1,), "down", constants),
        *_turned("pictures", (1, 2), "both", constants),
        _node("Concat", ["pictures", "across", "down", "both"], "views", axis=0),
        _node("Mul", ["views", "scale"], "scaled"),
        _node("Add", ["scaled", "shift"], "shifted"),
        _node("Transpose", ["shifted"], "planes", perm=[0, 3, 1, 2]),
        _node("Conv", ["planes", "stem", "stem_bias"], "c1", strides=[2, 2], pads=[0, 0, 1, 1]),
        _node("Clip", ["c1", "zero", "six"], "r1"),
        _node("Conv", ["r1", "wise"], "c2", pads=[1, 1, 1, 1], group=8),
        _node("Mul", ["c2", "norm"], "n2"),
        _node("Add", ["n2", "norm_shift"], "b2"),
        _node("Clip", ["b2", "zero", "six"], "r2"),
        _node("Conv", ["r2", "narrow", "narrow_bias"], "c3"),
        _node("Add", ["c3", "r1"], "sum"),
        _node("Conv", ["sum", "wide", "wide_bias"], "c4"),
        _node("Clip", ["c4", "zero", "six"], "maps"),
        _node("Transpose", ["maps"], "placed", perm=[0, 2, 3, 1]),
        _split("placed", [f"view{i}" for i in range(4)], opset),
        *_turned("view1", (2,), "back1", constants),
        *_turned("view2", (1,), "back2", constants),
        *_turned("view3", (1, 2), "back3", constants),
        _node("Sum", ["view0", "back1", "back2", "back3"], "total"),
        _node("Mul", ["total", "quarter"], "mean"),
        _node("MatMul", ["mean", "kernel"], "heat"),
        _node("Transpose", ["mean"], "mean_planes", perm=[0, 3, 1, 2]),
        _node("GlobalAveragePool", ["mean_planes"], "pooled"),
        _node("Flatten", ["pooled"], "features"),
        _node("MatMul", ["features", "kernel"], "logits_plain"),
        _node("Add", ["logits_plain", "bias"], "logits"),
        _node("MatMul", ["features", "words"], "words_plain"),
        _node("Add", ["words_plain", "words_bias"], "morphology"),
    ]
    floats = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("pictures", floats, ["n", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info(name, floats, None) for name in OUTPUTS],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def write_exported(path: Path, *, seed: int = 0) -> None:
    path.write_bytes(exported_classifier(seed=seed).SerializeToString())


def coloured(number: int, *, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Draw crops that differ as a whole, one at a time."""
    random = np.random.default_rng(seed)
    pictures = random.integers(0, 96, (number, 1, SIZE, SIZE, 3))
    shades = random.integers(0, 160, (number, 1, 1, 1, 3))
    return list((pictures + shades).astype(np.uint8))


def _node(operation: str, inputs: Sequence[str], output: str, **more: object) -> onnx.NodeProto:
    return helper.make_node(operation, inputs, [output], name=output, **more)


def _split(name: str, parts: Sequence[str], opset: int) -> onnx.NodeProto:
    counted = {"num_outputs": len(parts)} if opset >= 18 else {}
    return helper.make_node("Split", [name], parts, name=f"{name}_split", axis=0, **counted)


def _turned(
    name: str, axes: Sequence[int], output: str, constants: dict[str, NDArray[np.generic]]
) -> list[onnx.NodeProto]:
    """Turn axes of a picture round."""
    ends = {"starts": -1, "ends": np.iinfo(np.int64).min, "steps": -1}
    for key, value in ends.items():
        constants[f"{output}_{key}"] = np.full(len(axes), value, np.int64)
    constants[f"{output}_axes"] = np.asarray(axes, np.int64)
    names = [f"{output}_{key}" for key in ("starts", "ends", "axes", "steps")]
    return [_node("Slice", [name, *names], output)]
