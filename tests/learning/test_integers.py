import numpy as np
import onnx
import pytest

from hematovision.learning.integers import (
    LARGEST_BIAS,
    Step,
    best_range,
    find_steps,
    kept_in_bytes,
    write_integers,
)
from hematovision.learning.rounding import Rounded, round_convolutions, with_rounded
from hematovision.learning.slimming import Graph, fold_constants, slim_classifier
from hematovision.learning.watching import open_session, watch

from .graphs import OUTPUTS, coloured, exported_classifier

FOLDED = fold_constants(slim_classifier(exported_classifier()))
PICTURES = coloured(12)


@pytest.fixture(scope="module")
def rounded() -> dict[str, Rounded]:
    return round_convolutions(FOLDED, PICTURES, kept=["heat_of_views"])


@pytest.fixture(scope="module")
def whole(rounded: dict[str, Rounded]) -> onnx.ModelProto:
    names = kept_in_bytes(FOLDED, rounded)
    steps = find_steps(with_rounded(FOLDED, rounded), names, PICTURES)
    return write_integers(FOLDED, rounded, steps)


def test_network_in_bytes_answers_nearly_as_before(whole: onnx.ModelProto) -> None:
    sessions = [open_session(model, threads=1) for model in (FOLDED, whole)]
    for picture in coloured(4, seed=1):
        told = {"pictures": picture.astype(np.float32)}
        before, after = (session.run(OUTPUTS, told) for session in sessions)
        for one, other in zip(before, after, strict=True):
            assert one.shape == other.shape
            assert np.abs(one - other).mean() < 0.1
            assert np.abs(one - other).max() < 0.6


def test_activations_are_left_to_the_range_of_bytes(whole: onnx.ModelProto) -> None:
    graph = Graph(whole)
    kinds = [node.op_type for node in graph.nodes]
    assert "Clip" not in kinds
    assert kinds.count("QuantizeLinear") == len(set(kinds_of_bytes(graph)))
    assert graph.array("heat/kernel").dtype == np.float32
    assert {graph.array(name).dtype for name in graph.constants if name.endswith("/whole")} == {
        np.dtype(np.int8),
        np.dtype(np.int32),
    }


def kinds_of_bytes(graph: Graph) -> list[str]:
    return [node.input[0] for node in graph.nodes if node.op_type == "QuantizeLinear"]


def test_sums_and_what_layers_take_and_give_are_kept_in_bytes(rounded: dict[str, Rounded]) -> None:
    names = kept_in_bytes(FOLDED, rounded)
    assert {"views", "r1", "r2", "c3", "sum", "maps"} <= set(names)
    assert "logits" not in names
    assert "view" not in names


def test_rare_outliers_are_cut_off() -> None:
    counts = np.zeros(2048)
    counts[:200] = 1000
    counts[-1] = 1
    low, high = best_range(0.0, 100.0, counts)
    assert low == 0
    assert 9 < high < 100
    low, high = best_range(-100.0, 100.0, counts[::-1])
    assert (low, high) != (-100.0, 100.0)


def test_whole_ranges_reach_from_the_least_to_the_most() -> None:
    names = ["r1", "c3"]
    seen = list(watch(FOLDED, names, PICTURES))
    whole, cut = (find_steps(FOLDED, names, PICTURES, cut=cut) for cut in (False, True))
    for name in names:
        most = max(one[name].max() for one in seen)
        least = min(0.0, *(one[name].min() for one in seen))
        assert whole[name].scale == pytest.approx((most - least) / 255, rel=1e-5)
        assert cut[name].scale <= whole[name].scale


def test_bias_of_a_filter_that_sees_nothing_is_kept() -> None:
    layer = Rounded(
        np.zeros((8, 3, 3, 3), np.int8), np.full(8, 1e-14, np.float32), np.full(8, 5, np.float32)
    )
    steps = {
        "views": Step(np.float32(0.01), np.uint8(128)),
        "r1": Step(np.float32(0.02), np.uint8(0)),
    }
    written = write_integers(FOLDED, {"c1": layer}, steps)
    graph = Graph(written)
    bias, scale = (graph.array(f"c1/bias/{part}") for part in ("whole", "scale"))
    assert 0 < bias.max() <= LARGEST_BIAS + 1
    assert scale == pytest.approx(graph.array("c1/weights/scale") / np.float32(127.5))
    (seen,) = watch(written, ["r1"], PICTURES[:1])
    np.testing.assert_allclose(seen["r1"], 5, atol=0.02)
