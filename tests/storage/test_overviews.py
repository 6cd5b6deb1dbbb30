from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event
from tests.conftest import EmptyReader, StubReader
from tests.databases import counted_queries, open_copy

from hematovision.cells import PhotoReading
from hematovision.people import Role
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.overviews import Pile, Search
from hematovision.storage.photos import PhotoState, Sent
from hematovision.storage.tables import CaseRow

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
PHOTO = np.zeros((96, 128, 3), np.uint8)


class Film:
    """Makes cases in whatever state a test needs."""

    def __init__(self, database: Database) -> None:
        self.database, self.numbers = database, count(1)
        with database.transaction() as records:
            self.ines = records.users.add("ines", Role.TECHNOLOGIST, now=NOW).id

    def case(
        self, accession: str, *, photos: int = 0, read: int = 0, by: int | None = None
    ) -> Case:
        number = next(self.numbers)
        with self.database.transaction() as records:
            case = records.cases.add(accession, "", by=by, now=NOW + timedelta(hours=number))
            for at in range(photos):
                sent = Sent(f"{number}-{at}", 9, "name", "page", None, NOW)
                records.photos.add(sent, case_id=case.id)
        self.read(read)
        return case

    def read(self, photos: int, reader: StubReader | None = None) -> None:
        reader = reader or StubReader()
        for at in range(photos):
            with self.database.transaction() as records:
                photo = records.photos.take("worker", now=NOW, until=NOW)
                assert photo is not None
                said = PhotoReading("a", 128, 96, reader.model, tuple(reader.read(PHOTO)))
                assert records.photos.finish(
                    photo, "worker", said, now=NOW + timedelta(seconds=2 * at)
                )

    def review(self, case: Case, label: str | None = "blast") -> None:
        """Name every cell."""
        with self.database.transaction() as records:
            records.cases.begin_review(case.id)
            for cell in records.cells.list(case.id):
                assert records.cells.review(
                    case.id, cell.id, label, seen=cell.version, by=self.ines, now=NOW
                )

    def found(self, **wanted: object) -> list[str]:
        with self.database.reading() as records:
            return [
                one.case.accession
                for one in records.overviews.search(Search(**wanted))  # type: ignore[arg-type]
            ]


@pytest.fixture
def film(each_database: Database) -> Film:
    return Film(each_database)


def test_piles_part_what_waits_for_a_review_from_what_can_be_signed(film: Film) -> None:
    reviewed = film.case("reviewed", photos=1, read=1)
    film.review(reviewed)
    begun = film.case("begun", photos=1, read=1)
    with film.database.transaction() as records:
        records.cases.begin_review(begun.id)
    put_back = film.case("put back", photos=1, read=1)
    film.review(put_back, "unidentified")
    more_comes = film.case("more comes", photos=1, read=1)
    film.review(more_comes)
    with film.database.transaction() as records:
        records.photos.add(Sent("new", 9, "name", "page", None, NOW), case_id=more_comes.id)
    film.case("empty")
    signed = film.case("signed", photos=0)
    with film.database.transaction() as records:
        row = records.session.get(CaseRow, signed.id)
        assert row is not None
        row.state = "signed"
    waiting = ["begun", "put back", "more comes", "empty"]
    assert film.found(pile=Pile.REVIEW) == waiting
    assert film.found(pile=Pile.SIGN) == ["reviewed"]
    assert film.found() == ["signed", "empty", "more comes", "put back", "begun", "reviewed"]
    with film.database.reading() as records:
        found = records.overviews.count_waiting()
    assert (found.to_review, found.to_sign, found.unidentified) == (4, 1, 3)
    assert found.oldest is not None
    assert found.oldest.accession == "begun"
    assert found.since == NOW + timedelta(hours=2)


def test_nothing_waits_where_there_is_nothing(film: Film) -> None:
    with film.database.reading() as records:
        found = records.overviews.count_waiting()
        assert not records.overviews.has_cases()
    assert (found.to_review, found.to_sign, found.unidentified, found.oldest) == (0, 0, 0, None)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("h26", ["H26/0838", "h26/0837"], id="whatever its capitals"),
        pytest.param("0837", ["h26/0837"], id="in the middle"),
        pytest.param("%", [], id="no pattern"),
        pytest.param("_", [], id="no wildcard"),
    ],
)
def test_cases_are_found_by_a_part_of_their_number(film: Film, text: str, found: list[str]) -> None:
    film.case("h26/0837")
    film.case("H26/0838")
    film.case("other")
    assert film.found(text=text) == found


def test_mine_are_those_that_i_looked_at_or_made(film: Film) -> None:
    with film.database.transaction() as records:
        otto = records.users.add("otto", Role.TECHNOLOGIST, now=NOW).id
    film.case("made by me", by=film.ines)
    taken = film.case("made by otto", photos=1, read=1, by=otto)
    film.review(taken)
    film.case("otto's own", by=otto)
    assert film.found(mine=film.ines) == ["made by otto", "made by me"]
    assert film.found(mine=otto) == ["otto's own"]


