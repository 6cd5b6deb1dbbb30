"""What is promised of webhooks, with real processes of our own program and a real receiver."""

import signal
from datetime import UTC, datetime
from pathlib import Path

from standardwebhooks import Webhook as Verifier
from tests.services.signatures import add_person, ready_case, sign

from hematovision.services.hands import Hand
from hematovision.services.webhooks import Wanted, add_webhook, list_deliveries
from hematovision.storage.deliveries import DeliveryState
from hematovision.storage.keys import open_seal

from .installations import Installation, installation
from .receivers import LOOPBACK, Receiver, receiver

BY = Hand(None, "terminal", datetime.now(UTC))


def states(home: Installation) -> list[tuple[DeliveryState, int]]:
    found = list_deliveries(home.database, 1, limit=9)
    return [(one.state, one.attempts) for one in found]


def add(home: Installation, there: Receiver) -> str:
    wanted = Wanted(there.url, "", ["case.signed"])
    seal = open_seal(home.settings.data_folder)
    return add_webhook(home.database, seal, wanted, LOOPBACK, by=BY)[1]


def test_signed_case_is_told_once_by_two_workers_that_end_when_they_are_told_to(
    tmp_path: Path,
) -> None:
    given = {"threads": "1", "webhook_networks": "127.0.0.0/8"}
    with receiver() as there, installation(tmp_path, **given) as home:
        secret = add(home, there)
        sign(home.database, ready_case(home.database), add_person(home.database, "rosa"))
        # Each that reads says so: with one reader in each, both have said it when it stands twice.
        workers = [home.start("worker", "--readers", "1") for _ in range(2)]
        home.until(lambda: home.log.count("reads with") == len(workers))
        home.until(lambda: states(home) == [(DeliveryState.DELIVERED, 1)])
        (heard,) = there.heard
        assert Verifier(secret).verify(heard.body, dict(heard.headers))["type"] == "case.signed"
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        assert [worker.wait(30) for worker in workers] == [0, 0]


def test_worker_tells_nobody_on_its_own_machine_unless_the_settings_say_so(
    tmp_path: Path,
) -> None:
    with receiver() as there, installation(tmp_path, threads="1") as home:
        add(home, there)
        home.start("worker")
        sign(home.database, ready_case(home.database), add_person(home.database, "rosa"))
        home.until(lambda: "Webhook 1 is not reached: DestinationRefusedError" in home.log)
        home.until(lambda: states(home)[0][0] is DeliveryState.WAITING)
        assert there.heard == []
        assert there.url not in home.log
