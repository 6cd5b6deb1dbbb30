"""The parts of the protocol, and what each of them measures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from hematovision.cells import CellReader
from hematovision.learning import LearningError
from hematovision.learning.answers import Answer, Remembering, Track, answer_cells, pool_copies
from hematovision.learning.datasets import (
    Cell,
    Photo,
    bccd_photos,
    kaggle_test_cells,
    txl_photos,
)
from hematovision.learning.findings import score_locator
from hematovision.learning.folds import read_folds, recipe_of
from hematovision.learning.protocol import (
    FOUR,
    MATURE,
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

SPOILT_A_TYPE = 40
"""PBC test cells of each type whose pictures are spoilt for the robustness report."""


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
    ) -> None:
        """Lay everything ready.

        Args:
            data: The folder of the sets.
            reader: The pipeline.
            track: Shows how far it is.
            externals: Folders of further sets, by name.
            folds: Where `hematovision folds` left its answers, if anywhere.
            backbone_weights: Where the plain recipe starts: `imagenet`, or a `.weights.h5`.

        Raises:
            FolderOfTypesError: If a further set cannot be understood.
        """
        self.data, self.reader, self.track = data, reader, track
        self.externals = {name: external(name, one) for name, one in (externals or {}).items()}
        self.folds = folds
        self.backbone_weights = backbone_weights
        self.once = Remembering(reader)

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
    cells, names = kaggle_test_cells(bench.data), list(TITLES)
    whole = named_set(names[0], FOUR, official_cells(bench.photos))
    part = named_set(names[1], FOUR, official_cells(without_shared(bench.photos)))
    images = named_set(names[2], FOUR, cells)
    copies = bench.answers(names[2], images)
    pooled = pool_copies(copies, [cell.group for cell in cells], FOUR)
    return {
        names[0]: bench.scored(names[0], whole),
        names[1]: bench.scored(names[1], part),
        names[2]: _scored(images, copies),
        names[3]: _scored(named_set(names[3], FOUR, cells), pooled),
    }


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


def _spoilt(bench: Bench) -> list[Cell]:
    """Give as many PBC test cells of each type: no official photo is scored once more."""
    cells = pbc_test(bench.data).cells
    return [
        cell
        for kind in MATURE
        for cell in [c for c in cells if c.cell_type is kind][:SPOILT_A_TYPE]
    ]


def _ask(module: str, function: str, *arguments: Any, **options: Any) -> Any:
    """Call a measure of another room, which is opened only now.

    Raises:
        NotMeasuredError: If something that it needs is not installed.
    """
    try:
        measure = getattr(import_module(f"hematovision.learning.{module}"), function)
        return measure(*arguments, **options)
    except ModuleNotFoundError as error:
        raise NotMeasuredError(
            f"it needs {error.name}: pip install 'hematovision[train]'"
        ) from error


def _ask_model(module: str, function: str) -> Callable[[Bench], Any]:
    """Give a measure that looks inside the model, not only at its readings."""

    def run(bench: Bench) -> Any:
        if not isinstance(bench.reader, PhotoReader):
            raise NotMeasuredError("only a model folder can be looked into")
        return _ask(module, function, bench.reader, bench.data, track=bench.track)

    return run


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the protocol that is run and kept by itself.

    Attributes:
        run: Measures it.
        sets: The sets that it scores; None where it fills the key of its own name.
        always: Whether it runs where nobody asks for it.
    """

    run: Callable[[Bench], Any]
    sets: Callable[[Bench], Sequence[str]] | None = None
    always: bool = True

    def find_kept(self, name: str, bench: Bench, document: Mapping[str, Any]) -> bool:
        """Tell whether a document holds it."""
        if self.sets:
            return set(self.sets(bench)) <= set(document["sets"])
        return bool(document[name])

    def put(self, name: str, found: Any, document: dict[str, Any]) -> None:
        """Put what was measured in its place; sets in the order of the protocol."""
        if not self.sets:
            document[name] = found
            return
        sets = document["sets"] | (found or {})
        order = {one: place for place, one in enumerate(TITLES)}
        document["sets"] = dict(sorted(sets.items(), key=lambda s: order.get(s[0], len(order))))


def _robustness(bench: Bench) -> Any:
    return _ask("robustness", "measure_robustness", bench.reader, _spoilt(bench), track=bench.track)


def _leaky(bench: Bench) -> Any:
    return _ask(
        "plain",
        "leaky_and_honest",
        bench.data,
        backbone_weights=bench.backbone_weights,
        seed=0,
        track=bench.track,
    )


def _one(name: str, find: Callable[[Path], LabelledSet]) -> Part:
    """Make a part of a single set."""
    return Part(lambda bench: {name: bench.scored(name, find(bench.data))}, lambda bench: [name])


PARTS: dict[str, Part] = {
    "official": Part(_official, lambda bench: list(TITLES)[:4]),
    "folds": Part(_folds, lambda bench: ["folds"], always=False),
    "pbc": _one("pbc_test", pbc_test),
    "jtsc": _one("jtsc", jtsc),
    "external": Part(_external, lambda bench: list(bench.externals), always=False),
    "locator": Part(_locator),
    "known": Part(_ask_model("knowing", "score_known")),
    "explanations": Part(_ask_model("explanations", "measure_explanations")),
    "morphology": Part(_ask_model("explanations", "measure_morphology")),
    "robustness": Part(_robustness, always=False),
    "leaky": Part(_leaky, always=False),
}
