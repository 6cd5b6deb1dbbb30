from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.films import NOW, FilmReader, cells_of, make_case, picture

from hematovision.cells import Box, PhotoReading, Reading, RgbImage
from hematovision.errors import CaseUnknownError, NotConfirmedError
from hematovision.people import Role
from hematovision.services.batches import Desk, add_photo, read_photo, take_next
from hematovision.services.cases import change_note, get_case, open_case
from hematovision.services.crops import Album, get_crop
from hematovision.services.erasing import (
    SETTLED,
    Confirmation,
    Why,
    erase_case,
    erase_reading,
    sweep,
)
from hematovision.services.hands import Hand
from hematovision.services.review import Said, name_cells
from hematovision.storage.belongings import CASES
from hematovision.storage.cases import Case
from hematovision.storage.connections import FILE
from hematovision.storage.database import Database
from hematovision.storage.deliveries import Told
from hematovision.storage.files import Files
from hematovision.storage.photos import Sent
from hematovision.storage.sealing import Seal
from hematovision.storage.tables import (
    AnswerRow,
    Base,
    DiscardRow,
    LocatorCheckRow,
    ReturnRow,
    SecondLabelRow,
    SecondReadingRow,
    ShadowRow,
    SignatureRow,
)

BY = Hand(None, "terminal", NOW)
LATER = replace(BY, now=NOW + SETTLED)
NOTE = "Perlmutter-Oxenstierna"
ACCESSION = "26-ZQXJ"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(str(tmp_path / "pictures"), Seal(bytes(32)))


def kept(files: Files) -> list[str]:
    return sorted(path.name for path in Path(files.root).rglob("*") if path.is_file())


def numbers(database: Database) -> dict[str, int]:
    """Count the rows of every table that is not of the record of changes."""
    with database.engine.connect() as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
            if not table.name.startswith("audit") and table.name != DiscardRow.__tablename__
        }


def reviewed_case(database: Database, files: Files, accession: str = ACCESSION) -> Case:
    """Make a case with photos, cells, words of people, and pictures made of it."""
    photos = [picture(len(accession) + number) for number in range(2)]
    case = make_case(database, files, FilmReader(8), photos, accession)
    with database.transaction() as records:
        ines = records.users.find("ines") or records.users.add("ines", Role.PATHOLOGIST, now=NOW)
        first = records.photos.list(case.id)[0]
        records.cells.add(case.id, first.id, Box(1, 2, 30, 40))
        if not records.webhooks.list():
            records.webhooks.add("https://lis.example.org/", "", ["case.signed"], by=None, now=NOW)
    by = Hand(ines.id, "page", NOW)
    add_photo(database, files, case, photos[0], by=by)
    cells = cells_of(database, case)
    said = [Said(cell.id, "blast", cell.version) for cell in cells[:3]]
    name_cells(database, case.id, said, by=by)
    get_crop(Album(database, files), case.id, cells[0].id, 64)
    return change_note(database, get_case(database, case.id), NOTE, by=by)


def full_case(database: Database, files: Files) -> Case:
    """Make a case that has a row in every table whose rows can hang on one."""
    case = reviewed_case(database, files)
    first = cells_of(database, case)[0]
    with database.transaction() as records:
        ines = records.users.find("ines")
        assert ines is not None
        who, read = {"asked_by": ines.id, "asked_at": NOW}, {"photo_id": first.photo_id}
        second = SecondReadingRow(case_id=case.id, reader_id=ines.id, **who)
        records.session.add_all(
            [
                second,
                ReturnRow(case_id=case.id, version=0, reason=NOTE, **who),
                SignatureRow(
                    case_id=case.id,
                    version=1,
                    meaning="reviewed",
                    printed_name="Ines",
                    signed_by=ines.id,
                    signed_at=NOW,
                    reason=NOTE,
                    overrides={"target": NOTE},
                    content={"accession": ACCESSION},
                ),
                AnswerRow(
                    user_id=ines.id,
                    key_hash=bytes(32),
                    fingerprint=bytes(32),
                    work="",
                    claim="",
                    claimed_at=NOW,
                    case_id=case.id,
                    answer=NOTE.encode(),
                ),
                ShadowRow(model_sha256="2" * 64, read_at=NOW, cells=[{"note": NOTE}], **read),
                LocatorCheckRow(
                    found=1, missed=0, wrong=0, checked_by=ines.id, checked_at=NOW, **read
                ),
            ]
        )
        records.session.flush()
        records.jobs.add([first.photo_id], sent_by=ines.id, now=NOW)
        (webhook,) = records.webhooks.list()
        told = Told("msg_1", "case.signed", NOTE, case.id)
        records.deliveries.add(told, webhook.id, now=NOW)
        said = {"reading_id": second.id, "cell_id": first.id, "version": 1, "said_at": NOW}
        records.session.add(SecondLabelRow(**said))
    return case


