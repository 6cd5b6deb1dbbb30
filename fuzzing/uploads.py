"""The way of a picture that somebody sends, as far as it meets hostile bytes."""

from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from hematovision.errors import DecoderCrashedError, DecodingTookTooLongError, HematoVisionError
from hematovision.vision.decoders import Decoder
from hematovision.vision.stripping import strip

MAX_PIXELS = 1_000_000


class WrongError(Exception):
    """A picture was accepted, and what came of it is not what was promised."""


def send(decoder: Decoder, data: bytes, *, max_pixels: int = MAX_PIXELS) -> None:
    """Check a picture's header, decode it, take its metadata out, and decode that.

    Raises:
        HematoVisionError: If it is refused.
        WrongError: If it is accepted, and not whole.
    """
    decoder.check(data, max_pixels=max_pixels)
    photo = decoder.decode(data, max_pixels=max_pixels)
    height, width = photo.shape[:2]
    is_whole = photo.shape == (height, width, 3) and photo.dtype == np.uint8
    if not is_whole or not photo.flags.c_contiguous or not 0 < height * width <= max_pixels:
        raise WrongError(f"{photo.shape} {photo.dtype}")
    stripped = strip(data, photo, decoder)
    if not np.array_equal(decoder.decode(stripped, max_pixels=max_pixels), photo):
        raise WrongError("without its metadata the picture is another")


@dataclass(slots=True)
class Tally:
    """What became of many pictures.

    Attributes:
        outcomes: How many were accepted, or refused by which name, or ended otherwise.
        unhandled: What no sender could act on, by its words, with one picture.
        fatal: Pictures of which a process died, or that took too long; refused by name.
        slowest: Seconds.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    unhandled: dict[str, bytes] = field(default_factory=dict)
    fatal: dict[str, bytes] = field(default_factory=dict)
    slowest: float = 0.0

    def send(self, decoder: Decoder, data: bytes, *, max_pixels: int = MAX_PIXELS) -> None:
        """Send a picture, and count what becomes of it."""
        begin = perf_counter()
        try:
            send(decoder, data, max_pixels=max_pixels)
        except (DecoderCrashedError, DecodingTookTooLongError) as error:
            outcome = error.code()
            self.fatal[f"{outcome} {len(self.fatal)}"] = data
        except HematoVisionError as error:
            outcome = error.code()
        except Exception as error:  # what is looked for
            outcome = "unhandled"
            self.unhandled.setdefault(f"{type(error).__name__}: {error}"[:200], data)
        else:
            outcome = "accepted"
        self.outcomes[outcome] += 1
        self.slowest = max(self.slowest, perf_counter() - begin)

    def add(self, other: "Tally") -> None:
        """Count what another has counted."""
        self.outcomes += other.outcomes
        self.unhandled |= other.unhandled
        self.fatal |= other.fatal
        self.slowest = max(self.slowest, other.slowest)
