"""Puts on record who looks at a page, before they see it, and who is refused one."""

from collections.abc import Mapping
from typing import Any

from flask import request

from hematovision.services.looking import record_look, record_refusal
from hematovision.web.access import hand
from hematovision.web.wiring import get_wiring


def look(
    action: str,
    subject: str,
    details: Mapping[str, Any] | None = None,
    *,
    case_id: int | None = None,
    polled: bool = False,
) -> None:
    """Put a look on record.

    Args:
        action: At what, such as `case.seen`.
        subject: Which one, such as `case 7`.
        details: What else there is to say; never what they typed.
        case_id: The case that it tells of, where neither subject nor details say.
        polled: Whether what is asked for is asked again and again.
    """
    # A browser says so of what a script of an open page fetches.
    renewed = polled or request.headers.get("Sec-Fetch-Dest") == "empty"
    event = hand().did(action, subject, details, case_id=case_id)
    record_look(get_wiring().database, event, renewed=renewed)


def refuse(why: str) -> None:
    """Put on record that the page that is asked for is refused."""
    record_refusal(get_wiring().database, f"page {request.endpoint}", why, by=hand())
