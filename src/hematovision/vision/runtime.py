"""The engine that multiplies: ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from hematovision.errors import ModelDamagedError


class Network:
    """One network, loaded once, safe to call from many threads."""

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        """Load a network.

        Args:
            path: An ONNX file with one input.
            threads: Threads one call may use; 0 takes every core.

        Raises:
            ModelDamagedError: If the file is no network that can be run.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads would take the cores from other requests between two calls.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise ModelDamagedError(
                "%(path)s is not a network that can be run.", path=path
            ) from error
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

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
