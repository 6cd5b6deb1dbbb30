"""Days of an address or a form, by the server's clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from hematovision.storage.quality import Period

USUAL_WEEKS = 12


@dataclass(frozen=True, slots=True)
class Days:
    """A period as people write it: both days belong to it.

    Attributes:
        first: Its first day; None for the beginning.
        last: Its last day; None for no end.
    """

    first: date | None = None
    last: date | None = None

    @property
    def period(self) -> Period:
        """Give the moments between which it lies."""
        return Period(
            since=begin_of(self.first) if self.first else None,
            until=begin_of(self.last + timedelta(days=1)) if self.last else None,
            ahead=ahead_of_utc(),
        )


def begin_of(day: date) -> datetime:
    """Give the moment when a day begins, UTC."""
    return datetime.combine(day, time()).astimezone(UTC)


def ahead_of_utc() -> timedelta:
    """Say how far the server's clock is ahead of UTC."""
    return datetime.now().astimezone().utcoffset() or timedelta()


def weeks_up_to(today: date, weeks: int) -> Days:
    """Give so many weeks from Monday to Sunday, the running one among them."""
    monday = today - timedelta(days=today.weekday())
    return Days(monday - timedelta(weeks=weeks - 1), monday + timedelta(days=6))


def day_of(text: str, *, after: int = 0) -> datetime | None:
    """Give the moment when a day begins, or some days after it; None where the text is no day."""
    day = _day(text)
    return begin_of(day + timedelta(days=after)) if day else None


def asked_days(asked: Mapping[str, str], today: date) -> Days:
    """Read `from` and `to` of an address; without either, the usual weeks are meant."""
    if "from" not in asked and "to" not in asked:
        return weeks_up_to(today, USUAL_WEEKS)
    return Days(_day(asked.get("from", "")), _day(asked.get("to", "")))


def _day(text: str) -> date | None:
    """Read a day; what is none, or so far away that no clock has it, is left out."""
    try:
        day = date.fromisoformat(text.strip())
        begin_of(day), begin_of(day + timedelta(days=2))
    except (ValueError, OverflowError):
        return None
    return day
