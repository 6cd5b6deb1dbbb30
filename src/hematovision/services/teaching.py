"""Cells that people have named, handed over as a set that a model can be taught with.

Only of cases that somebody has said it of; neither people nor cases are named. The pictures are
those that are kept: pixels, and nothing else that came with the file.
"""

import csv
import hashlib
import io
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from hematovision.errors import (
    ChangedMeanwhileError,
    FolderTakenError,
    HematoVisionError,
    NothingConfirmedError,
    PicturesAwayError,
)
from hematovision.labels import LABELS, LEARNT_AS, NOT_CLASSED
from hematovision.services.cases import CLOSED, the_case
from hematovision.services.crops import Album
from hematovision.services.hands import Hand
from hematovision.services.naming import own_labels
from hematovision.storage.database import Database, Records
from hematovision.storage.files import PictureGoneError
from hematovision.storage.models import Confirmed
from hematovision.storage.sealing import SealBrokenError
from hematovision.vision.containers import find_kind
from hematovision.vision.stripping import strip

FORM = 1
TABLE, SUMMARY, PHOTOS = "cells.csv", "dataset.json", "photos"
COLUMNS = (
    *("picture", "photo", "film", "xmin", "ymin", "xmax", "ymax"),
    *("label", "cell_type", "people"),
)
"""What stands in a row; docs/models.md says what each means."""

Track = Callable[[Iterable[str], str], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Exported:
    """What a set holds.

    Attributes:
        cells: Rows of its table.
        photos: Pictures in it, each once.
        films: Cases that they come from.
        lost: Photos with named cells that are not kept any more; their cells are left out.
        sha256: Of the table.
    """

    cells: int
    photos: int
    films: int
    lost: int
    sha256: str


def allow_teaching(database: Database, case_id: int, *, may_improve: bool, by: Hand) -> None:
    """Say whether the confirmed cells of a case may be used to improve a model; signed or not.

    Raises:
        CaseUnknownError: If there is no such case.
    """
    with database.transaction() as records:
        the_case(records, case_id)
        if records.cases.allow(case_id, may_improve=may_improve):
            action = "allowed" if may_improve else "forbidden"
            records.audit.add(by.did(f"case.teaching_{action}", f"case {case_id}"))


def export_cells(album: Album, folder: Path, *, unsigned: bool, by: Hand, track: Track) -> Exported:
    """Write the confirmed cells of consenting cases as a set; whole, or not at all.

    Args:
        album: Where cells and photos are.
        folder: To make.
        unsigned: Whether cells of cases count that are not signed yet.
        by: Who exports them.
        track: Shows how far it is.

    Raises:
        FolderTakenError: If the folder is there already.
        NothingConfirmedError: If there is no such cell whose photo is kept.
        ChangedMeanwhileError: If somebody took their consent back meanwhile.
        OSError: If the folder cannot be written.
    """
    with album.database.reading() as records:
        cells = _chosen(records, unsigned=unsigned)
    with _draft(folder) as draft:
        names = _write_pictures(album, draft, cells, track)
        written = [cell for cell in cells if names.get(cell.image_sha256)]
        if not written:
            raise NothingConfirmedError("There are no confirmed cells that may be exported.")
        exported = _write_table(draft, written, names)
        _write_summary(draft, exported, written, unsigned=unsigned, by=by)
        with album.database.transaction() as records:
            _insist_on_consent(records, written)
            details = asdict(exported) | {"unsigned": unsigned}
            records.audit.add(by.did("dataset.exported", "dataset", details))
        # Nothing leaves that is not on record.
        draft.rename(folder)
    return exported


@contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """Give a folder beside the one to make; what is left of it is thrown away."""
    folder = folder.absolute()
    if folder.exists() or folder.is_symlink():
        raise FolderTakenError("%(folder)s is there already.", folder=folder.name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _chosen(records: Records, *, unsigned: bool) -> Sequence[Confirmed]:
    names = {label.code for label in (*LABELS, *own_labels(records).every)} - {NOT_CLASSED}
    return [
        cell
        for cell in records.models.confirmed(names)
        if cell.may_improve and (unsigned or cell.case_state in CLOSED)
    ]


def _write_pictures(
    album: Album, draft: Path, cells: Sequence[Confirmed], track: Track
) -> dict[str, str]:
    """Write each photo once; give the name of each by its sha256, none where it is not kept."""
    (draft / PHOTOS).mkdir()
    files = {cell.image_sha256: cell.file for cell in cells}
    # Of one content in two cases one picture may be kept.
    files |= {cell.image_sha256: cell.file for cell in cells if cell.file}
    names: dict[str, str] = {}
    for sha256 in track(list(files), "photos"):
        picture = _find(album, files[sha256])
        names[sha256] = ""
        if picture is not None:
            suffix = "jpg" if find_kind(picture) == "JPEG" else "png"
            names[sha256] = f"{PHOTOS}/{sha256}.{suffix}"
            (draft / names[sha256]).write_bytes(picture)
    return names


def _find(album: Album, file: str | None) -> bytes | None:
    """Give a picture without anything but its pixels; None where it is not to be had."""
    try:
        data = album.files.get(file or "")
        photo = album.decoder.decode(data, max_pixels=album.max_pixels)
        return strip(data, photo, album.decoder)
    except PicturesAwayError:
        raise
    except (PictureGoneError, SealBrokenError, HematoVisionError):
        return None


def _write_table(draft: Path, cells: Sequence[Confirmed], names: dict[str, str]) -> Exported:
    films = {case_id: number for number, case_id in enumerate(_films(cells), 1)}
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for cell in cells:
        table.writerow(
            [
                names[cell.image_sha256],
                cell.image_sha256,
                films[cell.case_id],
                *cell.box.as_list(),
                cell.label,
                LEARNT_AS.get(cell.label, ""),
                cell.people,
            ]
        )
    content = text.getvalue().encode()
    (draft / TABLE).write_bytes(content)
    return Exported(
        cells=len(cells),
        photos=sum(bool(name) for name in names.values()),
        films=len(films),
        lost=sum(not name for name in names.values()),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _films(cells: Sequence[Confirmed]) -> Sequence[int]:
    """Give the cases in an order that says nothing: by their first photo's content."""
    first: dict[int, str] = {}
    for cell in sorted(cells, key=lambda cell: cell.image_sha256):
        first.setdefault(cell.case_id, cell.image_sha256)
    return sorted(first, key=lambda case_id: (first[case_id], case_id))


def _write_summary(
    draft: Path, exported: Exported, cells: Sequence[Confirmed], *, unsigned: bool, by: Hand
) -> None:
    summary = {
        "form": FORM,
        "exported_at": by.now.isoformat(timespec="seconds"),
        "cases": "all that may be used" if unsigned else "signed, and may be used",
        **asdict(exported),
        "labels": dict(Counter(cell.label for cell in cells).most_common()),
    }
    (draft / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n")


def _insist_on_consent(records: Records, cells: Sequence[Confirmed]) -> None:
    for case_id in {cell.case_id for cell in cells}:
        case = records.cases.find_by_id(case_id)
        if case is None or not case.may_improve:
            raise ChangedMeanwhileError("Meanwhile a case may not be used any more.")
