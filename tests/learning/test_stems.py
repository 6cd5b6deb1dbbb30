import numpy as np
import pytest

from hematovision.learning.integers import find_steps, kept_in_bytes, write_integers
from hematovision.learning.rounding import Rounded, round_convolutions, with_rounded
from hematovision.learning.slimming import Graph, fold_constants, slim_classifier
from hematovision.learning.stems import find_stem, laid_out
from hematovision.learning.watching import watch

from .graphs import coloured, exported_classifier

FOLDED = fold_constants(slim_classifier(exported_classifier()))
PICTURES = coloured(4)


@pytest.fixture(scope="module")
def stem_alone() -> dict[str, Rounded]:
    """Round the first layer and no other."""
    others = [node.output[0] for node in Graph(FOLDED).convolutions[1:]]
    return round_convolutions(FOLDED, PICTURES, kept=others)


def test_way_of_a_picture_is_found() -> None:
    stem = find_stem(Graph(FOLDED))
    assert stem is not None
    assert stem.node.output[0] == "c1"
    assert stem.is_turned
    assert (stem.scale, stem.shift) == (pytest.approx(1 / 127.5), -1)
    assert stem.zero in {127, 128}
    assert {"planes", "scaled", "view", "views"} <= stem.skipped


def test_bytes_give_what_rounded_weights_give_but_for_the_border(
    stem_alone: dict[str, Rounded],
) -> None:
    steps = find_steps(
        with_rounded(FOLDED, stem_alone), kept_in_bytes(FOLDED, stem_alone), PICTURES
    )
    whole = write_integers(FOLDED, stem_alone, steps)
    step = float(steps["r1"].scale)
    pairs = zip(
        watch(with_rounded(FOLDED, stem_alone), ["r1"], PICTURES),
        watch(whole, ["r1/read"], PICTURES),
        strict=True,
    )
    for before, after in pairs:
        apart = np.abs(before["r1"] - after["r1/read"])
        assert apart.shape == (4, 8, 16, 16)
        inside = apart[:, :, :-1, :-1][before["r1"][:, :, :-1, :-1] < 255 * step]
        assert inside.max() < 0.51 * step
        assert apart.mean() < 2 * step


def test_each_weight_is_laid_out_once() -> None:
    stem = find_stem(Graph(FOLDED))
    assert stem is not None
    weights = np.arange(1, 28, dtype=np.int8).reshape(1, 3, 3, 3)
    layer = Rounded(weights, np.ones(1, np.float32), np.zeros(1, np.float32))
    laid = laid_out(layer, stem)
    assert laid.weights.shape == (1, 12, 2, 2)
    assert sorted(laid.weights[laid.weights != 0]) == list(range(1, 28))
    assert laid.weights[0, 0 * 6 + 1 * 3 + 2, 1, 0] == weights[0, 2, 2, 1]
    assert laid.bias == pytest.approx(
        weights.sum() * (stem.shift + stem.zero * stem.scale), rel=1e-4
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("strides", [1, 1], id="every place"),
        pytest.param("pads", [1, 1, 1, 1], id="padded on all sides"),
    ],
)
def test_first_layer_of_another_form_is_left_as_it_is(name: str, value: list[int]) -> None:
    other = exported_classifier()
    (first,) = [node for node in other.graph.node if node.name == "c1"]
    for attribute in first.attribute:
        if attribute.name == name:
            attribute.ints[:] = value
    assert find_stem(Graph(other)) is None


def test_way_that_does_something_else_is_left_as_it_is() -> None:
    other = exported_classifier()
    next(node for node in other.graph.node if node.name == "scaled").op_type = "Div"
    assert find_stem(Graph(other)) is None
