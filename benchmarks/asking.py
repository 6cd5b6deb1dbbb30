"""Clients that ask one server to read photos: the same for every program that is measured.

They run in a process of their own, so that their share of the cores is known. Each keeps its
connection where the server does, and sends the next photo as soon as it has its answer.
"""

import json
import resource
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from pathlib import Path
from typing import Self

BOUNDARY = "hematovision-compare"
USUAL = {
    "Accept": "application/json",
    "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
}
PATIENCE_SECONDS = 120.0
REFUSALS = (429, 503)
PAUSE_SECONDS = 0.1
"""So long a client waits that was told to come again; programs of people wait longer."""
EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for.

    Attributes:
        port: Of the server, on this machine.
        path: Where it takes photos.
        headers: Beside the usual ones.
        photos: A folder of JPEG files.
        clients: How many ask at once.
        seconds: For so long new requests are sent.
    """

    port: int
    path: str
    headers: Mapping[str, str]
    photos: str
    clients: int
    seconds: float


@dataclass(slots=True)
class Heard:
    """What came back.

    Attributes:
        times_ms: Of every request that was answered.
        busy: Requests that were refused with `Retry-After`.
        failed: Requests that were answered in another way, or not at all.
        examples: A few of the failures.
        seconds: From the first request to the last answer.
        cpu_s: What the clients themselves took of the processor meanwhile.
    """

    times_ms: list[float] = field(default_factory=list)
    busy: int = 0
    failed: int = 0
    examples: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cpu_s: float = 0.0

    @property
    def answered(self) -> int:
        """How many requests were answered."""
        return len(self.times_ms)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what the process of the clients wrote."""
        return cls(**json.loads(text))

    @classmethod
    def together(cls, several: Sequence[Self]) -> Self:
        """Put what many have heard, one after another or at once, into one; add up their time."""
        return cls(
            times_ms=[took for one in several for took in one.times_ms],
            busy=sum(one.busy for one in several),
            failed=sum(one.failed for one in several),
            examples=[example for one in several for example in one.examples][:EXAMPLES],
            seconds=sum(one.seconds for one in several),
            cpu_s=sum(one.cpu_s for one in several),
        )

    def fail(self, what: str) -> None:
        """Count a failure."""
        self.failed += 1
        self.examples.append(what[:200])


def body_of(photo: bytes) -> bytes:
    """Put a photo into the form that a browser would send."""
    head = (
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=image; filename=photo.jpg\r\n"
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return head.encode() + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


def bodies_in(folder: str) -> Sequence[bytes]:
    """Give the form of every photo in a folder, by name."""
    return [body_of(path.read_bytes()) for path in sorted(Path(folder).glob("*.jpg"))]


def ask(order: Order) -> Heard:
    """Let all clients ask for some time."""
    bodies, lock = cycle(bodies_in(order.photos)), threading.Lock()
    headers = USUAL | dict(order.headers)
    heard = [Heard() for _ in range(order.clients)]
    used, begin = _cpu_seconds(), time.perf_counter()

    def one_client(mine: Heard) -> None:
        connection = HTTPConnection("127.0.0.1", order.port, timeout=PATIENCE_SECONDS)
        while time.perf_counter() - begin < order.seconds:
            with lock:
                body = next(bodies)
            _send(connection, order.path, body, headers, mine)
        connection.close()

    threads = [threading.Thread(target=one_client, args=(one,)) for one in heard]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    all_heard = Heard.together(heard)
    all_heard.seconds = time.perf_counter() - begin
    all_heard.cpu_s = _cpu_seconds() - used
    return all_heard


def _send(
    connection: HTTPConnection, path: str, body: bytes, headers: Mapping[str, str], heard: Heard
) -> None:
    """Send one photo, and note how it was answered."""
    begin = time.perf_counter()
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        said = answer.read()
    except (OSError, HTTPException) as error:
        connection.close()
        heard.fail(repr(error))
        time.sleep(PAUSE_SECONDS)
        return
    if answer.status < 300:
        heard.times_ms.append(round(1000 * (time.perf_counter() - begin), 2))
    elif answer.status in REFUSALS and answer.headers.get("Retry-After"):
        heard.busy += 1
        time.sleep(PAUSE_SECONDS)
    else:
        heard.fail(f"{answer.status} {said[:160]!r}")


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    json.dump(asdict(ask(Order(**json.load(sys.stdin)))), sys.stdout)
