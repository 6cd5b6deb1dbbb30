"""The forms of webhooks, and of what they are told."""

from typing import Any

from marshmallow import fields, validate

from hematovision.services.telling import TEST, Event
from hematovision.services.webhooks import DESCRIPTION_LENGTH
from hematovision.storage.deliveries import Delivery, DeliveryFailure, DeliveryState
from hematovision.storage.webhooks import Webhook, Why
from hematovision.web.api.schemas import Document, Moment, said


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


def webhook_document(webhook: Webhook) -> dict[str, Any]:
    """Lay a webhook out."""
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


def delivery_document(delivery: Delivery) -> dict[str, Any]:
    """Lay out what a webhook is told."""
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
