from datetime import UTC, datetime

from hematovision.people import Role
from hematovision.storage.database import Database
from hematovision.storage.laboratory import LaboratorySetting

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)


def put(database: Database, content: object, seen: int) -> bool:
    with database.transaction() as records:
        return records.laboratory.set("labels", content, seen=seen, by=None, now=NOW)


def test_setting_has_its_default_until_it_is_set(each_database: Database) -> None:
    with each_database.reading() as records:
        assert records.laboratory.get("labels", []) == LaboratorySetting([])
    assert put(each_database, ["a"], 0)
    with each_database.reading() as records:
        assert records.laboratory.get("labels", []) == LaboratorySetting(["a"], 1, None, NOW)


def test_later_of_two_who_set_at_once_is_told(each_database: Database) -> None:
    assert put(each_database, ["a"], 0)
    assert not put(each_database, ["b"], 0)
    assert put(each_database, ["c"], 1)
    assert not put(each_database, ["d"], 1)


def test_preference_is_of_one_person_and_can_be_forgotten(each_database: Database) -> None:
    with each_database.transaction() as records:
        one, other = (records.users.add(name, Role.VIEWER, now=NOW) for name in ("a", "b"))
        for content in ({"N": "1"}, {"N": "2"}):
            records.laboratory.prefer(one.id, "keys", content)
        assert records.laboratory.preference(one.id, "keys", {}) == {"N": "2"}
        assert records.laboratory.preference(other.id, "keys", {}) == {}
        records.laboratory.prefer(one.id, "keys", None)
        assert records.laboratory.preference(one.id, "keys", {}) == {}
