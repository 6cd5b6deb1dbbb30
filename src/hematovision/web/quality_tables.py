"""The numbers behind the charts of the quality page, as tables for spreadsheets."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date

from hematovision.exchange.tabular import Value, harmless
from hematovision.services.locator_checks import counted
from hematovision.services.quality import Survey
from hematovision.services.shares import Part
from hematovision.storage.locator_checks import LocatorCheck

DECIMALS = 6
Row = Sequence[Value]


def changes_by_class(survey: Survey) -> Iterator[Row]:
    """Say how often each name of the model was changed."""
    yield ("class", "changed", "named", *LIMITS)
    for code, part in survey.overrides.classes.items():
        yield (code, *_part(part))


def changes_by_reader(survey: Survey) -> Iterator[Row]:
    """Say how often each reader changed what the model named."""
    yield ("reader", "changed", "named", *LIMITS)
    for user_id, part in survey.overrides.readers.items():
        yield (survey.people[user_id], *_part(part))


def changes_by_week(survey: Survey) -> Iterator[Row]:
    """Say how often what the model named was changed, by week."""
    yield ("week_of", "changed", "named", *LIMITS)
    for week, part in survey.overrides.weeks.items():
        yield (_monday(survey, week), *_part(part))


def unidentified(survey: Survey) -> Iterator[Row]:
    """Say how many cells the model left unidentified, by week."""
    yield ("week_of", "unidentified", "cells", *LIMITS, "photos", "photos_without_cell")
    for one in survey.reads:
        part = Part(one.unidentified, one.cells)
        yield (_monday(survey, one.week), *_part(part), one.photos, one.empty)


def confusion(survey: Survey) -> Iterator[Row]:
    """Say what people call the cells that the model calls so."""
    yield ("model", "people", "cells")
    for suggested, counts in survey.confusion.items():
        for label, number in sorted(counts.items()):
            yield (suggested, label, number)


def agreement(survey: Survey) -> Iterator[Row]:
    """Say how well every two readers agree: on all cells, and on each class."""
    yield (
        *("source", "reader", "other_reader", "class", "same", "cells", *LIMITS),
        *("kappa", "kappa_low", "kappa_high"),
    )
    for one in survey.agreement:
        who = (one.source, survey.people[one.first], survey.people[one.second])
        kappa = one.kappa
        ends = (kappa.value, kappa.low, kappa.high) if kappa else ("", "", "")
        yield (*who, "", *_part(one.same), *map(_number, ends))
        for code, part in one.classes.items():
            yield (*who, code, *_part(part), "", "", "")


def drift(survey: Survey) -> Iterator[Row]:
    """Say how the photos look in each measure, by week, and how many lie outside."""
    yield ("measure", "week_of", "mean", "outside", "photos", *LIMITS)
    for one in survey.drift:
        for look in one.weeks:
            part = Part(look.outside, look.photos)
            yield (one.measure, _monday(survey, look.week), _number(look.mean), *_part(part))


def locator(survey: Survey) -> Iterator[Row]:
    """Say what people counted in photos, by day."""
    of_wrong = (f"wrong_{one}" for one in LIMITS)
    yield ("day", "photos", "missed", "cells", *LIMITS, "wrong", "boxes", *of_wrong)
    for day, checks in by_day(survey).items():
        found = counted(checks)
        yield (day.isoformat(), found.photos, *_part(found.missed), *_part(found.wrong))


LIMITS = ("share", "low", "high")
TABLES: Mapping[str, Callable[[Survey], Iterator[Row]]] = {
    "classes": changes_by_class,
    "readers": changes_by_reader,
    "weeks": changes_by_week,
    "unidentified": unidentified,
    "confusion": confusion,
    "agreement": agreement,
    "drift": drift,
    "locator": locator,
}


def as_csv(rows: Iterator[Row]) -> str:
    """Write a table."""
    text = io.StringIO()
    csv.writer(text).writerows([harmless(value) for value in row] for row in rows)
    return text.getvalue()


def by_day(survey: Survey) -> Mapping[date, Sequence[LocatorCheck]]:
    """Give what was counted by the day when it was."""
    days: dict[date, list[LocatorCheck]] = {}
    for check in survey.checks:
        days.setdefault((check.at + survey.period.ahead).date(), []).append(check)
    return days


def _monday(survey: Survey, week: int) -> str:
    return (survey.period.begin_of(week) + survey.period.ahead).date().isoformat()


def _part(part: Part) -> Row:
    share = part.share
    ends = (share.value, share.low, share.high) if share else ("", "", "")
    return (part.hits, part.number, *map(_number, ends))


def _number(value: float | str | None) -> Value:
    return round(value, DECIMALS) if isinstance(value, float) else value or ""
