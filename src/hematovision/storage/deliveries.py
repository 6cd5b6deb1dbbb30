"""What webhooks are told: an outbox, written with what happened and emptied by workers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from hematovision.storage.tables import DeliveryRow, WebhookRow


class DeliveryState(StrEnum):
    """How far something is that a webhook is told."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class DeliveryFailure(StrEnum):
    """Why an attempt failed; not finer, or it would tell what listens in the network."""

    NOT_REACHED = "not_reached"
    """No answer in HTTP came over a connection that may be made and was checked."""
    REFUSED = "refused"
    """The answer was another than that it is taken."""
    SECRET_LOST = "secret_lost"  # noqa: S105 - the name of a failure
    """No key opens what signs it."""
    INTERNAL = "internal"
    """The program failed each time."""


@dataclass(frozen=True, slots=True)
class Told:
    """What there is to tell.

    Attributes:
        event_id: The same for everybody who is told, and in every attempt.
        event: What happened, such as `case.signed`.
        body: Byte for byte what is sent.
        case_id: The case that it tells of, if any.
    """

    event_id: str
    event: str
    body: str
    case_id: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something that a webhook is told.

    Attributes:
        id: Never given to another.
        webhook_id: Who is told.
        told: What.
        state: How far it is.
        attempts: How often it was taken to be sent.
        next_at: When it is sent (again), while it waits, UTC.
        tried_at: When an attempt ended last.
        status: Of the last answer in HTTP, if there was any.
        failure: Why the last attempt failed; None where it did not.
        created_at: When it happened, UTC.
    """

    id: int
    webhook_id: int
    told: Told
    state: DeliveryState
    attempts: int
    next_at: datetime
    tried_at: datetime | None
    status: int | None
    failure: DeliveryFailure | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        state: Waiting, where there will be another.
        next_at: When that will be.
        status: Of the answer in HTTP, if there was any.
        failure: Why it failed; None where it did not.
    """

    state: DeliveryState
    next_at: datetime
    status: int | None = None
    failure: DeliveryFailure | None = None


class DeliveryStore:
    """Keeps what webhooks are told."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def add(self, told: Told, webhook_id: int, *, now: datetime) -> Delivery:
        """Let something wait to be told."""
        row = DeliveryRow(
            event_id=told.event_id,
            webhook_id=webhook_id,
            case_id=told.case_id,
            event=told.event,
            body=told.body,
            state=DeliveryState.WAITING,
            attempts=0,
            next_at=now,
            created_at=now,
        )
        self._session.add(row)
        self._session.flush()
        return _delivery(row)

    def take(self, *, now: datetime, until: datetime) -> Delivery | None:
        """Take what is due, so that nobody else does before the lease is over.

        Webhooks take turns: whoever was told something longest ago comes first, so that one that
        answers slowly holds up the others by one attempt, however much waits for it.

        Args:
            now: When, UTC.
            until: The end of the lease.
        """
        row = self._session.scalar(
            select(DeliveryRow)
            .join(WebhookRow, WebhookRow.id == DeliveryRow.webhook_id)
            .where(
                DeliveryRow.state == DeliveryState.WAITING,
                DeliveryRow.next_at <= now,
                WebhookRow.disabled_at.is_(None),
            )
            .order_by(WebhookRow.tried_at.asc().nulls_first(), DeliveryRow.next_at, DeliveryRow.id)
            .limit(1)
            .with_for_update(skip_locked=True, of=DeliveryRow)
        )
        if row is None:
            return None
        row.attempts += 1
        row.next_at = until
        self._session.flush()
        return _delivery(row)

    def settle(self, taken: Delivery, outcome: Outcome, *, now: datetime) -> bool:
        """Keep how an attempt ended; False where it is another's by now, or gone."""
        settled = self._session.execute(
            update(DeliveryRow)
            .where(
                DeliveryRow.id == taken.id,
                DeliveryRow.attempts == taken.attempts,
                DeliveryRow.next_at == taken.next_at,
                DeliveryRow.state == DeliveryState.WAITING,
            )
            .values(
                state=outcome.state,
                next_at=outcome.next_at,
                tried_at=now,
                status=outcome.status,
                failure=outcome.failure,
            )
            .returning(DeliveryRow.id)
        )
        return settled.first() is not None

    def send_again(self, webhook_id: int, delivery_id: int, *, now: datetime) -> bool:
        """Let something wait again that was told, or could not be; False where it is no such."""
        again = self._session.execute(
            update(DeliveryRow)
            .where(
                DeliveryRow.id == delivery_id,
                DeliveryRow.webhook_id == webhook_id,
                DeliveryRow.state != DeliveryState.WAITING,
            )
            .values(state=DeliveryState.WAITING, attempts=0, next_at=now)
            .returning(DeliveryRow.id)
        )
        return again.first() is not None

    def find(self, webhook_id: int, delivery_id: int) -> Delivery | None:
        """Find something that a webhook is told."""
        found = select(DeliveryRow).where(
            DeliveryRow.id == delivery_id, DeliveryRow.webhook_id == webhook_id
        )
        row = self._session.scalar(found.execution_options(populate_existing=True))
        return _delivery(row) if row else None

    def list(self, webhook_id: int, *, limit: int, before: int | None = None) -> Sequence[Delivery]:
        """List what a webhook is told, the newest first.

        Args:
            webhook_id: The webhook.
            limit: Most of them.
            before: Only those with smaller numbers.
        """
        rows = select(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id)
        if before is not None:
            rows = rows.where(DeliveryRow.id < before)
        found = self._session.scalars(rows.order_by(DeliveryRow.id.desc()).limit(limit))
        return [_delivery(row) for row in found]

    def forget(self, *, before: datetime) -> None:
        """Delete all that happened before a moment."""
        self._session.execute(delete(DeliveryRow).where(DeliveryRow.created_at < before))


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        id=row.id,
        webhook_id=row.webhook_id,
        told=Told(row.event_id, row.event, row.body, row.case_id),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        next_at=row.next_at,
        tried_at=row.tried_at,
        status=row.status,
        failure=DeliveryFailure(row.failure) if row.failure else None,
        created_at=row.created_at,
    )
