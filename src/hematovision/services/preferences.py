"""What people set for themselves."""

from hematovision.people import User
from hematovision.services.hands import Hand
from hematovision.storage.database import Database

LANGUAGE = "language"


def find_language(database: Database, user: User) -> str | None:
    """Say in which language somebody wants their pages, if they ever said."""
    with database.reading() as records:
        language: str | None = records.laboratory.preference(user.id, LANGUAGE, None)
    return language


def set_language(database: Database, user: User, language: str, *, by: Hand) -> None:
    """Remember in which language somebody wants their pages."""
    with database.transaction() as records:
        records.laboratory.prefer(user.id, LANGUAGE, language)
        records.audit.add(by.did("user.language", f"user {user.id}", {"language": language}))
