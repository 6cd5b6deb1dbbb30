from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.databases import open_copy

from hematovision.errors import (
    ChangedMeanwhileError,
    DeliveryWaitsError,
    KeyOutdatedError,
    WebhookInvalidError,
    WebhookOffError,
    WebhookUnknownError,
)
from hematovision.services.hands import Hand
from hematovision.services.rotation import SETTING
from hematovision.services.telling import Event
from hematovision.services.webhooks import (
    DESCRIPTION_LENGTH,
    MOST,
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
from hematovision.storage.database import Database
from hematovision.storage.sealing import Seal, SealBrokenError
from hematovision.storage.webhooks import Why

from .cases import NOW
from .webhooks import BY, INSIDE, SEAL, WANTED, actions, add, deliveries, post_of

LATER = Hand(None, "page", NOW + timedelta(hours=1))


@pytest.fixture
def database(tmp_path: Path, empty_file: Path) -> Iterator[Database]:
    """Give SQLite alone; what is asked of either database takes `each_database`."""
    database = open_copy(empty_file, tmp_path / "database")
    yield database
    database.close()


def test_webhook_is_kept_with_its_secret_sealed(each_database: Database) -> None:
    webhook, secret = add(each_database)
    assert list_webhooks(each_database) == [webhook]
    assert get_webhook(each_database, webhook.id) == webhook
    assert (webhook.events, webhook.is_on) == (tuple(Event), True)
    with each_database.reading() as records:
        sealed = records.webhooks.secrets_of(webhook.id).secret
    assert secret.encode() not in sealed
    assert SEAL.open(sealed, f"secret of webhook {webhook.id}") == secret.encode()
    with pytest.raises(SealBrokenError):
        SEAL.open(sealed, f"secret of webhook {webhook.id + 1}")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"url": "http://lis.example.org/"}, id="without encryption"),
        pytest.param({"url": "https://10.2.0.1/"}, id="network that is not listed"),
        pytest.param({"url": "https://169.254.169.254/"}, id="cloud"),
        pytest.param({"url": "https://localhost./"}, id="no name"),
        pytest.param({"url": ""}, id="none"),
        pytest.param({"events": []}, id="no event"),
        pytest.param({"events": ["case.erased"]}, id="unknown event"),
        pytest.param({"events": ["case.signed", "webhook.test"]}, id="test"),
        pytest.param({"description": "x" * (DESCRIPTION_LENGTH + 1)}, id="long"),
        pytest.param({"description": "a\0b"}, id="NUL"),
    ],
)
def test_webhook_that_cannot_be_is_refused_and_nothing_is_kept(
    database: Database, other: dict[str, object]
) -> None:
    wanted = replace(WANTED, **other)
    with pytest.raises(WebhookInvalidError):
        add_webhook(database, SEAL, wanted, (), by=BY)
    assert list_webhooks(database) == []
    webhook, _ = add(database)
    with pytest.raises(WebhookInvalidError):
        change_webhook(database, webhook.id, wanted, (), seen=1, by=BY)
    assert get_webhook(database, webhook.id) == webhook


@pytest.mark.parametrize("url", ["https://10.1.2.3/a", "http://10.1.2.3/a", "http://lis/a"])
def test_network_of_the_laboratory_is_told(database: Database, url: str) -> None:
    webhook, _ = add_webhook(database, SEAL, replace(WANTED, url=f" {url} "), INSIDE, by=BY)
    assert webhook.url == url


def test_webhooks_do_not_pile_up(database: Database) -> None:
    for _ in range(MOST):
        add(database)
    with pytest.raises(WebhookInvalidError, match="20 webhooks already"):
        add(database)


def test_change_is_kept_once_for_each_version(each_database: Database) -> None:
    webhook, _ = add(each_database)
    wanted = Wanted("https://other.example.org/", " The  archive ", ["case.signed"])
    changed = change_webhook(each_database, webhook.id, wanted, (), seen=1, by=LATER)
    assert changed == get_webhook(each_database, webhook.id)
    assert (changed.url, changed.description) == ("https://other.example.org/", "The archive")
    assert (changed.events, changed.version) == (("case.signed",), 2)
    with pytest.raises(ChangedMeanwhileError):
        change_webhook(each_database, webhook.id, wanted, (), seen=1, by=LATER)


def test_webhook_is_switched_off_and_on(database: Database) -> None:
    webhook, _ = add(database)
    send_test(database, webhook.id, by=BY)
    off = change_webhook(database, webhook.id, replace(WANTED, is_on=False), (), seen=1, by=LATER)
    assert (off.disabled_at, off.disabled_why) == (LATER.now, Why.BY_HAND)
    again = change_webhook(database, webhook.id, replace(WANTED, is_on=False), (), seen=2, by=BY)
    assert again.disabled_at == LATER.now
    post = post_of(database)
    assert post.deliver() == 0
    with pytest.raises(WebhookOffError):
        send_test(database, webhook.id, by=BY)
    on = change_webhook(database, webhook.id, WANTED, (), seen=3, by=LATER)
    assert (on.is_on, on.disabled_why) == (True, None)
    assert post.deliver() == 1


