"""Webhooks: addresses of other systems that are told what happens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from hematovision.storage.tables import DeliveryRow, WebhookRow


class Why(StrEnum):
    """Why a webhook is switched off."""

    BY_HAND = "by_hand"
    GONE = "gone"
    """It answered that it is gone for good."""
    FAILING = "failing"
    """No attempt has reached it for days."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address of another system that is told what happens.

    Attributes:
        id: Never given to another.
        url: Where it is told.
        description: What it is, in the words of the laboratory.
        events: What it is told of.
        version: Counts the changes by people.
        disabled_at: Since when it is told nothing, UTC; None where it is told.
        disabled_why: Why.
        tried_at: When it was told something last, with or without success.
        failing_since: When the first attempt failed of those that have all failed since.
        former_until: Until when the secret before this one signs as well.
        created_at: When it was added, UTC.
    """

    id: int
    url: str
    description: str
    events: tuple[str, ...]
    version: int
    disabled_at: datetime | None
    disabled_why: Why | None
    tried_at: datetime | None
    failing_since: datetime | None
    former_until: datetime | None
    created_at: datetime

    @property
    def is_on(self) -> bool:
        """Tell whether it is told anything."""
        return self.disabled_at is None


@dataclass(frozen=True, slots=True)
class SealedSecrets:
    """What signs for a webhook, sealed.

    Attributes:
        secret: The newest.
        former: The one before; None where there is none.
        former_until: Until when that one signs as well.
    """

    secret: bytes
    former: bytes | None
    former_until: datetime | None


class WebhookStore:
    """Keeps webhooks."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def add(
        self, url: str, description: str, events: Sequence[str], *, by: int | None, now: datetime
    ) -> Webhook:
        """Add a webhook, which has no secret before `set_secret` gives it one."""
        row = WebhookRow(
            url=url,
            description=description,
            events=list(events),
            secret=b"",
            version=1,
            created_by=by,
            created_at=now,
        )
        self._session.add(row)
        self._session.flush()
        return _webhook(row)

    def set_secret(self, webhook_id: int, sealed: bytes) -> None:
        """Give a new webhook its first secret."""
        self._change(webhook_id, secret=sealed)

    def change_secret(self, webhook_id: int, sealed: bytes, *, until: datetime) -> None:
        """Give a webhook another secret; the one before signs beside it for a while."""
        self._change(
            webhook_id,
            former_secret=WebhookRow.secret,
            former_until=until,
            secret=sealed,
            version=WebhookRow.version + 1,
        )

    def secrets_of(self, webhook_id: int) -> SealedSecrets:
        """Give what signs for a webhook that is there."""
        row = self._session.execute(
            select(WebhookRow.secret, WebhookRow.former_secret, WebhookRow.former_until).where(
                WebhookRow.id == webhook_id
            )
        ).one()
        return SealedSecrets(*row)

    def list(self) -> Sequence[Webhook]:
        """List all webhooks, the oldest first."""
        return [_webhook(row) for row in self._session.scalars(_ROWS.order_by(WebhookRow.id))]

    def listening(self, event: str) -> Sequence[Webhook]:
        """List those that are to be told of an event; none is deleted before this ends.

        Whoever deletes one at this moment is waited for, so that nothing speaks of it afterwards.
        """
        rows = _ROWS.where(WebhookRow.disabled_at.is_(None)).order_by(WebhookRow.id)
        held = self._session.scalars(rows.with_for_update(read=True, key_share=True))
        return [_webhook(row) for row in held if event in row.events]

    def find(self, webhook_id: int) -> Webhook | None:
        """Find a webhook."""
        row = self._session.scalar(_ROWS.where(WebhookRow.id == webhook_id))
        return _webhook(row) if row else None

    def hold(self, webhook_id: int) -> Webhook | None:
        """Find a webhook, and let nobody else change it before this transaction ends."""
        row = self._session.scalar(_ROWS.where(WebhookRow.id == webhook_id).with_for_update())
        return _webhook(row) if row else None

    def count(self) -> int:
        """Count the webhooks."""
        return self._session.scalar(select(func.count()).select_from(WebhookRow)) or 0

    def change(self, webhook: Webhook) -> None:
        """Keep what people changed of a webhook that is held."""
        self._change(
            webhook.id,
            url=webhook.url,
            description=webhook.description,
            events=list(webhook.events),
            disabled_at=webhook.disabled_at,
            disabled_why=webhook.disabled_why,
            failing_since=webhook.failing_since,
            version=webhook.version,
        )

    def disable(self, webhook_id: int, why: Why, *, now: datetime) -> None:
        """Tell a webhook nothing any more."""
        self._change(
            webhook_id,
            disabled_at=now,
            disabled_why=why,
            version=WebhookRow.version + 1,
        )

    def note_attempt(
        self, webhook_id: int, *, now: datetime, failing_since: datetime | None
    ) -> None:
        """Keep when a webhook was told something last, and since when that fails."""
        self._change(webhook_id, tried_at=now, failing_since=failing_since)

    def remove(self, webhook_id: int) -> None:
        """Delete a webhook and all that it was told."""
        deliveries = delete(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id)
        self._session.execute(deliveries)
        self._session.execute(delete(WebhookRow).where(WebhookRow.id == webhook_id))

    def _change(self, webhook_id: int, **values: object) -> None:
        changed = update(WebhookRow).where(WebhookRow.id == webhook_id).values(**values)
        self._session.execute(changed)


# As they stand in the database, and not as this transaction has seen them before.
_ROWS = select(WebhookRow).execution_options(populate_existing=True)


def _webhook(row: WebhookRow) -> Webhook:
    return Webhook(
        id=row.id,
        url=row.url,
        description=row.description,
        events=tuple(row.events),
        version=row.version,
        disabled_at=row.disabled_at,
        disabled_why=Why(row.disabled_why) if row.disabled_why else None,
        tried_at=row.tried_at,
        failing_since=row.failing_since,
        former_until=row.former_until,
        created_at=row.created_at,
    )
