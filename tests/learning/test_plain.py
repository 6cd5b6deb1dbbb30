from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from hematovision.cells import CellType
from hematovision.learning.datasets import DataMissingError
from hematovision.learning.plain import (
    BCCD_TYPES,
    SIZE,
    Described,
    describe,
    fit_plain,
    leaky_and_honest,
    places_by_chance,
    share_right,
    split_by_chance,
    squeezed,
    whole_pictures,
)

from .sets import field, save

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw five pictures a type of TRAIN and two of TEST, 320x240."""
    data = tmp_path_factory.mktemp("data")
    for part, number in (("TRAIN", 5), ("TEST", 2)):
        for seed, name in enumerate(BCCD_TYPES):
            for i in range(number):
                picture = field(10 * seed + i, 320, 240)
                save(picture, data / "kaggle" / part / name / f"_{i}.jpeg")
    return data


def easy(number: int, *, seed: int = 0) -> Described:
    """Draw features that tell the types apart at a glance."""
    kinds = np.arange(number) % 4
    labels = np.eye(4, dtype=np.float32)[kinds]
    noise = np.random.default_rng(seed).normal(0, 0.1, (number, 400))
    return Described((noise + labels.repeat(100, axis=1)).astype(np.float32), labels)


def test_one_network_is_scored_on_copies_and_on_test(drawn: Path) -> None:
    shown = []

    def track(pictures: Iterable[Any], what: str) -> Iterable[Any]:
        shown.append(what)
        return pictures

    score = leaky_and_honest(drawn, backbone_weights=None, seed=1, track=track, limit=5)
    assert list(score) == ["random_split", "photo_split", "note"]
    assert score["random_split"] in {0, 0.25, 0.5, 0.75, 1}
    assert score["photo_split"] * 8 == round(score["photo_split"] * 8)
    assert "16 pictures of TRAIN" in score["note"]
    assert "the 4 pictures" in score["note"]
    assert "8 pictures of TEST" in score["note"]
    assert shown == ["plain recipe, TRAIN", "plain recipe, TEST"]


def test_limit_draws_as_many_of_each_type(drawn: Path) -> None:
    few = whole_pictures(drawn, "TRAIN", limit=3, seed=2)
    assert [kind for _, kind in few].count(CellType.MONOCYTE) == 3
    assert len(few) == 12
    assert few == whole_pictures(drawn, "TRAIN", limit=3, seed=2)
    assert len(whole_pictures(drawn, "TRAIN")) == 20
    assert all(BCCD_TYPES[path.parent.name] is kind for path, kind in few)


def test_missing_part_says_which(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match="TEST is missing"):
        whole_pictures(tmp_path, "TEST")


def test_picture_is_pressed_into_a_square_of_0_to_255(drawn: Path) -> None:
    picture = squeezed(whole_pictures(drawn, "TEST")[0][0])
    assert picture.shape == (SIZE, SIZE, 3)
    assert 100 < picture.max() <= 255


def test_pictures_are_described_in_their_order(drawn: Path) -> None:
    colours = keras.Input((SIZE, SIZE, 3))
    mean = keras.Model(colours, keras.layers.GlobalAveragePooling2D()(colours))
    pictures = whole_pictures(drawn, "TRAIN", limit=20)
    described = describe([*pictures] * 4, mean)
    wanted = [squeezed(path).mean(axis=(0, 1)) for path, _ in pictures]
    np.testing.assert_allclose(described.features, wanted * 4, rtol=1e-4)
    assert described.labels.argmax(axis=1).tolist() == [i // 5 for i in range(20)] * 4


def test_split_by_chance_holds_out_a_fifth_and_loses_nothing() -> None:
    learnt, held = split_by_chance(easy(50), seed=3)
    assert (len(learnt), len(held)) == (40, 10)
    both = np.concatenate([learnt.features, held.features])
    assert sorted(both.sum(axis=1)) == sorted(easy(50).features.sum(axis=1))


def test_places_are_those_of_the_split_that_the_recipe_makes() -> None:
    described = easy(50)
    places = places_by_chance(50, seed=3)
    for part, chosen in zip(split_by_chance(described, seed=3), places, strict=True):
        np.testing.assert_array_equal(part.features, described.features[chosen])


def test_head_learns_what_is_easy_the_same_each_time() -> None:
    learnt, held = easy(800), easy(40, seed=1)
    heads = [fit_plain(learnt, held, seed=4) for _ in range(2)]
    assert share_right(heads[0][0], held) == 1
    assert heads[0][1] == heads[1][1]
    assert len(heads[0][1]["val_accuracy"]) == 5
