"""The full name that stands under what somebody signs."""

from hematovision.errors import NameMissingError
from hematovision.people import User
from hematovision.services.hands import Hand
from hematovision.storage.database import Database, Records
from hematovision.storage.tables import NAME_LENGTH

PREFERENCE = "printed_name"


def printed_name_of(records: Records, user_id: int) -> str:
    """Give somebody's full name, within a transaction; empty where they never wrote it."""
    return str(records.laboratory.preference(user_id, PREFERENCE, ""))


def keep_printed_name(records: Records, user_id: int, name: str) -> None:
    """Keep somebody's full name, within a transaction."""
    records.laboratory.prefer(user_id, PREFERENCE, name)


def get_printed_name(database: Database, user: User) -> str:
    """Give somebody's full name; empty where they never wrote it."""
    with database.reading() as records:
        return printed_name_of(records, user.id)


def set_printed_name(database: Database, user: User, name: str, *, by: Hand) -> None:
    """Set one's own full name; what is signed keeps the one that it was signed with.

    Raises:
        NameMissingError: If it cannot be printed.
    """
    name = read_name(name)
    with database.transaction() as records:
        keep_printed_name(records, user.id, name)
        # The name stands under what they sign; the record of changes names people by number.
        records.audit.add(by.event("user.name_set", user))


def read_name(text: str) -> str:
    """Read a full name.

    Raises:
        NameMissingError: If it cannot be printed.
    """
    name = " ".join(text.split())
    if not 1 < len(name) <= NAME_LENGTH or not name.isprintable():
        raise NameMissingError("There is no name to print.")
    return name
