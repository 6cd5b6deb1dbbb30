"""Some of what `python -m fuzzing.api` asks for; a full run is `make fuzz`."""

import pytest
from flask import Flask
from fuzzing.api import Tally, draw_pictures, fill, fuzz, register_pictures, table_of
from tests.conftest import StubReader

from hematovision.people import Role


@pytest.mark.parametrize("role", [None, Role.PATHOLOGIST])
def test_whatever_is_asked_for_is_answered_as_the_document_says(
    app: Flask, reader: StubReader, role: Role | None
) -> None:
    tokens = fill(app, reader)
    register_pictures(draw_pictures())
    tallies = list(fuzz(app, tokens[role], role, examples=4))
    assert [error for one in tallies for error in one.errors.values()] == []
    operations = app.extensions["hematovision_api"]["paths"].values()
    assert len(tallies) == sum(len(set(one) - {"parameters"}) for one in operations)


def test_fault_is_told_with_the_request_that_shows_it(app: Flask, reader: StubReader) -> None:
    def fail() -> None:
        raise ValueError("a fault")

    app.view_functions["api_health.show"] = fail
    app.view_functions["api_health.show"].is_public = True  # type: ignore[attr-defined]
    (health,) = (
        one for one in fuzz(app, {}, None, examples=1) if one.operation.endswith("/health")
    )
    assert set(health.statuses) == {500}
    assert "/api/v1/health" in health.errors["Server error"]
    assert "errors" in table_of([health, Tally("GET /x", Role.VIEWER)])