def erase(database: Database, files: Files, case: Case, why: str = "asked") -> None:
    erase_case(database, files, case.id, Confirmation(case.accession, why), by=BY)


def test_nothing_of_an_erased_case_is_left_and_all_of_another(
    database: Database, files: Files
) -> None:
    other = reviewed_case(database, files, "26-1")
    before, pictures = numbers(database), kept(files)
    case = full_case(database, files)
    with database.reading() as records:
        hanging = records.belongings.list(CASES, case.id)
    # Whoever adds a table gives the case here a row in it.
    assert [name for name, rows in hanging.items() if not rows] == []
    erase(database, files, case)
    # Of a job only that there was one.
    assert numbers(database) == before | {"jobs": 1}
    assert kept(files) == pictures
    with database.reading() as records:
        assert not any(records.belongings.list(CASES, case.id).values())
        assert len(records.cells.list(other.id)) == 17


def test_every_table_that_speaks_of_a_case_is_reached(database: Database, files: Files) -> None:
    case = reviewed_case(database, files)
    with database.reading() as records:
        reached = records.belongings.list(CASES, case.id)
    assert {"cases", "photos", "readings", "cells", "reviews", "history"} <= set(reached)
    apart = set(Base.metadata.tables) - set(reached)
    for name in (name for name in apart if not name.startswith("audit")):
        spoken_of = {link.column.table.name for link in Base.metadata.tables[name].foreign_keys}
        assert not spoken_of & set(reached), name


def test_record_keeps_that_it_was_and_why_but_not_what_it_held(
    database: Database, files: Files
) -> None:
    case = reviewed_case(database, files)
    erase(database, files, case)
    with database.reading() as records:
        event = records.audit.list()[0]
        everything = str(records.audit.list(limit=1000))
    assert (event.action, event.subject) == ("case.erased", f"case {case.id}")
    assert event.details == {"photos": 3, "why": "asked"}
    assert NOTE not in everything
    assert ACCESSION not in everything


def test_no_byte_of_an_erased_case_is_left_in_the_files(
    database: Database, files: Files, tmp_path: Path
) -> None:
    if database.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL overwrites what was deleted when it vacuums")
    for number in range(40):
        open_case(database, f"26-{number}", "a note of another case", by=BY)
    case = full_case(database, files)
    for number in range(40, 80):
        open_case(database, f"26-{number}", "a note of another case", by=BY)
    held = [NOTE, ACCESSION, ACCESSION.casefold()]
    with database.reading() as records:
        held += [photo.image_sha256 for photo in records.photos.list(case.id)]
    assert all(word in in_files(tmp_path) for word in (NOTE, ACCESSION))
    erase(database, files, case)
    left = in_files(tmp_path)
    assert [word for word in held if word in left] == []


def in_files(folder: Path) -> str:
    """Read all that stands in the database's files."""
    return "".join(path.read_bytes().decode("latin-1") for path in sorted(folder.rglob(f"{FILE}*")))


@pytest.mark.parametrize(
    ("accession", "why", "wrong"),
    [
        pytest.param("26-1", "asked", "not the one of this case", id="another number"),
        pytest.param("", "asked", "not the one of this case", id="no number"),
        pytest.param("26-ZQXJ", "", "not said why", id="no reason"),
        pytest.param("26-ZQXJ", "because", "not said why", id="own words"),
    ],
)
def test_case_is_not_erased_unless_it_is_confirmed(
    database: Database, files: Files, accession: str, why: str, wrong: str
) -> None:
    case = reviewed_case(database, files)
    before = numbers(database), kept(files)
    with pytest.raises(NotConfirmedError, match=wrong):
        erase_case(database, files, case.id, Confirmation(accession, why), by=BY)
    assert (numbers(database), kept(files)) == before


