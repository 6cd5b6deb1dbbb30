"""Which pictures are worth comparing: every landmark votes for the picture of its nearest."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hematovision.learning.landmarks import Landmarks, comparable, mirrored

DEPTH = 64
A_WORD = 400
"""Landmarks that share one rough look, in the mean, until there are the most words."""

MOST_WORDS = 2048

SAMPLE = 60_000
ROUNDS = 4
AT_ONCE = 8192
FAR = 0.4
"""Squared distance from which a landmark does not vote."""

THREADS = 2
MOST = 6
"""Candidates that a picture may name."""

Floats = NDArray[np.float32]


def vote(
    pictures: Sequence[Landmarks],
    *,
    askers: int | None = None,
    groups: Sequence[int] | None = None,
    most: int = MOST,
    seed: int = 0,
) -> list[tuple[int, int]]:
    """Give pairs of pictures that may show the same, those with the most votes first.

    Every landmark of a picture, and of the mirrored picture, votes for the picture of its nearest
    landmark elsewhere. An inverted file of rough looks keeps the search short (Sivic and
    Zisserman, Video Google, 2003).

    Args:
        pictures: All of them.
        askers: The first so many ask the others; None lets every picture ask every other.
        groups: One a picture; those of one group do not vote for each other.
        most: Candidates that a picture may name.
        seed: Of the sample from which the rough looks are learnt.

    Returns:
        Pairs of indices, the smaller first, each pair once.
    """
    looks = np.concatenate([one.looks for one in pictures])
    owner = np.repeat(np.arange(len(pictures)), [len(one.looks) for one in pictures])
    if not len(looks):
        return []
    press = _Press(looks, seed)
    asking = np.arange(len(looks)) if askers is None else np.flatnonzero(owner < askers)
    asked = np.arange(len(looks)) if askers is None else np.flatnonzero(owner >= askers)
    kept = press(looks)
    questions = np.concatenate([kept[asking], press(mirrored(looks[asking]))])
    owners = np.concatenate([owner[asking], owner[asking]])
    group = np.asarray(range(len(pictures)) if groups is None else groups, np.intp)
    nearest, distance = _nearest_of_others(
        questions, group[owners], kept[asked], group[owner[asked]], press.words
    )
    nearest = owner[asked][nearest]
    near = distance < FAR
    keys = owners[near] * len(pictures) + nearest[near]
    pairs, place = np.unique(keys, return_inverse=True)
    votes = np.bincount(place, FAR - distance[near])
    return _best(pairs // len(pictures), pairs % len(pictures), votes, most)


class _Press:
    """Makes looks shorter, and knows the rough looks among them."""

    def __init__(self, looks: NDArray[np.uint8], seed: int) -> None:
        """Learn main directions and rough looks from a sample."""
        drawn = np.random.default_rng(seed).permutation(len(looks))[:SAMPLE]
        sample = comparable(looks[drawn])
        self._middle = sample.mean(axis=0)
        around = sample - self._middle
        self._axes = np.linalg.eigh(around.T @ around)[1][:, ::-1][:, :DEPTH].astype(np.float32)
        self.words = _rough_looks(
            around @ self._axes, int(np.clip(len(looks) // A_WORD, 1, MOST_WORDS))
        )

    def __call__(self, looks: NDArray[np.uint8]) -> Floats:
        """Give looks of shape (N, 128) as (N, DEPTH)."""
        parts = [
            (comparable(looks[start : start + AT_ONCE]) - self._middle) @ self._axes
            for start in range(0, len(looks), AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, DEPTH), np.float32)


def _rough_looks(sample: Floats, number: int) -> Floats:
    """Find centres of a sample (Lloyd's algorithm, a few rounds): shape (number, DEPTH)."""
    centres = sample[:number].copy()
    for _ in range(ROUNDS):
        nearest = _nearest(sample, centres)
        counts = np.bincount(nearest, minlength=len(centres))
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, sample)
        moved = sums / np.maximum(counts, 1)[:, None]
        centres = np.where(counts[:, None] > 0, moved, centres)
    return centres


def _nearest(looks: Floats, centres: Floats) -> NDArray[np.intp]:
    """Give the nearest centre of each look."""
    lengths = (centres**2).sum(axis=1)
    parts = [
        (2 * looks[start : start + AT_ONCE] @ centres.T - lengths).argmax(axis=1)
        for start in range(0, len(looks), AT_ONCE)
    ]
    return np.concatenate(parts)


def _nearest_of_others(
    questions: Floats,
    groups: NDArray[np.intp],
    kept: Floats,
    kept_groups: NDArray[np.intp],
    words: Floats,
) -> tuple[NDArray[np.intp], Floats]:
    """Give, for each look, the nearest of another group and the same word, and how far it is.

    Returns:
        Its place among those kept, and the squared distance: shape (N,) each.
    """
    found = np.zeros(len(questions), np.intp)
    distance = np.full(len(questions), np.inf, np.float32)
    askers, answers = (_by_word(_nearest(some, words), len(words)) for some in (questions, kept))

    def ask(word: int) -> None:
        asking, known = askers[word], answers[word]
        if not len(asking) or not len(known):
            return
        one, other = questions[asking], kept[known]
        apart = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
        apart[groups[asking][:, None] == kept_groups[known]] = np.inf
        best = apart.argmin(axis=1)
        found[asking] = known[best]
        distance[asking] = apart[np.arange(len(asking)), best]

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(ask, range(len(words))))
    return found, distance


def _by_word(words: NDArray[np.intp], number: int) -> list[NDArray[np.intp]]:
    """Sort the places of looks by their word."""
    order = np.argsort(words, kind="stable")
    return np.split(order, np.searchsorted(words[order], np.arange(1, number)))


def _best(
    one: NDArray[np.intp], other: NDArray[np.intp], votes: NDArray[Any], most: int
) -> list[tuple[int, int]]:
    """Keep the candidates of each picture that have the most votes."""
    named: dict[int, int] = {}
    pairs: dict[tuple[int, int], float] = {}
    for i in np.argsort(-votes, kind="stable"):
        asker, answer = int(one[i]), int(other[i])
        if named.get(asker, 0) < most:
            named[asker] = named.get(asker, 0) + 1
            pairs.setdefault((min(asker, answer), max(asker, answer)), float(votes[i]))
    return list(pairs)
