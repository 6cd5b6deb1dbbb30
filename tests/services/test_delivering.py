import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Verifier
from tests.databases import open_copy
from tests.receivers import LOOPBACK, receiver

from hematovision.errors import KeyOutdatedError
from hematovision.exchange.posting import Answer, Poster
from hematovision.services.delivering import (
    FAILING_FOR,
    KEPT_FOR,
    LEASE,
    LONGEST_ASKED,
    PAUSES,
    Courier,
    deliver_next,
    forget_told,
)
from hematovision.services.hands import Hand
from hematovision.services.rotation import SETTING
from hematovision.services.webhooks import (
    change_webhook,
    get_webhook,
    remove_webhook,
    rotate_secret,
    send_again,
    send_test,
)
from hematovision.storage.database import Database
from hematovision.storage.deliveries import Delivery, DeliveryFailure, DeliveryState
from hematovision.storage.sealing import Seal
from hematovision.storage.webhooks import Webhook, Why

from .cases import NOW
from .signatures import add_person, ready_case, sign
from .webhooks import BY, SEAL, WANTED, Line, Post, Sent, actions, add, deliveries, post_of

DAY = timedelta(days=1)


@pytest.fixture
def database(tmp_path: Path, empty_file: Path) -> Iterator[Database]:
    """Give SQLite alone; what is asked of either database takes `each_database`."""
    database = open_copy(empty_file, tmp_path / "database")
    yield database
    database.close()


@pytest.fixture
def webhook(database: Database) -> Webhook:
    return add(database)[0]


def tell(database: Database, webhook: Webhook, now: datetime = NOW) -> Delivery:
    """Let something wait to be told."""
    return send_test(database, webhook.id, by=Hand(None, "page", now))


def only(database: Database, webhook: Webhook) -> Delivery:
    (delivery,) = deliveries(database, webhook)
    return delivery


def test_signed_case_is_told_as_standard_webhooks_says(each_database: Database) -> None:
    webhook, secret = add(each_database, url="http://10.1.0.1/")
    now = datetime.now(UTC)
    with receiver() as there:
        url = there.url.replace("https", "http")
        wanted = replace(WANTED, url=url)
        change_webhook(each_database, webhook.id, wanted, LOOPBACK, seen=1, by=BY)
        signature = sign(
            each_database, ready_case(each_database), add_person(each_database, "rosa")
        )
        courier = Courier(each_database, SEAL, Poster(LOOPBACK))
        assert deliver_next(courier, clock=lambda: now)
        assert not deliver_next(courier, clock=lambda: now)
    (heard,) = there.heard
    said = Verifier(secret).verify(heard.body, dict(heard.headers))
    assert said["type"] == "case.signed"
    assert said["data"]["case"] == signature.case_id
    assert heard.headers["Content-Type"] == "application/json"
    assert heard.headers["User-Agent"].startswith("HematoVision/")
    delivery = only(each_database, webhook)
    assert heard.headers["webhook-id"] == delivery.told.event_id
    assert (delivery.state, delivery.status) == (DeliveryState.DELIVERED, 200)
    assert (delivery.attempts, delivery.failure, delivery.tried_at) == (1, None, now)
    assert get_webhook(each_database, webhook.id).tried_at == now


def signers(sent: Sent, *secrets: str) -> list[int]:
    """Say which secrets signed something, by the order in which they signed it."""
    signatures = sent.headers["webhook-signature"].split()
    at = datetime.fromtimestamp(int(sent.headers["webhook-timestamp"]), UTC)
    made = [
        Verifier(one).sign(sent.headers["webhook-id"], at, sent.body.decode()) for one in secrets
    ]
    return [made.index(one) for one in signatures]


def test_two_secrets_sign_for_a_day(database: Database) -> None:
    webhook, first = add(database)
    post = post_of(database)
    tell(database, webhook)
    post.deliver()
    _, second = rotate_secret(database, SEAL, webhook.id, by=BY)
    tell(database, webhook)
    post.deliver()
    tell(database, webhook)
    post.deliver(DAY)
    signed = [signers(sent, first, second) for sent in post.line.sent]
    assert signed == [[0], [1, 0], [1]]


