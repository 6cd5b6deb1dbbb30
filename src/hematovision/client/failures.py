"""What can go wrong between a program and the server."""

from collections.abc import Mapping, Sequence
from typing import Any, Self


class ClientError(Exception):
    """Something went wrong that a program can act on."""


class UnreachableError(ClientError):
    """The server was not reached, or did not answer in time, however often it was asked."""


class ApiError(ClientError):
    """The server refused; it says why, and what to do.

    Attributes:
        status: Of the answer.
        code: The failure's name for programs, such as `case_unknown`.
        detail: What is wrong.
        advice: What to do about it.
        fields: What is wrong with single fields, by name.
        document: All that the server said.
        request_id: Under which the server's log has it, if it says so.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str = "",
        advice: str = "",
        *,
        document: Mapping[str, Any] | None = None,
        request_id: str = "",
    ) -> None:
        """Say what the server said."""
        super().__init__(" ".join(filter(None, (detail, advice))) or code)
        self.status, self.code, self.detail, self.advice = status, code, detail, advice
        self.document: Mapping[str, Any] = document or {}
        self.request_id = request_id

    @property
    def fields(self) -> Mapping[str, str]:
        """What is wrong with single fields, by name."""
        errors: Sequence[Mapping[str, str]] = self.document.get("errors") or ()
        return {str(error.get("field")): str(error.get("reason")) for error in errors}

    @classmethod
    def of(cls, problem: Mapping[str, Any], *, status: int = 0, request_id: str = "") -> Self:
        """Take over a problem document (RFC 9457), or what a server between says in its place."""
        found = problem.get("status", status)
        status = found if isinstance(found, int) else status
        return cls(
            status,
            str(problem.get("code") or f"http_{status}"),
            str(problem.get("detail") or problem.get("title") or ""),
            str(problem.get("advice") or ""),
            document=problem,
            request_id=request_id,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it pass between processes."""
        return type(self).of, (dict(self.document) or {"status": self.status, "code": self.code},)
