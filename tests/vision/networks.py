"""Writes networks of a few numbers that find dark spots and name them by their colour."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from hematovision.cells import CellType
from hematovision.vision.bundle import CropRule, LocatorRule, sha256_of

CLASSES = (
    CellType.EOSINOPHIL,
    CellType.LYMPHOCYTE,
    CellType.MONOCYTE,
    CellType.NEUTROPHIL,
    CellType.BASOPHIL,
    CellType.OTHER,
)
SPOT = 8
BOX = 2 * SPOT
CROP = CropRule(32, 1.0, 0.0, (-1.0,) * 3, (0.5,) * 3)
LOOK = LocatorRule(256, 0.5, 0.5)


def write_locator(path: Path) -> None:
    """Write a network that puts a box of `BOX` pixels on every `SPOT` that is dark in red."""
    kernel = np.zeros((7, 3, 1, 1), np.float32)
    kernel[0, 0] = -1 / 240
    bias = np.asarray([1, 0, 0, 0, 0, *[np.log(BOX / 8)] * 2], np.float32)
    nodes = [
        helper.make_node("Transpose", ["pictures"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["means"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Conv", ["means", "kernel", "bias"], ["both"]),
        helper.make_node("Transpose", ["both"], ["maps"], perm=[0, 2, 3, 1]),
        helper.make_node("Split", ["maps", "parts"], ["heat", "boxes"], axis=3),
    ]
    parts = np.asarray([3, 4], np.int64)
    _write(path, nodes, {"kernel": kernel, "bias": bias, "parts": parts}, ["heat", "boxes"])


def write_classifier(path: Path, blue: CellType = CellType.NEUTROPHIL) -> None:
    """Write a network that says neutrophil where blue prevails, eosinophil where green does."""
    weights = np.zeros((3, len(CLASSES)), np.float32)
    weights[2, CLASSES.index(blue)], weights[1, 0] = 0.1, 0.1
    nodes = [
        helper.make_node("ReduceMean", ["pictures", "sides"], ["features"], keepdims=0),
        helper.make_node("MatMul", ["features", "weights"], ["logits"]),
    ]
    sides = np.asarray([1, 2], np.int64)
    _write(path, nodes, {"weights": weights, "sides": sides}, ["logits", "features"])


ATTRIBUTES = {
    "granularity": ["no", "yes"],
    "granule_type": ["coarse", "small"],
    "granule_colour": ["pink", "red"],
}
"""What the whole classifier below says of a cell: blue is fine and pink, green coarse and red."""


def write_whole_classifier(path: Path) -> None:
    """Write the same network with its third output, a place per 8 pixels, and its fourth."""
    weights = np.zeros((3, len(CLASSES)), np.float32)
    weights[2, 3], weights[1, 0] = 0.1, 0.1
    words = np.zeros((3, 6), np.float32)
    words[1:, 1] = 0.1
    words[1, [2, 5]] = words[2, [3, 4]] = 0.1
    nodes = [
        helper.make_node("ReduceMean", ["pictures", "sides"], ["features"], keepdims=0),
        helper.make_node("MatMul", ["features", "weights"], ["logits"]),
        helper.make_node("Transpose", ["pictures"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["means"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Transpose", ["means"], ["maps"], perm=[0, 2, 3, 1]),
        helper.make_node("MatMul", ["maps", "weights"], ["heat"]),
        helper.make_node("MatMul", ["features", "words"], ["morphology"]),
    ]
    constants = {"weights": weights, "words": words, "sides": np.asarray([1, 2], np.int64)}
    _write(path, nodes, constants, ["logits", "features", "heat", "morphology"])


def write_whole_model(folder: Path) -> Path:
    """Write a model folder whose classifier has all four outputs."""
    write_tiny_model(folder)
    write_whole_classifier(folder / "blood_cell.onnx")
    document = json.loads((folder / "bundle.json").read_text())
    document["files"]["blood_cell.onnx"] = sha256_of(folder / "blood_cell.onnx")
    document["morphology"] = ATTRIBUTES
    (folder / "bundle.json").write_text(json.dumps(document))
    return folder


def _write(
    path: Path,
    nodes: list[onnx.NodeProto],
    constants: dict[str, NDArray[np.generic]],
    outputs: list[str],
) -> None:
    floats = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("pictures", floats, ["n", "height", "width", 3])],
        [helper.make_tensor_value_info(name, floats, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], producer_name="tests"
    )
    model.ir_version = 9
    path.write_bytes(model.SerializeToString())


def write_tiny_model(
    folder: Path, version: str = "1.0.0", blue: CellType = CellType.NEUTROPHIL, **more: object
) -> Path:
    """Write a whole model folder around the two networks.

    Args:
        folder: Where to write.
        version: Of the model.
        blue: What it names a cell in which blue prevails.
        more: What else stands in its bundle.
    """
    folder.mkdir(exist_ok=True)
    write_locator(folder / "locator.onnx")
    write_classifier(folder / "blood_cell.onnx", blue)
    names = ("locator.onnx", "blood_cell.onnx")
    document = {
        "name": "tiny",
        "version": version,
        "classes": CLASSES,
        "crop": asdict(CROP),
        "locator": asdict(LOOK),
        "prediction_set": {"coverage": 0.95, "thresholds": dict.fromkeys(CLASSES, 0.1)},
        "files": {name: sha256_of(folder / name) for name in names},
    }
    (folder / "bundle.json").write_text(json.dumps(document | more))
    return folder
