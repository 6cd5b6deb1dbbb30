"""A case handed over whole: every row that hangs on it, what is recorded of it, and its pictures.

It is for machines: the rows stand as they do in the database. Reports for people are elsewhere.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hematovision import __version__
from hematovision.cells import NOTICE
from hematovision.exchange.parcels import Parcel, new_parcel
from hematovision.services.hands import Hand
from hematovision.storage.answers import ANSWERS
from hematovision.storage.belongings import CASES, PHOTOS
from hematovision.storage.cases import Case
from hematovision.storage.database import Database, Records
from hematovision.storage.files import Files, PictureGoneError
from hematovision.storage.sealing import SealBrokenError
from hematovision.storage.versions import newest_version
from hematovision.vision.containers import find_kind

FORMAT = "hematovision-case"
DOCUMENT = "case.json"


@dataclass(frozen=True, slots=True)
class Copied:
    """What was handed over.

    Attributes:
        pictures: How many.
        missing: How many photos have none, or one that cannot be opened.
        sha256: Of the list of all files, which names the hash of each.
    """

    pictures: int
    missing: int
    sha256: str


def export_case(database: Database, files: Files, case: Case, target: Path, *, by: Hand) -> Copied:
    """Write all that is kept of a case.

    Args:
        database: Keeps it.
        files: Keeps its pictures; they are written as they can be looked at.
        case: The case.
        target: A folder that is not there yet, or a ZIP where its name ends so.
        by: Who takes it.

    Raises:
        CaseUnknownError: If it was erased meanwhile.
        OSError: If the target is there, or cannot be written.
    """
    with database.reading() as records:
        found = records.belongings.list(CASES, case.id)
        rows = {name: found[name] for name in found if name != ANSWERS}
        people = records.belongings.people(rows)
        events = _events(records, case.id, [photo["id"] for photo in rows[PHOTOS]])
    with new_parcel(target) as parcel:
        pictures = _write_pictures(parcel, files, rows[PHOTOS])
        document = {
            "format": FORMAT,
            "tables_version": newest_version(),
            "program": __version__,
            "notice": NOTICE,
            "exported_at": by.now,
            "pictures": pictures,
            "people": people,
            **rows,
            "audit_events": events,
        }
        text = json.dumps(document, indent=1, ensure_ascii=False, default=_plain)
        parcel.write(DOCUMENT, [text.encode()])
        parcel.close({"format": FORMAT})
        details = {"case": case.id, "format": "copy", "sha256": parcel.sha256}
        with database.transaction() as records:
            records.audit.add(by.did("case.exported", f"case {case.id}", details))
    wanted = sum(photo["same_as"] is None for photo in rows[PHOTOS])
    return Copied(len(pictures), wanted - len(pictures), parcel.sha256)


def _events(
    records: Records, case_id: int, photo_ids: Sequence[int]
) -> Sequence[Mapping[str, Any]]:
    """Give what is recorded of a case and of its photos, with what the record can forget."""
    events = []
    for event in records.belongings.events(case_id, photo_ids):
        values = records.audit.values.open(event["id"])
        said = {"before": values.before, "after": values.after} if values else {}
        events.append({**event, **said})
    return events


def _write_pictures(
    parcel: Parcel, files: Files, photos: Sequence[Mapping[str, Any]]
) -> Mapping[str, str]:
    """Write the pictures that are to be had; give their names by the ids of their photos."""
    written = {}
    for photo in photos:
        try:
            picture = files.get(photo["file"] or "")
        except (PictureGoneError, SealBrokenError):
            continue
        kind = find_kind(picture) or "bin"
        name = f"photos/{photo['number']:04}.{kind.lower()}"
        parcel.write(name, [picture])
        written[str(photo["id"])] = name
    return written


def _plain(value: object) -> str:
    """Write what JSON does not know: a moment, and bytes."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"{type(value)} cannot be written as JSON.")
