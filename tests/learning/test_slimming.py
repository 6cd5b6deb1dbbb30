import numpy as np
import onnx
import pytest

from hematovision.config import PACKAGED_MODEL
from hematovision.learning.slimming import Graph, GraphUnknownError, fold_constants, slim_classifier
from hematovision.learning.watching import open_session

from .graphs import OUTPUTS, coloured, exported_classifier


def answers(model: onnx.ModelProto, pictures: np.ndarray) -> list[np.ndarray]:
    session = open_session(model, threads=1)
    return session.run(OUTPUTS, {"pictures": pictures.astype(np.float32)})


@pytest.mark.parametrize("opset", [15, 18])
def test_slim_network_gives_the_same_four_answers(opset: int) -> None:
    exported = exported_classifier(opset=opset)
    pictures = np.concatenate(coloured(3))
    slim = slim_classifier(exported)
    for before, after in zip(answers(exported, pictures), answers(slim, pictures), strict=True):
        assert before.shape == after.shape
        np.testing.assert_allclose(after, before, atol=1e-5)


def test_slim_network_turns_pictures_before_they_are_many() -> None:
    slim = Graph(slim_classifier(exported_classifier()))
    assert [node.op_type for node in slim.nodes][:3] == ["Transpose", "Mul", "Add"]
    assert len(slim.convolutions) == 5


def test_shipped_network_can_be_made_slim() -> None:
    exported = onnx.load(PACKAGED_MODEL / "blood_cell.onnx")
    pictures = np.random.default_rng(0).integers(0, 256, (2, 160, 160, 3), np.uint8)
    slim = slim_classifier(exported)
    assert len(slim.graph.node) < len(exported.graph.node) - 50
    for before, after in zip(answers(exported, pictures), answers(slim, pictures), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-5)


def test_folded_network_has_no_normalisation_of_its_own() -> None:
    folded = Graph(fold_constants(slim_classifier(exported_classifier())))
    kinds = [node.op_type for node in folded.nodes]
    assert kinds.count("Mul") == 1
    assert len(folded.array(folded.convolutions[1].input[2])) == 8


def test_graph_of_another_form_is_refused() -> None:
    without = exported_classifier()
    for node in list(without.graph.node):
        if node.op_type == "Clip":
            node.op_type = "Max"
    with pytest.raises(GraphUnknownError, match="no backbone"):
        slim_classifier(without)
    other = exported_classifier()
    next(node for node in other.graph.node if node.name == "shifted").op_type = "Sub"
    with pytest.raises(GraphUnknownError, match="shifted is not made by Add"):
        slim_classifier(other)
    with pytest.raises(GraphUnknownError, match="views is no constant"):
        Graph(other).array("views")
