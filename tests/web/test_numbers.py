from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask

from hematovision.vision.scores import Share
from hematovision.web.numbers import day, limits, number, percent, share, short


@pytest.fixture
def spanish(app: Flask) -> Iterator[None]:
    with app.test_request_context(headers={"Accept-Language": "es"}):
        yield


@pytest.fixture
def english(app: Flask) -> Iterator[None]:
    with app.test_request_context():
        yield


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (0.0, "0 %"),
        (0.004, "0 %"),
        (0.514, "51 %"),
        (0.994, "99 %"),
        (0.996, "> 99 %"),
        (1, "100 %"),
    ],
)
def test_percentage_is_rounded_but_never_up_to_certainty(part: float, text: str) -> None:
    assert percent(part) == text


@pytest.mark.usefixtures("english")
def test_numbers_are_written_in_english() -> None:
    assert number(1234567) == "1,234,567"
    assert number(1234) == "1,234"
    assert number(0.5, 2) == "0.50"
    assert number(-1e-17, 2) == "0.00"
    assert number(-0.5, 2) == "-0.50"
    assert short(0.125) == "0.125"
    assert short(40.0, 3) == "40"
    assert share(0.9277) == "92.8 %"
    assert share(0.99951) == "> 99.9 %"
    assert share(None) == "–"  # noqa: RUF001 - as it is shown
    assert limits(Share(0.9, 0.839, 0.976)) == "83.9 to 97.6"
    assert limits(Share(0.9)) == "–"  # noqa: RUF001 - as it is shown
    assert day(datetime(2026, 8, 1, tzinfo=UTC)) == "Aug 1, 2026"


@pytest.mark.usefixtures("spanish")
def test_numbers_are_written_in_spanish() -> None:
    assert number(1234567) == "1.234.567"
    assert number(12345) == "12.345"
    assert number(1234) == "1234"
    assert number(0.5, 2) == "0,50"
    assert short(0.125) == "0,125"
    assert share(0.9277) == "92,8 %"
    assert share(0.99951) == "> 99,9 %"
    assert limits(Share(0.9, 0.839, 0.976)) == "83,9 a 97,6"
    assert day(datetime(2026, 8, 1, tzinfo=UTC)) == "1 ago 2026"
