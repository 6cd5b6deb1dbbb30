from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from hematovision.people import Right, Role
from hematovision.storage.database import Database
from hematovision.storage.users import fold_name

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def ines(database: Database) -> int:
    with database.transaction() as records:
        return records.users.add("Inés", Role.TECHNOLOGIST, now=NOW).id


@pytest.mark.parametrize(
    ("name", "same"),
    [
        pytest.param("INÉS", True, id="capitals"),
        pytest.param("ine\u0301s", True, id="accent apart"),
        pytest.param("ines", False, id="no accent"),
    ],
)
def test_name_is_found_whatever_its_spelling(
    database: Database, ines: int, name: str, same: bool
) -> None:
    with database.reading() as records:
        found = records.users.find(name)
    assert (found is not None and found.id == ines) is same


def test_folding_twice_changes_nothing() -> None:
    for name in ("ẞtraße", "İnes", "ﬁn", "µ"):
        assert fold_name(fold_name(name)) == fold_name(name)


def test_user_comes_back_as_added(database: Database, ines: int) -> None:
    with database.reading() as records:
        user = records.users.get(ines)
    assert (user.name, user.role, user.created_at) == ("Inés", Role.TECHNOLOGIST, NOW)
    assert [user.has_password, user.has_second_factor, user.is_disabled] == [False] * 3


def test_link_lets_in_once_and_a_newer_replaces_it(database: Database, ines: int) -> None:
    with database.transaction() as records:
        users = records.users
        users.add_link("old", ines, expires_at=LATER)
        users.add_link("new", ines, expires_at=LATER)
        assert users.use_link("old", now=NOW) is None
        assert users.find_link("new", now=NOW) is not None
        assert users.use_link("new", now=NOW) is not None
        assert users.use_link("new", now=NOW) is None


def test_link_ends_at_its_moment(database: Database, ines: int) -> None:
    with database.transaction() as records:
        records.users.add_link("link", ines, expires_at=LATER)
        assert records.users.find_link("link", now=LATER - timedelta(seconds=1))
        assert records.users.find_link("link", now=LATER) is None
        assert records.users.use_link("link", now=LATER) is None


def test_of_two_who_use_a_link_at_once_one_is_let_in(database: Database, ines: int) -> None:
    with database.transaction() as records:
        records.users.add_link("link", ines, expires_at=LATER)

    def use(_: int) -> bool:
        with database.transaction() as records:
            return records.users.use_link("link", now=NOW) is not None

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(use, range(8))) == 1


def test_failures_at_once_are_all_counted(database: Database) -> None:
    def fail(_: int) -> None:
        with database.transaction() as records:
            records.users.count_failure("Nobody", now=NOW)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fail, range(8)))
    with database.transaction() as records:
        found = records.users.find_attempts("NOBODY")
        assert found is not None
        assert (found.failures, found.last_at) == (8, NOW)
        records.users.forget_failures("nobody")
        assert records.users.find_attempts("nobody") is None


def test_step_of_a_code_counts_once_and_never_backwards(database: Database, ines: int) -> None:
    with database.transaction() as records:
        taken = [records.users.take_step(ines, step) for step in (5, 5, 4, 6)]
    assert taken == [True, False, False, True]


def test_signing_out_elsewhere_keeps_one_place(database: Database, ines: int) -> None:
    with database.transaction() as records:
        for token in ("here", "there", "far"):
            records.users.add_sign_in(token, ines, now=NOW, expires_at=LATER)
        assert records.users.remove_sign_ins(ines, but="here") == 2
        assert records.users.find_sign_in("here") is not None
        assert records.users.find_sign_in("there") is None
        assert len(records.users.list_sign_ins(ines, now=NOW)) == 1


def test_only_hashes_of_tokens_are_kept(database: Database, ines: int) -> None:
    with database.transaction() as records:
        records.users.add_sign_in("sign-in-token", ines, now=NOW, expires_at=LATER)
        records.users.add_link("link-token", ines, expires_at=LATER)
        records.tokens.add("api-token", ines, "x", [Right.EXPORT], now=NOW, expires_at=LATER)
    with database.engine.connect() as connection:
        rows = [
            str(row)
            for table in ("sign_ins", "sign_in_links", "api_tokens")
            for row in connection.exec_driver_sql(f"SELECT * FROM {table}")  # noqa: S608
        ]
    assert len(rows) == 3
    assert "-token" not in "".join(rows)


def test_sweep_forgets_what_is_over(database: Database, ines: int) -> None:
    with database.transaction() as records:
        users = records.users
        for token, end in (("over", NOW), ("still", LATER)):
            users.add_sign_in(token, ines, now=NOW, expires_at=end)
        users.count_failure("long ago", now=NOW - timedelta(days=2))
        users.count_failure("today", now=NOW)
        users.sweep(now=NOW, failures_before=NOW - timedelta(days=1))
        assert users.find_sign_in("over") is None
        assert users.find_sign_in("still") is not None
        assert users.find_attempts("long ago") is None
        assert users.find_attempts("today") is not None
