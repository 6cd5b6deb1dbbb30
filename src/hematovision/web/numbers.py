"""Numbers and days as the language of the page writes them."""

from datetime import datetime
from decimal import Decimal

from babel.numbers import format_decimal
from flask import Flask
from flask_babel import format_date, get_locale
from flask_babel import gettext as _

from hematovision.errors import rounded
from hematovision.vision.scores import NOT_MEASURED, Share

FIRST_APART = {"es": 10_000}
"""Where four digits stay together (CLDR's minimumGroupingDigits, which Babel does not heed)."""


def number(value: float, decimals: int = 0) -> str:
    """Write a number with so many decimals and its thousands apart, such as `1,234.50`."""
    # What rounds to zero from below is zero: nobody writes -0.00.
    shown = value if round(value, decimals) else 0
    return _write(shown, "#,##0" + ("." + "0" * decimals if decimals else ""))


def short(value: float, digits: int = 6) -> str:
    """Write a number to so many digits at most, such as `0.125`."""
    return _write(rounded(value, digits), "#,##0.############")


def percent(part: float) -> str:
    """Write a probability; what is not quite certain never reads as 100 %."""
    return "> 99 %" if 0.995 <= part < 1 else f"{round(100 * part)} %"


def share(part: float | None) -> str:
    """Write a share, such as `92.8 %`; what is not all never reads as all."""
    if part is None:
        return NOT_MEASURED
    return f"> {number(99.9, 1)} %" if 0.9995 <= part < 1 else f"{number(100 * part, 1)} %"


def limits(part: Share | None) -> str:
    """Write 95 % limits, such as `83.9 to 97.6`."""
    if part is None or part.low is None or part.high is None:
        return NOT_MEASURED
    low, high = number(100 * part.low, 1), number(100 * part.high, 1)
    return str(_("%(low)s to %(high)s", low=low, high=high))


def day(moment: datetime) -> str:
    """Write a day of the server's clock, such as `Aug 1, 2026`."""
    return str(format_date(moment.astimezone().date(), "medium"))


def clock(moment: datetime) -> str:
    """Write a moment by the server's clock, the same in every language."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"


def _write(value: float | Decimal, form: str) -> str:
    language = str(get_locale() or "en")
    apart = abs(float(value)) >= FIRST_APART.get(language, 1000)
    return str(format_decimal(value, format=form, locale=language, group_separator=apart))


def init_app(app: Flask) -> None:
    """Let templates write numbers."""
    for write in (number, short, percent, share, limits, day, clock):
        app.add_template_filter(write)
