"""What a request for inference may ask for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hematovision.vision.open_inference import PICTURES
from hematovision.vision.served import FREE, VIEW_STEP, Served, Tensor


class RefusedError(Exception):
    """A request that is not answered as it asks.

    Attributes:
        status: Of HTTP.
    """

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        """Say why."""
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for, and how many may wait.

    Attributes:
        bytes: Of a request.
        pixels: Of all pictures of a request, and of one run.
        side: Of a view, in pixels.
        waiting: Requests that are inside at once; others are told to come again.
    """

    bytes: int = 16 * 2**20
    pixels: int = 2**22
    side: int = 1024
    waiting: int = 64


def check_outputs(network: Served, outputs: Sequence[str]) -> None:
    """Insist that a network has the outputs that are asked for.

    Raises:
        RefusedError: If it has not.
    """
    known = [output.name for output in network.outputs]
    unknown = [name for name in outputs if name not in known]
    if unknown:
        raise RefusedError(
            HTTPStatus.BAD_REQUEST,
            f"{network.name} has no output {unknown[0]!r}, but {', '.join(known)}.",
        )


def checked_pictures(
    tensor: Tensor, arrays: Mapping[str, NDArray[Any]], limits: Limits
) -> NDArray[np.uint8]:
    """Give the one input, if it is one that the network can be run on.

    Returns:
        Shape (N, height, width, 3), RGB, uint8.

    Raises:
        RefusedError: If it is another, or too large.
    """
    pictures = arrays.get(PICTURES)
    if pictures is None or len(arrays) > 1 or pictures.dtype != np.uint8:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"The one input is {PICTURES!r}, of UINT8.")
    sides = pictures.shape[1:]
    if len(sides) != len(tensor.shape) or not pictures.size or not _fits(sides, tensor.shape):
        raise RefusedError(
            HTTPStatus.BAD_REQUEST,
            f"{PICTURES!r} has the shape {[FREE, *tensor.shape]}, not {list(pictures.shape)}; "
            f"sides of {FREE} are multiples of {VIEW_STEP}.",
        )
    if max(sides) > max(limits.side, *tensor.shape):
        raise RefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"A view has sides of at most {limits.side} pixels.",
        )
    if pictures.size // 3 > limits.pixels:
        raise RefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The pictures of a request have at most {limits.pixels} pixels together.",
        )
    return pictures


def _fits(sides: Sequence[int], wanted: Sequence[int]) -> bool:
    return all(
        side % VIEW_STEP == 0 if one == FREE else side == one
        for side, one in zip(sides, wanted, strict=True)
    )
