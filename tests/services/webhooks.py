"""Webhooks for tests, and a courier whose other systems are values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_network

from hematovision.exchange.posting import Answer, NotReachedError
from hematovision.services.delivering import Courier, deliver_next
from hematovision.services.hands import Hand
from hematovision.services.telling import Event
from hematovision.services.webhooks import Wanted, add_webhook
from hematovision.storage.database import Database
from hematovision.storage.deliveries import Delivery
from hematovision.storage.sealing import Seal
from hematovision.storage.webhooks import Webhook

from .cases import NOW

BY = Hand(None, "page", NOW)
SEAL = Seal(bytes(32))
INSIDE = (ip_network("10.1.0.0/16"),)
WANTED = Wanted("https://lis.example.org/told", "The LIS", list(Event))


@dataclass(frozen=True, slots=True)
class Sent:
    """Something that was posted."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(slots=True)
class Line:
    """Keeps what is posted; answers as it is told to, and 200 when nothing more is said.

    Attributes:
        answers: The next ones: a status, an answer, or None where nobody is reached.
        sent: All that was posted.
        meanwhile: Done while something is being sent.
    """

    answers: list[Answer | int | None] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        self.sent.append(Sent(url, body, headers))
        self.meanwhile()
        answer = self.answers.pop(0) if self.answers else 200
        if answer is None:
            raise NotReachedError("ConnectionRefusedError")
        return Answer(answer) if isinstance(answer, int) else answer


@dataclass(slots=True)
class Post:
    """A worker that tells webhooks, and its clock.

    Attributes:
        courier: Who tells.
        line: What it reaches.
        now: What its clock shows.
    """

    courier: Courier
    line: Line
    now: datetime = NOW

    def deliver(self, after: timedelta = timedelta()) -> int:
        """Let time go by, and send all that is due; give how much there was."""
        self.now += after
        number = 0
        while deliver_next(self.courier, clock=lambda: self.now):
            number += 1
        return number


def post_of(database: Database, *answers: Answer | int | None) -> Post:
    line = Line([*answers])
    return Post(Courier(database, SEAL, line, jitter=lambda: 0.0), line)


def add(database: Database, **other: object) -> tuple[Webhook, str]:
    """Add a webhook; give it and its secret."""
    wanted = Wanted(**{name: getattr(WANTED, name) for name in Wanted.__slots__} | other)
    return add_webhook(database, SEAL, wanted, INSIDE, by=BY)


def deliveries(database: Database, webhook: Webhook) -> list[Delivery]:
    """List what a webhook is told, the first first."""
    with database.reading() as records:
        return [*reversed(records.deliveries.list(webhook.id, limit=100))]


def actions(database: Database) -> list[str]:
    """List what was done to webhooks, the first first."""
    with database.reading() as records:
        told = [event.action for event in records.audit.list(limit=100)]
    return [action for action in reversed(told) if action.startswith("webhook.")]
