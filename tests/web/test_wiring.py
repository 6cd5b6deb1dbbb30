import subprocess
import sys
from pathlib import Path

import pytest

from hematovision.config import Settings
from hematovision.errors import ModelDamagedError
from hematovision.services.batches import NoQueue
from hematovision.services.shelf import Shelf
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.sealing import Seal
from hematovision.web.wiring import Wiring

SEAL = Seal(bytes(32))
FILES = Files("/nowhere", SEAL)
HEAVY = (
    "tensorflow",
    "keras",
    "ray",
    "scipy",
    "sklearn",
    "matplotlib",
    "onnx",
    "fpdf",
    "openpyxl",
    "segno",
    "pydantic",
    "fhir",
    "hematovision.drawing",
    "opentelemetry",
)


def test_web_floor_loads_nothing_heavy() -> None:
    code = "import sys, hematovision.web, hematovision.cli.serve, hematovision.cli.worker\n"
    code += f"print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"  # noqa: S603


def test_reader_that_could_not_be_loaded_is_missed_at_every_request(
    database: Database, tmp_path: Path
) -> None:
    def load(folder: Path, *, threads: int = 0) -> None:
        raise ModelDamagedError("One file is not whole.")

    shelf = Shelf(database, tmp_path, tmp_path, load)
    wiring = Wiring(Settings(), shelf, database, FILES, NoQueue(), SEAL)
    for _ in range(2):
        with pytest.raises(ModelDamagedError, match="One file is not whole"):
            wiring.get_reader()
    assert wiring.find_model() is None
    assert isinstance(wiring.failure, ModelDamagedError)
