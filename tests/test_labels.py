from hematovision.cells import CellType
from hematovision.labels import ACTION_KEYS, FIVE, LABELS, Count, Label, find_label


def test_every_label_has_a_code_and_a_key_of_its_own() -> None:
    keys = [label.key for label in LABELS]
    assert len({label.code for label in LABELS}) == len(LABELS) == len(set(keys))
    assert not ACTION_KEYS & set(keys)


def test_types_that_the_network_names_are_white_cells_here() -> None:
    named = {label.code for label in LABELS if label.count is Count.WHITE}
    assert set(FIVE) == {str(kind) for kind in CellType} - {"other"}
    assert set(FIVE) <= named


def test_own_label_is_found_beside_those_of_the_table() -> None:
    own = Label("hairy_cell", "", Count.WHITE, "Hairy cell")
    assert find_label("hairy_cell", [own]) == own
    assert find_label("band") is not None
    assert find_label("hairy_cell") is None
