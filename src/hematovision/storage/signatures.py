"""Signatures: what people signed of cases; a later version leaves the earlier ones as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from hematovision.storage.inserts import add_once
from hematovision.storage.tables import CellRow, ReviewRow, SignatureRow


@dataclass(frozen=True, slots=True)
class Signature:
    """What somebody signed of a case.

    Attributes:
        id: Never given to another.
        case_id: The case.
        version: Counts the signatures of the case from one.
        meaning: What signing it says, as it was read when it was signed.
        printed_name: The full name of whoever signed.
        signed_by: The user.
        signed_at: When, UTC.
        reason: Why the version before it was amended; empty for the first.
        overrides: Why checks were left open, by their codes.
        content: What was signed: the differential, and a row a cell.
    """

    id: int
    case_id: int
    version: int
    meaning: str
    printed_name: str
    signed_by: int
    signed_at: datetime
    reason: str
    overrides: Mapping[str, str]
    content: Mapping[str, Any]


class SignatureStore:
    """Keeps signatures."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def add(self, signature: Signature) -> Signature:
        """Keep a signature; its id is given here.

        Raises:
            AlreadyThereError: If somebody else signed this version.
        """
        row = SignatureRow(
            case_id=signature.case_id,
            version=signature.version,
            meaning=signature.meaning,
            printed_name=signature.printed_name,
            signed_by=signature.signed_by,
            signed_at=signature.signed_at,
            reason=signature.reason,
            overrides=dict(signature.overrides),
            content=dict(signature.content),
        )
        add_once(self._session, row)
        return _signature(row)

    def list(self, case_id: int) -> Sequence[Signature]:
        """List the signatures of a case, the oldest first."""
        rows = self._session.scalars(
            select(SignatureRow)
            .where(SignatureRow.case_id == case_id)
            .order_by(SignatureRow.version)
        )
        return [_signature(row) for row in rows]

    def count(self, case_id: int) -> int:
        """Count the versions of a case that were signed."""
        number = select(func.count()).where(SignatureRow.case_id == case_id)
        return self._session.scalar(number) or 0

    def newest(self, case_id: int) -> Signature | None:
        """Give what was signed last of a case; None where nothing was."""
        row = self._session.scalar(
            select(SignatureRow)
            .where(SignatureRow.case_id == case_id)
            .order_by(SignatureRow.version.desc())
            .limit(1)
        )
        return _signature(row) if row else None

    def find(self, case_id: int, version: int) -> Signature | None:
        """Find a version of a case that was signed."""
        row = self._session.scalar(
            select(SignatureRow).where(
                SignatureRow.case_id == case_id, SignatureRow.version == version
            )
        )
        return _signature(row) if row else None

    def numbers(self) -> Sequence[int]:
        """List the ids of all signatures."""
        return self._session.scalars(select(SignatureRow.id).order_by(SignatureRow.id)).all()

    def get(self, signature_id: int) -> Signature | None:
        """Give a signature by its id; None where there is none."""
        row = self._session.get(SignatureRow, signature_id)
        return _signature(row) if row else None

    def reviewers(self, case_id: int) -> Mapping[int, int]:
        """Say which user spoke last of each cell of a case, by the id of the cell."""
        rows = self._session.execute(
            select(ReviewRow.cell_id, ReviewRow.reviewed_by)
            .join(
                CellRow,
                and_(CellRow.id == ReviewRow.cell_id, CellRow.version == ReviewRow.number),
            )
            .where(CellRow.case_id == case_id, CellRow.label.is_not(None))
        )
        return {row.cell_id: row.reviewed_by for row in rows}


def _signature(row: SignatureRow) -> Signature:
    return Signature(
        id=row.id,
        case_id=row.case_id,
        version=row.version,
        meaning=row.meaning,
        printed_name=row.printed_name,
        signed_by=row.signed_by,
        signed_at=row.signed_at,
        reason=row.reason,
        overrides=row.overrides,
        content=row.content,
    )
