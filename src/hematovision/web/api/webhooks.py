"""`/webhooks`: which other systems are told what happens, and what they were told."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import url_for

from hematovision.errors import (
    ChangedMeanwhileError,
    DeliveryWaitsError,
    KeyOutdatedError,
    WebhookInvalidError,
    WebhookOffError,
    WebhookUnknownError,
)
from hematovision.people import Right
from hematovision.services.webhooks import (
    Wanted,
    add_webhook,
    change_webhook,
    get_webhook,
    list_deliveries,
    list_webhooks,
    remove_webhook,
    rotate_secret,
    send_again,
    send_test,
)
from hematovision.web.access import hand, needs
from hematovision.web.api.etags import checked, insist_on_match, tagged
from hematovision.web.api.paging import Paging, cursor_of, page_of, page_schema
from hematovision.web.api.resources import Resource, fails
from hematovision.web.api.webhook_schemas import (
    ChangesDocument,
    DeliveryDocument,
    WantedDocument,
    WebhookDocument,
    WebhookWithSecretDocument,
    delivery_document,
    webhook_document,
)
from hematovision.web.wiring import get_wiring

resource = Resource(
    "webhooks",
    "Webhooks",
    "Addresses of other systems that are told when a case is signed, by a POST that is signed "
    "itself as the Standard Webhooks specification says.",
)

Answer = tuple[Any, int, Mapping[str, str]]


@resource.get("/webhooks")
@needs(Right.CONNECT)
@tagged
@resource.arguments(Paging, location="query")
@resource.response(200, page_schema(WebhookDocument))
def index(asked: dict[str, Any]) -> Answer:
    """List webhooks.

    The secrets are not told again; `rotate-secret` makes a new one.
    """
    after = asked["cursor"][0] if asked["cursor"] else 0
    left = [one for one in list_webhooks(get_wiring().database) if one.id > after]
    shown = left[: asked["limit"]]
    cursor = cursor_of(shown[-1].id) if len(left) > len(shown) else None
    page, headers = page_of([webhook_document(one) for one in shown], cursor)
    return page, HTTPStatus.OK, headers


@resource.post("/webhooks")
@needs(Right.CONNECT)
@resource.arguments(WantedDocument)
@resource.response(201, WebhookWithSecretDocument)
@fails(WebhookInvalidError, KeyOutdatedError)
def add(wanted: dict[str, Any]) -> Answer:
    """Add a webhook.

    The secret is in this answer and in no other. A name is resolved each time it is told anything;
    one that leads to an address that may not be spoken to is not reached.
    """
    wiring = get_wiring()
    webhook, secret = add_webhook(
        wiring.database,
        wiring.seal,
        Wanted(wanted["url"], wanted["description"], wanted["events"]),
        wiring.settings.webhook_networks,
        by=hand(),
    )
    place = url_for("api_webhooks.show", webhook_id=webhook.id)
    return webhook_document(webhook) | {"secret": secret}, HTTPStatus.CREATED, {"Location": place}


@resource.get("/webhooks/<int:webhook_id>")
@needs(Right.CONNECT)
@tagged
@resource.response(200, WebhookDocument)
@fails(WebhookUnknownError)
def show(webhook_id: int) -> dict[str, Any]:
    """Get a webhook.

    Its `ETag` is what `If-Match` asks for where it is changed.
    """
    return webhook_document(get_webhook(get_wiring().database, webhook_id))


@resource.patch("/webhooks/<int:webhook_id>")
@needs(Right.CONNECT)
@checked
@resource.arguments(ChangesDocument)
@resource.response(200, WebhookDocument)
@fails(WebhookUnknownError, WebhookInvalidError, ChangedMeanwhileError)
def change(changes: dict[str, Any], webhook_id: int) -> dict[str, Any]:
    """Change a webhook, or switch it off or on.

    While it is off nothing new waits for it; what waited before is sent once it is on again.
    """
    wiring = get_wiring()
    before = get_webhook(wiring.database, webhook_id)
    document = webhook_document(before)
    insist_on_match(WebhookDocument().dump(document))
    wanted = document | changes
    after = change_webhook(
        wiring.database,
        webhook_id,
        Wanted(wanted["url"], wanted["description"], wanted["events"], wanted["enabled"]),
        wiring.settings.webhook_networks,
        seen=before.version,
        by=hand(),
    )
    return webhook_document(after)


@resource.delete("/webhooks/<int:webhook_id>")
@needs(Right.CONNECT)
@resource.response(204)
@fails(WebhookUnknownError)
def remove(webhook_id: int) -> None:
    """Delete a webhook, and all that it was told.

    What is on its way to it may still arrive.
    """
    remove_webhook(get_wiring().database, webhook_id, by=hand())


@resource.post("/webhooks/<int:webhook_id>/rotate-secret")
@needs(Right.CONNECT)
@resource.response(200, WebhookWithSecretDocument)
@fails(WebhookUnknownError, KeyOutdatedError)
def rotate(webhook_id: int) -> dict[str, Any]:
    """Make another secret.

    It is in this answer and in no other. For 24 hours the one before signs as well.
    """
    wiring = get_wiring()
    webhook, secret = rotate_secret(wiring.database, wiring.seal, webhook_id, by=hand())
    return webhook_document(webhook) | {"secret": secret}


@resource.post("/webhooks/<int:webhook_id>/test")
@needs(Right.CONNECT)
@resource.response(202, DeliveryDocument)
@fails(WebhookUnknownError, WebhookOffError)
def test(webhook_id: int) -> dict[str, Any]:
    """Tell a webhook something that means nothing.

    It is sent within some seconds, as `webhook.test`; its deliveries say whether it arrived.
    """
    return delivery_document(send_test(get_wiring().database, webhook_id, by=hand()))


@resource.get("/webhooks/<int:webhook_id>/deliveries")
@needs(Right.CONNECT)
@tagged
@resource.arguments(Paging, location="query")
@resource.response(200, page_schema(DeliveryDocument))
@fails(WebhookUnknownError)
def deliveries(asked: dict[str, Any], webhook_id: int) -> Answer:
    """List what a webhook was told, the newest first.

    After 30 days it is forgotten.
    """
    before = asked["cursor"][0] if asked["cursor"] else None
    found = list_deliveries(
        get_wiring().database, webhook_id, limit=asked["limit"] + 1, before=before
    )
    shown = found[: asked["limit"]]
    cursor = cursor_of(shown[-1].id) if len(found) > len(shown) else None
    page, headers = page_of([delivery_document(one) for one in shown], cursor)
    return page, HTTPStatus.OK, headers


@resource.post("/webhooks/<int:webhook_id>/deliveries/<int:delivery_id>/send-again")
@needs(Right.CONNECT)
@resource.response(202, DeliveryDocument)
@fails(WebhookUnknownError, WebhookOffError, DeliveryWaitsError)
def again(webhook_id: int, delivery_id: int) -> dict[str, Any]:
    """Tell a webhook something again.

    It has the same `webhook-id`, by which a receiver knows that it is the same event.
    """
    database = get_wiring().database
    return delivery_document(send_again(database, webhook_id, delivery_id, by=hand()))
