"""A server that answers as a test tells it, and says what it was asked."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from hematovision.client import Client

TOKEN = "hv_secret"  # noqa: S105 - made up


@dataclass(frozen=True, slots=True)
class Asked:
    """A request."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Answer:
    """What is answered; nothing at all where there is no status."""

    status: int = 200
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None


@dataclass(slots=True)
class Fake:
    """A server.

    Attributes:
        answers: One after the other; the last is given for ever.
        asked: The requests.
        waited: The pauses of the client.
    """

    answers: list[Answer]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start: Any) -> Sequence[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").title(): value
            for name, value in environ.items()
            if name.startswith(("HTTP_", "CONTENT_TYPE"))
        }
        self.asked.append(
            Asked(
                environ["REQUEST_METHOD"],
                environ["PATH_INFO"],
                environ["QUERY_STRING"],
                headers,
                environ["wsgi.input"].read(length),
            )
        )
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        content = answer.content
        if content is None:
            content = b"" if answer.document is None else json.dumps(answer.document).encode()
        start(f"{answer.status} Said So", [*answer.headers.items()])
        return [content]

    def client(self, token: str = TOKEN, **options: Any) -> Client:
        """Give a client that does not wait."""
        client = Client(self.url, token, **options)
        client._connection.sleep = self.waited.append
        return client


class Quiet(WSGIRequestHandler):
    """Writes no log."""

    def log_message(self, *_: object) -> None: ...


@contextmanager
def fake(*answers: Answer) -> Iterator[Fake]:
    """Start a server for as long as it is needed."""
    server = Fake(list(answers))
    with make_server("127.0.0.1", 0, server, WSGIServer, Quiet) as listening:
        server.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()


def problem(status: int, code: str, **headers: str) -> Answer:
    """Refuse, as the server does."""
    document = {"status": status, "title": "T", "code": code, "detail": "D.", "advice": "A."}
    return Answer(
        status, document, {name.replace("_", "-"): text for name, text in headers.items()}
    )


CELL = {
    "box": [1, 2, 30, 40],
    "decision": "named",
    "cell_type": "neutrophil",
    "confidence": 0.97,
    "probabilities": {"neutrophil": 0.97, "other": 0.03},
    "prediction_set": ["neutrophil"],
    "known": None,
    "morphology": None,
}
READING = {
    "id": 7,
    "url": "/api/v1/readings/7",
    "image": {"sha256": "a" * 64, "width": 640, "height": 480},
    "model": {"name": "blood_cell", "version": "1.1.0", "sha256": "b" * 64},
    "cells": [CELL],
    "counts": {"neutrophil": 1},
    "notice": "For research use only.",
    "of_a_newer_server": True,
}
CASE = {
    "id": 3,
    "accession": "26-0837",
    "note": "",
    "state": "open",
    "version": 0,
    "target": 100,
    "white_count": None,
    "created_at": "2026-11-26T10:00:00.25Z",
    "photos": {"waiting": 1},
    "cells": 0,
    "unidentified": 0,
}
CASE_CELL = CELL | {
    "id": 412,
    "number": 17,
    "photo": 3,
    "doubts": [],
    "model": {"version": "1.1.0", "sha256": "b" * 64},
    "label": None,
    "called": "neutrophil",
    "version": 0,
    "reviewed_by": None,
}


def page(items: Sequence[Any], following: str | None = None) -> Answer:
    """Give a page of a list."""
    return Answer(document={"items": list(items), "next": following})
