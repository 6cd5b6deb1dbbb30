"""People, who of them is signed in, the links that let in once, and what failed."""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from hematovision.people import Role, User
from hematovision.storage.inserts import add_once, insert_into
from hematovision.storage.tables import AttemptRow, LinkRow, SignInRow, UserRow


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a sign-in is checked against.

    Attributes:
        password_hash: Of argon2; None until there is a password.
        second_factor: The authenticator's secret, sealed; None where there is none.
        second_factor_step: The time step of the last code that was accepted.
    """

    password_hash: str | None
    second_factor: bytes | None
    second_factor_step: int | None


@dataclass(frozen=True, slots=True)
class SignIn:
    """Somebody who is signed in at one browser.

    Attributes:
        user: Who.
        created_at: When they came.
        seen_at: When they last asked for something.
        expires_at: When they are out, whatever they do.
    """

    user: User
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often a sign-in under one name failed in a row.

    Attributes:
        failures: In a row.
        last_at: When the last one was.
    """

    failures: int
    last_at: datetime


def fold_name(name: str) -> str:
    """Make one of all spellings of a name: without regard to case and to how accents are coded."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


class UserStore:
    """Keeps people; only hashes of tokens are kept, never a token."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def add(self, name: str, role: Role, *, now: datetime) -> User:
        """Make an account without a password.

        Raises:
            AlreadyThereError: If somebody has the name.
        """
        row = UserRow(name=name, folded_name=fold_name(name), role=role, created_at=now)
        add_once(self._session, row)
        return user_of(row)

    def find(self, name: str) -> User | None:
        """Find somebody by name, whatever its case."""
        # PostgreSQL knows no NUL, and no database what is no text; no name has either.
        if not name.isprintable():
            return None
        row = self._session.scalar(select(UserRow).where(UserRow.folded_name == fold_name(name)))
        return user_of(row) if row else None

    def get(self, user_id: int) -> User:
        """Give somebody by number."""
        return user_of(self._row(user_id))

    def list(self) -> Sequence[User]:
        """List everybody by name."""
        rows = self._session.scalars(select(UserRow).order_by(UserRow.folded_name))
        return [user_of(row) for row in rows]

    def hold_administrators(self) -> None:
        """Let no other change an administrator until this transaction ends."""
        rows = select(UserRow.id).where(UserRow.role == Role.ADMINISTRATOR).order_by(UserRow.id)
        self._session.execute(rows.with_for_update()).all()

    def count_administrators(self, *, with_password: bool) -> int:
        """Count the administrators who are not shut out; those with a password, or all."""
        counted = select(func.count()).where(
            UserRow.role == Role.ADMINISTRATOR, UserRow.disabled_at.is_(None)
        )
        if with_password:
            counted = counted.where(UserRow.password_hash.is_not(None))
        return self._session.scalar(counted) or 0

    def set_role(self, user_id: int, role: Role) -> None:
        """Change what somebody is."""
        self._row(user_id).role = role

    def set_disabled(self, user_id: int, at: datetime | None) -> None:
        """Shut somebody out from a moment on, or let them in again."""
        self._row(user_id).disabled_at = at

    def secrets_of(self, user_id: int) -> Secrets:
        """Give what a sign-in is checked against."""
        row = self._row(user_id)
        return Secrets(row.password_hash, row.second_factor, row.second_factor_step)

    def set_password_hash(self, user_id: int, password_hash: str | None) -> None:
        """Keep the hash of a new password, or none."""
        self._row(user_id).password_hash = password_hash

    def set_second_factor(self, user_id: int, sealed: bytes | None) -> None:
        """Keep the sealed secret of an authenticator, or none."""
        row = self._row(user_id)
        row.second_factor, row.second_factor_step = sealed, None

    def take_step(self, user_id: int, step: int) -> bool:
        """Use up the time step of a code; False where it, or a later one, was used before."""
        taken = self._session.execute(
            update(UserRow)
            .where(
                UserRow.id == user_id,
                func.coalesce(UserRow.second_factor_step, -1) < step,
            )
            .values(second_factor_step=step)
            .returning(UserRow.id)
        )
        return taken.first() is not None

    def add_sign_in(self, token: str, user_id: int, *, now: datetime, expires_at: datetime) -> None:
        """Keep that somebody is signed in."""
        self._session.add(
            SignInRow(
                token_hash=hash_of(token),
                user_id=user_id,
                created_at=now,
                seen_at=now,
                expires_at=expires_at,
            )
        )

    def find_sign_in(self, token: str) -> SignIn | None:
        """Find who is signed in with a token."""
        row = self._session.get(SignInRow, hash_of(token))
        if row is None:
            return None
        return SignIn(self.get(row.user_id), row.created_at, row.seen_at, row.expires_at)

    def see(self, token: str, *, now: datetime) -> None:
        """Keep that somebody who is signed in asked for something."""
        row = self._session.get(SignInRow, hash_of(token))
        if row is not None:
            row.seen_at = now

    def remove_sign_in(self, token: str) -> None:
        """Sign somebody out at one browser."""
        self._session.execute(delete(SignInRow).where(SignInRow.token_hash == hash_of(token)))

    def remove_sign_ins(self, user_id: int, *, but: str = "") -> int:
        """Sign somebody out everywhere, but where a token is kept; give how many places."""
        gone = self._session.execute(
            delete(SignInRow)
            .where(SignInRow.user_id == user_id, SignInRow.token_hash != hash_of(but))
            .returning(SignInRow.token_hash)
        )
        return len(gone.all())

    def list_sign_ins(self, user_id: int, *, now: datetime) -> Sequence[SignIn]:
        """List where somebody is signed in, the latest first."""
        rows = self._session.scalars(
            select(SignInRow)
            .where(SignInRow.user_id == user_id, SignInRow.expires_at > now)
            .order_by(SignInRow.seen_at.desc())
        )
        user = self.get(user_id)
        return [SignIn(user, row.created_at, row.seen_at, row.expires_at) for row in rows]

    def add_link(self, token: str, user_id: int, *, expires_at: datetime) -> None:
        """Keep a link that lets somebody in once; earlier ones of theirs no longer do."""
        self.remove_link(user_id)
        self._session.add(
            LinkRow(token_hash=hash_of(token), user_id=user_id, expires_at=expires_at)
        )

    def remove_link(self, user_id: int) -> None:
        """Let somebody's link let nobody in any more."""
        self._session.execute(delete(LinkRow).where(LinkRow.user_id == user_id))

    def find_link(self, token: str, *, now: datetime) -> User | None:
        """Find whom a link would let in."""
        row = self._session.get(LinkRow, hash_of(token))
        return self.get(row.user_id) if row and now < row.expires_at else None

    def use_link(self, token: str, *, now: datetime) -> User | None:
        """Use up a link; None where it is not there, too old, or was used before."""
        user = self.find_link(token, now=now)
        used = self._session.execute(
            delete(LinkRow)
            .where(LinkRow.token_hash == hash_of(token))
            .returning(LinkRow.token_hash)
        )
        return user if used.first() else None

    def find_attempts(self, name: str) -> Attempts | None:
        """Find how often a sign-in under a name failed in a row."""
        row = self._session.get(AttemptRow, hash_of(fold_name(name)))
        return Attempts(row.failures, row.last_at) if row else None

    def hold_attempts(self, name: str, *, now: datetime) -> Attempts:
        """Say how often a sign-in under a name failed in a row, and let no other ask meanwhile."""
        own = hash_of(fold_name(name))
        insert = insert_into(self._session, AttemptRow)
        self._session.execute(
            insert.values(name_hash=own, failures=0, last_at=now).on_conflict_do_nothing()
        )
        row = self._session.get_one(AttemptRow, own, with_for_update=True)
        return Attempts(row.failures, row.last_at)

    def count_failure(self, name: str, *, now: datetime) -> int:
        """Count one more failed sign-in under a name; give how many there are in a row."""
        # Two at once must count twice, so the database adds.
        insert = insert_into(self._session, AttemptRow).values(
            name_hash=hash_of(fold_name(name)), failures=1, last_at=now
        )
        counted = insert.on_conflict_do_update(
            index_elements=[AttemptRow.name_hash],
            set_={"failures": AttemptRow.failures + 1, "last_at": now},
        ).returning(AttemptRow.failures)
        failures: int = self._session.execute(counted).scalar_one()
        return failures

    def forget_failures(self, name: str) -> None:
        """Begin to count anew."""
        self._session.execute(
            delete(AttemptRow).where(AttemptRow.name_hash == hash_of(fold_name(name)))
        )

    def sweep(self, *, now: datetime, failures_before: datetime) -> None:
        """Forget sign-ins and links that are over, and failures of long ago."""
        self._session.execute(delete(SignInRow).where(SignInRow.expires_at <= now))
        self._session.execute(delete(LinkRow).where(LinkRow.expires_at <= now))
        self._session.execute(delete(AttemptRow).where(AttemptRow.last_at < failures_before))

    def _row(self, user_id: int) -> UserRow:
        return self._session.get_one(UserRow, user_id)


def user_of(row: UserRow) -> User:
    """Make a value of a row."""
    return User(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        has_password=row.password_hash is not None,
        has_second_factor=row.second_factor is not None,
        is_disabled=row.disabled_at is not None,
        created_at=row.created_at,
    )


def hash_of(text: str) -> bytes:
    """Give what is kept in the place of a token."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
