"""What the result page shows of a reading: words, bars and pictures, ready for the template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Flask

from hematovision.cells import Box, CellType, Decision, Doubt, Heat, Reading, RgbImage
from hematovision.services.readings import ReadPhoto
from hematovision.vision.explaining import share_inside
from hematovision.web.highlights import highlight
from hematovision.web.overlay import Overlay, lay_over
from hematovision.web.pictures import areas_around, crop_pictures, photo_uri, picture_uri

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
LOOKS_ELSE = "To the system this looks like something else."


@dataclass(frozen=True, slots=True)
class Bar:
    """The probability of one type; `inside` when the type could not be ruled out."""

    name: str
    probability: float
    inside: bool


@dataclass(frozen=True, slots=True)
class Why:
    """What mattered for one type.

    Attributes:
        name: The type: the cell's name, or the most probable one.
        picture: A `data:` URI of the crop, grey where it did not matter.
        inside: The share of what mattered that lies in the cell's box.
    """

    name: str
    picture: str
    inside: float


@dataclass(frozen=True, slots=True)
class Card:
    """One cell.

    Attributes:
        number: Its place in the photo's list, from 1.
        name: Its type, or `unidentified`.
        tag: What stands at its box.
        crop: A `data:` URI.
        bars: All types, most probable first.
        finding: What is said of it, in a few words.
        meaning: What follows.
        morphology: How it looks, in words; empty where the model does not say.
        why: What mattered; None where the model does not say.
    """

    number: int
    name: str
    tag: str
    crop: str
    bars: tuple[Bar, ...]
    finding: str
    meaning: str
    morphology: str
    why: Why | None


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

    @property
    def explained(self) -> bool:
        """Whether what mattered can be shown."""
        return any(card.why for card in self.cards)


def picture_of(read: ReadPhoto, seconds: float) -> Picture:
    """Make of a photo and its reading what the page shows.

    Args:
        read: The photo and its reading.
        seconds: How long the reading took.
    """
    reading = read.reading
    boxes = [cell.box for cell in reading.cells]
    areas = areas_around(read.photo, boxes)
    shown = zip(reading.cells, areas, crop_pictures(read.photo, areas), strict=True)
    cards = tuple(_card(number, *one) for number, one in enumerate(shown, 1))
    return Picture(
        photo=photo_uri(read.photo),
        width=reading.width,
        height=reading.height,
        seconds=seconds,
        counts=reading.counts,
        overlay=lay_over(reading.width, reading.height, boxes, [card.tag for card in cards]),
        cards=cards,
    )


def _card(number: int, cell: Reading, area: Box, crop: RgbImage) -> Card:
    name = str(cell.cell_type or UNIDENTIFIED)
    ranked = sorted(cell.probabilities.items(), key=lambda item: -item[1])
    finding, meaning = words_of(cell)
    return Card(
        number=number,
        name=name,
        tag=f"{number} {MARKS[name]}",
        crop=picture_uri(crop),
        bars=tuple(Bar(str(kind), part, kind in cell.prediction_set) for kind, part in ranked),
        finding=finding,
        meaning=meaning,
        morphology=sentence(cell.morphology or ""),
        why=_why(cell.heat, cell.box, area, crop) if cell.heat else None,
    )


def _why(heat: Heat, box: Box, area: Box, crop: RgbImage) -> Why:
    return Why(
        name=str(heat.cell_type),
        picture=picture_uri(highlight(crop, area, heat)),
        inside=share_inside(heat, box),
    )


def words_of(cell: Reading) -> tuple[str, str]:
    """Say in words what is said of a cell, and what follows: its name, or every honest doubt."""
    possible = in_words(cell.prediction_set)
    if cell.decision is Decision.NAMED:
        return sentence(f"{possible} only"), "No other name is probable enough."
    if Doubt.UNFAMILIAR in cell.doubts:
        return "Unlike the cells that the system has learnt.", _nearest(cell)
    if Doubt.OTHER in cell.doubts:
        return "None of the five types.", LOOKS_ELSE
    if Doubt.NONE in cell.doubts:
        return (
            "No name is probable enough.",
            f"The likeliest are {in_words(cell.prediction_set, 'and')}.",
        )
    if Doubt.SEVERAL in cell.doubts:
        rest = "either" if len(cell.prediction_set) == 2 else "any of them"
        return sentence(possible), f"The system cannot rule out {rest}."
    return "Not sure.", "The system would not put a name to this cell."


def _nearest(cell: Reading) -> str:
    """Say what a cell that is unlike all others comes nearest to."""
    if Doubt.OTHER in cell.doubts or not cell.prediction_set:
        return LOOKS_ELSE
    names = in_words(cell.prediction_set)
    return f"What comes nearest is {names}, but such a cell was not among them."


def in_words(possible: Sequence[CellType], joined: str = "or") -> str:
    """Join names: `neutrophil, monocyte or basophil`."""
    names = list(map(str, possible))
    return f" {joined} ".join(filter(None, (", ".join(names[:-1]), "".join(names[-1:]))))


def sentence(words: str) -> str:
    """Begin with a capital and end with a full stop; nothing stays nothing."""
    return f"{words[0].upper()}{words[1:]}." if words else ""


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
