"""Look for readings in the history."""

from collections.abc import Sequence
from dataclasses import dataclass

from hematovision.labels import Label
from hematovision.people import User
from hematovision.services.naming import own_labels
from hematovision.storage.database import Database
from hematovision.storage.search import Line, Mark, Wanted

PAGE = 50
"""Lines that are shown at once."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to choose from.

    Attributes:
        people: Everybody who has, or had, an account.
        labels: What cells here go by.
        model_versions: Of the models that read here, the newest first.
        own: The laboratory's own labels.
    """

    people: Sequence[User]
    labels: Sequence[str]
    model_versions: Sequence[str]
    own: Sequence[Label]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the history.

    Attributes:
        lines: Readings, the newest first.
        end: Where it ends, and the next begins; None where nothing comes after.
    """

    lines: Sequence[Line]
    end: Mark | None


def list_choices(database: Database) -> Choices:
    """Say what there is to choose from."""
    with database.reading() as records:
        return Choices(
            people=records.users.list(),
            labels=records.search.labels(),
            model_versions=records.search.model_versions()[::-1],
            own=own_labels(records).every,
        )


def search(
    database: Database, wanted: Wanted, *, before: Mark | None = None, limit: int = PAGE
) -> Page:
    """Find a page of readings.

    Args:
        database: Keeps them.
        wanted: What is searched for.
        before: The end of the page before; None for the newest.
        limit: At most so many lines.
    """
    with database.reading() as records:
        lines = records.search.find(wanted, before=before, limit=limit + 1)
    return Page(lines[:limit], lines[limit - 1].mark if len(lines) > limit else None)
