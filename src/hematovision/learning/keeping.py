"""What a run keeps, to go on after a stop: every file is there whole, or not at all."""

from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray


def write_whole(path: Path, text: str) -> None:
    """Write a text."""
    _write(path, lambda file: file.write(text.encode()))


def save_arrays(path: Path, **arrays: NDArray[np.generic]) -> None:
    """Write arrays, compressed, as `numpy.load` reads them."""
    _write(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]


def _write(path: Path, put: Callable[[IO[bytes]], object]) -> None:
    """Write under another name, then give the file its own."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    with unfinished.open("wb") as file:
        put(file)
    unfinished.replace(path)
