"""`python -m benchmarks.cuda`: the two networks on ONNX Runtime's CUDA provider, beside its CPU's.

It wants an `onnxruntime-gpu` that finds CUDA and cuDNN, NumPy and a model folder, and no other part
of this program, so that it runs wherever a GPU is lent. Pictures come from drawn smears: made once
where the program is installed (`--make FILE`), read where the GPU is (`--inputs FILE`). Every
batch size is timed as a caller sees it, copies to the GPU and back within, as the median of runs
after some that are not counted; answers are compared with the CPU's, with TF32 and without.
Where `onnx` is there too, the networks are also asked with a cast in front of them, so that bytes
travel and no floats, by one caller and by four at once.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

MODEL = Path(__file__).resolve().parents[1] / "src/hematovision/models/blood_cell"
NETWORKS = {"blood_cell": (1, 8, 32, 128, 512), "locator": (1, 8, 32, 128)}
"""Batch sizes by network: crops of one, views of the other."""
BYTES = {"blood_cell": (1, 8, 32, 64, 128), "locator": (1, 8, 32, 64)}
"""The same where bytes travel; four callers at once with 512 crops each found no room in 80 GB."""
SERVED = {"blood_cell": ["logits", "features", "morphology"], "locator": None}
"""The outputs that are asked for then, as where nobody asks for an explanation."""
CALLERS = 4
COMPARED = {"blood_cell": 32, "locator": 8}
ENOUGH_SECONDS = 1.5
FEWEST, WARM = 5, 5

Pictures = NDArray[Any]


def make(file: Path) -> None:
    """Draw smears, and keep their views and their cells' crops as the networks get them."""
    from hematovision.config import PACKAGED_MODEL
    from hematovision.drawing.smears import draw_film
    from hematovision.vision.decoding import decode_image
    from hematovision.vision.reader import load_reader

    reader = load_reader(PACKAGED_MODEL)
    asked: list[NDArray[Any]] = []
    locator = reader._locator
    reader._locator = lambda pictures, **more: asked.append(pictures) or locator(pictures, **more)  # type: ignore[assignment,func-returns-value]
    crops = []
    for smear in draw_film({"neutrophil": 0.6, "lymphocyte": 0.4}, fields=6, seed=1):
        photo = decode_image(smear.picture)
        crops.append(reader.cut(photo, reader.locate(photo)))
    largest = max(asked, key=lambda pictures: pictures.shape[0] * pictures.shape[1])
    views = np.concatenate([one for one in asked if one.shape[1:] == largest.shape[1:]])
    np.savez_compressed(file, blood_cell=np.concatenate(crops), locator=views.astype(np.uint8))


def session(network: str, provider: Any, *, of_bytes: bool = False) -> onnxruntime.InferenceSession:
    """Load a network.

    Args:
        network: Its name.
        provider: Of ONNX Runtime, with its options.
        of_bytes: Whether it takes uint8, and casts.

    Raises:
        SystemExit: If the provider is not there.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    path = MODEL / f"{network}.onnx"
    source = with_cast(path) if of_bytes else path
    loaded = onnxruntime.InferenceSession(source, options, providers=[provider])
    name = provider if isinstance(provider, str) else provider[0]
    if loaded.get_providers()[0] != name:
        raise SystemExit(f"{name} cannot be used here: {loaded.get_providers()}")
    return loaded


def with_cast(path: Path) -> bytes:
    """Give a network that takes uint8 and casts it by itself."""
    import onnx

    model = onnx.load(path)
    given = model.graph.input[0]
    for node in model.graph.node:
        node.input[:] = ["as_floats" if name == given.name else name for name in node.input]
    cast = onnx.helper.make_node("Cast", [given.name], ["as_floats"], to=onnx.TensorProto.FLOAT)
    model.graph.node.insert(0, cast)
    given.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    written: bytes = model.SerializeToString()
    return written


def run(
    network: onnxruntime.InferenceSession, pictures: Pictures, outputs: Sequence[str] | None = None
) -> list[NDArray[np.float32]]:
    """Ask for outputs; for all where none are named."""
    given = {network.get_inputs()[0].name: pictures}
    answers: list[NDArray[np.float32]] = network.run(outputs, given)
    return answers


def several(pictures: NDArray[np.uint8], number: int) -> Pictures:
    """Give so many pictures; one after another again where there are fewer."""
    return np.resize(pictures, (number, *pictures.shape[1:])).astype(np.float32)


def milliseconds(
    network: onnxruntime.InferenceSession, pictures: Pictures, outputs: Sequence[str] | None = None
) -> float:
    """Give the median time of a call."""
    for _ in range(WARM):
        run(network, pictures, outputs)
    taken: list[float] = []
    end = time.perf_counter() + ENOUGH_SECONDS
    while len(taken) < FEWEST or time.perf_counter() < end:
        start = time.perf_counter()
        run(network, pictures, outputs)
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken)


def together(
    network: onnxruntime.InferenceSession,
    pictures: NDArray[np.uint8],
    outputs: Sequence[str] | None,
) -> float:
    """Give the pictures a second that four callers at once are answered."""
    began = time.perf_counter()

    def ask() -> int:
        asked = 0
        while time.perf_counter() < began + ENOUGH_SECONDS:
            run(network, pictures, outputs)
            asked += len(pictures)
        return asked

    with ThreadPoolExecutor(CALLERS) as pool:
        answered = sum(one.result() for one in [pool.submit(ask) for _ in range(CALLERS)])
    return answered / (time.perf_counter() - began)


def difference(network: str, provider: Any, pictures: NDArray[np.uint8]) -> Mapping[str, float]:
    """Give the largest difference of each output from the CPU's, and of all, relative."""
    several_of = several(pictures, COMPARED[network])
    cpu, other = session(network, "CPUExecutionProvider"), session(network, provider)
    found = {}
    pairs = zip(cpu.get_outputs(), run(cpu, several_of), run(other, several_of), strict=True)
    for output, right, given in pairs:
        if not np.isfinite(given).all():
            raise SystemExit(f"{network}: {output.name} is no number.")
        apart = np.abs(given.astype(np.float64) - right)
        found[output.name] = float(apart.max())
        found[f"{output.name} of {np.abs(right).max():.3g}"] = float(
            np.linalg.norm(apart) / np.linalg.norm(right)
        )
    return found


