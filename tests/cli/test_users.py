from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hematovision.cli.tools import Tools
from hematovision.cli.users import token
from hematovision.config import Settings
from hematovision.people import Right, Role, User
from hematovision.services.accounts import get_linked, get_user
from hematovision.services.passwords import password_fits
from hematovision.services.tokens import DAYS, USUAL_DAYS, find_by_token
from hematovision.storage.database import Database, open_database

from .conftest import Run

GOOD = "plum orbit walnut canyon"


@pytest.fixture
def kept(settings: Settings) -> Database:
    return open_database("", settings.data_folder)


def linked(database: Database, address: str) -> User:
    """Say whom a printed link lets in."""
    assert address.startswith("http://127.0.0.1:5000/link/")
    token = address.strip().rpartition("/")[2]
    return get_linked(database, token, now=datetime.now(UTC))


def test_somebody_is_added_with_a_link_and_listed(run: Run, kept: Database) -> None:
    result = run("users", "add", "ines.marin", "--role", "pathologist")
    assert result.exit_code == 0
    user = linked(kept, result.stdout)
    assert (user.name, user.role) == ("ines.marin", Role.PATHOLOGIST)
    assert "once, within 24 hours" in result.stderr
    assert run("users", "list").stdout == "ines.marin\tpathologist\tlink\n"
    with kept.transaction() as records:
        records.identities.add("https://id.lab.example", "1", user.id, now=datetime.now(UTC))
    assert run("users", "list").stdout == "ines.marin\tpathologist\tsingle sign-on\n"


def test_somebody_is_added_with_a_password(run: Run, kept: Database, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{GOOD}\r\nnot this line\n")
    result = run("users", "add", "ines", "--password-file", file)
    assert (result.exit_code, result.output) == (0, "")
    user = get_user(kept, "ines")
    with kept.reading() as records:
        assert password_fits(GOOD, records.users.secrets_of(user.id).password_hash)
    assert run("users", "list").stdout == "ines\ttechnologist\tpassword\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"ines", "is added, but without a password", id="weak"),
        pytest.param(b"", "is added, but without a password", id="empty"),
        pytest.param(b"\xff\xfe", "cannot be read", id="no text"),
    ],
)
def test_password_file_that_cannot_be_used_is_told(
    run: Run, tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    result = run("users", "add", "ines", "--password-file", file)
    assert result.exit_code == 1
    assert said in result.stderr


def test_nobody_is_told(run: Run) -> None:
    result = run("users", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Nobody has an account yet" in result.stderr


def test_role_is_changed(run: Run, kept: Database) -> None:
    run("users", "add", "ines")
    assert run("users", "role", "INES", "viewer").exit_code == 0
    assert get_user(kept, "ines").role is Role.VIEWER
    assert run("users", "role", "ines", "god").exit_code == 2


def test_somebody_is_shut_out_and_let_in(run: Run, kept: Database) -> None:
    run("users", "add", "ines")
    assert run("users", "disable", "ines").exit_code == 0
    assert run("users", "list").stdout == "ines\ttechnologist\tshut out\n"
    assert run("users", "disable", "--undo", "ines").exit_code == 0
    assert not get_user(kept, "ines").is_disabled


def test_password_is_reset(run: Run, kept: Database) -> None:
    old = run("users", "add", "ines").stdout
    new = run("users", "reset-password", "ines").stdout
    assert linked(kept, new).name == "ines"
    assert old != new


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["add", "a b"], "cannot be a user's name", id="name"),
        pytest.param(["add", "ines"], "There is a user ines", id="taken"),
        pytest.param(["role", "nobody", "viewer"], "There is no user nobody", id="role of nobody"),
        pytest.param(["disable", "nobody"], "There is no user nobody", id="nobody out"),
        pytest.param(["reset-password", "nobody"], "There is no user nobody", id="nobody anew"),
        pytest.param(["disable", "ines"], "is the last administrator", id="last"),
    ],
)
def test_what_cannot_be_done_is_told(run: Run, arguments: list[str], said: str) -> None:
    run("users", "add", "ines", "--role", "administrator")
    result = run("users", *arguments)
    assert result.exit_code == 1
    assert said in result.stderr


@pytest.mark.parametrize("address", ["no address", "postgresql://nobody@127.0.0.1:1/none"])
def test_database_that_cannot_be_used_is_told(run: Run, tools: Tools, address: str) -> None:
    elsewhere = replace(tools, settings=replace(tools.settings, database_url=address))
    result = run("users", "list", tools=elsewhere)
    assert result.exit_code == 1
    assert "HEMATOVISION_DATABASE_URL" in result.stderr


def test_token_is_printed_once_for_a_script(run: Run, kept: Database) -> None:
    run("users", "add", "robot")
    scopes = ("--scope", "read_photos", "--scope", "see_cases")
    result = run("users", "token", "robot", "--label", "night", "--days", "7", *scopes)
    assert (result.exit_code, result.stderr) == (0, "It is not shown again, and ends in 7 days.\n")
    found = find_by_token(kept, result.stdout.strip(), now=datetime.now(UTC))
    assert found
    assert found.scopes == {Right.READ_PHOTOS, Right.SEE_CASES}


def test_tokens_last_as_long_as_those_of_the_page() -> None:
    days = next(option for option in token.params if option.name == "days")
    assert days.type.choices == tuple(map(str, DAYS))
    assert days.default == str(USUAL_DAYS)


@pytest.mark.parametrize(
    ("scopes", "code", "said"),
    [
        pytest.param((), 2, "--scope", id="none"),
        pytest.param(("--scope", "sign"), 2, "is not one of", id="of people"),
        pytest.param(("--scope", "connect"), 1, "has no “connect”", id="of another role"),
    ],
)
def test_token_that_cannot_be_is_refused(
    run: Run, kept: Database, scopes: tuple[str, ...], code: int, said: str
) -> None:
    run("users", "add", "robot")
    result = run("users", "token", "robot", *scopes)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
