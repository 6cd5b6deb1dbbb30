from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from hematovision.cells import CellType
from hematovision.vision.morphology import (
    GRANULES,
    GRANULOCYTE,
    MONONUCLEAR,
    Part,
    attribute_probabilities,
    describe,
)

RULE: Mapping[str, tuple[str, ...]] = {
    "cell_size": ("big", "small"),
    "cell_shape": ("irregular", "round"),
    "nucleus_shape": (
        "irregular",
        "segmented-bilobed",
        "segmented-multilobed",
        "unsegmented-band",
        "unsegmented-indented",
        "unsegmented-round",
    ),
    "nuclear_cytoplasmic_ratio": ("high", "low"),
    "chromatin_density": ("densely", "loosely"),
    "cytoplasm_vacuole": ("no", "yes"),
    "cytoplasm_texture": ("clear", "frosted"),
    "cytoplasm_colour": ("blue", "light blue", "purple blue"),
    "granule_type": ("coarse", "nil", "round", "small"),
    "granule_colour": ("nil", "pink", "purple", "red"),
    "granularity": ("no", "yes"),
}
"""All of WBCAtt."""


def logits_of(**values: str) -> NDArray[np.float32]:
    """Be sure of these values, and of no others."""
    assert values.keys() <= RULE.keys()
    return np.asarray(
        [
            9.0 if values.get(attribute) == value else 0.0
            for attribute, known in RULE.items()
            for value in known
        ],
        np.float32,
    )


EOSINOPHIL = {
    "cell_size": "big",
    "nucleus_shape": "segmented-bilobed",
    "chromatin_density": "densely",
    "cytoplasm_vacuole": "no",
    "cytoplasm_colour": "light blue",
    "granule_type": "coarse",
    "granule_colour": "red",
    "granularity": "yes",
}
LYMPHOCYTE = {
    "cell_size": "small",
    "nucleus_shape": "unsegmented-round",
    "nuclear_cytoplasmic_ratio": "high",
    "chromatin_density": "densely",
    "cytoplasm_vacuole": "no",
    "cytoplasm_texture": "clear",
    "cytoplasm_colour": "light blue",
    "granule_type": "nil",
    "granule_colour": "nil",
    "granularity": "no",
}
MONOCYTE = {
    "cell_size": "big",
    "nucleus_shape": "unsegmented-indented",
    "nuclear_cytoplasmic_ratio": "low",
    "chromatin_density": "loosely",
    "cytoplasm_vacuole": "yes",
    "cytoplasm_texture": "frosted",
    "cytoplasm_colour": "purple blue",
    "granularity": "no",
}


@pytest.mark.parametrize(
    ("cell_type", "values", "words"),
    [
        pytest.param(
            CellType.EOSINOPHIL,
            EOSINOPHIL,
            "bilobed nucleus, coarse red granules",
            id="eosinophil",
        ),
        pytest.param(
            CellType.LYMPHOCYTE,
            LYMPHOCYTE,
            "small cell, round nucleus, dense chromatin, scant pale blue cytoplasm, no granules",
            id="lymphocyte",
        ),
        pytest.param(
            CellType.MONOCYTE,
            MONOCYTE,
            "large cell, indented nucleus, open chromatin, "
            "vacuolated ground-glass purple-blue cytoplasm, no granules",
            id="monocyte",
        ),
        pytest.param(
            CellType.NEUTROPHIL,
            {
                "nucleus_shape": "segmented-multilobed",
                "cytoplasm_vacuole": "yes",
                "granule_type": "small",
                "granule_colour": "pink",
                "granularity": "yes",
            },
            "multilobed nucleus, vacuolated cytoplasm, fine pink granules",
            id="neutrophil with vacuoles",
        ),
        pytest.param(
            CellType.NEUTROPHIL,
            {"nucleus_shape": "unsegmented-band", "granularity": "yes"},
            "band-shaped nucleus, granules",
            id="granules of no sure kind",
        ),
    ],
)
def test_cell_is_described_in_words(
    cell_type: CellType, values: dict[str, str], words: str
) -> None:
    assert describe(logits_of(**values), RULE, cell_type) == words


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param(
            {"granularity": "no", "granule_colour": "red"}, "no granules", id="none but red"
        ),
        pytest.param(
            {"granule_type": "coarse", "granule_colour": "red"}, None, id="whether unsure"
        ),
        pytest.param(
            {"granularity": "yes", "granule_type": "nil", "granule_colour": "red"},
            "red granules",
            id="some of no type",
        ),
    ],
)
def test_contradiction_is_not_spoken(values: dict[str, str], words: str | None) -> None:
    assert describe(logits_of(**values), RULE, CellType.EOSINOPHIL) == words


def test_unsure_value_is_left_out() -> None:
    logits = logits_of(nucleus_shape="segmented-bilobed", granularity="no")
    assert describe(logits / 9, RULE, CellType.EOSINOPHIL) == "no granules"
    assert describe(logits / 90, RULE, CellType.EOSINOPHIL) is None


@pytest.mark.parametrize("cell_type", [None, CellType.OTHER])
def test_cell_without_a_name_is_not_described(cell_type: CellType | None) -> None:
    assert describe(logits_of(**EOSINOPHIL), RULE, cell_type) is None


@pytest.mark.parametrize("part", [*MONONUCLEAR, *GRANULOCYTE, GRANULES], ids=lambda part: part.noun)
def test_words_are_of_values_that_exist(part: Part) -> None:
    for attribute, words in part.words.items():
        assert set(words) <= set(RULE[attribute])


def test_probabilities_sum_to_one_an_attribute() -> None:
    logits = np.random.default_rng(0).normal(size=(3, len(logits_of()))).astype(np.float32)
    by_attribute = attribute_probabilities(logits, RULE)
    assert list(by_attribute) == list(RULE)
    for attribute, probabilities in by_attribute.items():
        assert probabilities.shape == (3, len(RULE[attribute]))
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