def test_secret_is_rotated(each_database: Database) -> None:
    webhook, first = add(each_database)
    rotated, second = rotate_secret(each_database, SEAL, webhook.id, by=LATER)
    assert first != second
    assert (rotated.version, rotated.former_until) == (2, LATER.now + timedelta(hours=24))
    assert rotated == get_webhook(each_database, webhook.id)
    purpose = f"secret of webhook {webhook.id}"
    with each_database.reading() as records:
        sealed = records.webhooks.secrets_of(webhook.id)
    assert SEAL.open(sealed.secret, purpose) == second.encode()
    assert SEAL.open(sealed.former or b"", purpose) == first.encode()


def test_webhook_goes_with_all_that_it_was_told(each_database: Database) -> None:
    webhook, other = add(each_database)[0], add(each_database)[0]
    for one in (webhook, other):
        send_test(each_database, one.id, by=BY)
    remove_webhook(each_database, webhook.id, by=BY)
    assert list_webhooks(each_database) == [other]
    assert deliveries(each_database, webhook) == []
    assert len(deliveries(each_database, other)) == 1
    remove_webhook(each_database, other.id, by=BY)
    assert add(each_database)[0].id > other.id


def test_what_is_told_is_listed_in_pages(database: Database) -> None:
    webhook, other = add(database)[0], add(database)[0]
    made = [send_test(database, webhook.id, by=BY).id for _ in range(3)]
    send_test(database, other.id, by=BY)
    first = [one.id for one in list_deliveries(database, webhook.id, limit=2)]
    rest = [one.id for one in list_deliveries(database, webhook.id, limit=2, before=first[-1])]
    assert first + rest == made[::-1]


def test_what_was_told_is_told_again_as_the_same_event(database: Database) -> None:
    webhook, _ = add(database)
    delivery = send_test(database, webhook.id, by=BY)
    with pytest.raises(DeliveryWaitsError):
        send_again(database, webhook.id, delivery.id, by=BY)
    post = post_of(database)
    post.deliver()
    send_again(database, webhook.id, delivery.id, by=BY)
    post.deliver()
    first, second = post.line.sent
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_what_is_not_there_is_named(database: Database) -> None:
    webhook, other = add(database)[0], add(database)[0]
    delivery = send_test(database, other.id, by=BY)
    for act in (
        lambda: get_webhook(database, 9),
        lambda: change_webhook(database, 9, WANTED, (), seen=1, by=BY),
        lambda: rotate_secret(database, SEAL, 9, by=BY),
        lambda: remove_webhook(database, 9, by=BY),
        lambda: send_test(database, 9, by=BY),
        lambda: list_deliveries(database, 9, limit=1),
        lambda: send_again(database, webhook.id, delivery.id, by=BY),
    ):
        with pytest.raises(WebhookUnknownError):
            act()


def test_machine_without_the_key_that_holds_makes_no_secret(database: Database) -> None:
    webhook, _ = add(database)
    with database.transaction() as records:
        assert records.laboratory.set(SETTING, "another", seen=0, by=None, now=NOW)
    with pytest.raises(KeyOutdatedError):
        rotate_secret(database, Seal(bytes(32)), webhook.id, by=BY)
    with pytest.raises(KeyOutdatedError):
        add(database)


def test_every_change_is_on_record_without_the_path_or_the_secret(database: Database) -> None:
    webhook, secret = add(database, url="https://lis.example.org/hush?token=hush")
    change_webhook(database, webhook.id, WANTED, (), seen=1, by=BY)
    rotate_secret(database, SEAL, webhook.id, by=BY)
    delivery = send_test(database, webhook.id, by=BY)
    post_of(database).deliver()
    send_again(database, webhook.id, delivery.id, by=BY)
    remove_webhook(database, webhook.id, by=BY)
    verbs = ("added", "changed", "secret_rotated", "tested", "sent_again", "removed")
    assert actions(database) == [f"webhook.{verb}" for verb in verbs]
    with database.reading() as records:
        events = [one for one in records.audit.list() if one.action.startswith("webhook.")]
    assert {event.subject for event in events} == {f"webhook {webhook.id}"}
    assert "hush" not in str(events)
    assert secret not in str(events)
    assert events[-1].details["host"] == "lis.example.org"
    assert events[-2].details["address_changed"] is True
