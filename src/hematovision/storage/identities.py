"""Who somebody is at a provider that signs people in, and what they confirmed there."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from hematovision.storage.inserts import add_once
from hematovision.storage.tables import ConfirmationRow, IdentityRow
from hematovision.storage.users import hash_of


class IdentityStore:
    """Keeps the two words by which a provider knows somebody, and hashes of confirmations."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def add(self, issuer: str, subject: str, user_id: int, *, now: datetime) -> None:
        """Keep that somebody of a provider is a user from now on.

        Raises:
            AlreadyThereError: If they are somebody already.
        """
        row = IdentityRow(issuer=issuer, subject=subject, user_id=user_id, created_at=now)
        add_once(self._session, row)

    def find_user(self, issuer: str, subject: str) -> int | None:
        """Find the number of the user whom a provider calls so."""
        return self._session.scalar(
            select(IdentityRow.user_id).where(
                IdentityRow.issuer == issuer, IdentityRow.subject == subject
            )
        )

    def has(self, user_id: int) -> bool:
        """Tell whether somebody comes from a provider."""
        asked = select(IdentityRow.id).where(IdentityRow.user_id == user_id).limit(1)
        return self._session.scalar(asked) is not None

    def list_users(self) -> frozenset[int]:
        """Give the numbers of all who come from a provider."""
        return frozenset(self._session.scalars(select(IdentityRow.user_id)))

    def confirm(
        self, token: str, user_id: int, what: str, *, now: datetime, until: datetime
    ) -> None:
        """Keep that somebody proved anew who they are, for one thing; forget what is over."""
        self._session.execute(delete(ConfirmationRow).where(ConfirmationRow.expires_at <= now))
        self._session.add(
            ConfirmationRow(
                token_hash=hash_of(token), user_id=user_id, what=hash_of(what), expires_at=until
            )
        )

    def is_confirmed(self, token: str, user_id: int, what: str, *, now: datetime) -> bool:
        """Tell whether somebody proved who they are for one thing, and has not used it yet."""
        row = self._session.get(ConfirmationRow, hash_of(token))
        return (
            row is not None
            and (row.user_id, row.what) == (user_id, hash_of(what))
            and now < row.expires_at
        )

    def use_confirmation(self, token: str) -> bool:
        """Use a confirmation up; False where another did meanwhile."""
        used = self._session.execute(
            delete(ConfirmationRow)
            .where(ConfirmationRow.token_hash == hash_of(token))
            .returning(ConfirmationRow.token_hash)
        )
        return used.first() is not None
