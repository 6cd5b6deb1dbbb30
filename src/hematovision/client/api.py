"""The client: one method for each thing that the server does for programs."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from hematovision.client.case_calls import CaseCalls
from hematovision.client.connection import Connection, check_address
from hematovision.client.documents import Model, Webhook
from hematovision.client.reading_calls import ReadingCalls


class Client(ReadingCalls, CaseCalls):
    """Speaks to a HematoVision server.

    Every request has a time limit. One that meets a busy server, or none, is tried again after a
    pause, as long as the server asks for; what is sent again is done once.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        timeout: float = 60.0,
        retries: int = 5,
        certificates: str | Path | None = None,
        plain: bool = False,
    ) -> None:
        """Say where the server is; nothing is sent yet.

        Args:
            url: Its address, such as `https://lab.example`.
            token: Of the program; made on the page "Programs" of an account.
            timeout: Seconds without a sign of the server after which a request is given up.
            retries: How often a request is tried again.
            certificates: A file with the authority of a laboratory's own certificates.
            plain: Whether a server beyond this machine may be spoken to without https.

        Raises:
            ValueError: If the address or the token can be none.
        """
        check_address(url, plain=plain)
        self._connection = Connection(
            url, token, timeout, retries, certificates=str(certificates) if certificates else None
        )

    @classmethod
    def from_environment(cls, **options: Any) -> Self:
        """Make a client of `HEMATOVISION_URL` and `HEMATOVISION_TOKEN`."""
        url = os.environ.get("HEMATOVISION_URL", "http://127.0.0.1:5000")
        return cls(url, os.environ.get("HEMATOVISION_TOKEN", ""), **options)

    def __repr__(self) -> str:
        """Say where the server is; never the token."""
        return f"Client({self._connection.url!r})"

    def __enter__(self) -> Self:
        """Keep connections open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close them."""
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._connection.close()

    def health(self) -> bool:
        """Ask whether the server answers; it needs no token.

        Raises:
            UnreachableError: If it is not reached.
            ApiError: If it cannot serve now.
        """
        return bool(self._connection.get("/health")["status"] == "ok")

    def model(self) -> Model:
        """Ask which model reads photos now."""
        return Model.of(self._connection.get("/model"))

    def webhooks(self) -> Iterator[Webhook]:
        """List which addresses are told what happens."""
        return map(Webhook.of, self._connection.walk("/webhooks"))

    def add_webhook(
        self, url: str, events: Sequence[str] = ("case.signed",), description: str = ""
    ) -> Webhook:
        """Add a webhook; its `secret` is in this answer and in no other."""
        wanted = {"url": url, "events": list(events), "description": description}
        return Webhook.of(self._connection.post("/webhooks", wanted))

    def test_webhook(self, webhook: Webhook | int) -> None:
        """Tell a webhook something that means nothing, to see whether it arrives."""
        self._connection.post(f"/webhooks/{_id(webhook)}/test")

    def remove_webhook(self, webhook: Webhook | int) -> None:
        """Delete a webhook."""
        self._connection.delete(f"/webhooks/{_id(webhook)}")


def _id(webhook: Webhook | int) -> int:
    return int(webhook) if isinstance(webhook, int) else webhook.id
