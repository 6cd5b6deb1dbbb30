"""A model fitted to another microscope, kept only where it is better."""

import logging
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from hematovision.cells import CellType
from hematovision.errors import ModelMissingError
from hematovision.learning import LearningError, Track
from hematovision.learning.calibration import fit_calibration
from hematovision.learning.export import check_parity, export_classifier, write_bundle
from hematovision.learning.normalising import align_normalisation, normalising_part
from hematovision.learning.refining import HeadChange, cross_validate, refine_head
from hematovision.learning.sites import (
    Home,
    Labelled,
    Site,
    mixed_as,
    read_home,
    read_labelled,
    read_site,
)
from hematovision.learning.stability import (
    agreement,
    collapsed,
    limits_of_share,
    shares,
    variants,
)
from hematovision.vision.bundle import (
    CLASSIFIER_FILE,
    KERAS_FILE,
    KNOWN_FILE,
    LOCATOR_FILE,
    Bundle,
    read_bundle,
)
from hematovision.vision.classifying import softmax
from hematovision.vision.knowing import load_knower
from hematovision.vision.runtime import Network

SHARES = (0.6, 0.3, 0.15, 0.08)
"""How far normalisation is moved; the first that is accepted is kept."""

MOST_MOVED = 384
MOST_WATCHED = 160
"""Cells whose normalisation is measured, and those whose names are watched under changes."""

HOME_MAY_FALL = 0.01
BATCH = 32
PARITY_CROPS = 32
NOT_OF_A_SITE = {
    "crop",
    "locator",
    "files",
    "metrics",
    "parity_largest_difference",
    "temperature_folded_into_head",
}
"""What `bundle.json` says of the old networks alone."""

log = logging.getLogger(__name__)


class AdaptationRefusedError(LearningError):
    """The adapted model is not better; nothing is written. The message has the numbers."""


class OutputExistsError(LearningError):
    """The folder to write is there already; nothing is overwritten."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an adapted model did to home and site.

    Attributes:
        numbers: Before and after, as JSON.
        objections: Why it is refused, a sentence each; empty where it is accepted.
    """

    numbers: dict[str, Any]
    objections: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Adapted:
    """A network that was accepted, and what speaks for it.

    Attributes:
        network: Ends in probabilities.
        numbers: Before and after, as JSON.
    """

    network: keras.Model
    numbers: dict[str, Any]


def open_network(bundle: Bundle) -> keras.Model:
    """Open the Keras twin of the network that reads.

    Raises:
        ModelMissingError: If it is not in the folder.
    """
    path = bundle.folder / KERAS_FILE
    if not path.is_file():
        raise ModelMissingError("%(path)s is missing; the adapter starts from it.", path=path)
    return keras.models.load_model(path, compile=False)


def in_one_view(network: keras.Model) -> keras.Model:
    """Build the network that looks at a crop once: quicker, for comparing two networks.

    Returns:
        A model from (N, size, size, 3), 0-255, to probabilities (N, C), of the same layers and
        with the same head.
    """
    part = normalising_part(network)
    if part is network:
        return network
    head = network.get_layer("logits")
    logits = keras.layers.Dense(head.units, activation="softmax", name="predictions")
    pooled = keras.layers.GlobalAveragePooling2D(name="pooler")(part.output)
    seen_once = keras.Model(part.inputs[0], logits(pooled))
    logits.set_weights(head.get_weights())
    return seen_once