def test_failure_is_tried_again_with_longer_and_longer_pauses_for_three_days(
    database: Database, webhook: Webhook
) -> None:
    post = post_of(database, *[503, None, 301, 400, 404] * 3)
    tell(database, webhook)
    assert post.deliver() == 1
    for pause in PAUSES:
        waiting = only(database, webhook)
        assert waiting.state is DeliveryState.WAITING
        assert waiting.next_at == post.now + pause
        assert post.deliver(pause - timedelta(seconds=1)) == 0
        assert post.deliver(timedelta(seconds=1)) == 1
    failed = only(database, webhook)
    assert (failed.state, failed.attempts) == (DeliveryState.FAILED, 1 + len(PAUSES))
    assert post.deliver(3 * DAY) == 0
    assert 2.9 * DAY < post.now - 3 * DAY - NOW < 3.1 * DAY
    assert len({sent.headers["webhook-id"] for sent in post.line.sent}) == 1
    assert len({sent.headers["webhook-timestamp"] for sent in post.line.sent}) == 11
    assert len({sent.body for sent in post.line.sent}) == 1
    assert "webhook.disabled" not in actions(database)


def test_pauses_differ_a_little(database: Database, webhook: Webhook) -> None:
    post = post_of(database, 500)
    post.courier = replace(post.courier, jitter=lambda: 1.0)
    tell(database, webhook)
    post.deliver()
    assert only(database, webhook).next_at == NOW + 1.2 * PAUSES[0]


@pytest.mark.parametrize(
    ("answer", "failure", "status"),
    [
        pytest.param(500, DeliveryFailure.REFUSED, 500, id="fails"),
        pytest.param(301, DeliveryFailure.REFUSED, 301, id="leads elsewhere"),
        pytest.param(None, DeliveryFailure.NOT_REACHED, None, id="is away"),
    ],
)
def test_failure_is_told_coarsely(
    database: Database,
    webhook: Webhook,
    answer: int | None,
    failure: DeliveryFailure,
    status: int | None,
) -> None:
    tell(database, webhook)
    post_of(database, answer).deliver()
    delivery = only(database, webhook)
    assert (delivery.failure, delivery.status) == (failure, status)


def test_success_after_failure_leaves_no_failure(database: Database, webhook: Webhook) -> None:
    post = post_of(database, 500)
    tell(database, webhook)
    post.deliver()
    assert get_webhook(database, webhook.id).failing_since == NOW
    post.deliver(DAY)
    delivery = only(database, webhook)
    assert (delivery.state, delivery.failure, delivery.status) == ("delivered", None, 200)
    assert get_webhook(database, webhook.id).failing_since is None


@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        pytest.param("120", timedelta(minutes=2), id="seconds"),
        pytest.param("1", PAUSES[0], id="shorter"),
        pytest.param("9" * 400, LONGEST_ASKED, id="too long"),
        pytest.param(format_datetime(NOW + timedelta(hours=2)), timedelta(hours=2), id="date"),
        pytest.param("Wed, 25 Nov 2026 22:00:00 -0000", timedelta(hours=2), id="no zone"),
        pytest.param(format_datetime(NOW - DAY), PAUSES[0], id="past"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_ASKED, id="far"),
        pytest.param("soon", PAUSES[0], id="word"),
        pytest.param("-5", PAUSES[0], id="negative"),
        pytest.param("²", PAUSES[0], id="no digit"),
        pytest.param("Wed, 99 Nov 2026 22:00:00 GMT", PAUSES[0], id="no day"),
        pytest.param(f"Wed, 25 Nov 2026 22:00:00 +{'9' * 20}", PAUSES[0], id="no zone that is"),
        pytest.param(f"{'9' * 20} Nov 2026 22:00:00 GMT", PAUSES[0], id="day beyond all"),
    ],
)
def test_receiver_may_ask_for_a_longer_pause(
    database: Database, webhook: Webhook, asked: str, pause: timedelta
) -> None:
    tell(database, webhook)
    post_of(database, Answer(429, asked)).deliver()
    assert only(database, webhook).next_at == NOW + pause


