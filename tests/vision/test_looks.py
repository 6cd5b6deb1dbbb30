import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from hematovision.cells import MEASURES
from hematovision.errors import ModelDamagedError
from hematovision.vision.bundle import Bundle, read_bundle
from hematovision.vision.looks import LOOKS_FILE, Looks, Spread, find_looks

from .model_folder import write_model_folder


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_model_folder(tmp_path / "model"))


def write(bundle: Bundle, sets: object, **more: Any) -> None:
    document = {"model": asdict(bundle.identity), "held": 0.95, "sets": sets} | more
    (bundle.folder / LOOKS_FILE).write_text(json.dumps(document))


SETS = {
    "a": {"photos": 50, "measures": {"red": [-1, 0, 1], "focus": [-3.5, -2, 0.5]}},
    "b": {"photos": 60, "measures": {"focus": [-9, -8, -7]}},
}


def found_in(bundle: Bundle) -> Looks:
    looks = find_looks(bundle)
    assert looks is not None
    return looks


def test_ranges_are_those_of_every_set_that_has_the_measure(bundle: Bundle) -> None:
    write(bundle, SETS)
    looks = found_in(bundle)
    assert [(one.name, one.photos) for one in looks.sets] == [("a", 50), ("b", 60)]
    assert looks.sets[0].spreads["focus"] == Spread(-3.5, -2, 0.5)
    nothing: dict[str, list[tuple[float, float]]] = {name: [] for name in MEASURES}
    assert looks.ranges == nothing | {"red": [(-1, 1)], "focus": [(-3.5, 0.5), (-9, -7)]}


def test_model_that_nobody_measured_has_no_looks(bundle: Bundle) -> None:
    assert find_looks(bundle) is None


def test_looks_of_another_model_are_none(bundle: Bundle) -> None:
    write(bundle, SETS)
    other = replace(bundle.identity, sha256="0" * 64)
    assert find_looks(replace(bundle, identity=other)) is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("{", id="no JSON"),
        pytest.param("[]", id="no object"),
        pytest.param('{"sets": {}}', id="no model"),
        pytest.param('{"model": {"name": "a"}, "sets": {}}', id="half a model"),
    ],
)
def test_file_that_cannot_be_understood_is_named(bundle: Bundle, content: str) -> None:
    (bundle.folder / LOOKS_FILE).write_text(content)
    with pytest.raises(ModelDamagedError, match=LOOKS_FILE):
        find_looks(bundle)


@pytest.mark.parametrize(
    "measures",
    [
        pytest.param({"red": [1, 2]}, id="two ends"),
        pytest.param({"red": ["a", "b", "c"]}, id="no numbers"),
        pytest.param({"red": None}, id="nothing"),
    ],
)
def test_spread_that_is_none_is_refused(bundle: Bundle, measures: object) -> None:
    write(bundle, {"a": {"photos": 1, "measures": measures}})
    with pytest.raises(ModelDamagedError, match=LOOKS_FILE):
        find_looks(bundle)
