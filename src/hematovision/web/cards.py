"""What the result page shows of a reading: words, bars and pictures, ready for the template."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Flask

from hematovision.cells import CellType, Decision, Reading
from hematovision.services.readings import ReadPhoto
from hematovision.web.overlay import Overlay, lay_over
from hematovision.web.pictures import crop_uris, photo_uri

UNIDENTIFIED = str(Decision.UNIDENTIFIED)
MARKS = {
    str(CellType.NEUTROPHIL): "N",
    str(CellType.EOSINOPHIL): "E",
    str(CellType.LYMPHOCYTE): "L",
    str(CellType.MONOCYTE): "M",
    str(CellType.BASOPHIL): "B",
    str(CellType.OTHER): "·",
    UNIDENTIFIED: "?",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """The probability of one type; `inside` when the type could not be ruled out."""

    name: str
    probability: float
    inside: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One cell.

    Attributes:
        number: Its place in the photo's list, from 1.
        name: Its type, or `unidentified`.
        tag: What stands at its box.
        crop: A `data:` URI.
        bars: All types, most probable first.
        finding: The prediction set in words.
        meaning: What that set means.
    """

    number: int
    name: str
    tag: str
    crop: str
    bars: tuple[Bar, ...]
    finding: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One photo.

    Attributes:
        photo: A `data:` URI.
        width: Pixels across the photo.
        height: Pixels down the photo.
        seconds: How long it took.
        counts: Cells by name.
        overlay: Boxes and tags.
        cards: One a cell.
    """

    photo: str
    width: int
    height: int
    seconds: float
    counts: Mapping[str, int]
    overlay: Overlay
    cards: tuple[Card, ...]


def picture_of(read: ReadPhoto, seconds: float) -> Picture:
    """Make of a photo and its reading what the page shows.

    Args:
        read: The photo and its reading.
        seconds: How long the reading took.
    """
    reading = read.reading
    boxes = [cell.box for cell in reading.cells]
    crops = crop_uris(read.photo, boxes)
    cards = tuple(
        _card(number, cell, crop)
        for number, (cell, crop) in enumerate(zip(reading.cells, crops, strict=True), 1)
    )
    return Picture(
        photo=photo_uri(read.photo),
        width=reading.width,
        height=reading.height,
        seconds=seconds,
        counts=reading.counts,
        overlay=lay_over(reading.width, reading.height, boxes, [card.tag for card in cards]),
        cards=cards,
    )


def _card(number: int, cell: Reading, crop: str) -> Card:
    name = str(cell.cell_type or UNIDENTIFIED)
    ranked = sorted(cell.probabilities.items(), key=lambda item: -item[1])
    finding, meaning = words_of(cell)
    return Card(
        number=number,
        name=name,
        tag=f"{number} {MARKS[name]}",
        crop=crop,
        bars=tuple(Bar(str(kind), part, kind in cell.prediction_set) for kind, part in ranked),
        finding=finding,
        meaning=meaning,
    )


def words_of(cell: Reading) -> tuple[str, str]:
    """Say the prediction set in words, and what it means."""
    possible = cell.prediction_set
    if possible == (CellType.OTHER,):
        return "None of the five types.", "To the system this looks like something else."
    if len(possible) > 1:
        rest = "either" if len(possible) == 2 else "any of them"
        return f"{in_words(possible)}.", f"The system cannot rule out {rest}."
    if cell.decision is Decision.NAMED and possible:
        return f"{in_words(possible)} only.", "No other name is probable enough."
    return "Not sure.", "The system would not put a name to this cell."


def in_words(possible: tuple[CellType, ...]) -> str:
    """Join names: `Neutrophil, monocyte or basophil`."""
    names = [str(kind) for kind in possible]
    head = ", ".join(names[:-1])
    return (f"{head} or {names[-1]}" if head else names[-1]).capitalize()


def percent(part: float) -> str:
    """Write a probability; what is not quite certain never reads as 100 %."""
    return "> 99 %" if 0.995 <= part < 1 else f"{round(100 * part)} %"


def counted(name: str, number: int) -> str:
    """Write a count: `2 neutrophils`, `1 unidentified`."""
    plural = "s" if number != 1 and name not in {UNIDENTIFIED, "other"} else ""
    return f"{number} {name}{plural}"


def short_hash(sha256: str) -> str:
    """Write the first eight digits of a hash: `9f3c 41d7`."""
    return f"{sha256[:4]} {sha256[4:8]}"


def init_app(app: Flask) -> None:
    """Give the templates these words."""
    app.jinja_env.filters.update(percent=percent, short_hash=short_hash)
    app.jinja_env.globals.update(counted=counted, marks=MARKS)
