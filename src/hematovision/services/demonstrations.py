"""Demonstrations: a laboratory to be thrown away, that says so, and the people who work in it."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from hematovision.people import Role, User
from hematovision.services.accounts import add_user, get_user, set_password
from hematovision.services.crops import Album
from hematovision.services.hands import Hand
from hematovision.services.printed_names import set_printed_name
from hematovision.services.ranges import Written, add_band, get_ranges
from hematovision.services.references import add_reference
from hematovision.storage.database import Database, Records

SETTING = "demonstration"
PORTRAITS = 3
REFERENCES = "drawn"
"""What the set of drawn reference cells is called."""
NAMES = {
    "vera": Role.VIEWER,
    "tom": Role.TECHNOLOGIST,
    "paula": Role.PATHOLOGIST,
    "pedro": Role.PATHOLOGIST,
    "ada": Role.ADMINISTRATOR,
}
"""Who works in the laboratory; a name begins as its role does."""
SURNAME = "Sample"
"""Of everybody; it stands under what they sign."""
BEGINNINGS, ENDS = "bdfgklmnprstvz", "aeiou"
CHILDREN = Written(
    "Children, 2 to 6 years",
    "Made up for the demonstration",
    {
        "neutrophil": ("30", "60"),
        "lymphocyte": ("30", "60"),
        "monocyte": ("2", "10"),
        "eosinophil": ("1", "5"),
        "basophil": ("0", "1"),
    },
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the demonstration.

    Attributes:
        user: Their account.
        password: Good while the demonstration lasts; it is kept nowhere else.
    """

    user: User
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Cast:
    """Who does what.

    Attributes:
        technologist: Makes cases and reviews them.
        pathologist: Signs and amends them.
        second: Reads some of them a second time.
    """

    technologist: Person
    pathologist: Person
    second: Person


def begin(database: Database, *, by: Hand) -> None:
    """Say in the database itself that it is one of a demonstration, for as long as it is there."""
    with database.transaction() as records:
        records.laboratory.set(SETTING, True, seen=0, by=by.user_id, now=by.now)
        records.audit.add(by.did("laboratory.demonstration_begun", "laboratory"))


def is_demonstration(database: Database) -> bool:
    """Tell whether a database is one of a demonstration."""
    with database.reading() as records:
        return the_demonstration(records)


def the_demonstration(records: Records) -> bool:
    """Tell within a transaction whether its database is one of a demonstration."""
    return bool(records.laboratory.get(SETTING, False).content)


def add_people(database: Database, *, by: Hand) -> Sequence[Person]:
    """Give everybody an account and a password that nobody has had before."""
    people = []
    for name, role in NAMES.items():
        user, password = add_user(database, name, role, by=by), new_password()
        set_password(database, user, password, by=by)
        set_printed_name(database, user, f"{name.title()} {SURNAME}", by=by)
        people.append(Person(get_user(database, name), password))
    return people


def cast_of(people: Sequence[Person]) -> Cast:
    """Say who does what."""
    technologist = next(one for one in people if one.user.role is Role.TECHNOLOGIST)
    pathologist, second = (one for one in people if one.user.role is Role.PATHOLOGIST)
    return Cast(technologist, pathologist, second)


def new_password() -> str:
    """Make a password that can be read out and typed: four groups of two syllables."""
    return "-".join(
        "".join(secrets.choice(BEGINNINGS) + secrets.choice(ENDS) for _ in range(2))
        for _ in range(4)
    )


def set_up(album: Album, *, by: Hand) -> None:
    """Set reference ranges of a second age band, and load drawn cells of every name to compare."""
    # Every server asks whether it is a demonstration; none but that draws.
    from hematovision.drawing.cells import LOOKS
    from hematovision.drawing.smears import draw_portraits

    ranges, _ = get_ranges(album.database)
    add_band(album.database, CHILDREN, seen=ranges.version, by=by)
    labels = list(LOOKS)
    for seed in range(PORTRAITS):
        for label, picture in zip(labels, draw_portraits(labels, seed=seed), strict=True):
            add_reference(album, label, REFERENCES, picture, by=by)
