from datetime import UTC, datetime

import pytest

from hematovision.differential import Range
from hematovision.errors import ChangedMeanwhileError, RangeInvalidError
from hematovision.services.hands import Hand
from hematovision.services.ranges import (
    ADULTS,
    MOST_BANDS,
    Written,
    add_band,
    change_band,
    get_ranges,
    read_decimal,
    remove_band,
)
from hematovision.storage.database import Database

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
BY = Hand(None, "page", NOW)
CHILDREN = Written(
    " Children,  2 to 6 ",
    "Our study",
    {"neutrophil": ("30", "55"), "basophil": ("0,5", "1.0"), "monocyte": ("", " ")},
    {"neutrophil": ("1.5", "8,5"), "basophil": ("", "")},
)


def actions(database: Database) -> list[tuple[str, object]]:
    with database.reading() as records:
        return [(event.action, event.details) for event in records.audit.list()]


def test_published_set_holds_until_the_laboratory_sets_its_own(database: Database) -> None:
    ranges, labels = get_ranges(database)
    assert (ranges.bands, ranges.version, ranges.changed_at) == ((ADULTS,), 0, None)
    assert ranges.find(None) == ranges.find("adults") == ADULTS
    assert {code: (one.low, one.high) for code, one in ADULTS.limits.items()} == {
        "neutrophil": (40, 60),
        "lymphocyte": (20, 40),
        "monocyte": (2, 8),
        "eosinophil": (1, 4),
        "basophil": (0.5, 1),
    }
    assert "medlineplus.gov" in ADULTS.source
    assert "erythroblast" not in {label.code for label in labels}


def test_band_is_added_changed_and_removed_each_with_its_event(database: Database) -> None:
    band = add_band(database, CHILDREN, seen=0, by=BY)
    assert (band.code, band.name) == ("children-2-to-6", "Children, 2 to 6")
    assert band.limits == {"neutrophil": Range(30, 55), "basophil": Range(0.5, 1)}
    assert band.absolute == {"neutrophil": Range(1.5, 8.5)}
    ranges, _ = get_ranges(database)
    assert (ranges.bands, ranges.version, ranges.changed_at) == ((ADULTS, band), 1, NOW)
    other = Written("Children", "Our study", {"neutrophil": ("31", "55")})
    changed = change_band(database, band.code, other, seen=1, by=BY)
    assert get_ranges(database)[0].find(band.code) == changed
    remove_band(database, band.code, seen=2, by=BY)
    ranges, _ = get_ranges(database)
    assert ranges.bands == (ADULTS,)
    assert ranges.find(band.code) is None
    assert actions(database) == [
        ("laboratory.ranges_changed", {"band": band.code, "change": change})
        for change in ("removed", "changed", "added")
    ]


def test_later_of_two_is_told_and_nothing_is_overwritten(database: Database) -> None:
    band = add_band(database, CHILDREN, seen=0, by=BY)
    with pytest.raises(ChangedMeanwhileError):
        add_band(database, Written("Other", "s"), seen=0, by=BY)
    with pytest.raises(ChangedMeanwhileError):
        change_band(database, band.code, Written("Other", "s"), seen=0, by=BY)
    remove_band(database, band.code, seen=1, by=BY)
    with pytest.raises(ChangedMeanwhileError):
        change_band(database, band.code, CHILDREN, seen=2, by=BY)
    with pytest.raises(ChangedMeanwhileError):
        remove_band(database, band.code, seen=2, by=BY)
    assert len(actions(database)) == 2


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(Written("", "s"), id="no name"),
        pytest.param(Written("x" * 65, "s"), id="long name"),
        pytest.param(Written("a\x00", "s"), id="name that cannot be shown"),
        pytest.param(Written("adults", "s"), id="name of another"),
        pytest.param(Written("Children", " "), id="no source"),
        pytest.param(Written("Children", "x" * 201), id="long source"),
        pytest.param(Written("Children", "s", {"blast": ("1", "")}), id="one end"),
        pytest.param(Written("Children", "s", {"blast": ("4", "1")}), id="turned round"),
        pytest.param(Written("Children", "s", {"blast": ("1", "1")}), id="empty range"),
        pytest.param(Written("Children", "s", {"blast": ("1", "101")}), id="more than all"),
        pytest.param(Written("Children", "s", {"blast": ("-1", "4")}), id="less than none"),
        pytest.param(Written("Children", "s", {"blast": ("nan", "inf")}), id="no numbers"),
        pytest.param(Written("Children", "s", {}, {"blast": ("1", "1001")}), id="too many cells"),
    ],
)
def test_ranges_that_cannot_be_are_refused(database: Database, written: Written) -> None:
    with pytest.raises(RangeInvalidError):
        add_band(database, written, seen=0, by=BY)
    assert actions(database) == []


def test_last_band_stays(database: Database) -> None:
    with pytest.raises(RangeInvalidError, match="last"):
        remove_band(database, "adults", seen=0, by=BY)


def test_codes_are_never_shared(database: Database) -> None:
    names = ["a b", "a-b", "A  B.", "§"]
    codes = [
        add_band(database, Written(name, "s"), seen=seen, by=BY).code
        for seen, name in enumerate(names)
    ]
    assert codes == ["a-b", "a-b-2", "a-b-3", "band"]


def test_there_is_an_end_to_bands(database: Database) -> None:
    with database.transaction() as records:
        one = {"name": "n", "source": "s", "limits": {}, "absolute": {}}
        many = [{**one, "code": str(n)} for n in range(MOST_BANDS)]
        records.laboratory.set("ranges", many, seen=0, by=None, now=NOW)
    with pytest.raises(RangeInvalidError, match="50"):
        add_band(database, CHILDREN, seen=1, by=BY)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7.2", 7.2),
        (" 7,2 ", 7.2),
        ("12", 12.0),
        ("7,", None),
        ("", None),
        ("1e3", None),
        ("\N{ARABIC-INDIC DIGIT SEVEN}", None),
    ],
)
def test_decimals_are_read_with_comma_and_point(text: str, number: float | None) -> None:
    assert read_decimal(text) == number
