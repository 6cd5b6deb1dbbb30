"""`/webhooks`: which other systems are told what happens, and what they were told."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import url_for
from marshmallow import fields, validate

from hematovision.errors import (
    ChangedMeanwhileError,
    DeliveryWaitsError,
    KeyOutdatedError,
    WebhookInvalidError,
    WebhookOffError,
    WebhookUnknownError,
)
from hematovision.people import Right
from hematovision.services.telling import TEST, Event
from hematovision.services.webhooks import (
    DESCRIPTION_LENGTH,
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
from hematovision.storage.deliveries import Delivery, DeliveryFailure, DeliveryState
from hematovision.storage.webhooks import Webhook, Why
from hematovision.web.access import hand, needs
from hematovision.web.api.etags import checked, insist_on_match, tagged
from hematovision.web.api.paging import Paging, cursor_of, page_of, page_schema
from hematovision.web.api.resources import Resource, fails
from hematovision.web.api.schemas import Document, Moment, said
from hematovision.web.wiring import get_wiring

resource = Resource(
    "webhooks",
    "Webhooks",
    "Addresses of other systems that are told when a case is signed, by a POST that is signed "
    "itself as the Standard Webhooks specification says.",
)

Answer = tuple[Any, int, Mapping[str, str]]


def _names(*more: str) -> validate.OneOf:
    return validate.OneOf([*map(str, Event), *more])


class WantedDocument(Document):
    """A webhook as it is to be."""

    url = fields.String(
        required=True,
        metadata=said("Where it is told.", example="https://lis.example.org/hematovision"),
    )
    description = fields.String(
        load_default="",
        validate=validate.Length(max=DESCRIPTION_LENGTH),
        metadata=said("What it is, in the words of the laboratory."),
    )
    events = fields.List(
        fields.String(validate=_names()),
        required=True,
        validate=validate.Length(min=1),
        metadata=said("What it is told of."),
    )


class ChangesDocument(Document):
    """What is to be another about a webhook; what is left out stays."""

    url = fields.String(metadata=said("Where it is told."))
    description = fields.String(
        validate=validate.Length(max=DESCRIPTION_LENGTH), metadata=said("What it is.")
    )
    events = fields.List(
        fields.String(validate=_names()),
        validate=validate.Length(min=1),
        metadata=said("What it is told of."),
    )
    enabled = fields.Boolean(metadata=said("Whether it is told anything."))


class WebhookDocument(Document):
    """A webhook."""

    id = fields.Integer(required=True, metadata=said("Its number."))
    url = fields.String(required=True, metadata=said("Where it is told."))
    description = fields.String(required=True, metadata=said("What it is."))
    events = fields.List(
        fields.String(validate=_names()), required=True, metadata=said("What it is told of.")
    )
    enabled = fields.Boolean(required=True, metadata=said("Whether it is told anything."))
    disabled_at = Moment(required=True, allow_none=True, metadata=said("Since when it is not."))
    disabled_because = fields.String(
        required=True,
        allow_none=True,
        validate=validate.OneOf([*map(str, Why), None]),
        metadata=said(
            "`by_hand`; `gone`: it answered 410; `failing`: it was not reached for five days."
        ),
    )
    former_secret_until = Moment(
        required=True,
        allow_none=True,
        metadata=said("Until when the secret before this one signs as well."),
    )
    created_at = Moment(required=True, metadata=said("When it was added."))


class WebhookWithSecretDocument(WebhookDocument):
    """A webhook with a secret that is not shown again."""

    secret = fields.String(
        required=True, metadata=said("Signs what it is told; keep it.", example="whsec_…")
    )


class DeliveryDocument(Document):
    """Something that a webhook is told."""

    id = fields.Integer(required=True, metadata=said("Its number."))
    event_id = fields.String(required=True, metadata=said("What `webhook-id` says."))
    type = fields.String(required=True, validate=_names(TEST), metadata=said("What happened."))
    case = fields.Integer(
        required=True, allow_none=True, metadata=said("The case that it tells of, if any.")
    )
    state = fields.String(
        required=True,
        validate=validate.OneOf([*map(str, DeliveryState)]),
        metadata=said("How far it is."),
    )
    attempts = fields.Integer(required=True, metadata=said("How often it was sent."))
    status = fields.Integer(
        required=True, allow_none=True, metadata=said("Of the last answer, if there was any.")
    )
    failure = fields.String(
        required=True,
        allow_none=True,
        validate=validate.OneOf([*map(str, DeliveryFailure), None]),
        metadata=said(
            "`not_reached`: no answer came over a connection that may be made; `refused`: another "
            "answer than 2xx; `secret_lost`: make another secret; `internal`."
        ),
    )
    created_at = Moment(required=True, metadata=said("When it happened."))
    tried_at = Moment(required=True, allow_none=True, metadata=said("When it was sent last."))
    next_at = Moment(
        required=True, allow_none=True, metadata=said("When it is sent again, while it waits.")
    )


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
    page, headers = page_of([_document(one) for one in shown], cursor)
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
    return _document(webhook) | {"secret": secret}, HTTPStatus.CREATED, {"Location": place}


@resource.get("/webhooks/<int:webhook_id>")
@needs(Right.CONNECT)
@tagged
@resource.response(200, WebhookDocument)
@fails(WebhookUnknownError)
def show(webhook_id: int) -> dict[str, Any]:
    """Get a webhook.

    Its `ETag` is what `If-Match` asks for where it is changed.
    """
    return _document(get_webhook(get_wiring().database, webhook_id))


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
    document = _document(before)
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
    return _document(after)


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
    return _document(webhook) | {"secret": secret}


@resource.post("/webhooks/<int:webhook_id>/test")
@needs(Right.CONNECT)
@resource.response(202, DeliveryDocument)
@fails(WebhookUnknownError, WebhookOffError)
def test(webhook_id: int) -> dict[str, Any]:
    """Tell a webhook something that means nothing.

    It is sent within some seconds, as `webhook.test`; its deliveries say whether it arrived.
    """
    return _delivery(send_test(get_wiring().database, webhook_id, by=hand()))


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
    page, headers = page_of([_delivery(one) for one in shown], cursor)
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
    return _delivery(send_again(database, webhook_id, delivery_id, by=hand()))


def _document(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "description": webhook.description,
        "events": list(webhook.events),
        "enabled": webhook.is_on,
        "disabled_at": webhook.disabled_at,
        "disabled_because": webhook.disabled_why,
        "former_secret_until": webhook.former_until,
        "created_at": webhook.created_at,
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    waits = delivery.state is DeliveryState.WAITING
    return {
        "id": delivery.id,
        "event_id": delivery.told.event_id,
        "type": delivery.told.event,
        "case": delivery.told.case_id,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "status": delivery.status,
        "failure": delivery.failure,
        "created_at": delivery.created_at,
        "tried_at": delivery.tried_at,
        "next_at": delivery.next_at if waits else None,
    }
