"""The messages of the Open Inference Protocol V2 over gRPC, made without generated code.

protobuf is loaded when the first message is made; it comes with the extra `scale`.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from numpy.typing import NDArray

from hematovision.vision.open_inference import (
    UNREADABLE,
    VERSION,
    MessageError,
    Wanted,
    array_of,
    type_of,
)

SERVICE = "inference.GRPCInferenceService"
METHODS = (
    "ServerLive",
    "ServerReady",
    "ModelReady",
    "ServerMetadata",
    "ModelMetadata",
    "ModelInfer",
)
"""Each takes the message of its name and `Request`, and gives that of its name and `Response`."""

DESCRIPTORS = Path(__file__).with_name("open_inference.binpb")
"""Made of open_inference.proto, which says how."""

_CONTENTS = {"UINT8": "uint_contents", "FP32": "fp32_contents"}


@cache
def messages() -> SimpleNamespace:
    """Give the classes of the protocol's messages by name, such as `ModelInferRequest`.

    They are made when first asked for, in a pool of their own: another program of this process may
    bring the same names.

    Raises:
        ImportError: If protobuf is not installed.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    files = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return SimpleNamespace(
        **{
            message.name: message_factory.GetMessageClass(
                pool.FindMessageTypeByName(f"{file.package}.{message.name}")
            )
            for file in files.file
            for message in file.message_type
        }
    )


def fill_request(
    model: str, arrays: Mapping[str, NDArray[Any]], outputs: Sequence[str] = ()
) -> Any:
    """Make a `ModelInferRequest`.

    Args:
        model: The name of the network.
        arrays: The inputs by name, uint8 or float32.
        outputs: The names of the outputs that are wanted; all when empty.
    """
    request = messages().ModelInferRequest(model_name=model)
    for name in outputs:
        request.outputs.add(name=name)
    _fill(request.inputs, request.raw_input_contents, arrays)
    return request


def read_request(request: Any) -> tuple[dict[str, NDArray[Any]], Wanted]:
    """Read a `ModelInferRequest`.

    Returns:
        The inputs by name, and what is wanted.

    Raises:
        MessageError: If its tensors are not of uint8 or float32, or not of the size they say.
    """
    arrays = _read(request.inputs, request.raw_input_contents)
    return arrays, Wanted(tuple(output.name for output in request.outputs))


def fill_response(model: str, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Make a `ModelInferResponse` of outputs by name, uint8 or float32."""
    response = messages().ModelInferResponse(model_name=model, model_version=VERSION)
    _fill(response.outputs, response.raw_output_contents, arrays)
    return response


def read_response(response: Any) -> dict[str, NDArray[Any]]:
    """Read a `ModelInferResponse`.

    Returns:
        The outputs by name.

    Raises:
        MessageError: If its tensors are not of uint8 or float32, or not of the size they say.
    """
    return _read(response.outputs, response.raw_output_contents)


def _fill(tensors: Any, raw: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    for name, array in arrays.items():
        tensors.add(name=name, datatype=type_of(array), shape=array.shape)
        raw.append(array.tobytes())


def _read(tensors: Any, raw: Any) -> dict[str, NDArray[Any]]:
    if raw and len(raw) != len(tensors):
        raise MessageError(f"{len(tensors)} tensors have the bytes of {len(raw)}.")
    try:
        arrays = {
            tensor.name: array_of(
                raw[place] if raw else list(getattr(tensor.contents, _CONTENTS[tensor.datatype])),
                tensor.datatype,
                tensor.shape,
            )
            for place, tensor in enumerate(tensors)
        }
    except UNREADABLE as error:
        raise MessageError(f"The tensors cannot be understood: {error}") from error
    if len(arrays) != len(tensors):
        raise MessageError("There are two tensors of one name.")
    return arrays
