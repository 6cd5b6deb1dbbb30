from datetime import UTC, datetime

import pytest

from hematovision.people import Role, User
from hematovision.services.accounts import add_user
from hematovision.services.hands import Hand
from hematovision.services.preferences import find_language, set_language
from hematovision.storage.database import Database

BY = Hand(None, "page", datetime(2026, 11, 25, tzinfo=UTC))


@pytest.fixture
def ines(database: Database) -> User:
    return add_user(database, "ines", Role.TECHNOLOGIST, by=BY)


def test_language_is_remembered_for_one_person(database: Database, ines: User) -> None:
    other = add_user(database, "omar", Role.VIEWER, by=BY)
    assert find_language(database, ines) is None
    for language in ("es", "en"):
        set_language(database, ines, language, by=BY)
        assert find_language(database, ines) == language
    assert find_language(database, other) is None


def test_language_is_recorded_with_its_change(database: Database, ines: User) -> None:
    set_language(database, ines, "es", by=BY)
    with database.reading() as records:
        event = records.audit.list()[0]
    assert (event.action, event.subject) == ("user.language", f"user {ines.id}")
    assert event.details == {"language": "es"}
