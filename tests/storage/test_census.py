from datetime import timedelta

from tests.databases import counted_queries

from hematovision.storage.database import Database
from hematovision.storage.photos import PhotoState

from .test_overviews import NOW, Film

DAY = timedelta(days=1)


def test_census_counts_photos_and_recent_decisions(each_database: Database) -> None:
    film = Film(each_database)
    film.case("26-0001", photos=3, read=2)
    with each_database.reading() as records:
        census = records.census.take(waiting=PhotoState.WAITING, since=NOW - DAY)
        later = records.census.take(waiting=PhotoState.WAITING, since=NOW + 400 * DAY)
    assert census.photos == {"read": 2, "waiting": 1}
    assert census.waiting_since == NOW
    assert census.decisions == {"neutrophil": 2, "unidentified": 2}
    assert later.decisions == {}


def test_census_of_nothing_is_nothing(each_database: Database) -> None:
    with each_database.reading() as records:
        census = records.census.take(waiting=PhotoState.WAITING, since=NOW)
    assert (census.photos, census.waiting_since, census.decisions) == ({}, None, {})


def test_waiting_is_counted_no_further_than_matters(each_database: Database) -> None:
    Film(each_database).case("26-0001", photos=5)
    with each_database.reading() as records:
        assert records.census.count_waiting(PhotoState.WAITING, most=3) == 3
        assert records.census.count_waiting(PhotoState.WAITING, most=9) == 5
        assert records.census.count_waiting(PhotoState.READ, most=9) == 0


def test_census_takes_four_questions(database: Database) -> None:
    with counted_queries(database) as queries, database.reading() as records:
        records.census.take(waiting=PhotoState.WAITING, since=NOW)
    assert len(queries) == 4
