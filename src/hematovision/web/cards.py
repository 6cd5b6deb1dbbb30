"""What the result page shows of a reading: words, bars and pictures, ready for the template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Flask
from flask_babel import gettext as _

from hematovision.cells import (
    Box,
    CellType,
    Decision,
    Doubt,
    Engine,
    PhotoReading,
    Reading,
    RgbImage,
)
from hematovision.errors import HematoVisionError
from hematovision.services.readings import ReadPhoto
from hematovision.vision.cutting import areas_around, crop_pictures
from hematovision.vision.explaining import share_inside
from hematovision.web.highlights import highlight
from hematovision.web.language import name_of
from hematovision.web.overlay import Overlay, lay_over
from hematovision.web.pictures import photo_uri, picture_uri
from hematovision.web.signs import OF_MODEL, sign_of
from hematovision.web.vocabulary import morphology

UNIDENTIFIED = str(Decision.UNIDENTIFIED)


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
        crop: A `data:` URI; empty where the picture is not kept.
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
class Filing:
    """How a reading gets into a case.

    Attributes:
        photo_id: Of its photo.
        accession: What was typed last.
        new: Whether the case is to be made.
        failure: Why it was refused.
    """

    photo_id: int
    accession: str = ""
    new: bool = False
    failure: HematoVisionError | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """One photo.

    Attributes:
        photo: A `data:` URI; empty where the picture is not kept.
        width: Pixels across the photo.
        height: Pixels down the photo.
        seconds: How long it took; None where that was another time.
        counts: Cells by name.
        overlay: Boxes and tags.
        cards: One a cell.
        filing: How it gets into a case; None where it does not.
        is_fallback: Whether it was read here for the inference server did not answer.
    """

    photo: str
    width: int
    height: int
    seconds: float | None
    counts: Mapping[str, int]
    overlay: Overlay
    cards: tuple[Card, ...]
    filing: Filing | None = None
    is_fallback: bool = False

    @property
    def explained(self) -> bool:
        """Whether what mattered can be shown."""
        return any(card.why for card in self.cards)


def picture_of(
    read: ReadPhoto, seconds: float | None = None, filing: Filing | None = None
) -> Picture:
    """Make of a photo and its reading what the page shows.

    Args:
        read: The photo and its reading.
        seconds: How long the reading took.
        filing: How it gets into a case.
    """
    boxes = [cell.box for cell in read.reading.cells]
    areas = areas_around(read.photo, boxes)
    crops = crop_pictures(read.photo, areas)
    shown = zip(read.reading.cells, areas, crops, strict=True)
    cards = [
        _card(number, cell, picture_uri(crop), _why(cell, area, crop))
        for number, (cell, area, crop) in enumerate(shown, 1)
    ]
    return _picture(read.reading, photo_uri(read.photo), cards, seconds, filing)


def picture_without_photo(reading: PhotoReading, filing: Filing | None = None) -> Picture:
    """Make of a reading whose picture is not kept what the page shows."""
    cards = [_card(number, cell, "", None) for number, cell in enumerate(reading.cells, 1)]
    return _picture(reading, "", cards, None, filing)


def _picture(
    reading: PhotoReading,
    photo: str,
    cards: Sequence[Card],
    seconds: float | None,
    filing: Filing | None,
) -> Picture:
    boxes = [cell.box for cell in reading.cells]
    return Picture(
        photo=photo,
        width=reading.width,
        height=reading.height,
        seconds=seconds,
        counts=reading.counts,
        overlay=lay_over(reading.width, reading.height, boxes, [card.tag for card in cards]),
        cards=tuple(cards),
        filing=filing,
        is_fallback=reading.engine is Engine.FALLBACK,
    )


def _card(number: int, cell: Reading, crop: str, why: Why | None) -> Card:
    name = str(cell.cell_type or UNIDENTIFIED)
    ranked = sorted(cell.probabilities.items(), key=lambda item: -item[1])
    finding, meaning = words_of(cell)
    return Card(
        number=number,
        name=name,
        tag=f"{number} {sign_of(name).letter}",
        crop=crop,
        bars=tuple(Bar(str(kind), part, kind in cell.prediction_set) for kind, part in ranked),
        finding=finding,
        meaning=meaning,
        morphology=sentence(morphology(cell.morphology or "")),
        why=why,
    )


def _why(cell: Reading, area: Box, crop: RgbImage) -> Why | None:
    if cell.heat is None:
        return None
    return Why(
        name=str(cell.heat.cell_type),
        picture=picture_uri(highlight(crop, area, cell.heat)),
        inside=share_inside(cell.heat, cell.box),
    )


def words_of(cell: Reading) -> tuple[str, str]:
    """Say in words what is said of a cell, and what follows: its name, or every honest doubt."""
    possible = one_of(cell.prediction_set)
    if cell.decision is Decision.NAMED:
        only = _("%(name)s only", name=possible)
        return sentence(only), _("No other name is probable enough.")
    if Doubt.UNFAMILIAR in cell.doubts:
        return _("Unlike the cells that the system has learnt."), _nearest(cell)
    if Doubt.OTHER in cell.doubts:
        return _("None of the five types."), _looks_else()
    if Doubt.NONE in cell.doubts:
        likeliest = _("The likeliest are %(names)s.", names=all_of(cell.prediction_set))
        return _("No name is probable enough."), likeliest
    if Doubt.SEVERAL in cell.doubts:
        return sentence(possible), (
            _("The system cannot rule out either.")
            if len(cell.prediction_set) == 2
            else _("The system cannot rule out any of them.")
        )
    return _("Not sure."), _("The system would not put a name to this cell.")


def _nearest(cell: Reading) -> str:
    """Say what a cell that is unlike all others comes nearest to."""
    if Doubt.OTHER in cell.doubts or not cell.prediction_set:
        return _looks_else()
    nearest = one_of(cell.prediction_set)
    return str(
        _("What comes nearest is %(names)s, but such a cell was not among them.", names=nearest)
    )


def _looks_else() -> str:
    return str(_("To the system this looks like something else."))


def one_of(possible: Sequence[CellType]) -> str:
    """Join names: `neutrophil, monocyte or basophil`."""
    *first, last = [name_of(kind) for kind in possible] or [""]
    return str(_("%(names)s or %(last)s", names=", ".join(first), last=last)) if first else last


def all_of(possible: Sequence[CellType]) -> str:
    """Join names: `neutrophil, monocyte and basophil`."""
    *first, last = [name_of(kind) for kind in possible] or [""]
    return str(_("%(names)s and %(last)s", names=", ".join(first), last=last)) if first else last


def sentence(words: str) -> str:
    """Begin with a capital and end with a full stop; nothing stays nothing."""
    return f"{words[0].upper()}{words[1:]}." if words else ""


def counted(name: str, number: int) -> str:
    """Write a count: `2 neutrophils`, `1 unidentified`."""
    return f"{number} {name_of(name, number)}"


def short_hash(sha256: str) -> str:
    """Write the first eight digits of a hash: `9f3c 41d7`."""
    return f"{sha256[:4]} {sha256[4:8]}"


def init_app(app: Flask) -> None:
    """Give the templates these words."""
    app.jinja_env.filters.update(short_hash=short_hash)
    app.jinja_env.globals.update(counted=counted, marks=OF_MODEL, sign_of=sign_of)
