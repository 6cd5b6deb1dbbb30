from pathlib import Path

import pytest

from hematovision.cells import CellType
from hematovision.learning.externals import FolderOfTypesError, find_type, read_folder_of_types

from .sets import field, save


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        pytest.param("neutrophil", CellType.NEUTROPHIL, id="its name"),
        pytest.param("EOSINOPHIL", CellType.EOSINOPHIL, id="in capitals"),
        pytest.param("Lymphocytes", CellType.LYMPHOCYTE, id="in the plural"),
        pytest.param("1-Monocyte_", CellType.MONOCYTE, id="with signs and digits"),
        pytest.param("Baso", CellType.BASOPHIL, id="short"),
        pytest.param("EOS", CellType.EOSINOPHIL, id="short, ending like a plural"),
        pytest.param("Segmented neutrophils", CellType.NEUTROPHIL, id="two words"),
        pytest.param("NGB", CellType.NEUTROPHIL, id="band neutrophils as AML-Cytomorphology says"),
        pytest.param("erythroblast", None, id="not a mature type"),
        pytest.param("other", None, id="other"),
        pytest.param("42", None, id="no letter"),
    ],
)
def test_folder_means_a_type(folder: str, kind: CellType | None) -> None:
    assert find_type(folder) is kind


def test_pictures_are_found_in_folders_of_folders(tmp_path: Path) -> None:
    for name in ("Neut/a.PNG", "Neut/deep/b.jpg", "mono/a.png", "mono/.hidden.png", ".git/c.png"):
        save(field(1), tmp_path / name)
    (tmp_path / "mono/notes.txt").write_text("no picture")
    cells = read_folder_of_types("mine", tmp_path)
    assert [cell.path.relative_to(tmp_path).as_posix() for cell in cells] == [
        "Neut/a.PNG",
        "Neut/deep/b.jpg",
        "mono/a.png",
    ]
    assert [cell.cell_type for cell in cells] == ["neutrophil", "neutrophil", "monocyte"]
    assert len({cell.group for cell in cells}) == 3
    assert {cell.split for cell in cells} == {"test"}


def test_unknown_folders_are_named(tmp_path: Path) -> None:
    for name in ("neutrophil", "erythroblast", "platelet"):
        save(field(1), tmp_path / name / "a.png")
    with pytest.raises(FolderOfTypesError, match=r"erythroblast, platelet in .* names no type"):
        read_folder_of_types("mine", tmp_path)


@pytest.mark.parametrize("folders", [[], ["neutrophil"]])
def test_set_without_a_picture_is_refused(tmp_path: Path, folders: list[str]) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir()
    with pytest.raises(FolderOfTypesError, match="no picture"):
        read_folder_of_types("mine", tmp_path)
