"""Tokens: what a program shows in the place of its owner's password, and what each opens."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hematovision.errors import ScopeInvalidError
from hematovision.people import OF_PEOPLE_ALONE, Right, Role, User, rights_of_programs
from hematovision.services.accounts import TOKEN_BYTES
from hematovision.services.hands import Hand
from hematovision.storage.database import Database
from hematovision.storage.tokens import Token

PREFIX = "hv_"
"""By which scanners of source code and logs find a token that was left there."""
DAYS = (7, 30, 90, 365)
"""How long a token may last."""
USUAL_DAYS = 90
LABEL_LENGTH = 64
USED_EVERY = timedelta(minutes=1)
"""So often it is written down that a token is used: to read is not to write."""


def add_token(
    database: Database,
    user: User,
    label: str,
    *,
    by: Hand,
    scopes: Collection[Right] | None = None,
    days: int = USUAL_DAYS,
) -> str:
    """Make a token for a program of somebody's.

    Args:
        database: Where accounts are kept.
        user: Whose program.
        label: What it is for.
        by: Who makes it.
        scopes: What it may do; all that a program of theirs may when left out.
        days: How long it lasts, one of `DAYS`.

    Returns:
        The token; nobody can be told it a second time.

    Raises:
        ScopeInvalidError: If it may do nothing, or something that their role, or no program, may.
    """
    token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    label = "".join(filter(str.isprintable, " ".join(label.split())))[:LABEL_LENGTH] or "program"
    with database.transaction() as records:
        # The role may have changed since they were shown what they can choose.
        role = records.users.get(user.id).role
        given = frozenset(rights_of_programs(role) if scopes is None else scopes)
        _check_scopes(given, role)
        ends = by.now + timedelta(days=days)
        records.tokens.sweep(now=by.now)
        number = records.tokens.add(token, user.id, label, given, now=by.now, expires_at=ends)
        details = {"label": label, "token": number, "scopes": sorted(given), "days": days}
        records.audit.add(by.event("token.added", user, details))
    return token


def _check_scopes(scopes: frozenset[Right], role: Role) -> None:
    if not scopes:
        raise ScopeInvalidError("A token that may do nothing is of no use.")
    if alone := sorted(scopes & OF_PEOPLE_ALONE):
        raise ScopeInvalidError("No token may carry “%(scope)s”.", scope=alone[0])
    if other := sorted(scopes - frozenset(rights_of_programs(role))):
        raise ScopeInvalidError("The role of its owner has no “%(scope)s”.", scope=other[0])


def find_by_token(
    database: Database, token: str, *, now: datetime, address: str = ""
) -> User | None:
    """Find whose program shows a token, with what it may do; nobody who is shut out has any."""
    with database.reading(once=True) as records:
        found = records.tokens.find(token, now=now)
    if found is None or found.owner.is_disabled:
        return None
    if found.used_at is None or now - found.used_at >= USED_EVERY:
        with database.transaction() as records:
            records.tokens.see(found.id, now=now, address=address, every=USED_EVERY)
    return replace(found.owner, scopes=found.scopes)


def list_tokens(database: Database, *, now: datetime) -> Sequence[Token]:
    """List everybody's tokens, by owner."""
    with database.reading() as records:
        return records.tokens.list(now=now)


def remove_token(database: Database, user: User, token_id: int, *, by: Hand) -> None:
    """Take one of somebody's own tokens away; one that is gone stays gone."""
    with database.transaction() as records:
        if records.tokens.remove(token_id, user_id=user.id) is not None:
            records.audit.add(by.event("token.removed", user, {"token": token_id}))


def remove_token_of_anybody(database: Database, token_id: int, *, by: Hand) -> None:
    """Take a token away, whoever's it is; one that is gone stays gone."""
    with database.transaction() as records:
        owner_id = records.tokens.remove(token_id)
        if owner_id is not None:
            owner = records.users.get(owner_id)
            records.audit.add(by.event("token.removed", owner, {"token": token_id}))
