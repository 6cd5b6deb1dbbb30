"""Batches across requests: what many threads ask of a network at once goes through it together.

On a processor the cost of a batch grows with its size, so that nothing is gained and the cores are
better used by several threads side by side (docs/performance.md). A graphics card takes thirty
cells in about the time of one: there requests gather while the batch before theirs is under way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hematovision.gathering import Gathering
from hematovision.vision.runtime import Network, Runs

Pictures: TypeAlias = NDArray[np.uint8]
Answers: TypeAlias = list[NDArray[np.float32]]
Asked: TypeAlias = tuple[tuple[int, ...], tuple[int, ...] | None]
"""The shape of one picture, and the outputs that are wanted: what agrees in both goes together."""


@dataclass(slots=True)
class BatchedNetwork:
    """A network whose calls at the same time become one.

    Attributes:
        network: Runs the batches, one at a time.
    """

    network: Runs
    _gatherings: dict[Asked, Gathering[Pictures, Answers]] = field(default_factory=dict)

    @property
    def outputs(self) -> int:
        """How many outputs the network has."""
        return self.network.outputs

    def __call__(self, pictures: Pictures, *, outputs: Sequence[int] | None = None) -> Answers:
        """Run the network, together with whoever else asks meanwhile.

        Args:
            pictures: Shape (N, height, width, 3), RGB, 0-255.
            outputs: Places, from 0, of the outputs that are wanted; all when left out.

        Returns:
            The outputs in the order asked for, or all in the network's own.
        """
        asked = pictures.shape[1:], None if outputs is None else tuple(outputs)
        if asked not in self._gatherings:
            # Of two at once one stays.
            self._gatherings.setdefault(asked, Gathering(self._run(asked[1]), size_of=len))
        return self._gatherings[asked].do(pictures)

    def _run(self, outputs: Sequence[int] | None) -> Callable[[Sequence[Pictures]], list[Answers]]:
        def run(lots: Sequence[Pictures]) -> list[Answers]:
            answers = self.network(np.concatenate(lots), outputs=outputs)
            ends = np.cumsum([len(lot) for lot in lots])[:-1]
            by_lot: Any = zip(*(np.split(answer, ends) for answer in answers), strict=True)
            return [list(lot) for lot in by_lot]

        return run


def open_network(path: Path, *, threads: int = 0) -> Network | BatchedNetwork:
    """Load a network; on a graphics card what is asked at once goes through it together.

    Args:
        path: An ONNX file with one input.
        threads: Threads one call may use; 0 takes every core.

    Raises:
        ModelDamagedError: If the file is no network that can be run.
    """
    network = Network(path, threads=threads)
    return BatchedNetwork(network) if network.on_card else network
