"""The parts of the protocol, and what each of them measures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hematovision.cells import CellReader
from hematovision.learning import LearningError, Track
from hematovision.learning.answers import Answer, Remembering, answer_cells, pool_copies
from hematovision.learning.datasets import (
    Cell,
    Photo,
    bccd_cells,
    bccd_photos,
    kaggle_test_cells,
    pbc_cells,
    txl_photos,
)
from hematovision.learning.findings import score_locator
from hematovision.learning.folds import read_folds, recipe_of
from hematovision.learning.left_out import read_left_out
from hematovision.learning.protocol import (
    COPIES_COUNT_SINGLY,
    FOUR,
    TITLES,
    LabelledSet,
    external,
    jtsc,
    named_set,
    official_cells,
    pbc_test,
    without_shared,
)
from hematovision.learning.scoring import score
from hematovision.vision.reader import PhotoReader


class NotMeasuredError(LearningError):
    """A part cannot be measured of this model or on this computer; the message says why."""


class Bench:
    """What the parts of the protocol are measured with."""

    def __init__(
        self,
        data: Path,
        reader: CellReader,
        *,
        track: Track,
        externals: Mapping[str, Path] | None = None,
        folds: Path | None = None,
        backbone_weights: str | Path = "imagenet",
        beside: CellReader | None = None,
    ) -> None:
        """Lay everything ready.

        Args:
            data: The folder of the sets.
            reader: The pipeline.
            track: Shows how far it is.
            externals: Folders of further sets, by name.
            folds: Where `hematovision folds` left its answers, if anywhere.
            backbone_weights: Where the plain recipe starts: `imagenet`, or a `.weights.h5`.
            beside: Another model to compare with.

        Raises:
            FolderOfTypesError: If a further set cannot be understood.
        """
        self.data, self.reader, self.track = data, reader, track
        self.externals = {name: external(name, one) for name, one in (externals or {}).items()}
        self.folds = folds
        self.backbone_weights = backbone_weights
        self.once = Remembering(reader)
        self.beside = Remembering(beside) if beside else None

    @cached_property
    def photos(self) -> list[Photo]:
        """The photos of BCCD; their fields are searched once."""
        return bccd_photos(self.data)

    @cached_property
    def boxed(self) -> dict[str, list[Photo]]:
        """The photos of which every white cell has an annotator's box, by set."""
        return {
            "bccd_test": [p for p in self.photos if p.split == "test" and p.white],
            "txl_test": [p for p in txl_photos(self.data) if p.split == "test"],
        }

    @cached_property
    def traced(self) -> tuple[list[Cell], list[str | None]]:
        """The copies of TEST in the groups of their photos, and the photos' names."""
        return _trace(self)

    def answers(self, name: str, some: LabelledSet) -> list[Answer]:
        """Read every picture of a set."""
        return answer_cells(self.track(some.cells, name), self.once, some.types)

    def scored(self, name: str, some: LabelledSet) -> dict[str, Any]:
        """Read and score a set."""
        return _scored(some, self.answers(name, some))


def _scored(some: LabelledSet, answers: Sequence[Answer]) -> dict[str, Any]:
    """Put title and note before the numbers."""
    return {"title": some.title, "note": some.note} | score(answers, some.types)


def _official(bench: Bench) -> dict[str, Any]:
    """Measure the official test photos and their copies."""
    cells, sources = bench.traced
    photo, alone, image, pooled = list(TITLES)[:4]
    images = named_set(image, FOUR, cells)
    scored = {
        photo: bench.scored(photo, named_set(photo, FOUR, official_cells(bench.photos))),
        alone: bench.scored(
            alone, named_set(alone, FOUR, official_cells(without_shared(bench.photos)))
        ),
    }
    copies = bench.answers(image, images)
    if None in sources:
        images = replace(images, note=COPIES_COUNT_SINGLY)
    scored[image] = _scored(images, copies)
    traced = [(copy, source) for copy, source in zip(copies, sources, strict=True) if source]
    if traced:
        known, names = zip(*traced, strict=True)
        answers = pool_copies(known, names, FOUR)
        scored[pooled] = _scored(named_set(pooled, FOUR, cells), answers)
    return scored


def _trace(bench: Bench) -> tuple[list[Cell], list[str | None]]:
    """List the copies of TEST in the groups of their photos, and the photos' names.

    Without the extra [train] no photo is found, and every copy counts by itself.
    """
    cells = kaggle_test_cells(bench.data)
    try:
        from hematovision.learning.leaks import find_sources
    except ModuleNotFoundError:
        return cells, [None] * len(cells)
    photos = bench.photos
    found = find_sources(
        [cell.path for cell in cells], [photo.path for photo in photos], track=bench.track
    )
    grouped = [
        cell if place is None else replace(cell, group=photos[place].group)
        for cell, place in zip(cells, found, strict=True)
    ]
    return grouped, [None if place is None else photos[place].path.stem for place in found]


