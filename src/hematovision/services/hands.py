"""By whom, through which door and when something is done."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hematovision.people import User
from hematovision.storage.audit import AuditEvent


@dataclass(frozen=True, slots=True)
class Hand:
    """By whom, through which door and when something is done.

    Attributes:
        user_id: Who; None where nobody is signed in, as at the terminal.
        door: `page`, `api`, `terminal`, `folder` or `worker`.
        now: When, UTC.
        address: From where a page or a program asks, as far as the server sees; empty elsewhere.
    """

    user_id: int | None
    door: str
    now: datetime
    address: str = ""

    def event(
        self, action: str, user: User, details: Mapping[str, Any] | None = None
    ) -> AuditEvent:
        """Say what this hand did to somebody's account."""
        return self.did(action, f"user {user.id}", details)

    def did(
        self,
        action: str,
        subject: str,
        details: Mapping[str, Any] | None = None,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        case_id: int | None = None,
    ) -> AuditEvent:
        """Say what this hand did to something, such as `case 7`.

        Args:
            action: What was done, such as `case.signed`.
            subject: To what.
            details: What stays in the record for ever; nothing that tells of a patient.
            before: What was there, which goes when the case is erased.
            after: What is there now, which goes with it.
            case_id: The case that it tells of, where neither subject nor details say.
        """
        return AuditEvent(
            self.now,
            self.user_id,
            self.door,
            action,
            subject,
            details or {},
            before,
            after,
            case_id,
            self.address,
        )