def test_receiver_that_is_gone_is_told_nothing_more(database: Database, webhook: Webhook) -> None:
    post = post_of(database, 410)
    tell(database, webhook)
    tell(database, webhook)
    assert post.deliver() == 1
    first, second = deliveries(database, webhook)
    assert (first.state, second.state) == (DeliveryState.FAILED, DeliveryState.WAITING)
    off = get_webhook(database, webhook.id)
    assert (off.disabled_at, off.disabled_why, off.version) == (NOW, Why.GONE, 2)
    assert post.deliver(DAY) == 0
    with database.reading() as records:
        (event,) = records.audit.list(limit=1)
    assert (event.action, event.subject) == ("webhook.disabled", f"webhook {webhook.id}")
    assert (event.door, event.details) == ("worker", {"why": "gone"})


def test_receiver_that_fails_for_five_days_is_switched_off(
    database: Database, webhook: Webhook
) -> None:
    post = post_of(database, *[None] * 200)
    while get_webhook(database, webhook.id).is_on and post.now < NOW + 9 * DAY:
        tell(database, webhook, post.now)
        post.deliver(DAY)
    off = get_webhook(database, webhook.id)
    assert off.disabled_why is Why.FAILING
    assert off.disabled_at
    assert FAILING_FOR <= off.disabled_at - NOW <= FAILING_FOR + DAY
    assert actions(database).count("webhook.disabled") == 1
    change_webhook(database, webhook.id, WANTED, (), seen=2, by=BY)
    post.line.answers = [None]
    post.deliver(timedelta(hours=1))
    assert get_webhook(database, webhook.id).is_on


def test_failures_a_week_apart_switch_nothing_off(database: Database, webhook: Webhook) -> None:
    post = post_of(database, *[None] * 200)
    for _ in range(3):
        tell(database, webhook, post.now)
        for pause in (timedelta(), *PAUSES):
            post.deliver(pause)
        post.now += 7 * DAY
    assert get_webhook(database, webhook.id).is_on


def test_two_workers_deliver_once(each_database: Database) -> None:
    webhook, _ = add(each_database)
    for _ in range(6):
        tell(each_database, webhook)
    line = Line()
    at_once = threading.Barrier(3, timeout=60)

    def work(_: int) -> int:
        post = Post(Courier(each_database, SEAL, line), line)
        at_once.wait()
        return post.deliver()

    with ThreadPoolExecutor(3) as pool:
        numbers = list(pool.map(work, range(3)))
    assert sum(numbers) == 6
    assert len({sent.headers["webhook-id"] for sent in line.sent}) == len(line.sent) == 6
    assert {one.attempts for one in deliveries(each_database, webhook)} == {1}


class Killed(BaseException):
    """The process is gone."""


def killed() -> None:
    raise Killed


def test_worker_killed_after_sending_leaves_it_to_be_sent_again_under_the_same_id(
    database: Database, webhook: Webhook
) -> None:
    tell(database, webhook)
    post = post_of(database)
    post.line.meanwhile = killed
    with pytest.raises(Killed):
        post.deliver()
    post.line.meanwhile = lambda: None
    assert post.deliver(LEASE - timedelta(seconds=1)) == 0
    assert post.deliver(timedelta(seconds=1)) == 1
    first, second = post.line.sent
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert only(database, webhook).state is DeliveryState.DELIVERED


def test_what_kills_every_worker_is_given_up(database: Database, webhook: Webhook) -> None:
    tell(database, webhook)
    post = post_of(database)
    post.line.meanwhile = killed
    for _ in range(1 + len(PAUSES)):
        with pytest.raises(Killed):
            post.deliver(LEASE)
    assert post.deliver(LEASE) == 1
    assert only(database, webhook).failure is DeliveryFailure.INTERNAL
    assert len(post.line.sent) == 1 + len(PAUSES)


def test_word_of_a_worker_whose_lease_is_over_counts_no_more(
    database: Database, webhook: Webhook
) -> None:
    tell(database, webhook)
    late, other = post_of(database, 500), post_of(database)
    late.line.meanwhile = lambda: other.deliver(LEASE)
    deliver_next(late.courier, clock=lambda: NOW)
    delivery = only(database, webhook)
    assert (delivery.state, delivery.attempts) == (DeliveryState.DELIVERED, 2)
    assert get_webhook(database, webhook.id).failing_since is None