def _folds(bench: Bench) -> dict[str, Any]:
    """Score what the models of the folds answered."""
    if not bench.folds:
        raise NotMeasuredError("no folder of folds was given")
    try:
        answers = read_folds(bench.folds, bench.photos, recipe_of(bench.reader))
    except LearningError as error:
        raise NotMeasuredError(str(error)) from error
    return {"folds": _scored(named_set("folds", FOUR, ()), answers)}


def _external(bench: Bench) -> dict[str, Any]:
    """Measure the sets that were added."""
    return {name: bench.scored(name, one) for name, one in bench.externals.items()}


def _locator(bench: Bench) -> dict[str, Any]:
    """Measure the locator on every set with boxes."""
    return {
        name: score_locator(bench.track(some, f"locator {name}"), bench.once)
        for name, some in bench.boxed.items()
    }


def _inside(bench: Bench) -> PhotoReader:
    """Insist on a reader that can be looked into, not only at its readings."""
    if not isinstance(bench.reader, PhotoReader):
        raise NotMeasuredError("only a model folder can be looked into")
    return bench.reader


def _known(bench: Bench) -> Any:
    from hematovision.learning.refusals import score_known

    left_out = read_left_out(bench.folds, recipe_of(bench.reader)) if bench.folds else None
    return score_known(_inside(bench), bench.data, track=bench.track, left_out=left_out)


def _is_without_left_out(bench: Bench, known: Any) -> bool:
    """Tell whether networks without a type of cells have spoken since."""
    if known.get("leave_one_type_out") or not bench.folds:
        return False
    return bool(read_left_out(bench.folds, recipe_of(bench.reader)))


def _explanations(bench: Bench) -> Any:
    from hematovision.learning.explanations import measure_explanations

    return measure_explanations(_inside(bench), bench.data, track=bench.track)


def _morphology(bench: Bench) -> Any:
    from hematovision.learning.explanations import measure_morphology

    return measure_morphology(_inside(bench), bench.data, track=bench.track)


def _robustness(bench: Bench) -> Any:
    """Spoil validation pictures: no official photo is scored again."""
    from hematovision.learning.robustness import measure_robustness, robustness_cells

    cells = robustness_cells([*bccd_cells(bench.photos), *pbc_cells(bench.data)])
    return measure_robustness(bench.reader, cells, track=bench.track)


def _leaky(bench: Bench) -> Any:
    from hematovision.learning.plain import leaky_and_honest

    return leaky_and_honest(
        bench.data, backbone_weights=bench.backbone_weights, seed=0, track=bench.track
    )


def _beside(bench: Bench) -> Any:
    """Compare with another model, picture by picture."""
    from hematovision.learning.beside import compare_models

    if bench.beside is None:
        raise NotMeasuredError("no other model was given")
    photo, alone, image = list(TITLES)[:3]
    sets = {
        photo: named_set(photo, FOUR, official_cells(bench.photos)),
        alone: named_set(alone, FOUR, official_cells(without_shared(bench.photos))),
        image: named_set(image, FOUR, bench.traced[0]),
        "pbc_test": pbc_test(bench.data),
        "jtsc": jtsc(bench.data),
        **bench.externals,
    }
    return compare_models(sets, bench.boxed, bench.beside, bench.once, track=bench.track)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the protocol that is run and kept by itself.

    Attributes:
        run: Measures it.
        sets: The sets that it scores; None where it fills the key of its own name.
        always: Whether it runs where nobody asks for it.
        is_outdated: Tells whether there is more to say by now than what was found before.
    """

    run: Callable[[Bench], Any]
    sets: Callable[[Bench], Sequence[str]] | None = None
    always: bool = True
    is_outdated: Callable[[Bench, Any], bool] = lambda bench, found: False

    def find_kept(self, name: str, bench: Bench, document: Mapping[str, Any]) -> bool:
        """Tell whether a document holds it."""
        if self.sets:
            return set(self.sets(bench)) <= set(document["sets"])
        return bool(document[name]) and not self.is_outdated(bench, document[name])

    def put(self, name: str, found: Any, document: dict[str, Any]) -> None:
        """Put what was measured in its place; sets in the order of the protocol."""
        if not self.sets:
            document[name] = found
            return
        sets = document["sets"] | (found or {})
        order = {one: place for place, one in enumerate(TITLES)}
        document["sets"] = dict(sorted(sets.items(), key=lambda s: order.get(s[0], len(order))))


def _one(name: str, find: Callable[[Path], LabelledSet]) -> Part:
    """Make a part of a single set."""
    return Part(lambda bench: {name: bench.scored(name, find(bench.data))}, lambda bench: [name])


PARTS: dict[str, Part] = {
    "official": Part(_official, lambda bench: list(TITLES)[:3]),
    "folds": Part(_folds, lambda bench: ["folds"], always=False),
    "pbc": _one("pbc_test", pbc_test),
    "jtsc": _one("jtsc", jtsc),
    "external": Part(_external, lambda bench: list(bench.externals), always=False),
    "locator": Part(_locator),
    "known": Part(_known, is_outdated=_is_without_left_out),
    "explanations": Part(_explanations),
    "morphology": Part(_morphology),
    "robustness": Part(_robustness, always=False),
    "leaky": Part(_leaky, always=False),
    "beside": Part(_beside, always=False),
}
