"""The administrator's pages of webhooks: which other systems are told, and what they were told."""

from collections.abc import Callable

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask_babel import lazy_gettext
from werkzeug.wrappers import Response

from hematovision.errors import HematoVisionError, WebhookInvalidError
from hematovision.people import Right
from hematovision.services.telling import TEST, Event
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
from hematovision.storage.deliveries import DeliveryFailure, DeliveryState
from hematovision.storage.webhooks import Why
from hematovision.web.access import hand, needs
from hematovision.web.errors import STATUS_OF
from hematovision.web.uploads import number_of
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("webhooks", __name__, url_prefix="/laboratory/webhooks")

Page = str | Response | tuple[str, int]
SHOWN = 50
EVENTS = {
    Event.CASE_SIGNED: lazy_gettext("a case is signed"),
    Event.CASE_AMENDMENT_OPENED: lazy_gettext("a signed case is opened to be amended"),
    Event.CASE_AMENDED: lazy_gettext("an amended case is signed again"),
    TEST: lazy_gettext("a test"),
}
STATES = {
    DeliveryState.WAITING: lazy_gettext("Waits"),
    DeliveryState.DELIVERED: lazy_gettext("Delivered"),
    DeliveryState.FAILED: lazy_gettext("Failed"),
}
FAILURES = {
    DeliveryFailure.NOT_REACHED: lazy_gettext("not reached"),
    DeliveryFailure.REFUSED: lazy_gettext("refused"),
    DeliveryFailure.SECRET_LOST: lazy_gettext("its secret is lost: make another"),
    DeliveryFailure.INTERNAL: lazy_gettext("something in the program went wrong"),
}
WHYS = {
    Why.BY_HAND: lazy_gettext("Switched off."),
    Why.GONE: lazy_gettext("Switched off: it answered that it is gone for good."),
    Why.FAILING: lazy_gettext("Switched off: nothing has reached it for five days."),
}


@blueprint.get("")
@needs(Right.CONNECT)
def show() -> str:
    """List all webhooks."""
    return _list()


@blueprint.post("")
@needs(Right.CONNECT)
def add() -> Page:
    """Add a webhook, and show its secret once."""
    wiring = get_wiring()
    try:
        webhook, secret = add_webhook(
            wiring.database, wiring.seal, _wanted(), wiring.settings.webhook_networks, by=hand()
        )
    except WebhookInvalidError as error:
        return _list(error), STATUS_OF[type(error)]
    return _one(webhook.id, secret=secret)


@blueprint.get("/<int:webhook_id>")
@needs(Right.CONNECT)
def one(webhook_id: int) -> str:
    """Show a webhook, and what it was told."""
    return _one(webhook_id)


@blueprint.post("/<int:webhook_id>")
@needs(Right.CONNECT)
def change(webhook_id: int) -> Page:
    """Change a webhook, or switch it off or on."""
    wiring = get_wiring()
    return _do(
        webhook_id,
        lambda: change_webhook(
            wiring.database,
            webhook_id,
            _wanted(),
            wiring.settings.webhook_networks,
            seen=number_of(request.form.get("version")) or 0,
            by=hand(),
        ),
    )


@blueprint.post("/<int:webhook_id>/secret")
@needs(Right.CONNECT)
def rotate(webhook_id: int) -> str:
    """Make another secret, and show it once."""
    wiring = get_wiring()
    _, secret = rotate_secret(wiring.database, wiring.seal, webhook_id, by=hand())
    return _one(webhook_id, secret=secret)


@blueprint.post("/<int:webhook_id>/test")
@needs(Right.CONNECT)
def test(webhook_id: int) -> Page:
    """Send a test."""
    return _do(webhook_id, lambda: send_test(get_wiring().database, webhook_id, by=hand()))


@blueprint.post("/<int:webhook_id>/deliveries/<int:delivery_id>/again")
@needs(Right.CONNECT)
def again(webhook_id: int, delivery_id: int) -> Page:
    """Send something again."""
    database = get_wiring().database
    return _do(webhook_id, lambda: send_again(database, webhook_id, delivery_id, by=hand()))


@blueprint.post("/<int:webhook_id>/remove")
@needs(Right.CONNECT)
def remove(webhook_id: int) -> Response:
    """Delete a webhook."""
    remove_webhook(get_wiring().database, webhook_id, by=hand())
    return redirect(url_for("webhooks.show"), 303)


def _do(webhook_id: int, act: Callable[[], object]) -> Page:
    """Do something with a webhook that is there, and show it again."""
    get_webhook(get_wiring().database, webhook_id)
    try:
        act()
    except HematoVisionError as error:
        return _one(webhook_id, failure=error), STATUS_OF[type(error)]
    return redirect(url_for("webhooks.one", webhook_id=webhook_id), 303)


def _wanted() -> Wanted:
    form = request.form
    return Wanted(
        form.get("url", ""),
        form.get("description", ""),
        form.getlist("events"),
        is_on="is_on" in form,
    )


def _list(failure: HematoVisionError | None = None) -> str:
    return render_template(
        "webhooks.html",
        webhooks=list_webhooks(get_wiring().database),
        failure=failure,
        typed=_wanted() if failure else Wanted("", "", list(Event)),
        events=EVENTS,
        choices=list(Event),
        whys=WHYS,
    )


def _one(
    webhook_id: int, *, secret: str | None = None, failure: HematoVisionError | None = None
) -> str:
    database = get_wiring().database
    webhook = get_webhook(database, webhook_id)
    return render_template(
        "webhook.html",
        webhook=webhook,
        deliveries=list_deliveries(database, webhook_id, limit=SHOWN),
        most=SHOWN,
        secret=secret,
        failure=failure,
        typed=_wanted() if isinstance(failure, WebhookInvalidError) else webhook,
        events=EVENTS,
        choices=list(Event),
        states=STATES,
        failures=FAILURES,
        whys=WHYS,
    )


def init_app(app: Flask) -> None:
    """Register the pages."""
    app.register_blueprint(blueprint)
