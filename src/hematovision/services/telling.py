"""What other systems are told: written in the transaction of what happened, sent afterwards.

So nothing that happened stays untold because a machine died, and nothing is told that did not
happen. It never says who a patient is: whoever wants to know more asks the API with a token.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from hematovision.exchange.standard_webhooks import new_event_id
from hematovision.services.contents import digest_of
from hematovision.storage.database import Records
from hematovision.storage.deliveries import Told
from hematovision.storage.signatures import Signature

API = "/api/v1"


class Event(StrEnum):
    """What happened; webhooks choose of which they are told."""

    CASE_SIGNED = "case.signed"
    """A case was signed for the first time."""
    CASE_AMENDMENT_OPENED = "case.amendment_opened"
    """A signed case was opened again; what was signed holds until the next signature."""
    CASE_AMENDED = "case.amended"
    """A case was signed again after it had been opened."""


TEST = "webhook.test"
"""Somebody wanted to see whether it arrives; no webhook chooses it, each can be sent one."""


def tell(records: Records, event: Event, signature: Signature, *, now: datetime) -> None:
    """Let every webhook that wants to know be told, within the transaction of what happened.

    Args:
        records: The stores.
        event: What happened.
        signature: What was signed; of an amendment that was opened, what is to be amended.
        now: When it happened, UTC.
    """
    listening = records.webhooks.listening(event)
    if not listening:
        return
    body = write_body(event, _of_signature(signature), now=now)
    told = Told(new_event_id(), event, body, signature.case_id)
    for webhook in listening:
        records.deliveries.add(told, webhook.id, now=now)


def write_body(event: str, content: Mapping[str, Any], *, now: datetime) -> str:
    """Write what is sent, byte for byte: it is signed, so nobody writes it anew."""
    said = {"type": event, "timestamp": moment(now), "data": content}
    return json.dumps(said, separators=(",", ":"))


def moment(at: datetime) -> str:
    """Write a moment as other systems read it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _of_signature(signature: Signature) -> dict[str, Any]:
    case = f"{API}/cases/{signature.case_id}"
    return {
        "case": signature.case_id,
        "version": signature.version,
        "signed_at": moment(signature.signed_at),
        "content_sha256": digest_of(signature.content),
        "resources": {
            "case": case,
            "signatures": f"{case}/signatures",
            "differential": f"{case}/differential",
            "report": f"{case}/report.pdf",
            "fhir": f"{case}/fhir",
        },
    }
