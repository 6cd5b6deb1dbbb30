"""People who may sign, and cases that are ready to be signed."""

from dataclasses import replace
from datetime import timedelta

from argon2 import PasswordHasher

from hematovision.cells import CellType
from hematovision.people import Role, User
from hematovision.services.hands import Hand
from hematovision.services.signing import MEANINGS, Signing, open_desk, sign_case
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.signatures import Signature

from .cases import NOW, cells_of, make_case, say

PASSWORD = "plum orbit walnut canyon"  # noqa: S105 - of people who are made for a test
# As strong as it must be for a test that signs a hundred times.
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


def add_person(database: Database, name: str, role: Role = Role.PATHOLOGIST) -> User:
    """Add somebody with a password."""
    with database.transaction() as records:
        user = records.users.find(name) or records.users.add(name, role, now=NOW)
        records.users.set_password_hash(user.id, HASH)
        return records.users.get(user.id)


def hand_of(user: User, minutes: int = 0) -> Hand:
    """Give the hand of somebody at a page."""
    return Hand(user.id, "page", NOW + timedelta(minutes=minutes))


def ready_case(database: Database, number: str = "26-1") -> Case:
    """Make a case of 100 cells that somebody has looked at."""
    kinds = [CellType.NEUTROPHIL] * 60 + [CellType.LYMPHOCYTE] * 40
    case = make_case(database, kinds, number=number)
    say(database, case, "neutrophil", *range(1, 61))
    say(database, case, "lymphocyte", *range(61, 101))
    with database.transaction() as records:
        records.cases.begin_review(case.id)
    assert len(cells_of(database, case)) == 100
    return replace(case, version=2)


def given(database: Database, case: Case, user: User, **other: object) -> Signing:
    """Give what somebody gives who signs what they see."""
    seen = open_desk(database, case.id, user).seen
    return replace(Signing(seen, PASSWORD, MEANINGS[0], "Rosa Okafor, MD", {}), **other)


def sign(
    database: Database, case: Case, user: User, *, minutes: int = 0, **other: object
) -> Signature:
    """Sign a case as it stands."""
    by = hand_of(user, minutes)
    return sign_case(database, user, case.id, given(database, case, user, **other), by=by)
