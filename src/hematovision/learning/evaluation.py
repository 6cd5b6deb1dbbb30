"""The protocol of the sets: every score end to end, through the same door as a user's photo."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from hematovision.cells import NOTICE, CellReader
from hematovision.learning import LearningError
from hematovision.learning.folds import recipe_of
from hematovision.learning.parts import PARTS, Bench, NotMeasuredError, Part


class OtherModelError(LearningError):
    """A report is of another model; its parts are not mixed with those of this one."""


def evaluate(
    bench: Bench,
    *,
    wanted: Iterable[str],
    document: Mapping[str, Any] | None = None,
    renew: bool = False,
    save: Callable[[str, Mapping[str, Any]], None],
    tell: Callable[[str], None],
    parts: Mapping[str, Part] = PARTS,
) -> dict[str, Any]:
    """Run parts of the protocol, and keep those of this very model that are done.

    Args:
        bench: What to measure with.
        wanted: Names of `PARTS`.
        document: An earlier report, whole or not.
        renew: Whether wanted parts that the earlier report holds are measured again.
        save: Gets the name of each part that was measured, and the report so far.
        tell: Gets a sentence for each part that was kept or could not be measured.
        parts: All there are.

    Returns:
        The report, a JSON document; `docs/decisions/0009` says what lies in it.

    Raises:
        DataMissingError: If a set is not there.
        OtherModelError: If parts of another model's report were to be renewed.
    """
    report = _begin(bench.reader, document, renew=renew, tell=tell)
    for name in wanted:
        part = parts[name]
        if not renew and part.find_kept(name, bench, report):
            tell(f"{name}: kept as it was measured of this model; --only {name} renews it.")
            continue
        try:
            found = part.run(bench)
        except NotMeasuredError as error:
            tell(f"{name}: not measured: {str(error).rstrip('.')}.")
            continue
        except ModuleNotFoundError as error:
            tell(f"{name}: not measured: needs {error.name}: pip install 'hematovision[train]'")
            continue
        if found is None:
            tell(f"{name}: not measured: this model does not give it.")
        part.put(name, found, report)
        save(name, report)
    return report


def _begin(
    reader: CellReader,
    document: Mapping[str, Any] | None,
    *,
    renew: bool,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Go on in an earlier report of this very model, or begin a new one."""
    empty: dict[str, Any] = {
        "model": asdict(reader.model),
        "recipe_hash": recipe_of(reader),
        "notice": NOTICE,
        "sets": {},
        "locator": {},
        **dict.fromkeys(("known", "leaky", "robustness", "explanations", "morphology", "beside")),
    }
    if document is None:
        return empty
    if document.get("model") == empty["model"]:
        kept = empty | {key: document[key] for key in empty if key in document}
        whole = {name: one for name, one in kept["sets"].items() if "prediction_sets" in one}
        return kept | {"recipe_hash": empty["recipe_hash"], "sets": whole}
    other = document.get("model") or {}
    if renew:
        raise OtherModelError(
            f"The report is of {other.get('name')} {other.get('version')} "
            f"({str(other.get('sha256'))[:12]}), not of the model that reads; run without --only, "
            "or choose another --output."
        )
    tell("The report was of another model; a new one is begun.")
    return empty