def measure(inputs: Mapping[str, NDArray[np.uint8]], *, cpu_only: bool) -> Mapping[str, Any]:
    """Compare and time both networks."""
    networks = {
        network: _measure(network, inputs[network], sizes, cpu_only=cpu_only)
        for network, sizes in NETWORKS.items()
    }
    cores = len(os.sched_getaffinity(0))
    return {"onnxruntime": onnxruntime.__version__, "cores": cores, "networks": networks}


def _measure(
    network: str, pictures: NDArray[np.uint8], sizes: Sequence[int], *, cpu_only: bool
) -> Mapping[str, Any]:
    providers: dict[str, Any] = {"cpu": "CPUExecutionProvider"}
    if not cpu_only:
        providers |= {
            "cuda": ("CUDAExecutionProvider", {"use_tf32": 0}),
            "cuda tf32": ("CUDAExecutionProvider", {"use_tf32": 1}),
        }
    rows: dict[str, Any] = {"picture": pictures.shape[1:], "differences": {}, "ms": {}}
    for name, provider in providers.items():
        if name != "cpu":
            rows["differences"][name] = difference(network, provider, pictures)
            say(network, name, rows["differences"][name])
        loaded = session(network, provider)
        rows["ms"][name] = times = {
            size: milliseconds(loaded, several(pictures, size)) for size in sizes
        }
        say(network, name, {f"{size}: a second": 1000 * size / times[size] for size in times})
    if not cpu_only and find_spec("onnx"):
        rows |= _measure_bytes(network, pictures, providers["cuda"])
    return rows


def _measure_bytes(network: str, pictures: NDArray[np.uint8], provider: Any) -> Mapping[str, Any]:
    loaded, wanted = session(network, provider, of_bytes=True), SERVED[network]
    alone, four = {}, {}
    for size in BYTES[network]:
        batch = several(pictures, size).astype(np.uint8)
        alone[size] = milliseconds(loaded, batch, wanted)
        four[size] = together(loaded, batch, wanted)
    say(network, "bytes, four callers: a second", four)
    return {"bytes_ms": alone, "bytes_four_callers": four}


def say(network: str, what: str, numbers: Mapping[Any, float]) -> None:
    """Print."""
    words = ", ".join(f"{name}: {number:.3g}" for name, number in numbers.items())
    sys.stdout.write(f"{network} {what}: {words}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cuda", description=__doc__)
    parser.add_argument("--make", type=Path, help="draw pictures into this file, and no more")
    parser.add_argument("--inputs", type=Path, help="the file with pictures")
    parser.add_argument("--cpu-only", action="store_true", help="where there is no GPU")
    parser.add_argument("--device", default="", help="what to call the device")
    parser.add_argument("--json", type=Path, help="where to write what was measured as well")
    given = parser.parse_args(arguments)
    if given.make:
        make(given.make)
        return
    with np.load(given.inputs) as inputs:
        found = {"device": given.device, **measure(dict(inputs), cpu_only=given.cpu_only)}
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
