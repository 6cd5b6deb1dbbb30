import subprocess
import sys

import pytest

from hematovision.config import Settings
from hematovision.errors import ModelDamagedError, ModelMissingError
from hematovision.web.wiring import Wiring

HEAVY = ("tensorflow", "keras", "ray")


def test_web_floor_loads_nothing_heavy() -> None:
    code = f"import sys, hematovision.web\nprint([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"  # noqa: S603


def test_reader_that_could_not_be_loaded_is_missed_at_every_request() -> None:
    wiring = Wiring(Settings(), None, ModelDamagedError("One file is not whole."))
    for _ in range(2):
        with pytest.raises(ModelDamagedError, match="One file is not whole"):
            wiring.get_reader()
    assert wiring.find_model() is None


def test_no_reader_and_no_reason_is_a_missing_model() -> None:
    with pytest.raises(ModelMissingError, match="No model is loaded"):
        Wiring(Settings(), None).get_reader()