def probabilities_of(network: keras.Model, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Ask a network for probabilities, shape (N, C)."""
    said: NDArray[np.float32] = network.predict(
        crops.astype(np.float32), batch_size=BATCH, verbose=0
    )
    return said


class Watch:
    """Judges networks by what they say of home cells and of a site's cells without labels."""

    def __init__(self, network: keras.Model, bundle: Bundle, site: Site, home: Home) -> None:
        """Ask the old network, with whose answers others are compared.

        Args:
            network: The old one.
            bundle: Its classes and crop rule.
            site: The cells of the new microscope.
            home: Labelled cells of the microscopes that were learnt from.
        """
        self._classes, self._home = bundle.classes, home
        self._crops = site.crops[:: max(1, -(-len(site.crops) // MOST_WATCHED))]
        self._views = list(variants(self._crops, bundle.crop))
        self.before = self._measure(network)

    def judge(self, network: keras.Model) -> Judgement:
        """Compare a network with the old one."""
        before, after = self.before, self._measure(network)
        cells = len(self._crops)
        objections = []
        fall = before["home"]["all"][0] - after["home"]["all"][0]
        if fall > HOME_MAY_FALL:
            objections.append(
                f"the score on home cells falls from {before['home']['all'][0]:.1%} to "
                f"{after['home']['all'][0]:.1%}, by more than one point"
            )
        if after["agreement"][0] <= before["agreement"][0]:
            objections.append(
                f"names do not become steadier under changes of stain, light and focus "
                f"({before['agreement'][0]:.1%} before, {after['agreement'][0]:.1%} after)"
            )
        for kind in collapsed(before["shares"], after["shares"], cells):
            objections.append(
                f"{kind} almost vanishes ({before['shares'][kind]:.1%} of the cells before, "
                f"{after['shares'][kind]:.1%} after)"
            )
        return Judgement({"before": before, "after": after}, tuple(objections))

    def _measure(self, network: keras.Model) -> dict[str, Any]:
        """Measure the score on home cells, and steadiness and shares on the site's."""
        network = in_one_view(network)
        said = probabilities_of(network, self._home.held)
        right = said.argmax(axis=1) == self._home.held_labels
        sources = np.asarray(self._home.held_sources)
        home = {"all": limits_of_share(right)} | {
            source: limits_of_share(right[sources == source]) for source in sorted(set(sources))
        }
        said = probabilities_of(network, self._crops)
        named = said.argmax(axis=1)
        kept = agreement(named, self._views, lambda view: probabilities_of(network, view))
        return {
            "home": home,
            "agreement": limits_of_share(kept),
            "shares": shares(named, self._classes),
            "confidence": round(float(said.max(axis=1).mean()), 4),
        }


def adapt_without_labels(
    network: keras.Model, bundle: Bundle, site: Site, home: Home
) -> tuple[Adapted | None, dict[str, Any], tuple[str, ...]]:
    """Fit normalisation to a site, as far as home and steadiness allow.

    Args:
        network: The old one; left as it is.
        bundle: Its classes and crop rule.
        site: The cells of the new microscope.
        home: Labelled cells of the microscopes that were learnt from.

    Returns:
        What was accepted, or None; the numbers of the last candidate; the objections to it.
    """
    log.info("Measuring the model as it is")
    watch = Watch(network, bundle, site, home)
    cells = site.crops[:: max(1, -(-len(site.crops) // MOST_MOVED))]
    mixture = type_mixture(probabilities_of(in_one_view(network), cells), bundle.classes)
    judgement = Judgement({}, ())
    for share in SHARES:
        log.info("Moving normalisation by %.0f %%", 100 * share)
        candidate = moved_network(network, home, cells, mixture, share)
        judgement = watch.judge(candidate)
        numbers = {"normalisation_share": share, **judgement.numbers}
        if not judgement.objections:
            return Adapted(candidate, numbers), numbers, ()
        log.info("Not so far: %s", "; ".join(judgement.objections))
    return None, judgement.numbers, judgement.objections


def moved_network(
    network: keras.Model,
    home: Home,
    cells: NDArray[np.uint8],
    mixture: NDArray[np.float64],
    share: float,
) -> keras.Model:
    """Give a copy of a network whose normalisation is moved towards a site's cells."""
    moved = copy_network(network)
    like_site = mixed_as(home, mixture, number=min(len(cells), MOST_MOVED))
    align_normalisation(moved, home=like_site, site=cells, share=share)
    return moved


def type_mixture(
    probabilities: NDArray[np.floating], classes: Sequence[CellType]
) -> NDArray[np.float64]:
    """Estimate how a site's cells are mixed: the mean probability of each named type.

    Moments of a site where most cells are neutrophils are to be compared with those of home cells
    mixed alike, or the mixture would be taken for the stain. *Other* counts nothing: what looks
    foreign before adapting mostly is a cell in a foreign stain.

    Args:
        probabilities: Shape (N, C).
        classes: The order of the columns.

    Returns:
        Shape (C,), summing to one.
    """
    mixture = probabilities.mean(axis=0, dtype=np.float64)
    mixture[[kind is CellType.OTHER for kind in classes]] = 0
    return np.asarray(mixture / mixture.sum())


def adapt_with_labels(network: keras.Model, labelled: Labelled, *, before: keras.Model) -> Adapted:
    """Teach the head, temperature and bias by labelled cells of the site.

    Args:
        network: Changed in place.
        labelled: Cells of the site.
        before: The network to be better than.

    Returns:
        The network, with the cross-validated numbers.

    Raises:
        AdaptationRefusedError: If the cross-validated score is not better.
    """
    crops, labels, groups, _ = labelled
    old = np.log(np.maximum(probabilities_of(before, crops), 1e-12))
    logits, features = logits_and_features(network, crops)
    said = cross_validate(logits, features, labels, groups).astype(np.float32)
    # Judged before temperature and bias, which are fitted to these very answers.
    numbers = compare(old, said, labels)
    if numbers["after"]["right"][0] <= numbers["before"]["right"][0]:
        raise AdaptationRefusedError(
            f"Refused: of the {len(labels)} labelled cells {_limits(numbers['before']['right'])} "
            f"are right before and {_limits(numbers['after']['right'])} after, cross-validated; "
            "nothing was written. Give more labelled cells, or check their labels."
        )
    fields = range(len(labels)) if groups is None else groups.tolist()
    temperature, bias = fit_calibration(
        said, labels, ["site"] * len(labels), list(map(str, fields))
    )
    change = refine_head(logits, features, labels, groups)
    change_head(network, change, temperature=temperature, bias=bias)
    return Adapted(network, numbers | {"temperature": temperature, "bias": bias.tolist()})


def logits_and_features(
    network: keras.Model, crops: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Ask a network for logits (N, C) and the features (N, D) that its head sees."""
    layers = [network.get_layer(name).output for name in ("logits", "pooler")]
    logits, features = keras.Model(network.inputs[0], layers).predict(
        crops.astype(np.float32), batch_size=BATCH, verbose=0
    )
    return logits, features


def change_head(
    network: keras.Model, change: HeadChange, *, temperature: float, bias: NDArray[np.float64]
) -> None:
    """Add a change to the linear head, and fold temperature and bias into it."""
    kernel, offset = network.get_layer("logits").get_weights()
    shape = kernel.shape
    kernel = (kernel.reshape(change.kernel.shape) + change.kernel) / temperature
    offset = (offset + change.bias) / temperature + bias
    network.get_layer("logits").set_weights([kernel.reshape(shape), offset])


def compare(
    before: NDArray[np.floating], after: NDArray[np.floating], labels: NDArray[np.intp]
) -> dict[str, Any]:
    """Score two models on the same labelled cells, with 95 % limits over pictures.

    Args:
        before: Logits, shape (N, C).
        after: Logits of the other, cross-validated, the same shape.
        labels: Shape (N,).
    """
    scored = {}
    for name, logits in (("before", before), ("after", after)):
        chances = softmax(np.asarray(logits, np.float32))
        right = chances.argmax(axis=1) == labels
        surprise = -np.log(np.maximum(chances[np.arange(len(labels)), labels], 1e-12))
        scored[name] = {
            "right": limits_of_share(right),
            "balanced": round(float(np.mean([right[labels == k].mean() for k in set(labels)])), 4),
            "surprise": limits_of_share(surprise),
        }
    gain = (after.argmax(axis=1) == labels) * 1.0 - (before.argmax(axis=1) == labels)
    return {"labelled": len(labels), **scored, "gain": limits_of_share(gain)}


def refuse(objections: Sequence[str]) -> AdaptationRefusedError:
    """Say why a model adapted without labels is refused."""
    return AdaptationRefusedError(
        f"Refused: {'; '.join(objections)}. This is of the most careful of "
        f"{len(SHARES)} candidates; nothing was written. The model that reads stays as it is."
    )


def adapt_site(
    folder: Path,
    photos: Sequence[Path],
    *,
    cells: Path | None,
    data: Path | None,
    output: Path,
    name: str,
    track: Track,
) -> dict[str, Any]:
    """Fit the model of a folder to the microscope of some photos, and write it beside.

    Args:
        folder: The model that reads.
        photos: Of the new microscope, without labels.
        cells: A folder of labelled cells of it, a folder a type, if there is one.
        data: The folder of the published sets, if there is one.
        output: The folder to make.
        name: Of the site.
        track: Shows how far it is.

    Returns:
        What was measured.

    Raises:
        ModelMissingError: If there is no whole model folder.
        OutputExistsError: If the folder to make is there already.
        SiteTooSmallError: If there are too few photos or cells.
        SiteLabelsError: If the labelled cells cannot be learnt from.
        DataMissingError: If a set is not in `data`.
        AdaptationRefusedError: If the adapted model is not better, or nothing can tell.
    """
    check_output(output)
    if not data and not cells:
        raise AdaptationRefusedError(
            "Refused: without labelled cells the score on home cells must be checked, and the sets "
            "for it are not there; name their folder with --data, or give labelled cells with "
            "--cells."
        )
    bundle = read_bundle(folder)
    locator = Network(folder / LOCATOR_FILE)
    labelled = read_labelled(cells, bundle, locator=locator) if cells else None
    site = read_site(photos, bundle, locator=locator, track=track)
    if data:
        log.info("Cutting out home cells")
    home = read_home(data, bundle, locator=locator) if data else None
    return adapt_bundle(bundle, site, home=home, labelled=labelled, output=output, name=name)


def adapt_bundle(
    bundle: Bundle,
    site: Site,
    *,
    home: Home | None,
    labelled: Labelled | None,
    output: Path,
    name: str,
) -> dict[str, Any]:
    """Fit a model to a site and write it, or refuse.

    Args:
        bundle: The model that reads.
        site: The cells of the new microscope.
        home: Labelled cells of the microscopes that were learnt from; without them normalisation
            stays as it is.
        labelled: Labelled cells of the site, if there are any.
        output: The folder to make.
        name: Of the site.

    Returns:
        What was measured, as it stands in the new bundle's `site`.

    Raises:
        OutputExistsError: If the folder is there already.
        AdaptationRefusedError: If the adapted model is not better.
    """
    network = open_network(bundle)
    accepted: Adapted | None = None
    record: dict[str, Any] = {"photos": site.photos, "cells": len(site.crops)}
    if home:
        accepted, record["without_labels"], objections = adapt_without_labels(
            network, bundle, site, home
        )
        record["without_labels"] |= {"accepted": accepted is not None}
        if not accepted and not labelled:
            raise refuse(objections)
    adapted = accepted.network if accepted else copy_network(network)
    if labelled:
        log.info("Teaching the head by %d labelled cells", len(labelled.labels))
        record["with_labels"] = adapt_with_labels(adapted, labelled, before=network).numbers
    threshold = known_threshold(bundle, network, adapted, site, home) if home else None
    log.info("Writing the model")
    write_site_bundle(
        adapted,
        bundle,
        output,
        name=name,
        record=record,
        crops=site.crops,
        threshold=threshold,
        learnt_photos=labelled.photos if labelled else (),
    )
    return record


def known_threshold(
    bundle: Bundle, before: keras.Model, after: keras.Model, site: Site, home: Home
) -> float | None:
    """Move the known-or-not threshold with the scores: as many cells are refused as at home.

    Args:
        bundle: The model that reads.
        before: Its network.
        after: The adapted one.
        site: The cells of the new microscope.
        home: Its validation cells of named types say how many are refused.

    Returns:
        The threshold, or None where the model has no such score.
    """
    if bundle.known_threshold is None:
        return None
    knower = load_knower(bundle.folder / KNOWN_FILE)
    named = [i for i, kind in enumerate(bundle.classes) if kind is not CellType.OTHER]
    own = home.held[np.isin(home.held_labels, named)]
    own = own[:: max(1, -(-len(own) // MOST_WATCHED))]
    refused = float((knower(*logits_and_features(before, own)) < bundle.known_threshold).mean())
    foreign = site.crops[:: max(1, -(-len(site.crops) // MOST_WATCHED))]
    logits, features = logits_and_features(after, foreign)
    scores = knower(logits, features)[np.isin(logits.argmax(axis=1), named)]
    if not len(scores):
        return bundle.known_threshold
    return float(np.clip(np.quantile(scores, refused), 0, 1))


def copy_network(network: keras.Model) -> keras.Model:
    """Give a network of its own with the same weights."""
    copy = keras.models.clone_model(network, recursive=True)
    copy.set_weights(network.get_weights())
    return copy


def check_output(output: Path) -> None:
    """Insist on a folder that is not there yet.

    Raises:
        OutputExistsError: If it is.
    """
    if output.exists():
        raise OutputExistsError(f"{output} is there already; name a folder that is not.")


def write_site_bundle(
    network: keras.Model,
    base: Bundle,
    output: Path,
    *,
    name: str,
    record: Mapping[str, Any],
    crops: NDArray[np.uint8],
    threshold: float | None,
    learnt_photos: Sequence[str] = (),
) -> None:
    """Write a model folder beside the one it comes from; whole, or not at all.

    Args:
        network: The adapted classifier.
        base: The bundle it comes from; whatever else lies in its folder is taken over.
        output: The folder to make.
        name: Of the site.
        record: What was measured; kept in `site`.
        crops: Some cells, to compare the network with its ONNX twin on.
        threshold: Of the known-or-not score; the old one stays where there is none.
        learnt_photos: The sha256 of photos that taught it, so that no cell of them judges it.

    Raises:
        OutputExistsError: If the folder is there already.
        ParityError: If the network and its twin do not give one answer.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as beside:
        made = Path(beside) / "made"
        made.mkdir()
        for file in base.files:
            if file not in {CLASSIFIER_FILE, KERAS_FILE}:
                shutil.copyfile(base.folder / file, made / file)
        export_classifier(network, made)
        difference = check_parity(made, crops[:PARITY_CROPS])
        document = {k: v for k, v in base.document.items() if k not in NOT_OF_A_SITE}
        number = (base.document.get("site") or {}).get("number", 0) + 1
        document |= {
            "version": site_version(base.identity.version, name, number),
            "site": {"base": base.identity.sha256, "name": name, "number": number, **record},
            "parity_largest_difference": difference,
        }
        learnt = {*learnt_photos, *(base.document.get("learnt_photos") or ())}
        if learnt:
            document["learnt_photos"] = sorted(learnt)
        if threshold is not None:
            document["known"] = {**document["known"], "threshold": threshold}
        write_bundle(made, crop=base.crop, locator=base.locator, **document)
        check_output(output)
        made.rename(output)


def site_version(version: str, name: str, number: int) -> str:
    """Name a version: `1.0.0+site.NAME.1`, with only what a version may hold."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "site"
    return f"{version.partition('+')[0]}+site.{plain}.{number}"


def _limits(number: Sequence[float]) -> str:
    """Write a share with its limits."""
    value, low, high = number
    return f"{value:.1%} ({low:.1%} to {high:.1%})"