def test_webhook_that_is_deleted_while_it_is_told_stays_deleted(
    database: Database, webhook: Webhook
) -> None:
    tell(database, webhook)
    post = post_of(database, 410)
    post.line.meanwhile = lambda: remove_webhook(database, webhook.id, by=BY)
    assert post.deliver() == 1
    assert deliveries(database, webhook) == []


def test_webhook_that_was_switched_off_while_it_is_told_is_switched_off_once(
    database: Database, webhook: Webhook
) -> None:
    tell(database, webhook)
    post = post_of(database, 410)
    off = replace(WANTED, is_on=False)
    post.line.meanwhile = lambda: change_webhook(database, webhook.id, off, (), seen=1, by=BY)
    post.deliver()
    assert get_webhook(database, webhook.id).disabled_why is Why.BY_HAND
    assert "webhook.disabled" not in actions(database)


def test_webhooks_take_turns(each_database: Database) -> None:
    slow, quick = add(each_database)[0], add(each_database, url="https://other.example.org/")[0]
    for _ in range(3):
        tell(each_database, slow)
    for _ in range(2):
        tell(each_database, quick)
    post = post_of(each_database)

    def next_second() -> None:
        post.now += timedelta(seconds=1)

    post.line.meanwhile = next_second
    post.deliver()
    hosts = ["other" if "other" in sent.url else "lis" for sent in post.line.sent]
    assert hosts == ["lis", "other", "lis", "other", "lis"]


def test_what_is_sent_again_is_tried_as_often_as_the_first_time(
    database: Database, webhook: Webhook
) -> None:
    tell(database, webhook)
    post = post_of(database, 500, 500)
    post.deliver()
    for pause in PAUSES:
        post.line.answers = [500]
        post.deliver(pause)
    failed = only(database, webhook)
    assert failed.state is DeliveryState.FAILED
    send_again(database, webhook.id, failed.id, by=Hand(None, "page", post.now))
    post.line.answers = [500]
    post.deliver()
    again = only(database, webhook)
    assert (again.state, again.attempts) == (DeliveryState.WAITING, 1)
    assert again.told == failed.told


def test_secret_that_no_key_opens_is_named(database: Database, webhook: Webhook) -> None:
    tell(database, webhook)
    post = post_of(database)
    post.courier = replace(post.courier, seal=Seal(bytes([1]) * 32))
    post.deliver()
    delivery = only(database, webhook)
    assert (delivery.state, delivery.failure) == ("failed", DeliveryFailure.SECRET_LOST)
    assert post.line.sent == []


def test_machine_without_the_key_that_holds_takes_nothing(
    database: Database, webhook: Webhook
) -> None:
    tell(database, webhook)
    with database.transaction() as records:
        assert records.laboratory.set(SETTING, "another", seen=0, by=None, now=NOW)
    with pytest.raises(KeyOutdatedError):
        post_of(database).deliver()
    assert only(database, webhook).attempts == 0


def test_what_was_told_long_ago_is_forgotten(each_database: Database) -> None:
    webhook, _ = add(each_database)
    tell(each_database, webhook)
    new = tell(each_database, webhook, NOW + DAY)
    forget_told(each_database, now=NOW + KEPT_FOR + timedelta(seconds=1))
    assert only(each_database, webhook) == new


def test_deliveries_are_no_events_of_the_audit_record(database: Database, webhook: Webhook) -> None:
    tell(database, webhook)
    before = actions(database)
    post_of(database, 500, 200).deliver()
    assert actions(database) == before


def test_log_says_neither_where_nor_what(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    webhook, _ = add(database, url="https://lis.example.org/hush?token=hush")
    for _ in range(3):
        tell(database, webhook)
    post_of(database, 500, None, 410).deliver()
    said: Sequence[str] = [record.getMessage() for record in caplog.records]
    assert said == [
        "Webhook 1 answers 500",
        "Webhook 1 is not reached: ConnectionRefusedError",
        "Webhook 1 answers 410",
        "Webhook 1 is switched off: gone",
    ]


def test_body_is_json_in_ascii(database: Database, webhook: Webhook) -> None:
    tell(database, webhook)
    post = post_of(database)
    post.deliver()
    (sent,) = post.line.sent
    said = json.loads(sent.body.decode("ascii"))
    assert said == {
        "type": "webhook.test",
        "timestamp": "2026-11-25T20:00:00.000Z",
        "data": {"webhook": webhook.id},
    }