def test_pages_follow_the_order_of_the_pile(film: Film) -> None:
    ids = [film.case(f"case {number}").id for number in range(5)]
    assert film.found(limit=2) == ["case 4", "case 3"]
    assert film.found(cursor=ids[3], limit=2) == ["case 2", "case 1"]
    assert film.found(pile=Pile.REVIEW, cursor=ids[1], limit=2) == ["case 2", "case 3"]


def test_summary_says_all_that_a_list_shows(film: Film) -> None:
    case = film.case("26-0837", photos=3, read=2)
    film.review(case)
    with film.database.reading() as records:
        (found,) = records.overviews.search(Search())
        photos = records.photos.list(case.id)
    assert found.reviewer == "ines"
    assert found.photos == {PhotoState.READ: 2, PhotoState.WAITING: 1}
    assert found.film == photos[0].id
    assert sum(tally.number for tally in found.tallies) == 4


def test_cases_are_looked_for_in_as_many_queries_however_many_there_are(film: Film) -> None:
    def asked() -> int:
        with film.database.reading() as records, counted_queries(film.database) as queries:
            records.overviews.search(Search(pile=Pile.REVIEW))
            records.overviews.count_waiting()
        return len(queries)

    film.case("first", photos=1, read=1)
    alone = asked()
    for number in range(8):
        film.case(f"case {number}", photos=2, read=1)
    assert asked() == alone == 7


def test_unidentified_cells_are_found_by_their_index(tmp_path: Path, empty_file: Path) -> None:
    # PostgreSQL reads so few rows without any index.
    database = open_copy(empty_file, tmp_path / "database")
    asked: list[tuple[str, object]] = []
    event.listen(
        database.engine,
        "before_cursor_execute",
        lambda _, __, statement, values, *___: asked.append((statement, values)),
    )
    with database.reading() as records:
        records.overviews.search(Search(pile=Pile.SIGN))
        statement, values = next(one for one in asked if one[0].startswith("SELECT"))
        connection = records.session.connection()
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        assert "ix_cells_unidentified" in str(plan.all())
    database.close()


def test_running_cases_are_those_whose_photos_are_not_all_read(film: Film) -> None:
    film.case("read", photos=1, read=1)
    paused = film.case("paused", photos=2)
    film.case("waiting", photos=1)
    with film.database.transaction() as records:
        waiting = PhotoState.WAITING, PhotoState.PAUSED
        records.photos.move(paused.id, out_of=waiting[:1], to=waiting[1])
    with film.database.reading() as records:
        running = [case.accession for case in records.overviews.running(limit=9)]
        assert running == ["paused", "waiting"]
        assert len(records.overviews.running(limit=1)) == 1


def test_photos_are_listed_with_their_cells_and_what_they_are_the_same_as(film: Film) -> None:
    case = film.case("26-0837", photos=2)
    with film.database.transaction() as records:
        records.photos.add(Sent("1-0", 9, "name", "page", None, NOW), case_id=case.id)
    film.read(1)
    film.read(1, EmptyReader())
    film.review(case, "no_cell")
    with film.database.transaction() as records:
        cell = records.cells.list(case.id)[0]
        assert records.cells.review(case.id, cell.id, None, seen=1, by=film.ines, now=NOW)
    with film.database.reading() as records, counted_queries(film.database) as queries:
        shown = records.overviews.photos(case.id, after=0, limit=9)
        assert len(queries) == 1
        later = records.overviews.photos(case.id, after=1, limit=1)
    assert [(one.photo.number, one.photo.state, one.cells, one.same_as) for one in shown] == [
        (1, PhotoState.READ, 1, None),
        (2, PhotoState.READ, 0, None),
        (3, PhotoState.SAME, 0, 1),
    ]
    assert shown[2].photo.file is None
    assert [one.photo.number for one in later] == [2]


def test_photos_ahead_are_those_until_the_last_of_the_case(film: Film) -> None:
    film.case("before", photos=2)
    case = film.case("this one", photos=2)
    film.case("behind", photos=2)
    with film.database.reading() as records:
        assert records.overviews.count_ahead(case.id) == 4
    film.read(4)
    with film.database.reading() as records:
        assert records.overviews.count_ahead(case.id) == 0
        assert len(records.overviews.newest_readings(case.id)) == 2


def test_failed_photo_is_left_out_once(film: Film) -> None:
    case = film.case("26-0837", photos=1)
    with film.database.transaction() as records:
        photo = records.photos.take("worker", now=NOW, until=NOW)
        assert photo is not None
        assert not records.photos.leave_out(case.id, photo.id)
        assert records.photos.fail(photo, "worker", "unreadable_image")
    with film.database.transaction() as records:
        assert [one.photo.id for one in records.overviews.failed(case.id, limit=9)] == [photo.id]
        assert not records.photos.leave_out(case.id + 1, photo.id)
        assert records.photos.leave_out(case.id, photo.id)
        assert not records.photos.leave_out(case.id, photo.id)
        assert records.overviews.failed(case.id, limit=9) == []
        assert records.photos.find_content(case.id, "1-0", not_of="x") is None


def test_number_that_no_database_knows_is_nobodys(each_database: Database) -> None:
    with each_database.reading() as records:
        assert records.cases.find_by_id(10**30) is None
        assert records.photos.find(10**30) is None
