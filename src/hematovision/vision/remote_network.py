"""A network that runs on a server, in the place of one that runs in the process."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hematovision.vision.attempts import Line, NoAnswerError
from hematovision.vision.open_inference import CLASSIFIER_OUTPUTS, LOCATOR_OUTPUTS
from hematovision.vision.remote import Arrays, InferenceServer

Shape: TypeAlias = tuple[int | None, ...]
"""Of an output; None where any length will do."""
Expect: TypeAlias = Callable[[tuple[int, ...]], Mapping[str, Shape]]
"""Says of pictures of a shape what shape each output has."""

STRIDE = 8
MOST_OF_CELLS = 1e6
MOST_OF_BOXES = 20.0
"""No number is larger, in either direction: beyond lies what would overflow in what follows. Of the
photos here no output of the locator is above 4."""


@dataclass(slots=True)
class RemoteNetwork:
    """One network on a server; its answers are checked, and safe to be asked for by many threads.

    Attributes:
        server: Where it runs.
        line: The way there.
        model: What it is called there.
        names: Of its outputs, in the network's own order.
        expect: Says which shape each has.
        most: No number of its answers is larger, in either direction.
        known: How many outputs it has; None where the server must be asked.
    """

    server: InferenceServer
    line: Line
    model: str
    names: Sequence[str]
    expect: Expect
    most: float
    known: int | None = None
    _found: int = field(default=0, init=False)

    @property
    def outputs(self) -> int:
        """How many outputs the network has.

        Raises:
            InferenceAwayError: If nobody says.
            InferenceWrongError: If what is said is no answer.
        """
        if self.known is None:
            self._found = self._found or self.line.ask(self._count)
        return self.known or self._found

    def __call__(
        self, pictures: NDArray[np.uint8], *, outputs: Sequence[int] | None = None
    ) -> list[NDArray[np.float32]]:
        """Run the network.

        Args:
            pictures: Shape (N, height, width, 3), RGB, 0-255.
            outputs: Places, from 0, of the outputs that are wanted; all when left out.

        Returns:
            The outputs in the order asked for, or all in the network's own.

        Raises:
            InferenceAwayError: If nobody answers.
            InferenceWrongError: If what is answered is no answer of this network.
        """
        places = range(self.outputs) if outputs is None else outputs
        names = [self.names[place] for place in places]
        shapes = self.expect(pictures.shape)

        def ask(seconds: float) -> list[NDArray[np.float32]]:
            arrays = self.server.infer(self.model, pictures, names, seconds=seconds)
            return [self._checked(arrays, name, shapes[name]) for name in names]

        return self.line.ask(ask)

    def check(self, *, seconds: float) -> None:
        """Insist that the server has it and would run it.

        Raises:
            NoAnswerError: If it does not.
        """
        self.server.insist_on(self.model, seconds=seconds)

    def _count(self, seconds: float) -> int:
        """Count the outputs that are known here, in their order."""
        served = set(self.server.outputs_of(self.model, seconds=seconds))
        number = 0
        while number < len(self.names) and self.names[number] in served:
            number += 1
        if not number:
            raise NoAnswerError.wrong("the network has none of the outputs of this model")
        return number

    def _checked(self, arrays: Arrays, name: str, shape: Shape) -> NDArray[np.float32]:
        """Believe an output that is one of this network."""
        array = arrays.get(name)
        if array is None or array.dtype != np.float32:
            raise NoAnswerError.wrong(f"the answer has no {name} of FP32")
        sides = zip(array.shape, shape, strict=False)
        if array.ndim != len(shape) or any(is_wrong(*side) for side in sides):
            raise NoAnswerError.wrong(f"the answer has {name} of shape {array.shape}")
        # Of what is no number no comparison is true.
        if not (np.abs(array) <= self.most).all():
            raise NoAnswerError.wrong(f"the answer has {name} that cannot be")
        return array


def is_wrong(side: int, wanted: int | None) -> bool:
    """Tell whether a side of an output has another length than it must have."""
    return side != wanted if wanted is not None else side == 0


def expect_cells(types: int, features: int | None, attributes: int) -> Expect:
    """Say what a classifier gives of N cells.

    Args:
        types: That it tells apart.
        features: Of its pooler; None where nobody knows.
        attributes: Values of all attributes.
    """

    def expect(shape: tuple[int, ...]) -> Mapping[str, Shape]:
        outputs: Sequence[Shape] = (
            (shape[0], types),
            (shape[0], features),
            (shape[0], None, None, types),
            (shape[0], attributes),
        )
        return dict(zip(CLASSIFIER_OUTPUTS, outputs, strict=True))

    return expect


def expect_views(shape: tuple[int, ...]) -> Mapping[str, Shape]:
    """Say what a locator gives of N views."""
    places = (shape[0], shape[1] // STRIDE, shape[2] // STRIDE)
    return dict(zip(LOCATOR_OUTPUTS, ((*places, 3), (*places, 4)), strict=True))
