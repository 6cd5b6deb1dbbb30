"""The language of a document: who makes it hands over how texts, numbers and names are said."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from hematovision.labels import Label, find_label


class Speech(Protocol):
    """Whatever says texts in one language; the names of the first two are known to catalogues."""

    @property
    def language(self) -> str:
        """Its code, such as `en`."""
        ...

    def gettext(self, text: str, /, **values: object) -> str:
        """Say a text, with values in its places."""
        ...

    def ngettext(self, one: str, many: str, num: int, /, **values: object) -> str:
        """Say a text of one or of many; `num` is a value too."""
        ...

    def number(self, value: float, decimals: int = 0) -> str:
        """Write a number with so many decimals."""
        ...

    def short(self, value: float) -> str:
        """Write a number without zeros that say nothing."""
        ...

    def name(self, code: str, number: int, own: Sequence[Label]) -> str:
        """Say what cells of a code are called."""
        ...

    def moment(self, at: datetime) -> str:
        """Write a moment."""
        ...


ALIKE = frozenset({"unidentified", "not_classed", "other"})
CALLED = {
    "band": ("band neutrophil", "band neutrophils"),
    "smudge": ("smudge cell", "smudge cells"),
}


class English:
    """The language of the sources, which the terminal speaks."""

    language = "en"

    def gettext(self, text: str, /, **values: object) -> str:
        """Say a text, with values in its places."""
        return text % values if values else text

    def ngettext(self, one: str, many: str, num: int, /, **values: object) -> str:
        """Say a text of one or of many."""
        return (one if num == 1 else many) % {"num": num, **values}

    def number(self, value: float, decimals: int = 0) -> str:
        """Write a number with so many decimals."""
        return f"{value:,.{decimals}f}"

    def short(self, value: float) -> str:
        """Write a number without zeros that say nothing."""
        return f"{value:,.6g}"

    def name(self, code: str, number: int, own: Sequence[Label]) -> str:
        """Say what cells of a code are called; the laboratory's own have one name for all."""
        label = find_label(code, own)
        if label and label.name:
            return label.name
        plain = code.replace("_", " ")
        return CALLED.get(code, (plain, plain if code in ALIKE else f"{plain}s"))[number != 1]

    def moment(self, at: datetime) -> str:
        """Write a moment by the clock of this machine."""
        return clock(at)


ENGLISH = English()


def clock(at: datetime) -> str:
    """Write a moment by the clock of this machine, with its zone, the same in every language."""
    return f"{at.astimezone():%Y-%m-%d %H:%M %Z}"
