"""What is sealed with the key of the data folder, so that it can be sealed with another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from hematovision.storage.photos import PhotoState
from hematovision.storage.tables import (
    AnswerRow,
    AuditKeyRow,
    Base,
    DiscardRow,
    PhotoRow,
    UserRow,
    WebhookRow,
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that a row speaks of.

    Attributes:
        table: Of the row.
        id: Of the row.
        file: Under which it is kept.
    """

    table: str
    id: int
    file: str


@dataclass(frozen=True, slots=True)
class Secret:
    """Something that is sealed in the database.

    Attributes:
        kind: What it is, one of `SECRETS`.
        number: Whose.
        sealed: As it stands there.
        purpose: For which it was sealed.
    """

    kind: str
    number: int
    sealed: bytes
    purpose: str


@dataclass(frozen=True, slots=True)
class _Place:
    """The columns of a kind of secret, and how it is sealed."""

    key: InstrumentedAttribute[int]
    sealed: InstrumentedAttribute[Any]
    purpose: str


SECRETS = {
    "second factor": _Place(UserRow.id, UserRow.second_factor, "second factor of user {}"),
    "audit key": _Place(AuditKeyRow.case_id, AuditKeyRow.sealed, "audit key of case {}"),
    "answer": _Place(AnswerRow.id, AnswerRow.answer, "answer {}"),
    "webhook secret": _Place(WebhookRow.id, WebhookRow.secret, "secret of webhook {}"),
    "former webhook secret": _Place(
        WebhookRow.id, WebhookRow.former_secret, "secret of webhook {}"
    ),
}


class SealedStore:
    """Finds what is sealed."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def pictures(self) -> Sequence[Picture]:
        """List every picture that a row speaks of."""
        return [
            Picture(table.name, number, file)
            for table in tables_with_files()
            for number, file in self._session.execute(
                select(table.c.id, table.c.file)
                .where(table.c.file.is_not(None))
                .order_by(table.c.id)
            )
        ]

    def hold(self, picture: Picture, *, now: datetime) -> bool:
        """Let nobody begin with a picture before this ends.

        Returns:
            False where its row is gone or speaks of another by now, or a worker has it in hand.
        """
        table = Base.metadata.tables[picture.table]
        row = select(table.c.id).where(table.c.id == picture.id, table.c.file == picture.file)
        if picture.table == PhotoRow.__tablename__:
            row = row.where((table.c.state != PhotoState.READING) | (table.c.lease_until <= now))
        return self._session.scalar(row.with_for_update()) is not None

    def secrets(self) -> Sequence[Secret]:
        """List what is sealed in the database itself."""
        return [
            Secret(kind, number, sealed, SECRETS[kind].purpose.format(number))
            for kind, found in SECRETS.items()
            for number, sealed in self._session.execute(
                select(found.key, found.sealed).order_by(found.key)
            )
            if sealed
        ]

    def put(self, secret: Secret, sealed: bytes) -> None:
        """Keep a secret sealed anew, unless another is in its place since."""
        found = SECRETS[secret.kind]
        self._session.execute(
            update(found.key.class_)
            .where(found.key == secret.number, found.sealed == secret.sealed)
            .values({found.sealed: sealed})
        )


def tables_with_files() -> Iterator[Table]:
    """Walk the tables whose rows speak of a picture."""
    for table in Base.metadata.sorted_tables:
        if "file" in table.c and table.name != DiscardRow.__tablename__:
            yield table
