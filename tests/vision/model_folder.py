"""Writes a model folder that can be read, though its networks compute nothing."""

import hashlib
import json
from pathlib import Path
from typing import Any

FILES = {"blood_cell.onnx": b"a classifier", "locator.onnx": b"a locator"}


def bundle_document() -> dict[str, Any]:
    classes = ["eosinophil", "lymphocyte", "monocyte", "neutrophil", "basophil", "other"]
    return {
        "name": "blood_cell",
        "version": "1.0.0",
        "classes": classes,
        "crop": {
            "size": 128,
            "context": 1.2,
            "stain_strength": 0.5,
            "stain_mean": [0.1, 0.2, 0.3],
            "stain_spread": [0.1, 0.1, 0.1],
        },
        "locator": {"side": 640, "score": 0.5, "overlap": 0.4},
        "prediction_set": {
            "coverage": 0.9,
            "thresholds": {name: (3 + i) / 100 for i, name in enumerate(classes)},
        },
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()},
        "metrics": {"jtsc": {"right": 0.61}},
    }


def write_model_folder(folder: Path, document: object = None) -> Path:
    folder.mkdir(exist_ok=True)
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    (folder / "bundle.json").write_text(json.dumps(document or bundle_document()))
    return folder
