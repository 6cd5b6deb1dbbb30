"""What somebody looks at is on record, whatever else they looked at before."""

from dataclasses import replace
from datetime import timedelta

from hematovision.services.hands import Hand
from hematovision.services.looking import AGAIN, record_look
from hematovision.storage.database import Database

from .cases import NOW


def test_page_that_renews_itself_is_one_look_and_a_program_that_comes_after_it_another(
    each_database: Database,
) -> None:
    page = Hand(None, "page", NOW)
    looks = [
        page,
        replace(page, now=NOW + timedelta(minutes=1)),
        replace(page, door="api", now=NOW + timedelta(minutes=2)),
        replace(page, door="api", now=NOW + timedelta(minutes=3)),
        replace(page, door="api", now=NOW + timedelta(minutes=2) + AGAIN),
    ]
    for by in looks:
        record_look(each_database, by.did("case.seen", "case 7"), renewed=True)
    with each_database.reading() as records:
        seen = [event for event in records.audit.list() if event.action == "case.seen"]
    assert [(event.door, event.at) for event in reversed(seen)] == [
        (looks[place].door, looks[place].now) for place in (0, 2, 4)
    ]
