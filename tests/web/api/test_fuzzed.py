"""Some of what `python -m fuzzing.api` asks for; a full run is `make fuzz`."""

from flask import Flask
from fuzzing.api import Tally, document_of, draw_pictures, fill, fuzz, register_pictures, table_of
from tests.conftest import StubReader

from hematovision.people import Role
from hematovision.services.films import Stage


def test_whatever_is_asked_for_is_answered_as_the_document_says(
    app: Flask, reader: StubReader
) -> None:
    tokens = fill(app, reader, stages=[Stage.SIGNED])
    register_pictures(draw_pictures())
    number = sum(len(set(one) - {"parameters"}) for one in document_of(app)["paths"].values())
    role = Role.ADMINISTRATOR
    tallies = list(fuzz(app, tokens[role], role, examples=2))
    assert [error for one in tallies for error in one.errors.values()] == []
    assert len(tallies) == number


def test_fault_is_told_with_the_request_that_shows_it(app: Flask, reader: StubReader) -> None:
    def fail() -> None:
        raise ValueError("a fault")

    app.view_functions["api_health.show"] = fail
    app.view_functions["api_health.show"].is_public = True  # type: ignore[attr-defined]
    (health,) = (
        one for one in fuzz(app, {}, None, examples=1) if one.operation.endswith("/health")
    )
    assert not health.statuses
    (error,) = health.errors.values()
    assert "ValueError: a fault" in error
    assert "/api/v1/health" in error
    assert "errors" in table_of([health, Tally("GET /x", Role.VIEWER)])
