"""Model repositories for NVIDIA Triton and OpenVINO Model Server.

https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_repository.md
https://docs.openvino.ai/2025/model-server/ovms_docs_models_repository.html
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hematovision.errors import FolderTakenError, ModelDamagedError
from hematovision.vision.bundle import Bundle
from hematovision.vision.open_inference import PICTURES, VERSION
from hematovision.vision.runtime import load_engine
from hematovision.vision.served import FREE, VIEW_STEP, Served, Tensor, open_served
from hematovision.vision.triton import Serving, config_text

MODEL_FILE = "model.onnx"
TRITON_FILE = "config.pbtxt"
OPENVINO_FILE = "config.json"
LARGEST_DIFFERENCE = 1e-4
"""Between an answer of what is written and one of what was shipped."""

WITHIN = "within/"
"""Before the names of inner tensors. Where OpenVINO makes two tensors one, it calls that one by the
name that comes first in the alphabet, and this must be the output's."""

_OURS = re.compile(r"(blood_cell|locator)-[0-9a-f]{12}")


class Written(NamedTuple):
    """One network of a repository.

    Attributes:
        name: Under which it is served.
        difference: The largest between an answer of it and one of the network as it was shipped.
    """

    name: str
    difference: float


def write_repository(bundle: Bundle, folder: Path, serving: Serving) -> tuple[Written, ...]:
    """Write both networks of a model folder as a repository, or add them to one.

    The input takes bytes: a `Cast` is put in front. What is written is run, and compared with what
    was shipped. The folder gets all of it or nothing.

    Args:
        bundle: The model folder.
        folder: Of the repository; not there, empty, or one that was written here.
        serving: On what, and how many at once.

    Raises:
        FolderTakenError: If something else lies in the folder.
        ModelDamagedError: If a network is not the one that was shipped, or cannot be served so.
        ModuleNotFoundError: If `onnx` is not installed.
        OSError: If it cannot be written.
    """
    others = _listed(folder)
    networks = open_served(bundle)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as beside:
        fresh, old = Path(beside, "fresh"), Path(beside, "old")
        written = tuple(_write(network, fresh / network.name, serving) for network in networks)
        names = {one.name for one in written}
        kept = [other for other in others if other["config"]["name"] not in names]
        listed = [*kept, *(_openvino(one.name, serving) for one in written)]
        document = json.dumps({"model_config_list": listed}, indent=2) + "\n"
        (fresh / OPENVINO_FILE).write_text(document)
        _put(fresh, folder, old)
    return written


def _listed(folder: Path) -> list[Any]:
    """Give what a repository lists for OpenVINO; insist that nothing else lies there."""
    if not folder.exists():
        return []
    taken = FolderTakenError(
        "%(folder)s holds something that is no repository of ours.", folder=folder
    )
    if not folder.is_dir():
        raise taken
    there = {child.name for child in folder.iterdir()}
    if not there:
        return []
    try:
        listed = json.loads((folder / OPENVINO_FILE).read_text())["model_config_list"]
        names = {one["config"]["name"] for one in listed}
        is_ours = all(map(_OURS.fullmatch, names)) and there <= {*names, OPENVINO_FILE}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise taken from error
    if not is_ours:
        raise taken
    return list(listed)


def _put(fresh: Path, folder: Path, old: Path) -> None:
    """Move what is made into the repository; put back what was there if that fails."""
    if not folder.exists():
        fresh.rename(folder)
        return
    old.mkdir()
    names = sorted(
        (child.name for child in fresh.iterdir()), key=lambda name: name.endswith("json")
    )
    try:
        for name in names:
            if (folder / name).exists():
                (folder / name).rename(old / name)
            (fresh / name).rename(folder / name)
    except OSError:
        for name in names:
            if (folder / name).exists() and not (fresh / name).exists():
                (folder / name).rename(fresh / name)
            if (old / name).exists():
                (old / name).rename(folder / name)
        raise