def test_number_may_be_typed_in_other_capitals(database: Database, files: Files) -> None:
    case = reviewed_case(database, files)
    erase_case(database, files, case.id, Confirmation(" 26-zqxj ", "trial"), by=BY)
    with pytest.raises(CaseUnknownError):
        get_case(database, case.id)


def test_case_that_is_not_there_cannot_be_erased(database: Database, files: Files) -> None:
    with pytest.raises(CaseUnknownError):
        erase_case(database, files, 4711, Confirmation("26-1", "asked"), by=BY)


def test_number_of_an_erased_case_is_never_given_again(database: Database, files: Files) -> None:
    case = reviewed_case(database, files)
    photos, cells = last_numbers(database, case)
    erase(database, files, case)
    again = reviewed_case(database, files)
    assert again.id > case.id
    with database.reading() as records:
        assert min(photo.id for photo in records.photos.list(again.id)) > photos
        assert min(cell.id for cell in records.cells.list(again.id)) > cells


def last_numbers(database: Database, case: Case) -> tuple[int, int]:
    with database.reading() as records:
        photos, cells = records.photos.list(case.id), records.cells.list(case.id)
    return max(photo.id for photo in photos), max(cell.id for cell in cells)


class Interrupted(FilmReader):
    """Somebody erases the case while its photo is read."""

    def __init__(self, erase: Iterable[None]) -> None:
        super().__init__(4)
        self._erase = iter(erase)

    def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
        next(self._erase)
        return super().read(photo, explain=explain)


def test_case_erased_while_a_worker_reads_leaves_nothing_behind(
    database: Database, files: Files
) -> None:
    case = open_case(database, ACCESSION, by=BY)
    # A picture with metadata is written anew after it was read.
    add_photo(database, files, case, picture() + b"behind its end", by=BY)

    def erasing() -> Iterator[None]:
        erase(database, files, case)
        assert kept(files) == []
        yield

    desk = Desk(database, files, Interrupted(erasing()))
    photo = take_next(database, "worker", now=NOW)
    assert photo is not None
    read_photo(desk, photo, "worker", clock=lambda: NOW)
    assert kept(files) == []
    assert not any(numbers(database).values())


def test_picture_that_somebody_put_back_goes_some_minutes_later(
    database: Database, files: Files
) -> None:
    case = reviewed_case(database, files)
    with database.reading() as records:
        name = records.photos.list(case.id)[0].file or ""
    erase(database, files, case)
    files.put_again(name, b"put back by whoever was killed then")
    assert sweep(database, files, by=BY) == 0
    assert kept(files) == [name]
    assert sweep(database, files, by=LATER) == 2
    assert kept(files) == []
    assert sweep(database, files, by=LATER) == 0


def test_photo_sent_to_an_erased_case_is_refused_and_not_kept(
    database: Database, files: Files
) -> None:
    case = open_case(database, ACCESSION, by=BY)
    erase(database, files, case)
    with pytest.raises(CaseUnknownError):
        add_photo(database, files, case, picture(), by=BY)
    assert kept(files) == []


def test_reading_of_no_case_is_erased_and_one_of_a_case_is_not(
    database: Database, files: Files
) -> None:
    before = numbers(database)
    said = PhotoReading("a" * 64, 128, 96, FilmReader.model, ())
    with database.transaction() as records:
        sent = Sent("a" * 64, 9, files.put(b"picture"), "page", None, NOW)
        photo_id = records.photos.add_all_read([(sent, said)])[0]
    assert erase_reading(database, files, photo_id, Why.OVER, by=BY) is not None
    assert numbers(database) == before
    assert kept(files) == []
    case = reviewed_case(database, files)
    with database.reading() as records:
        of_case = records.photos.list(case.id)[0].id
    assert erase_reading(database, files, of_case, Why.OVER, by=BY) is None
    assert erase_reading(database, files, 4711, Why.OVER, by=BY) is None
    assert len(kept(files)) == 3


def test_erasing_waits_for_nobody_for_long() -> None:
    assert timedelta(minutes=1) <= SETTLED <= timedelta(hours=1)
