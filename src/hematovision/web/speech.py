"""The language of documents that a page hands over: that of the page."""

from collections.abc import Sequence
from datetime import datetime

import flask_babel
from flask_babel import get_locale

from hematovision.exchange.speech import clock
from hematovision.labels import Label
from hematovision.web.language import name_of
from hematovision.web.numbers import number, short


class PageSpeech:
    """Says what a document says in the language of the page."""

    @property
    def language(self) -> str:
        """Its code."""
        return str(get_locale() or "en")

    def gettext(self, text: str, /, **values: object) -> str:
        """Say a text, with values in its places."""
        return str(flask_babel.gettext(text, **values))

    def ngettext(self, one: str, many: str, num: int, /, **values: object) -> str:
        """Say a text of one or of many."""
        return str(flask_babel.ngettext(one, many, num, **values))

    def number(self, value: float, decimals: int = 0) -> str:
        """Write a number with so many decimals."""
        return number(value, decimals)

    def short(self, value: float) -> str:
        """Write a number without zeros that say nothing."""
        return short(value)

    def name(self, code: str, number: int, own: Sequence[Label]) -> str:
        """Say what cells of a code are called."""
        return name_of(code, number, own)

    def moment(self, at: datetime) -> str:
        """Write a moment by the server's clock."""
        return clock(at)
