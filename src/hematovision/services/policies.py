"""What a laboratory asks for before a case is signed."""

from dataclasses import asdict, dataclass

from hematovision.errors import ChangedMeanwhileError
from hematovision.services.hands import Hand
from hematovision.storage.database import Database, Records

SETTING = "signing"


@dataclass(frozen=True, slots=True)
class Policy:
    """What is asked for before a case is signed.

    Attributes:
        every_cell: Whether every suggestion must be looked at, or the unidentified cells only.
        second_reader: Whether somebody else must have read every case as well.
        version: Counts the changes.
    """

    every_cell: bool = True
    second_reader: bool = False
    version: int = 0


def the_policy(records: Records) -> Policy:
    """Give what is asked for, within a transaction."""
    kept = records.laboratory.get(SETTING, {})
    return Policy(**kept.content, version=kept.version)


def get_policy(database: Database) -> Policy:
    """Give what is asked for."""
    with database.reading() as records:
        return the_policy(records)


def set_policy(database: Database, policy: Policy, *, by: Hand) -> None:
    """Ask for something else from now on; what is signed stays signed.

    Args:
        database: Keeps it.
        policy: As it is to be, with the version that was looked at.
        by: Who sets it.

    Raises:
        ChangedMeanwhileError: If somebody else changed it since it was looked at.
    """
    content = asdict(policy)
    seen = content.pop("version")
    with database.transaction() as records:
        if not records.laboratory.set(SETTING, content, seen=seen, by=by.user_id, now=by.now):
            raise ChangedMeanwhileError("Somebody else changed this at the same moment.")
        records.audit.add(by.did("laboratory.signing_changed", "laboratory", content))
