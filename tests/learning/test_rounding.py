import numpy as np

from hematovision.learning.rounding import (
    MOST,
    find_scales,
    round_convolutions,
    round_filters,
    with_rounded,
)
from hematovision.learning.slimming import Graph, fold_constants, slim_classifier
from hematovision.learning.watching import watch

from .graphs import coloured, exported_classifier

FOLDED = fold_constants(slim_classifier(exported_classifier()))
PICTURES = coloured(12)


def test_rounding_makes_up_for_what_it_changes() -> None:
    random = np.random.default_rng(0)
    filters = random.normal(0, 1, (20, 30))
    seen = random.normal(0, 1, (500, 5)) @ random.normal(0, 1, (5, 30))
    covariance = seen.T @ seen / 500
    scales = find_scales(filters, covariance)
    plain = np.clip(np.round(filters / scales[:, None]), -MOST, MOST)
    careful = round_filters(filters, scales, covariance)
    assert np.array_equal(careful, np.round(careful))
    assert np.abs(careful).max() <= MOST

    def error(whole: np.ndarray) -> float:
        return float((((whole * scales[:, None] - filters) @ seen.T) ** 2).mean())

    assert error(careful) < 0.2 * error(plain)


def test_filter_of_zeros_stays_one() -> None:
    nothing = np.zeros((2, 4))
    scales = find_scales(nothing, np.eye(4))
    assert (scales > 0).all()
    assert not round_filters(nothing, scales, np.eye(4)).any()


def test_rounded_network_answers_as_before() -> None:
    rounded = round_convolutions(FOLDED, PICTURES)
    assert len(rounded) == len(Graph(FOLDED).convolutions)
    assert all(layer.weights.dtype == np.int8 for layer in rounded.values())
    names = ["logits", "features", "heat"]
    held = coloured(4, seed=1)
    for before, after in zip(
        watch(FOLDED, names, held), watch(with_rounded(FOLDED, rounded), names, held), strict=True
    ):
        for name in names:
            np.testing.assert_allclose(after[name], before[name], atol=0.1)


def test_mean_of_what_a_layer_says_is_kept_by_its_bias() -> None:
    kept = [node.output[0] for node in Graph(FOLDED).convolutions[1:]]
    rounded = round_convolutions(FOLDED, PICTURES, kept=kept)
    (name,) = rounded
    said = [
        np.concatenate([seen[name].mean(axis=(2, 3)) for seen in watch(model, [name], PICTURES)])
        for model in (FOLDED, with_rounded(FOLDED, rounded))
    ]
    np.testing.assert_allclose(said[0].mean(axis=0), said[1].mean(axis=0), atol=0.01)


def test_same_seed_rounds_the_same() -> None:
    kept = [node.output[0] for node in Graph(FOLDED).convolutions[1:]]
    first, second, other = (
        next(iter(round_convolutions(FOLDED, PICTURES[:2], kept=kept, seed=seed).values()))
        for seed in (3, 3, 4)
    )
    assert np.array_equal(first.weights, second.weights)
    assert first.bias.tolist() == second.bias.tolist() != other.bias.tolist()


def test_tensors_inside_are_looked_at_without_changing_the_network() -> None:
    outputs = len(FOLDED.graph.output)
    seen = list(watch(FOLDED, ["views", "logits"], PICTURES[:1]))
    assert seen[0]["views"].shape == (4, 3, 32, 32)
    assert len(FOLDED.graph.output) == outputs
