"""Telling webhooks what waits: one thing after the other, again where it fails, never for ever.

Whoever takes something has it for the time of a lease. Who is killed between sending it and keeping
that it was sent leaves it there, and it is sent again, under the same id: a receiver may be told
twice, and knows by the id that it was.
"""

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from hematovision import __version__
from hematovision.exchange.posting import Answer, NotReachedError, Post
from hematovision.exchange.standard_webhooks import headers_of
from hematovision.services.hands import Hand
from hematovision.services.rotation import check_key
from hematovision.services.webhooks import purpose_of, subject_of
from hematovision.storage.database import Database, Records
from hematovision.storage.deliveries import Delivery, DeliveryFailure, DeliveryState, Outcome
from hematovision.storage.sealing import Seal, SealBrokenError
from hematovision.storage.webhooks import Webhook, Why

LEASE = timedelta(minutes=2)
"""Longer than an attempt takes, resolving the name included."""
PAUSES = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 60, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 72_000)
)
"""Before the second attempt and each one after it: three days in all."""
JITTER = 0.2
"""By so much of itself a pause may be longer: what failed together does not come back together."""
LONGEST_ASKED = timedelta(days=1)
"""A receiver that asks for a longer pause does not get it."""
FAILING_FOR = timedelta(days=5)
APART = timedelta(days=2)
"""Failures with a longer pause between them say nothing of the time between."""
KEPT_FOR = timedelta(days=30)
GONE = 410
CONTENT = {
    "Content-Type": "application/json",
    "User-Agent": f"HematoVision/{__version__} (webhooks)",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Courier:
    """Who tells webhooks what waits.

    Attributes:
        database: Says what waits.
        seal: Opens the secrets.
        post: Reaches other systems.
        jitter: Gives a number from 0 to 1.
    """

    database: Database
    seal: Seal
    post: Post
    jitter: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class Parcel:
    """Something that was taken to be sent, to whom, and what signs it, sealed."""

    delivery: Delivery
    webhook: Webhook
    secrets: Sequence[bytes]


def deliver_next(courier: Courier, *, clock: Callable[[], datetime]) -> bool:
    """Send what is due; tell whether there was anything.

    Raises:
        KeyOutdatedError: If this machine was not given the key that holds.
    """
    check_key(courier.database, courier.seal)
    parcel = _take(courier.database, now=clock())
    if parcel is None:
        return False
    answer, failure = _attempt(courier, parcel, now=clock())
    now = clock()
    pause = _pause(parcel.delivery, answer, now=now, jitter=courier.jitter())
    outcome = _outcome(answer, failure, pause, now=now)
    with courier.database.transaction() as records:
        if records.deliveries.settle(parcel.delivery, outcome, now=now):
            _judge(records, parcel.webhook, outcome, Hand(None, "worker", now))
    return True


def forget_told(database: Database, *, now: datetime) -> None:
    """Delete what was to be told long ago."""
    with database.transaction() as records:
        records.deliveries.forget(before=now - KEPT_FOR)


def _take(database: Database, *, now: datetime) -> Parcel | None:
    with database.transaction() as records:
        delivery = records.deliveries.take(now=now, until=now + LEASE)
        webhook = records.webhooks.find(delivery.webhook_id) if delivery else None
        if delivery is None or webhook is None:
            return None
        sealed = records.webhooks.secrets_of(webhook.id)
    signs = [sealed.secret]
    if sealed.former and sealed.former_until and now < sealed.former_until:
        signs.append(sealed.former)
    return Parcel(delivery, webhook, signs)


def _attempt(
    courier: Courier, parcel: Parcel, *, now: datetime
) -> tuple[Answer | None, DeliveryFailure | None]:
    """Send something once; give what was answered, and why it failed, if it did."""
    delivery, webhook = parcel.delivery, parcel.webhook
    if delivery.attempts > len(PAUSES) + 1:
        return None, DeliveryFailure.INTERNAL
    body = delivery.told.body.encode()
    try:
        purpose = purpose_of(webhook.id)
        signs = [courier.seal.open(one, purpose).decode() for one in parcel.secrets]
        headers = headers_of(delivery.told.event_id, body, signs, now=now)
        answer = courier.post.post(webhook.url, body, {**CONTENT, **headers})
    except SealBrokenError as error:
        log.error("%s", error)
        return None, DeliveryFailure.SECRET_LOST
    except NotReachedError as error:
        log.warning("Webhook %d is not reached: %s", webhook.id, error)
        return None, DeliveryFailure.NOT_REACHED
    if 200 <= answer.status < 300:
        return answer, None
    log.warning("Webhook %d answers %d", webhook.id, answer.status)
    return answer, DeliveryFailure.REFUSED


def _outcome(
    answer: Answer | None,
    failure: DeliveryFailure | None,
    pause: timedelta | None,
    *,
    now: datetime,
) -> Outcome:
    status = answer.status if answer else None
    if failure is None:
        return Outcome(DeliveryState.DELIVERED, now, status)
    again = failure in {DeliveryFailure.REFUSED, DeliveryFailure.NOT_REACHED} and status != GONE
    if pause is None or not again:
        return Outcome(DeliveryState.FAILED, now, status, failure)
    return Outcome(DeliveryState.WAITING, now + pause, status, failure)


def _pause(
    delivery: Delivery, answer: Answer | None, *, now: datetime, jitter: float
) -> timedelta | None:
    """Say how long to wait before the next attempt; None where this was the last."""
    if delivery.attempts > len(PAUSES):
        return None
    pause = PAUSES[delivery.attempts - 1] * (1 + JITTER * jitter)
    asked = _asked(answer.retry_after, now=now) if answer else timedelta()
    return max(pause, min(asked, LONGEST_ASKED))


def _asked(retry_after: str, *, now: datetime) -> timedelta:
    """Read how long a receiver wants to be left alone: seconds, or a date."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), int(LONGEST_ASKED.total_seconds())))
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return timedelta()
    return (until if until.tzinfo else until.replace(tzinfo=UTC)) - now


def _judge(records: Records, webhook: Webhook, outcome: Outcome, by: Hand) -> None:
    """Keep how it stands with a webhook, and switch it off where nobody is there any more."""
    failing = _failing_since(webhook, outcome, now=by.now)
    records.webhooks.note_attempt(webhook.id, now=by.now, failing_since=failing)
    why = None
    if outcome.status == GONE:
        why = Why.GONE
    elif failing is not None and by.now - failing >= FAILING_FOR:
        why = Why.FAILING
    held = records.webhooks.hold(webhook.id) if why else None
    if why is not None and held is not None and held.is_on:
        records.webhooks.disable(webhook.id, why, now=by.now)
        details = {"why": str(why)}
        records.audit.add(by.did("webhook.disabled", subject_of(webhook.id), details))
        log.warning("Webhook %d is switched off: %s", webhook.id, why)


def _failing_since(webhook: Webhook, outcome: Outcome, *, now: datetime) -> datetime | None:
    if outcome.failure is None:
        return None
    lately = webhook.tried_at is not None and now - webhook.tried_at <= APART
    return webhook.failing_since if lately and webhook.failing_since else now
