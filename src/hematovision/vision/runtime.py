"""The engine that multiplies: ONNX Runtime."""

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
            raise ModelDamagedError(f"{path} is not a network that can be run.") from error
        self._input = self._session.get_inputs()[0].name

    def __call__(self, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run the network.

        Args:
            pictures: Shape (N, height, width, 3), RGB, 0-255.

        Returns:
            The network's outputs, in its own order.
        """
        outputs: list[NDArray[np.float32]] = self._session.run(
            None, {self._input: pictures.astype(np.float32)}
        )
        return outputs
