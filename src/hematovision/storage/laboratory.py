"""What a laboratory has set for everybody, and what people have set for themselves."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from hematovision.storage.inserts import insert_into
from hematovision.storage.tables import LaboratoryRow, PreferenceRow


@dataclass(frozen=True, slots=True)
class LaboratorySetting:
    """Something that a laboratory has set.

    Attributes:
        content: What JSON can hold.
        version: Counts its changes from one; zero where it was never set.
        changed_by: The user who set it last.
        changed_at: When, UTC; None where it was never set.
    """

    content: Any
    version: int = 0
    changed_by: int | None = None
    changed_at: datetime | None = None


class LaboratoryStore:
    """Keeps settings."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def get(self, name: str, default: Any) -> LaboratorySetting:
        """Give what the laboratory has set under a name, or a default."""
        row = self._session.execute(_SETTING, {"name": name}).first()
        return LaboratorySetting(default) if row is None else LaboratorySetting(*row)

    def set(self, name: str, content: Any, *, seen: int, by: int | None, now: datetime) -> bool:
        """Set something for the laboratory; False where somebody else did since `seen`."""
        values = {"content": content, "changed_by": by, "changed_at": now}
        if seen == 0:
            insert = insert_into(self._session, LaboratoryRow).values(
                name=name, version=1, **values
            )
            done = self._session.execute(
                insert.on_conflict_do_nothing().returning(LaboratoryRow.name)
            )
        else:
            done = self._session.execute(
                update(LaboratoryRow)
                .where(LaboratoryRow.name == name, LaboratoryRow.version == seen)
                .values(version=LaboratoryRow.version + 1, **values)
                .returning(LaboratoryRow.name)
            )
        return done.first() is not None

    def preference(self, user_id: int, name: str, default: Any) -> Any:
        """Give what somebody has set under a name, or a default."""
        row = self._session.get(PreferenceRow, (user_id, name))
        return default if row is None else row.content

    def prefer(self, user_id: int, name: str, content: Any) -> None:
        """Set something for one person; None forgets it."""
        if content is None:
            self._session.execute(
                delete(PreferenceRow).where(
                    PreferenceRow.user_id == user_id, PreferenceRow.name == name
                )
            )
            return
        insert = insert_into(self._session, PreferenceRow).values(
            user_id=user_id, name=name, content=content
        )
        key = [PreferenceRow.user_id, PreferenceRow.name]
        self._session.execute(
            insert.on_conflict_do_update(index_elements=key, set_={"content": content})
        )


_SETTING = select(
    LaboratoryRow.content,
    LaboratoryRow.version,
    LaboratoryRow.changed_by,
    LaboratoryRow.changed_at,
).where(LaboratoryRow.name == bindparam("name"))
"""Made once: every photo asks twice."""
