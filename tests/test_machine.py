import os
from pathlib import Path

import pytest

from hematovision.machine import cores


def test_without_a_control_group_it_is_what_the_scheduler_allows(tmp_path: Path) -> None:
    assert cores(tmp_path / "none") == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("said", "granted"),
    [
        pytest.param("100000 100000", 1, id="one core"),
        pytest.param("50000 100000", 1, id="half a core is one"),
        pytest.param("1 100000", 1, id="never none"),
    ],
)
def test_container_that_was_given_less_uses_less(tmp_path: Path, said: str, granted: int) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(said)

    assert cores(file) == granted


@pytest.mark.parametrize("said", ["max 100000", "", "6400000 100000", "0 100000", "1 0", "a b c"])
def test_what_limits_nothing_changes_nothing(tmp_path: Path, said: str) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(said)

    assert cores(file) == len(os.sched_getaffinity(0))
