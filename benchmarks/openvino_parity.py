"""Compare what OpenVINO, the engine of OpenVINO Model Server, answers with ONNX Runtime.

    pip install openvino
    python benchmarks/openvino_parity.py

The repository is written anew, and each network compiled as `config.json` says, and as OpenVINO
does where it is told nothing: processors that have bf16 then use it.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
import openvino

from hematovision.config import PACKAGED_MODEL
from hematovision.vision.bundle import read_bundle
from hematovision.vision.repositories import write_repository
from hematovision.vision.triton import Serving

SHAPES = {"blood_cell": [(1, 160, 160, 3), (5, 160, 160, 3)], "locator": [(2, 640, 640, 3)]}


def main() -> None:
    """Print the largest difference of each output."""
    chance = np.random.default_rng(1)
    print(f"OpenVINO {openvino.__version__}")  # noqa: T201
    with TemporaryDirectory() as folder:
        repository = Path(folder) / "repository"
        write_repository(read_bundle(PACKAGED_MODEL), repository, Serving())
        listed = json.loads((repository / "config.json").read_text())["model_config_list"]
        for config in (one["config"] for one in listed):
            path = repository / config["base_path"] / "1" / "model.onnx"
            for shape in SHAPES[config["name"].partition("-")[0]]:
                pictures = chance.integers(0, 256, shape, np.uint8)
                told, untold = (
                    _differences(path, pictures, options)
                    for options in (config["plugin_config"], {})
                )
                for name, difference in told.items():
                    print(  # noqa: T201
                        f"{config['name']:<26}{shape!s:<22}{name:<12}"
                        f"as told {difference:.1e}   untold {untold[name]:.1e}"
                    )


def _differences(path: Path, pictures: Any, options: dict[str, str]) -> dict[str, float]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    core = openvino.Core()
    network = core.compile_model(core.read_model(path), "CPU", options)
    found = {port.any_name: answer for port, answer in network({"pictures": pictures}).items()}
    wanted = session.run(names, {"pictures": pictures})
    return {
        name: float(np.abs(answer - found[name]).max())
        for name, answer in zip(names, wanted, strict=True)
    }


if __name__ == "__main__":
    main()
