"""The adapter measured on JTSC, with models that are thrown away.

This is the only use of JTSC's labels for fitting; nothing of it is ever written.
"""

import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from hematovision.learning import Track
from hematovision.learning.adapting import (
    adapt_without_labels,
    logits_and_features,
    open_network,
)
from hematovision.learning.calibration import fit_calibration
from hematovision.learning.crops import locate_middle, plain_crops
from hematovision.learning.datasets import jtsc_cells
from hematovision.learning.protocol import FOUR
from hematovision.learning.refining import cross_validate, refine_head
from hematovision.learning.sites import MOST_LABELLED, Site, read_home
from hematovision.vision.bundle import LOCATOR_FILE, Bundle, read_bundle
from hematovision.vision.classifying import softmax
from hematovision.vision.runtime import Network

log = logging.getLogger(__name__)


def adapt_trials(
    folder: Path, data: Path, *, draws: int, seed: int, track: Track
) -> dict[str, Any]:
    """Adapt to JTSC without labels, and with 100 labelled cells again and again.

    Each cell is the one in the middle of its picture, forced to the best of the four types.

    Args:
        folder: The model to adapt.
        data: The folder of the sets.
        draws: How often labelled cells are drawn, each type in its share.
        seed: Of the draws.
        track: Shows how far it is.

    Returns:
        Accuracy and balanced accuracy before and after, on all cells without labels, on the cells
        not drawn with labels; of several draws mean, least and greatest.

    Raises:
        DataMissingError: If a set is not there.
    """
    bundle = read_bundle(folder)
    locator = Network(folder / LOCATOR_FILE)
    cells = locate_middle(jtsc_cells(data), locator=locator, rule=bundle.locator)
    labels = np.asarray([bundle.classes.index(cell.cell_type) for cell in cells])
    site = Site(plain_crops(cells, bundle.crop), len(cells), 0, 0)
    log.info("Cutting out home cells")
    home = read_home(data, bundle, locator=locator)
    network = open_network(bundle)
    accepted, numbers, objections = adapt_without_labels(network, bundle, site, home)
    adapted = accepted.network if accepted else network
    said = {name: _ask(one, site) for name, one in (("before", network), ("after", adapted))}
    return {
        "set": "jtsc",
        "model": bundle.identity.sha256,
        "without_labels": {
            "accepted": accepted is not None,
            "objections": list(objections),
            **{name: _score(logits, labels, bundle) for name, (logits, _) in said.items()},
            "judged_by": numbers,
        },
        "with_labels": _draw_labels(
            *said["after"], labels, bundle, before=said["before"][0], draws=draws, seed=seed
        ),
    }


def _ask(network: keras.Model, site: Site) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return logits_and_features(network, site.crops)


def _draw_labels(
    logits: NDArray[np.float32],
    features: NDArray[np.float32],
    labels: NDArray[np.intp],
    bundle: Bundle,
    *,
    before: NDArray[np.float32],
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """Refine the head on `MOST_LABELLED` drawn cells, and score it on the others."""
    generator = np.random.default_rng(seed)
    scores = []
    for _ in range(draws):
        taught = _draw(labels, generator)
        change = refine_head(logits[taught], features[taught], labels[taught])
        held_out = cross_validate(logits[taught], features[taught], labels[taught])
        temperature, bias = fit_calibration(
            held_out.astype(np.float32),
            labels[taught],
            ["site"] * int(taught.sum()),
            [str(i) for i in range(int(taught.sum()))],
        )
        after = change(logits[~taught], features[~taught]) / temperature + bias
        scores.append(
            {
                "before": _score(before[~taught], labels[~taught], bundle),
                "after": _score(after, labels[~taught], bundle),
            }
        )
    return {
        "labelled": MOST_LABELLED,
        "others": len(labels) - MOST_LABELLED,
        "draws": draws,
        **{
            name: {
                measure: _mean_and_range([score[name][measure] for score in scores])
                for measure in scores[0][name]
            }
            for name in ("before", "after")
        },
    }


def _draw(labels: NDArray[np.intp], generator: np.random.Generator) -> NDArray[np.bool_]:
    """Draw `MOST_LABELLED` cells, each type in its share; shape (N,)."""
    order = generator.permutation(len(labels))
    ranks = np.empty(len(labels))
    for kind in np.unique(labels):
        cells = order[labels[order] == kind]
        ranks[cells] = (np.arange(len(cells)) + 0.5) / len(cells)
    drawn = np.zeros(len(labels), np.bool_)
    drawn[np.argsort(ranks, kind="stable")[:MOST_LABELLED]] = True
    return drawn


def _score(
    logits: NDArray[np.floating], labels: NDArray[np.intp], bundle: Bundle
) -> dict[str, float]:
    """Score the best of the four types."""
    four = [bundle.classes.index(kind) for kind in FOUR]
    named = np.asarray(four)[softmax(np.asarray(logits, np.float32))[:, four].argmax(axis=1)]
    recalls = [(named[labels == kind] == kind).mean() for kind in np.unique(labels)]
    return {
        "accuracy": round(float((named == labels).mean()), 4),
        "balanced_accuracy": round(float(np.mean(recalls)), 4),
    }


def _mean_and_range(values: list[float]) -> list[float]:
    return [round(float(np.mean(values)), 4), min(values), max(values)]
