"""The engine that multiplies: ONNX Runtime, on a graphics card where there is one.

It is loaded with the first network: a process that asks a server for inference never does.
"""

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hematovision.errors import ModelDamagedError
from hematovision.machine import cores

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
CUDA_OPTIONS = {"use_tf32": "0"}
"""TF32 keeps ten bits of a number: answers would be equal to 1e-2, not to 1e-4."""


def choose_providers(offered: Collection[str]) -> list[list[Any]]:
    """Say what is tried in turn until a network loads, each a list of providers of ONNX Runtime.

    Args:
        offered: The providers that this ONNX Runtime was built with.
    """
    on_card = [[(CUDA, CUDA_OPTIONS), CPU]] if CUDA in offered else []
    return [*on_card, [CPU]]


def load_engine() -> Any:
    """Load ONNX Runtime, which tells its maker how it is used unless it is told not to."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime


class Runs(Protocol):
    """A network, in the process or on a server."""

    @property
    def outputs(self) -> int:
        """How many outputs it has."""
        ...

    def __call__(
        self, pictures: NDArray[np.uint8], *, outputs: Sequence[int] | None = None
    ) -> list[NDArray[np.float32]]:
        """Run it on pictures of shape (N, height, width, 3), RGB; `outputs` are places from 0."""
        ...


class Network:
    """One network, loaded once, safe to call from many threads."""

    def __init__(
        self, path: Path, *, threads: int = 0, offered: Collection[str] | None = None
    ) -> None:
        """Load a network.

        Args:
            path: An ONNX file with one input.
            threads: Threads one call may use; 0 takes every core.
            offered: The providers that may be tried; those of this ONNX Runtime when left out.

        Raises:
            ModelDamagedError: If the file is no network that can be run.
        """
        onnxruntime = load_engine()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads would take the cores from other requests between two calls.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if offered is None:
            offered = onnxruntime.get_available_providers()
        failure: Exception | None = None
        for providers in choose_providers(offered):
            try:
                self._session = onnxruntime.InferenceSession(path, options, providers=providers)
                break
            except Exception as error:
                # A card without its driver must not stop what the processor can do.
                failure = error
        else:
            raise ModelDamagedError(
                "%(path)s is not a network that can be run.", path=path
            ) from failure
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    @property
    def on_card(self) -> bool:
        """Whether a graphics card multiplies."""
        return CUDA in self._session.get_providers()

    @property
    def outputs(self) -> int:
        """How many outputs the network has."""
        return len(self._outputs)

    def __call__(
        self, pictures: NDArray[np.uint8], *, outputs: Sequence[int] | None = None
    ) -> list[NDArray[np.float32]]:
        """Run the network.

        Args:
            pictures: Shape (N, height, width, 3), RGB, 0-255.
            outputs: Places, from 0, of the outputs that are wanted; all when left out.

        Returns:
            The outputs in the order asked for, or all in the network's own.
        """
        names = None if outputs is None else [self._outputs[place] for place in outputs]
        answers: list[NDArray[np.float32]] = self._session.run(
            names, {self._input: pictures.astype(np.float32)}
        )
        return answers
