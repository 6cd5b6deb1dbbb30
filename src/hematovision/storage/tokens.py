"""Tokens: what programs show in the place of a password; only their hashes are kept."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BindParameter, Select, bindparam, delete, or_, select, update
from sqlalchemy.orm import Session

from hematovision.people import Right, User
from hematovision.storage.tables import TokenRow, UserRow
from hematovision.storage.users import hash_of, user_of

FINGERPRINT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Token:
    """What a program shows; the token itself is not kept.

    Attributes:
        id: Its number.
        owner: Whose it is.
        label: What it is for, as its owner calls it.
        scopes: What it was given; it may do no more than its owner.
        fingerprint: The beginning of its SHA-256, in hex, by which it is told from others.
        created_at: When it was made.
        expires_at: When it ends.
        used_at: When it was last shown; None while it never was.
        used_from: The address of whoever showed it then.
    """

    id: int
    owner: User
    label: str
    scopes: frozenset[Right]
    fingerprint: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    used_from: str

    @property
    def carried(self) -> list[Right]:
        """List what it opens now, in the order of `Right`; less than it was given, or as much."""
        return [right for right in Right if right in self.scopes and self.owner.may(right)]


class TokenStore:
    """Keeps tokens by their hashes."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def add(
        self,
        token: str,
        user_id: int,
        label: str,
        scopes: Collection[Right],
        *,
        now: datetime,
        expires_at: datetime,
    ) -> int:
        """Keep a token; give its number."""
        row = TokenRow(
            token_hash=hash_of(token),
            user_id=user_id,
            label=label,
            scopes=[str(right) for right in Right if right in scopes],
            created_at=now,
            expires_at=expires_at,
        )
        self._session.add(row)
        self._session.flush()
        return row.id

    def find(self, token: str, *, now: datetime) -> Token | None:
        """Find what a program shows, unless it has ended."""
        shown = {"hash": hash_of(token), "now": now}
        row = self._session.execute(_SHOWN, shown).first()
        return None if row is None else _token(*row)

    def see(self, token_id: int, *, now: datetime, address: str, every: timedelta) -> None:
        """Keep when and from where a token is shown; of many times within `every` the first."""
        self._session.execute(
            update(TokenRow)
            .where(
                TokenRow.id == token_id,
                or_(TokenRow.used_at.is_(None), TokenRow.used_at <= now - every),
            )
            .values(used_at=now, used_from=address)
        )

    def list(self, *, now: datetime, user_id: int | None = None) -> Sequence[Token]:
        """List somebody's tokens, or everybody's by owner; the newest first."""
        wanted = _tokens(now).order_by(UserRow.folded_name, TokenRow.id.desc())
        return self._list(wanted if user_id is None else wanted.where(UserRow.id == user_id))

    def remove(self, token_id: int, *, user_id: int | None = None) -> int | None:
        """Take a token away; give whose it was, None where there is none, or it is another's."""
        gone = delete(TokenRow).where(TokenRow.id == token_id)
        if user_id is not None:
            gone = gone.where(TokenRow.user_id == user_id)
        return self._session.scalar(gone.returning(TokenRow.user_id))

    def remove_all(self, user_id: int) -> int:
        """Take all of somebody's tokens away; give how many."""
        gone = delete(TokenRow).where(TokenRow.user_id == user_id).returning(TokenRow.id)
        return len(self._session.execute(gone).all())

    def sweep(self, *, now: datetime) -> None:
        """Forget tokens that have ended."""
        self._session.execute(delete(TokenRow).where(TokenRow.expires_at <= now))

    def _list(self, wanted: Select[TokenRow, UserRow]) -> Sequence[Token]:
        return [_token(row, owner) for row, owner in self._session.execute(wanted)]


def _tokens(now: datetime | BindParameter[datetime]) -> Select[TokenRow, UserRow]:
    return (
        select(TokenRow, UserRow)
        .join(UserRow, UserRow.id == TokenRow.user_id)
        .where(TokenRow.expires_at > now)
    )


_SHOWN = _tokens(bindparam("now", type_=TokenRow.expires_at.type)).where(
    TokenRow.token_hash == bindparam("hash")
)
"""Made once: every request of a program asks."""


def _token(row: TokenRow, owner: UserRow) -> Token:
    return Token(
        id=row.id,
        owner=user_of(owner),
        label=row.label,
        scopes=frozenset(map(Right, row.scopes)),
        fingerprint=row.token_hash[:FINGERPRINT_BYTES].hex(),
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        used_from=row.used_from or "",
    )
