"""The films of a demonstration: drawn ones, or photos that somebody names."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hematovision.drawing.smears import DrawnCell, draw_film
from hematovision.storage.cases import TARGET

FIELDS_OF = {100: 13, 50: 7}
"""So many drawn fields show the cells of a target, and a few more."""
AT_ONCE = 60
"""A film of more photos is left to the workers: to read it at the start would take too long."""
SPREAD = 20
"""Photos of a case, where those of one folder are spread over cases."""


Opener = Callable[[], bytes]
"""Opens a photo."""


class Stage(StrEnum):
    """How far a film is brought."""

    REVIEWED = "reviewed"
    """Somebody has named every cell."""
    BEGUN = "begun"
    """Somebody has named some of the cells."""
    UNSEEN = "unseen"
    """It is read, and nobody has looked at it."""
    SIGNED = "signed"
    """Somebody has signed it."""
    SECOND = "second"
    """Two people have read it, and differ."""
    AMENDED = "amended"
    """It was signed, changed and signed again."""
    ARRIVING = "arriving"
    """Its photos wait to be read."""
    EMPTY = "empty"
    """It has no photo."""


READ_AT_ONCE = tuple(Stage)[: tuple(Stage).index(Stage.ARRIVING)]
NOTES = {
    Stage.REVIEWED: "Every cell is reviewed; it waits to be signed.",
    Stage.BEGUN: "A review that somebody has begun.",
    Stage.UNSEEN: "Read by the model; nobody has looked at it yet.",
    Stage.SIGNED: "Signed; it cannot be changed any more.",
    Stage.SECOND: "Read by two people, who differ in a few cells.",
    Stage.AMENDED: "Signed, amended and signed again; both versions can be read.",
    Stage.ARRIVING: "Its photos are read while you look.",
    Stage.EMPTY: "No photo yet: drop some here.",
}
"""What is written beside the cases."""


@dataclass(frozen=True, slots=True)
class Field:
    """One picture of a film.

    Attributes:
        picture: The file.
        cells: The white cells in it, where it is drawn; None where nobody knows.
    """

    picture: bytes
    cells: tuple[DrawnCell, ...] | None = None


@dataclass(frozen=True, slots=True)
class Film:
    """What becomes a case.

    Attributes:
        accession: Its number.
        stage: How far it is brought.
        fields: Give its pictures; drawn or opened only when they are asked for.
        target: How many white cells are to be counted.
        white_count: White cells in blood, 10^9 a litre; empty where unknown.
    """

    accession: str
    stage: Stage
    fields: Callable[[], Iterator[Field]]
    target: int = TARGET
    white_count: str = ""


MIXES: Mapping[Stage, Mapping[str, int]] = {
    Stage.REVIEWED: {
        "neutrophil": 45,
        "band": 8,
        "eosinophil": 17,
        "lymphocyte": 22,
        "monocyte": 6,
        "basophil": 2,
    },
    Stage.BEGUN: {
        "neutrophil": 26,
        "lymphocyte": 48,
        "atypical_lymphocyte": 14,
        "monocyte": 9,
        "eosinophil": 2,
        "basophil": 1,
    },
    Stage.UNSEEN: {
        "neutrophil": 54,
        "band": 12,
        "lymphocyte": 16,
        "monocyte": 7,
        "eosinophil": 4,
        "basophil": 2,
        "erythroblast": 5,
    },
    Stage.SIGNED: {
        "neutrophil": 58,
        "band": 2,
        "lymphocyte": 29,
        "monocyte": 7,
        "eosinophil": 3,
        "basophil": 1,
    },
    Stage.SECOND: {
        "neutrophil": 34,
        "band": 6,
        "lymphocyte": 42,
        "atypical_lymphocyte": 8,
        "monocyte": 8,
        "eosinophil": 2,
    },
    Stage.AMENDED: {
        "neutrophil": 62,
        "band": 16,
        "lymphocyte": 14,
        "monocyte": 6,
        "eosinophil": 2,
    },
    Stage.ARRIVING: {
        "neutrophil": 59,
        "band": 3,
        "lymphocyte": 27,
        "monocyte": 7,
        "eosinophil": 3,
        "basophil": 1,
    },
}
"""So many of a hundred cells are drawn as what. Some show what is seldom normal: many eosinophils,
atypical lymphocytes, bands, erythroblasts."""
TARGETS = {Stage.SECOND: 50, Stage.AMENDED: 50}
WHITE_COUNTS = {
    Stage.REVIEWED: "11.4",
    Stage.BEGUN: "9.8",
    Stage.UNSEEN: "14.2",
    Stage.SIGNED: "6.7",
    Stage.AMENDED: "17.9",
}


def drawn_films(*, seed: int, fields: Mapping[int, int] = FIELDS_OF) -> Sequence[Film]:
    """Give a film of drawn fields for every stage.

    Args:
        seed: The source of chance; the same films for the same seed.
        fields: How many show so many cells, by target.
    """
    return [
        Film(
            _number(place),
            stage,
            _drawing(stage, fields[TARGETS.get(stage, TARGET)], seed + place),
            TARGETS.get(stage, TARGET),
            WHITE_COUNTS.get(stage, ""),
        )
        for place, stage in enumerate(Stage)
    ]


def _drawing(stage: Stage, fields: int, seed: int) -> Callable[[], Iterator[Field]]:
    if stage is Stage.EMPTY:
        return lambda: iter(())
    mix = _mix(stage)
    return lambda: (
        Field(smear.picture, smear.cells) for smear in draw_film(mix, fields=fields, seed=seed)
    )


def _mix(stage: Stage) -> dict[str, float]:
    return {kind: number / 100 for kind, number in MIXES[stage].items()}


def photos_to_drop(*, fields: int, seed: int) -> Sequence[bytes]:
    """Draw photos that no film has."""
    mix = _mix(Stage.ARRIVING)
    return [smear.picture for smear in draw_film(mix, fields=fields, seed=seed + len(Stage))]


def photo_films(folders: Sequence[Sequence[Opener]]) -> Sequence[Film]:
    """Give films of somebody's own photos, and an empty one.

    Args:
        folders: Of each folder, what opens its photos. A folder becomes a case; the photos of one
            folder alone are spread over cases. Those that are left to the workers come last.
    """
    parts = _spread(folders[0]) if len(folders) == 1 else folders
    parts = sorted(parts, key=lambda photos: len(photos) > AT_ONCE)
    films = [
        Film(_number(place), _stage(place, len(photos)), _opening(photos))
        for place, photos in enumerate(parts)
    ]
    return [*films, Film(_number(len(films)), Stage.EMPTY, lambda: iter(()))]


def _spread(photos: Sequence[Opener]) -> list[Sequence[Opener]]:
    """Part photos into a film a stage; the last gets what is left."""
    each = min(SPREAD, max(len(photos) // (len(READ_AT_ONCE) + 1), 1))
    starts = [each * place for place in range(len(READ_AT_ONCE))]
    parts = [photos[start : start + each] for start in starts]
    return [part for part in (*parts, photos[each * len(READ_AT_ONCE) :]) if part]


def _stage(place: int, photos: int) -> Stage:
    """Say how far the film at a place is brought."""
    if place < len(READ_AT_ONCE) and photos <= AT_ONCE:
        return READ_AT_ONCE[place]
    return Stage.ARRIVING


def _opening(photos: Sequence[Opener]) -> Callable[[], Iterator[Field]]:
    return lambda: (Field(open_photo()) for open_photo in photos)


def _number(place: int) -> str:
    return f"DEMO-{place + 1}"
