from hematovision.vision.origins import SOURCES, learnt_from


def test_cells_are_counted_by_set_and_type() -> None:
    cells = {
        "train": {"bccd neutrophil": 3, "txl-pbc red": 2, "bccd red": 1},
        "val": {"bccd neutrophil": 1, "lab immature granulocyte": 4},
    }
    bccd, lab, txl = learnt_from({"data": {"cells": cells}})
    assert bccd.source is SOURCES["bccd"]
    assert (bccd.learnt, bccd.held) == ({"neutrophil": 3, "red": 1}, {"neutrophil": 1})
    assert lab.source.title == "lab"
    assert lab.held == {"immature granulocyte": 4}
    assert txl.held == {}


def test_model_that_does_not_say_has_no_origin() -> None:
    assert learnt_from({}) == learnt_from({"data": None}) == ()