def _write(network: Served, folder: Path, serving: Serving) -> Written:
    """Write one network and how Triton is to serve it."""
    path = folder / VERSION / MODEL_FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(_with_bytes(network))
    (folder / TRITON_FILE).write_text(config_text(network, MODEL_FILE, serving))
    return Written(network.name, _compare(network, path))


def _openvino(name: str, serving: Serving) -> dict[str, Any]:
    """Say how OpenVINO Model Server is to serve a network; paths count from its file."""
    return {
        "config": {
            "name": name,
            "base_path": name,
            "target_device": "GPU" if serving.gpus else "CPU",
            "nireq": serving.instances,
            # Without it processors that have bf16 would use it.
            "plugin_config": {
                "INFERENCE_PRECISION_HINT": "f32",
                "NUM_STREAMS": str(serving.instances),
            },
        }
    }


def _with_bytes(network: Served) -> bytes:
    """Give the ONNX file with bytes in, and its outputs under the names of the wire."""
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load(network.path)
    graph = model.graph
    constants = {constant.name for constant in graph.initializer}
    (given,) = (one for one in graph.input if one.name not in constants)
    floats = f"{WITHIN}{PICTURES}"
    names = {made: f"{WITHIN}{made}" for node in graph.node for made in node.output if made}
    names |= {
        found.name: tensor.name for found, tensor in zip(graph.output, network.outputs, strict=True)
    }
    names[given.name] = floats
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    graph.node.insert(0, helper.make_node("Cast", [PICTURES], [floats], to=TensorProto.FLOAT))
    _describe(graph.input, [network.pictures], TensorProto.UINT8)
    _describe(graph.output, network.outputs, TensorProto.FLOAT)
    del graph.value_info[:]
    return bytes(model.SerializeToString())


def _describe(values: Any, tensors: Sequence[Tensor], kind: int) -> None:
    """Write the names and shapes of inputs or outputs; the batch is free."""
    from onnx import helper

    del values[:]
    for tensor in tensors:
        sides = [
            f"{tensor.name}_{place}" if side == FREE else side
            for place, side in enumerate(tensor.shape, 1)
        ]
        values.append(helper.make_tensor_value_info(tensor.name, kind, ["N", *sides]))


def _compare(network: Served, path: Path) -> float:
    """Run what was written and what was shipped on the same pictures, one and several.

    Returns:
        The largest difference.

    Raises:
        ModelDamagedError: If it is above `LARGEST_DIFFERENCE`, or the file cannot be run.
    """
    differences = [
        float(np.abs(answer - wanted).max())
        for pictures in _examples(network)
        for answer, wanted in zip(
            _run(path, network, pictures), network.network(pictures), strict=False
        )
    ]
    worst = float(np.max(differences))
    if not worst <= LARGEST_DIFFERENCE:
        raise ModelDamagedError(
            "%(path)s answers otherwise when it is given bytes.", path=network.path
        )
    return worst


def _examples(network: Served) -> list[NDArray[np.uint8]]:
    """Make up pictures, of several sizes where they are free."""
    chance = np.random.default_rng(0)
    shapes: dict[bool, list[Sequence[int]]] = {
        True: [(1, VIEW_STEP, 3 * VIEW_STEP, 3), (3, 2 * VIEW_STEP, 2 * VIEW_STEP, 3)],
        False: [(1, *network.pictures.shape), (3, *network.pictures.shape)],
    }
    some = shapes[FREE in network.pictures.shape]
    return [chance.integers(0, 256, shape, np.uint8) for shape in some]


def _run(path: Path, network: Served, pictures: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
    """Run a file as a server does: bytes in, outputs by name."""
    try:
        session = load_engine().InferenceSession(path, providers=["CPUExecutionProvider"])
        given: Mapping[str, Any] = {network.pictures.name: pictures}
        answers: Sequence[NDArray[np.float32]] = session.run(
            [output.name for output in network.outputs], given
        )
    except Exception as error:
        raise ModelDamagedError("%(path)s is not a network that can be run.", path=path) from error
    return answers
