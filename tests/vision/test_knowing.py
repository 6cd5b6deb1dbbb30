from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hematovision.errors import ModelDamagedError
from hematovision.vision.knowing import ARRAYS, Knower, load_knower

MIDDLE = np.asarray([1.0, 2.0, 3.0], np.float32)


@pytest.fixture
def knower() -> Knower:
    """Give one that knows two named types, at 4 and -4 along the first of three features."""
    return Knower(
        named=np.asarray([True, True, False]),
        middle=MIDDLE,
        axes=np.asarray([[1, 0], [0, 1], [0, 0]], np.float32),
        centres=np.asarray([[4, 0], [-4, 0]], np.float32),
        weights=np.asarray([1.0, 0.2, -1.0, 0.0]),
        bias=np.asarray(0.5),
    )


def cell(logits: list[float], place: list[float]) -> tuple[NDArray[np.float32], ...]:
    return np.asarray([logits], np.float32), MIDDLE + np.asarray([place], np.float32)


LIKE_THOSE_LEARNT = cell([6, 0, 0], [4, 0, 9])


def test_cell_like_those_learnt_is_known(knower: Knower) -> None:
    (known,) = knower(*LIKE_THOSE_LEARNT)
    assert 0.99 < known <= 1


@pytest.mark.parametrize(
    "stranger",
    [
        pytest.param(cell([0, 0, 6], [4, 0, 0]), id="more like the others"),
        pytest.param(cell([6, 0, 0], [4, 90, 0]), id="far from every type"),
        pytest.param(cell([0.2, 0, 0], [0, 0, 0]), id="between the types, without evidence"),
    ],
)
def test_stranger_is_less_known(knower: Knower, stranger: tuple[NDArray[np.float32], ...]) -> None:
    assert knower(*stranger)[0] < knower(*LIKE_THOSE_LEARNT)[0] - 0.05


def test_signals_are_those_of_their_definitions(knower: Knower) -> None:
    logits, features = cell([1, 2, 3], [4, 3, 7])
    evidence = np.log(np.exp(1) + np.exp(2))
    length = np.linalg.norm(features)
    expected = [evidence - 3, evidence, np.log1p(9), np.log1p(length)]
    np.testing.assert_allclose(knower.signals(logits, features)[0], expected, rtol=1e-6)


def test_score_stays_within_its_range_for_any_logits(knower: Knower) -> None:
    huge = np.asarray([[3e4, -3e4, 0], [-3e4, -3e4, 3e4], [0, 0, 0]], np.float32)
    features = np.asarray([[1e6] * 3, [-1e6] * 3, [0] * 3], np.float32)
    known = knower(huge, features)
    assert np.isfinite(known).all()
    assert known.min() >= 0
    assert known.max() <= 1


def test_no_cell_has_no_score(knower: Knower) -> None:
    assert knower(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32)).shape == (0,)


def test_saved_knower_says_the_same(knower: Knower, tmp_path: Path) -> None:
    knower.save(tmp_path / "known.npz")
    read = load_knower(tmp_path / "known.npz")
    np.testing.assert_array_equal(read(*LIKE_THOSE_LEARNT), knower(*LIKE_THOSE_LEARNT))


def _arrays(knower: Knower, path: Path, **changed: NDArray[np.generic]) -> None:
    np.savez(path, **({name: getattr(knower, name) for name in ARRAYS} | changed))


def _one_array(_: Knower, path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, MIDDLE)


def _garbled(knower: Knower, path: Path) -> None:
    knower.save(path)
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(content)


def _without_weights(knower: Knower, path: Path) -> None:
    np.savez(path, **{name: getattr(knower, name) for name in ARRAYS if name != "weights"})


def _cut_off(knower: Knower, path: Path) -> None:
    knower.save(path)
    path.write_bytes(path.read_bytes()[:-40])


def _pickled(knower: Knower, path: Path) -> None:
    _arrays(knower, path, weights=np.asarray([object()] * 4))


def _changed(**changed: NDArray[np.generic]) -> Callable[[Knower, Path], None]:
    return lambda knower, path: _arrays(knower, path, **changed)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda _, path: path.write_bytes(b"no archive"), id="no archive"),
        pytest.param(lambda _, path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda *_: None, id="missing"),
        pytest.param(_one_array, id="one array"),
        pytest.param(_garbled, id="garbled"),
        pytest.param(_cut_off, id="cut off"),
        pytest.param(_without_weights, id="an array is missing"),
        pytest.param(_pickled, id="pickled objects"),
        pytest.param(_changed(middle=np.zeros(4, np.float32)), id="features do not match"),
        pytest.param(_changed(centres=np.zeros((3, 2), np.float32)), id="types do not match"),
        pytest.param(_changed(axes=np.zeros(3, np.float32)), id="axes are no directions"),
        pytest.param(_changed(middle=np.zeros((), np.float32)), id="middle is one number"),
        pytest.param(_changed(weights=np.zeros(2)), id="too few weights"),
        pytest.param(_changed(bias=np.asarray(np.nan)), id="not a number"),
        pytest.param(_changed(weights=np.asarray(["a"] * 4)), id="text"),
        pytest.param(_changed(named=np.asarray([1.0, 1.0, 0.0])), id="names are numbers"),
        pytest.param(_changed(named=np.asarray([True, True])), id="there are no others"),
    ],
)
def test_damaged_file_is_refused(
    knower: Knower, tmp_path: Path, damage: Callable[[Knower, Path], None]
) -> None:
    path = tmp_path / "known.npz"
    damage(knower, path)
    with pytest.raises(ModelDamagedError, match=r"known\.npz cannot be understood"):
        load_knower(path)


def test_knower_of_another_network_does_not_fit(knower: Knower) -> None:
    assert knower.fits(*LIKE_THOSE_LEARNT)
    logits, features = LIKE_THOSE_LEARNT
    assert not knower.fits(logits[:, :2], features)
    assert not knower.fits(logits, features[:, :2])


def test_arrays_that_do_not_go_together_are_a_bug(knower: Knower) -> None:
    with pytest.raises(ValueError, match="do not go together"):
        replace(knower, weights=np.zeros(1))
