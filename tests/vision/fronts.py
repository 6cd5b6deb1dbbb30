"""The server's side of the protocol over networks of a few numbers, and how tests ask it."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from hematovision.vision.bundle import read_bundle
from hematovision.vision.served import Served, open_served
from hematovision.vision.serving_limits import Limits
from hematovision.vision.serving_v2 import Front, Reply
from hematovision.vision.together import Together

from .networks import write_whole_model

T = TypeVar("T")
LIMITS = Limits(bytes=40_000, pixels=4096, side=64, waiting=2)


class Counter:
    """Answers what a test sends, in a loop of its own for each request.

    Attributes:
        classifier: And the locator: what is served.
        front: Answers.
    """

    def __init__(self, folder: Path, token: str = "", **limits: int) -> None:
        self.classifier, self.locator = open_served(read_bundle(write_whole_model(folder)))
        self.pool = ThreadPoolExecutor(1)
        self.front = Front(
            [self.engine(self.classifier), self.engine(self.locator)],
            replace(LIMITS, **limits),
            token=token,
        )

    def engine(self, network: Served) -> Together:
        return Together(network, self.pool, pixels=2**20)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return run_apart(work)

    def get(self, path: str, **headers: str) -> Reply:
        return self.run(self.front.answer("GET", path, headers, parts_of(b"")))

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        return self.run(self.front.answer("POST", path, headers, parts_of(body)))


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run it in a thread of its own: in this one, Playwright may have left a loop that runs."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def parts_of(body: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    """Give a body as it comes over a wire."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


def document_of(reply: Reply) -> Any:
    assert reply.headers["Content-Type"] == "application/json"
    return json.loads(reply.body)
