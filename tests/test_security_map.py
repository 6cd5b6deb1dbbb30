"""The map of OWASP ASVS 5.0.0 in docs/security.md: complete, and what it names is there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/security.md").read_text()
ANSWERS = {"met", "not here", "not yet"}
LINES = {
    "1.1": (1, 2), "1.2": range(1, 10), "1.3": range(1, 12), "1.4": (1, 2, 3), "1.5": (1, 2),
    "2.1": (1, 2, 3), "2.2": (1, 2, 3), "2.3": range(1, 5), "2.4": (1,),
    "3.2": (1, 2), "3.3": range(1, 5), "3.4": range(1, 7), "3.5": range(1, 6), "3.7": (1, 2),
    "4.1": (1, 2, 3), "4.2": (1,), "4.3": (1, 2), "4.4": range(1, 5),
    "5.1": (1,), "5.2": (1, 2, 3), "5.3": (1, 2), "5.4": (1, 2, 3),
    "6.1": (1, 2, 3), "6.2": range(1, 13), "6.3": range(1, 5), "6.4": range(1, 5),
    "6.5": range(1, 6), "6.6": (1, 2, 3), "6.8": range(1, 5),
    "7.1": (1, 2, 3), "7.2": range(1, 5), "7.3": (1, 2), "7.4": range(1, 6), "7.5": (1, 2),
    "7.6": (1, 2),
    "8.1": (1, 2), "8.2": (1, 2, 3), "8.3": (1,), "8.4": (1,),
    "9.1": (1, 2, 3), "9.2": range(1, 5),
    "10.1": (1, 2), "10.2": (1, 2), "10.3": range(1, 5), "10.4": range(1, 12),
    "10.5": range(1, 6), "10.6": (1, 2), "10.7": (1, 2, 3),
    "11.1": (1, 2), "11.2": (1, 2, 3), "11.3": (1, 2, 3), "11.4": range(1, 5), "11.5": (1,),
    "11.6": (1,),
    "12.1": (1, 2, 3), "12.2": (1, 2), "12.3": range(1, 5),
    "13.1": (1,), "13.2": range(1, 6), "13.3": (1, 2), "13.4": range(1, 6),
    "14.1": (1, 2), "14.2": range(1, 5), "14.3": (1, 2, 3),
    "15.1": (1, 2, 3), "15.2": (1, 2, 3), "15.3": range(1, 8),
    "16.1": (1,), "16.2": range(1, 6), "16.3": range(1, 5), "16.4": (1, 2, 3), "16.5": (1, 2, 3),
    "17.1": (1,), "17.2": range(1, 5), "17.3": (1, 2),
}  # fmt: skip
"""Sections of version 5.0.0 and their lines of levels 1 and 2, as OWASP numbers them."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the map."""

    number: str
    level: str
    answer: str
    why: str
    shown_by: str


def lines() -> Mapping[str, Line]:
    found = {}
    for row in re.findall(r"^\| (\d+\.\d+\.\d+ \|.*) \|$", PAGE, re.M):
        number, level, _, answer, why, shown_by = row.split(" | ")
        assert number not in found, number
        found[number] = Line(number, level, answer, why, shown_by)
    return found


MAP = lines()


def test_every_line_of_both_levels_is_answered_once() -> None:
    wanted = {f"{section}.{one}" for section, numbers in LINES.items() for one in numbers}
    assert set(MAP) == wanted
    assert len(wanted) == 253
    assert sum(line.level == "1" for line in MAP.values()) == 70


def test_no_chapter_is_missing() -> None:
    assert re.findall(r"^## V(\d+) ", PAGE, re.M) == [str(number) for number in range(1, 18)]


@pytest.mark.parametrize("line", MAP.values(), ids=lambda line: line.number)
def test_every_answer_says_why_or_what_shows_it(line: Line) -> None:
    assert line.answer in ANSWERS
    if line.answer == "met":
        assert "`" in line.shown_by
    else:
        assert len(line.why) > 3
    if line.answer == "not yet":
        assert line.why.endswith(".")


def test_numbers_of_the_head_are_those_of_the_lines() -> None:
    counts = [sum(line.answer == answer for line in MAP.values()) for answer in sorted(ANSWERS)]
    met, not_here, not_yet = counts
    words = f"**{met} are met, {not_here} do not apply here, {not_yet} are not yet answered.**"
    assert words in PAGE


def named() -> list[str]:
    return sorted(
        {name for line in MAP.values() for name in re.findall(r"`([^`]+)`", line.shown_by)}
    )


@pytest.mark.parametrize("name", named())
def test_every_test_and_file_that_is_named_is_there(name: str) -> None:
    file, _, test = name.partition("::")
    path = ROOT / file
    assert path.exists(), name
    if test:
        assert re.search(rf"^def {test}\(", path.read_text(), re.M), name
