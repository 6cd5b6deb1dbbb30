"""Answers, kept for requests that come again; each request is claimed by whoever works on it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, exists, select, update
from sqlalchemy.orm import Session

from hematovision.storage.inserts import insert_into
from hematovision.storage.tables import AnswerRow, CaseRow
from hematovision.storage.users import hash_of

ANSWERS = AnswerRow.__tablename__


@dataclass(frozen=True, slots=True)
class Held:
    """What is known of a request.

    Attributes:
        id: Its number.
        fingerprint: SHA-256 of what was asked.
        work: Begins the claims of what was done for it.
        claim: Of whoever works on it, or did.
        answer: Sealed; None while there is none.
    """

    id: int
    fingerprint: bytes
    work: str
    claim: str
    answer: bytes | None


class AnswerStore:
    """Keeps who works on a request, then what it was answered."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def claim(
        self,
        user_id: int,
        key: str,
        fingerprint: bytes,
        *,
        work: str,
        claim: str,
        now: datetime,
        lease: timedelta,
        kept: timedelta,
    ) -> Held:
        """Claim a request; of several at once one gets it.

        Args:
            user_id: Who asks.
            key: The request's, as they call it.
            fingerprint: SHA-256 of what they ask.
            work: Begins the claims of what is done for it, if it is new.
            claim: No other is called so.
            now: When.
            lease: Whoever claimed it so long ago and has not answered is gone.
            kept: An answer is kept so long.

        Returns:
            What is known of it; with another's claim where somebody else works on it, or did.
        """
        own = (AnswerRow.user_id == user_id) & (AnswerRow.key_hash == hash_of(key))
        self._session.execute(delete(AnswerRow).where(own, AnswerRow.claimed_at <= now - kept))
        insert = insert_into(self._session, AnswerRow).on_conflict_do_nothing()
        values = {
            "user_id": user_id,
            "key_hash": hash_of(key),
            "fingerprint": fingerprint,
            "work": work,
        }
        row = None
        # Whoever had it may let go of it between these two lines.
        while row is None:
            self._session.execute(insert.values(**values, claim=claim, claimed_at=now))
            row = self._session.scalar(select(AnswerRow).where(own).with_for_update())
        is_left = row.answer is None and row.claimed_at <= now - lease
        if is_left and row.fingerprint == fingerprint:
            row.claim, row.claimed_at = claim, now
        return Held(row.id, row.fingerprint, row.work, row.claim, row.answer)

    def finish(self, number: int, claim: str, answer: bytes, *, case_id: int | None) -> None:
        """Keep an answer; not where another took the claim over, or the case was erased."""
        if case_id is not None and not self._hold_case(case_id):
            self._session.execute(delete(AnswerRow).where(_claimed(number, claim)))
            return
        self._session.execute(
            update(AnswerRow).where(_claimed(number, claim)).values(answer=answer, case_id=case_id)
        )

    def release(self, number: int, claim: str, *, lease: timedelta) -> None:
        """Let go of a request, as if whoever worked on it were gone: some of it may be done."""
        row = self._session.scalar(select(AnswerRow).where(_claimed(number, claim)))
        if row is not None:
            row.claimed_at -= lease

    def are_there(self, *, before: datetime) -> bool:
        """Tell whether there are requests that were claimed before a moment."""
        return bool(self._session.scalar(select(exists().where(AnswerRow.claimed_at <= before))))

    def sweep(self, *, before: datetime) -> None:
        """Forget requests that were claimed before a moment."""
        self._session.execute(delete(AnswerRow).where(AnswerRow.claimed_at <= before))

    def forget_caseless(self) -> None:
        """Forget all answers that tell of no case: they may tell of what went into one since."""
        told = AnswerRow.case_id.is_(None) & AnswerRow.answer.is_not(None)
        self._session.execute(delete(AnswerRow).where(told))

    def _hold_case(self, case_id: int) -> bool:
        """Let nobody erase a case before this transaction ends; False where it is gone."""
        case = select(CaseRow.id).where(CaseRow.id == case_id)
        return self._session.scalar(case.with_for_update(read=True, key_share=True)) is not None


def _claimed(number: int, claim: str) -> ColumnElement[bool]:
    return (AnswerRow.id == number) & (AnswerRow.claim == claim) & AnswerRow.answer.is_(None)
