import numpy as np
import onnx
import pytest

from hematovision.learning.fewer_views import keep_views
from hematovision.learning.slimming import GraphUnknownError, slim_classifier
from hematovision.learning.watching import open_session

from .graphs import OUTPUTS, coloured, exported_classifier


def answers(model: onnx.ModelProto, pictures: np.ndarray) -> list[np.ndarray]:
    session = open_session(model, threads=1)
    return session.run(OUTPUTS, {"pictures": pictures.astype(np.float32)})


@pytest.mark.parametrize("opset", [15, 18])
def test_mean_of_what_one_view_says_of_all_turns_is_what_four_say(opset: int) -> None:
    four = slim_classifier(exported_classifier(opset=opset))
    one = keep_views(four, 1)
    pictures = np.concatenate(coloured(3))
    turned = [pictures, pictures[:, :, ::-1], pictures[:, ::-1], pictures[:, ::-1, ::-1]]
    logits, features, heat, words = zip(*(answers(one, turn) for turn in turned), strict=True)
    back = [heat[0], heat[1][:, :, ::-1], heat[2][:, ::-1], heat[3][:, ::-1, ::-1]]
    for found, each in zip(answers(four, pictures), (logits, features, back, words), strict=True):
        np.testing.assert_allclose(np.mean(each, axis=0), found, atol=1e-4)


def test_two_views_are_the_cell_as_it_lies_and_turned_across() -> None:
    four = slim_classifier(exported_classifier())
    pictures = np.concatenate(coloured(2))
    one, two = keep_views(four, 1), keep_views(four, 2)
    across = [answers(one, turn)[0] for turn in (pictures, pictures[:, :, ::-1])]
    np.testing.assert_allclose(answers(two, pictures)[0], np.mean(across, axis=0), atol=1e-5)


def test_what_is_left_out_is_gone() -> None:
    four = slim_classifier(exported_classifier())
    one = keep_views(four, 1)
    assert len(one.graph.node) < len(four.graph.node)
    assert not [node for node in one.graph.node if node.op_type == "Slice"]


def test_network_of_another_form_is_refused() -> None:
    with pytest.raises(GraphUnknownError):
        keep_views(exported_classifier(), 1)
    with pytest.raises(GraphUnknownError):
        keep_views(keep_views(slim_classifier(exported_classifier()), 1), 1)
