import io

import pyarrow.parquet as pq
import pytest

from hematovision import __version__
from hematovision.cells import CellReader
from hematovision.errors import EmptyFileError
from hematovision.exchange.datasets import (
    CELLS_SCHEMA,
    PHOTOS_SCHEMA,
    SCHEMA_VERSION,
    Outcome,
    drop_failed,
    failed,
    read_columns,
    write_cells,
    write_photos,
)
from hematovision.exchange.documents import reading_document
from hematovision.services.readings import read_image


@pytest.fixture
def outcomes(reader: CellReader, jpeg: bytes) -> list[Outcome]:
    reading = read_image(jpeg, reader=reader).reading
    return [
        Outcome("/a.jpg", reading.image_sha256, len(jpeg), 0.12345, reading),
        failed("/b.jpg", EmptyFileError("The file is empty."), sha256="e3b0", size=0, seconds=0.1),
    ]


def test_row_of_a_cell_says_what_the_document_says(outcomes: list[Outcome]) -> None:
    table = pq.read_table(io.BytesIO(write_cells(outcomes)))
    first, second = table.to_pylist()
    assert outcomes[0].reading
    document = reading_document(outcomes[0].reading)
    said = document["cells"][1]
    assert (first["cell"], second["cell"]) == (1, 2)
    assert [second[side] for side in ("xmin", "ymin", "xmax", "ymax")] == said["box"]
    assert {f"p_{name}": part for name, part in said["probabilities"].items()} == {
        name: value for name, value in second.items() if name.startswith("p_")
    }
    for name in ("decision", "cell_type", "confidence", "prediction_set", "known", "morphology"):
        assert second[name] == said[name]
    assert (second["photo"], second["photo_sha256"]) == ("/a.jpg", document["image"]["sha256"])
    assert (second["width"], second["height"]) == (128, 96)
    assert (second["model_name"], second["program_version"]) == ("stub", __version__)
    assert second["engine"] == document["engine"] == "in_process"


def test_row_of_a_photo_says_what_became_of_it(outcomes: list[Outcome], reader: CellReader) -> None:
    read, lost = pq.read_table(io.BytesIO(write_photos(outcomes, reader.model))).to_pylist()
    assert (read["status"], read["cells"], read["failure"], read["seconds"]) == (
        "read",
        2,
        None,
        0.1235,
    )
    assert (lost["status"], lost["failure"], lost["message"], lost["width"]) == (
        "failed",
        "empty_file",
        "The file is empty.",
        None,
    )
    assert (lost["bytes"], lost["cells"], lost["model_sha256"]) == (0, 0, "0" * 64)
    assert (read["engine"], lost["engine"]) == ("in_process", None)


def test_columns_and_their_version_stand_in_every_file_even_without_a_row() -> None:
    for file, schema in ((write_cells([]), CELLS_SCHEMA),):
        table = pq.read_table(io.BytesIO(file))
        assert table.schema.equals(schema)
        assert table.schema.metadata[b"hematovision.schema"] == str(SCHEMA_VERSION).encode()
        assert len(table) == 0


def test_what_failed_can_be_left_out(outcomes: list[Outcome], reader: CellReader) -> None:
    file = drop_failed(write_photos(outcomes, reader.model))
    assert read_columns(file, ["photo", "status"]) == {"photo": ["/a.jpg"], "status": ["read"]}
    assert pq.read_table(io.BytesIO(file)).schema.metadata == PHOTOS_SCHEMA.metadata


@pytest.mark.parametrize("file", [b"", b"no Parquet", write_cells([])])
def test_file_of_something_else_is_none_of_ours(file: bytes) -> None:
    with pytest.raises(ValueError, match="not a Parquet file"):
        read_columns(file, ["photo", "status"])
