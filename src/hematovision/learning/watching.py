"""What lies inside of a network while it looks at pictures."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

Maps = dict[str, NDArray[np.float32]]


def open_session(model: onnx.ModelProto, *, threads: int = 0) -> onnxruntime.InferenceSession:
    """Open a network that is in memory."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def watch(
    model: onnx.ModelProto, names: Sequence[str], pictures: Iterable[NDArray[np.uint8]]
) -> Iterator[Maps]:
    """Show a network pictures and look at tensors inside of it.

    Args:
        model: The network; it is not changed.
        names: The tensors.
        pictures: Shape (N, height, width, 3), RGB, uint8 each.

    Yields:
        The tensors by name, for each of the pictures.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    there = {one.name for one in copy.graph.output}
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if name not in there:
            copy.graph.output.append(
                onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
            )
    session = open_session(copy)
    entry = session.get_inputs()[0].name
    for some in pictures:
        yield dict(zip(wanted, session.run(wanted, {entry: some.astype(np.float32)}), strict=True))
