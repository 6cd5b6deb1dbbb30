import numpy as np
import pytest

from hematovision.learning.augmentation import (
    blur_and_compress,
    coarsen_and_stretch,
    cut_side,
    jitter_stain,
    turn,
)

from .sets import field

pytestmark = pytest.mark.train

CHANGES = {
    "stain": lambda picture, generator: jitter_stain(picture, generator, strength=1.0),
    "cut": cut_side,
    "coarsen": coarsen_and_stretch,
    "blur": blur_and_compress,
    "turn": lambda picture, generator: turn(
        picture, generator, zoom=0.15, shift=0.04, side=picture.shape[0]
    ),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("size", [33, 96])
def test_change_keeps_shape_and_kind_and_leaves_the_picture_alone(name: str, size: int) -> None:
    picture = field(1, size, size)
    before = picture.copy()
    changed = [CHANGES[name](picture, np.random.default_rng(seed)) for seed in range(30)]
    assert {one.shape for one in changed} == {picture.shape}
    assert {one.dtype for one in changed} == {np.dtype(np.uint8)}
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("name", CHANGES)
def test_change_follows_its_source_of_chance(name: str) -> None:
    picture, change = field(2, 64, 64), CHANGES[name]
    first = [change(picture, np.random.default_rng((7, i))) for i in range(20)]
    again = [change(picture, np.random.default_rng((7, i))) for i in range(20)]
    np.testing.assert_array_equal(first, again)
    assert len({one.tobytes() for one in first}) > 10


def test_no_strength_changes_no_stain() -> None:
    picture = np.minimum(field(3, 64, 64), 240)
    changed = jitter_stain(picture, np.random.default_rng(1), strength=0.0)
    assert np.abs(changed.astype(int) - picture).max() <= 1


def test_stronger_jitter_changes_more() -> None:
    picture = field(4, 64, 64)

    def change(strength: float) -> float:
        changed = [
            jitter_stain(picture, np.random.default_rng(i), strength=strength) for i in range(40)
        ]
        return float(np.mean([np.abs(one.astype(int) - picture).mean() for one in changed]))

    assert change(0.3) < change(0.6) < change(1.0)


def test_clear_glass_stays_bright_under_every_stain() -> None:
    glass = np.full((8, 8, 3), 240, np.uint8)
    changed = [jitter_stain(glass, np.random.default_rng(i), strength=1.0) for i in range(50)]
    assert np.min(changed) > 200


def test_turning_keeps_the_middle_in_the_middle() -> None:
    picture = np.zeros((65, 65, 3), np.uint8)
    picture[27:38, 27:38] = 255
    for seed in range(20):
        turned = turn(picture, np.random.default_rng(seed), zoom=0.1, shift=0.0, side=65)
        rows, columns = np.nonzero(turned[..., 0] > 128)
        assert rows.mean() == pytest.approx(32, abs=0.6)
        assert columns.mean() == pytest.approx(32, abs=0.6)
