from datetime import UTC, datetime, timedelta

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from hematovision.people import Right, Role
from hematovision.storage.database import Database
from hematovision.storage.versions import MIGRATIONS, downgrade, upgrade

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def ines(database: Database) -> int:
    with database.transaction() as records:
        return records.users.add("ines", Role.TECHNOLOGIST, now=NOW).id


def add(database: Database, token: str, user_id: int, *scopes: Right) -> int:
    with database.transaction() as records:
        return records.tokens.add(token, user_id, token, scopes, now=NOW, expires_at=LATER)


def test_tokens_belong_to_their_owner(database: Database, ines: int) -> None:
    number = add(database, "secret", ines, Right.READ_PHOTOS)
    with database.transaction() as records:
        other = records.users.add("other", Role.VIEWER, now=NOW).id
        tokens = records.tokens
        assert [token.id for token in tokens.list(user_id=ines, now=NOW)] == [number]
        assert tokens.list(user_id=other, now=NOW) == []
        assert tokens.remove(number, user_id=other) is None
        found = tokens.find("secret", now=NOW)
        assert found
        assert (found.owner.id, found.scopes) == (ines, {Right.READ_PHOTOS})
        assert tokens.find("secret", now=LATER) is None
        assert tokens.remove(number, user_id=ines) == ines
        assert tokens.find("secret", now=NOW) is None


def test_everybodys_are_listed_and_anybodys_is_removed(database: Database, ines: int) -> None:
    number = add(database, "first", ines, Right.EXPORT)
    add(database, "second", ines, Right.EXPORT)
    with database.transaction() as records:
        assert [one.label for one in records.tokens.list(now=NOW)] == ["second", "first"]
        assert records.tokens.remove(number) == ines
        assert records.tokens.remove(number) is None
        assert records.tokens.remove_all(ines) == 1


def test_use_is_written_down_once_in_a_while(database: Database, ines: int) -> None:
    number = add(database, "secret", ines, Right.EXPORT)
    for seconds, address in ((0, "10.0.0.1"), (59, "10.0.0.2"), (60, "10.0.0.3")):
        with database.transaction() as records:
            now = NOW + timedelta(seconds=seconds)
            records.tokens.see(number, now=now, address=address, every=MINUTE)
            found = records.tokens.find("secret", now=NOW)
            assert found
            seen = (NOW, "10.0.0.1") if seconds < 60 else (now, "10.0.0.3")
            assert (found.used_at, found.used_from) == seen


def test_ended_tokens_are_swept(database: Database, ines: int) -> None:
    add(database, "secret", ines, Right.EXPORT)
    with database.transaction() as records:
        records.tokens.sweep(now=LATER)
        assert records.tokens.list(now=NOW) == []


def test_role_that_shrinks_shrinks_what_a_token_carries(database: Database, ines: int) -> None:
    add(database, "secret", ines, Right.SEE_CASES, Right.EXPORT)
    with database.transaction() as records:
        records.users.set_role(ines, Role.VIEWER)
        found = records.tokens.find("secret", now=NOW)
        assert found
        assert found.carried == [Right.SEE_CASES]
        records.users.set_role(ines, Role.TECHNOLOGIST)
        found = records.tokens.find("secret", now=NOW)
        assert found
        assert found.carried == [Right.SEE_CASES, Right.EXPORT]


def test_token_of_before_there_were_scopes_keeps_what_a_program_could(database: Database) -> None:
    with database.transaction() as records:
        for role in Role:
            owner = records.users.add(role, role, now=NOW).id
            records.tokens.add(role, owner, role, Right, now=NOW, expires_at=LATER)
    found = ScriptDirectory(str(MIGRATIONS)).get_revision("0009")
    downgrade(database.engine, found.down_revision)
    with database.engine.connect() as connection:
        assert connection.scalar(text("SELECT COUNT(*) FROM api_tokens")) == len(Role)
    upgrade(database.engine)
    with database.reading() as records:
        kept = {token.label: token for token in records.tokens.list(now=NOW)}
    assert kept["viewer"].carried == [Right.SEE_MODEL, Right.SEE_CASES]
    assert Right.SET_LABORATORY in kept["pathologist"].carried
    assert Right.MANAGE_MODELS not in kept["pathologist"].scopes
    people = {Right.SIGN, Right.ERASE, Right.MANAGE_USERS, Right.CONNECT}
    assert kept["administrator"].scopes == frozenset(Right) - people
    assert kept["administrator"].used_at is None
