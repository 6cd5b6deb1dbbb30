"""Webhooks: which other systems are told what happens, and what they were told."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hematovision.errors import (
    ChangedMeanwhileError,
    DeliveryWaitsError,
    WebhookInvalidError,
    WebhookOffError,
    WebhookUnknownError,
)
from hematovision.exchange.destinations import (
    DestinationRefusedError,
    Network,
    find_address,
    insist_on_address,
    read_url,
)
from hematovision.exchange.standard_webhooks import new_event_id, new_secret
from hematovision.services.hands import Hand
from hematovision.services.rotation import insist_on_key
from hematovision.services.telling import TEST, Event, write_body
from hematovision.storage.database import Database, Records
from hematovision.storage.deliveries import Delivery, Told
from hematovision.storage.sealing import Seal
from hematovision.storage.webhooks import Webhook, Why

MOST = 20
"""More would make signing slow, and no laboratory has so many systems that want to know."""
DESCRIPTION_LENGTH = 200
FORMER_SIGNS = timedelta(hours=24)
"""So long a receiver may take to learn of another secret."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A webhook as somebody wants it to be.

    Attributes:
        url: Where it is told.
        description: What it is.
        events: What it is told of, by the names of `Event`.
        is_on: Whether it is told anything.
    """

    url: str
    description: str
    events: Collection[str]
    is_on: bool = True


def list_webhooks(database: Database) -> Sequence[Webhook]:
    """List all webhooks, the oldest first."""
    with database.reading() as records:
        return records.webhooks.list()


def get_webhook(database: Database, webhook_id: int) -> Webhook:
    """Give a webhook.

    Raises:
        WebhookUnknownError: If there is no such webhook.
    """
    with database.reading() as records:
        return _known(records.webhooks.find(webhook_id), webhook_id)


def add_webhook(
    database: Database, seal: Seal, wanted: Wanted, networks: Sequence[Network], *, by: Hand
) -> tuple[Webhook, str]:
    """Add a webhook.

    Args:
        database: Keeps it.
        seal: Seals its secret.
        wanted: As it is to be.
        networks: Of the laboratory, which may be told though they are not public.
        by: Who adds it.

    Returns:
        The webhook, and the secret that signs what it is told; nobody is shown that again.

    Raises:
        WebhookInvalidError: If it cannot be as it is wanted, or there are too many.
        KeyOutdatedError: If this machine was not given the key that holds.
    """
    wanted = _checked(wanted, networks)
    secret = new_secret()
    with database.transaction() as records:
        insist_on_key(records, seal)
        if records.webhooks.count() >= MOST:
            raise WebhookInvalidError("There are %(most)s webhooks already.", most=MOST)
        webhook = records.webhooks.add(
            wanted.url, wanted.description, list(wanted.events), by=by.user_id, now=by.now
        )
        sealed = seal.seal(secret.encode(), purpose_of(webhook.id))
        records.webhooks.set_secret(webhook.id, sealed)
        records.audit.add(by.did("webhook.added", subject_of(webhook.id), _details(webhook)))
    return webhook, secret


def change_webhook(
    database: Database,
    webhook_id: int,
    wanted: Wanted,
    networks: Sequence[Network],
    *,
    seen: int,
    by: Hand,
) -> Webhook:
    """Change a webhook, or switch it off or on.

    What waits stays while it is off, and is sent when it is on again.

    Args:
        database: Keeps it.
        webhook_id: The webhook.
        wanted: As it is to be.
        networks: Of the laboratory, which may be told though they are not public.
        seen: The version that was looked at.
        by: Who changes it.

    Raises:
        WebhookInvalidError: If it cannot be so.
        WebhookUnknownError: If there is no such webhook.
        ChangedMeanwhileError: If somebody else changed it since.
    """
    wanted = _checked(wanted, networks)
    with database.transaction() as records:
        before = _held(records, webhook_id, seen)
        after = _switched(before, is_on=wanted.is_on, now=by.now)
        after = replace(
            after,
            url=wanted.url,
            description=wanted.description,
            events=tuple(wanted.events),
            version=before.version + 1,
        )
        records.webhooks.change(after)
        details = _details(after) | {"address_changed": before.url != after.url}
        records.audit.add(by.did("webhook.changed", subject_of(webhook_id), details))
    return after


def rotate_secret(
    database: Database, seal: Seal, webhook_id: int, *, by: Hand
) -> tuple[Webhook, str]:
    """Give a webhook another secret; the one before signs beside it for a day.

    Returns:
        The webhook, and the secret; nobody is shown that again.

    Raises:
        WebhookUnknownError: If there is no such webhook.
        KeyOutdatedError: If this machine was not given the key that holds.
    """
    secret, until = new_secret(), by.now + FORMER_SIGNS
    with database.transaction() as records:
        insist_on_key(records, seal)
        _held(records, webhook_id)
        sealed = seal.seal(secret.encode(), purpose_of(webhook_id))
        records.webhooks.change_secret(webhook_id, sealed, until=until)
        records.audit.add(by.did("webhook.secret_rotated", subject_of(webhook_id)))
        return _known(records.webhooks.find(webhook_id), webhook_id), secret


def remove_webhook(database: Database, webhook_id: int, *, by: Hand) -> None:
    """Delete a webhook, and all that it was told.

    Raises:
        WebhookUnknownError: If there is no such webhook.
    """
    with database.transaction() as records:
        webhook = _held(records, webhook_id)
        records.webhooks.remove(webhook_id)
        records.audit.add(by.did("webhook.removed", subject_of(webhook_id), _details(webhook)))


def send_test(database: Database, webhook_id: int, *, by: Hand) -> Delivery:
    """Let a webhook be told something that means nothing.

    Raises:
        WebhookUnknownError: If there is no such webhook.
        WebhookOffError: If it is switched off.
    """
    told = Told(new_event_id(), TEST, write_body(TEST, {"webhook": webhook_id}, now=by.now))
    with database.transaction() as records:
        _insist_on(_held(records, webhook_id))
        delivery = records.deliveries.add(told, webhook_id, now=by.now)
        records.audit.add(by.did("webhook.tested", subject_of(webhook_id)))
    return delivery


def list_deliveries(
    database: Database, webhook_id: int, *, limit: int, before: int | None = None
) -> Sequence[Delivery]:
    """List what a webhook is told, the newest first.

    Args:
        database: Keeps it.
        webhook_id: The webhook.
        limit: Most of them.
        before: Only those with smaller numbers.

    Raises:
        WebhookUnknownError: If there is no such webhook.
    """
    with database.reading() as records:
        _known(records.webhooks.find(webhook_id), webhook_id)
        return records.deliveries.list(webhook_id, limit=limit, before=before)


def send_again(database: Database, webhook_id: int, delivery_id: int, *, by: Hand) -> Delivery:
    """Tell a webhook something again, as the same event, with as many attempts as the first time.

    Raises:
        WebhookUnknownError: If there is no such webhook, or it was never told this.
        WebhookOffError: If it is switched off.
        DeliveryWaitsError: If it is still being sent.
    """
    with database.transaction() as records:
        _insist_on(_held(records, webhook_id))
        done = records.deliveries.send_again(webhook_id, delivery_id, now=by.now)
        delivery = records.deliveries.find(webhook_id, delivery_id)
        if delivery is None:
            raise WebhookUnknownError(
                "This webhook was never told number %(number)s.", number=delivery_id
            )
        if not done:
            raise DeliveryWaitsError("This is still being sent.")
        details = {"delivery": delivery_id}
        records.audit.add(by.did("webhook.sent_again", subject_of(webhook_id), details))
    return delivery


def purpose_of(webhook_id: int) -> str:
    """Say for what the secrets of a webhook are sealed."""
    return f"secret of webhook {webhook_id}"


def subject_of(webhook_id: int) -> str:
    """Say what the events of a webhook are about."""
    return f"webhook {webhook_id}"


def _checked(wanted: Wanted, networks: Sequence[Network]) -> Wanted:
    """Take over what somebody wants, as far as it can be judged before anything is sent."""
    url = wanted.url.strip()
    _insist_on_url(url, networks)
    events = tuple(event for event in Event if event in wanted.events)
    if not events or len(events) != len(set(wanted.events)):
        raise WebhookInvalidError("A webhook is told of one event at least, and of none unknown.")
    description = " ".join(wanted.description.split())
    if len(description) > DESCRIPTION_LENGTH or not description.isprintable():
        raise WebhookInvalidError(
            "A description has at most %(most)s letters.", most=DESCRIPTION_LENGTH
        )
    return replace(wanted, url=url, description=description, events=events)


def _insist_on_url(url: str, networks: Sequence[Network]) -> None:
    """Insist that a URL may be told; a name is resolved when it is told, and each time anew."""
    try:
        there = read_url(url)
        if find_address(there.host):
            insist_on_address(there.scheme, there.host, networks)
        elif there.scheme != "https" and not networks:
            raise DestinationRefusedError("Nothing is told without encryption.")
    except DestinationRefusedError as error:
        raise WebhookInvalidError("This address cannot be told anything.") from error


def _held(records: Records, webhook_id: int, seen: int | None = None) -> Webhook:
    webhook = _known(records.webhooks.hold(webhook_id), webhook_id)
    if seen is not None and webhook.version != seen:
        raise ChangedMeanwhileError("Somebody else changed this webhook meanwhile.")
    return webhook


def _known(webhook: Webhook | None, webhook_id: int) -> Webhook:
    if webhook is None:
        raise WebhookUnknownError("There is no webhook %(number)s.", number=webhook_id)
    return webhook


def _insist_on(webhook: Webhook) -> None:
    if not webhook.is_on:
        raise WebhookOffError("This webhook is switched off.")


def _switched(webhook: Webhook, *, is_on: bool, now: datetime) -> Webhook:
    """Switch a webhook on or off; one that is on again has not failed yet."""
    if is_on == webhook.is_on:
        return webhook
    if is_on:
        return replace(webhook, disabled_at=None, disabled_why=None, failing_since=None)
    return replace(webhook, disabled_at=now, disabled_why=Why.BY_HAND)


def _details(webhook: Webhook) -> dict[str, Any]:
    """Say what stays on record: of the address the host alone, for the rest may be a secret."""
    return {
        "host": read_url(webhook.url).host,
        "events": list(webhook.events),
        "is_on": webhook.is_on,
    }
