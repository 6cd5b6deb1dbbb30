"""Tensors as the Open Inference Protocol V2 writes them over HTTP: in JSON, or as bytes after it.

https://github.com/kserve/open-inference-protocol, with the extension for binary tensor data. What
came from elsewhere is not believed: it is a tensor of the size that it says, or a `MessageError`.
The same over gRPC is in `open_inference_grpc.py`.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

HEADER_LENGTH = "Inference-Header-Content-Length"
"""The header with the length of the JSON; tensors lie behind it, one after the other."""

PICTURES = "pictures"
"""The input of every network: shape (N, height, width, 3), RGB, uint8."""
CLASSIFIER_OUTPUTS = ("logits", "features", "heat", "morphology")
LOCATOR_OUTPUTS = ("heat", "boxes")
VERSION = "1"

_TYPES: Mapping[str, np.dtype[Any]] = {
    "UINT8": np.dtype("u1"),
    "FP32": np.dtype("<f4"),
}
_MOST_DIMENSIONS = 8
UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What reading strange words may raise."""


class MessageError(Exception):
    """A request or an answer that is none of this protocol, or not of the tensors used here."""


class Wanted(NamedTuple):
    """Which outputs a request asks for, and how they are to be written.

    Attributes:
        names: In the order asked for; all outputs when empty.
        binary: Those that are to be written as bytes.
        otherwise: Whether those that are not named are to be written as bytes.
    """

    names: tuple[str, ...] = ()
    binary: frozenset[str] = frozenset()
    otherwise: bool = False

    def as_bytes(self, name: str) -> bool:
        """Tell whether an output is to be written as bytes."""
        return name in self.binary if name in self.names else self.otherwise


class Served(NamedTuple):
    """What the two networks of a model folder are called where they are served."""

    classifier: str
    locator: str


def served_as(sha256: str) -> Served:
    """Name the networks of a model folder, so that other weights are never asked by mistake.

    Args:
        sha256: The hash of the folder, `Bundle.identity.sha256`.
    """
    return Served(f"blood_cell-{sha256[:12]}", f"locator-{sha256[:12]}")


def pack_request(
    arrays: Mapping[str, NDArray[Any]], outputs: Sequence[str] = (), *, binary: bool = True
) -> tuple[dict[str, str], bytes]:
    """Write a request to `/v2/models/NAME/infer`.

    Args:
        arrays: The inputs by name, uint8 or float32.
        outputs: The names of the outputs that are wanted; all when empty.
        binary: Whether tensors go and come as bytes; JSON otherwise.

    Returns:
        Headers and body.
    """
    inputs, tails = _pack_tensors(arrays, lambda _: binary)
    document: dict[str, Any] = {"inputs": inputs}
    if outputs:
        asked = {"parameters": {"binary_data": True}} if binary else {}
        document["outputs"] = [{"name": name, **asked} for name in outputs]
    elif binary:
        document["parameters"] = {"binary_data_output": True}
    return _pack(document, tails)


def unpack_request(
    headers: Mapping[str, str], body: bytes
) -> tuple[dict[str, NDArray[Any]], Wanted]:
    """Read a request.

    Args:
        headers: Of HTTP, by name, in whatever capitals.
        body: What came.

    Returns:
        The inputs by name, and what is wanted.

    Raises:
        MessageError: If it is no request with tensors of uint8 or float32.
    """
    try:
        document, tail = _split(headers, body)
        arrays = _unpack_tensors(document["inputs"], tail)
        otherwise = _flag(document, "binary_data_output", otherwise=False)
        asked = document.get("outputs") or []
        names = tuple(_text(output["name"]) for output in asked)
        binary = frozenset(
            output["name"] for output in asked if _flag(output, "binary_data", otherwise=otherwise)
        )
    except UNREADABLE as error:
        raise MessageError(f"The request cannot be understood: {error}") from error
    return arrays, Wanted(names, binary, otherwise)


def pack_response(
    model: str, arrays: Mapping[str, NDArray[Any]], wanted: Wanted | None = None
) -> tuple[dict[str, str], bytes]:
    """Write an answer.

    Args:
        model: The name of the network that answers.
        arrays: Its outputs by name, uint8 or float32, in the order asked for.
        wanted: How they are to be written; as JSON when left out.

    Returns:
        Headers and body.
    """
    outputs, tails = _pack_tensors(arrays, (wanted or Wanted()).as_bytes)
    document = {"model_name": model, "model_version": VERSION, "outputs": outputs}
    return _pack(document, tails)


def unpack_response(headers: Mapping[str, str], body: bytes) -> dict[str, NDArray[Any]]:
    """Read an answer.

    Args:
        headers: Of HTTP, by name, in whatever capitals.
        body: What came.

    Returns:
        The outputs by name.

    Raises:
        MessageError: If it is no answer with tensors of uint8 or float32.
    """
    try:
        document, tail = _split(headers, body)
        return _unpack_tensors(document["outputs"], tail)
    except UNREADABLE as error:
        raise MessageError(f"The answer cannot be understood: {error}") from error


def _pack(document: Mapping[str, Any], tails: Sequence[bytes]) -> tuple[dict[str, str], bytes]:
    head = json.dumps(document, separators=(",", ":")).encode()
    if not tails:
        return {"Content-Type": "application/json"}, head
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(head))}
    return headers, b"".join([head, *tails])


def _pack_tensors(
    arrays: Mapping[str, NDArray[Any]], as_bytes: Callable[[str], bool]
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Describe tensors, and give the bytes of those that are written so."""
    described: list[dict[str, Any]] = []
    tails: list[bytes] = []
    for name, array in arrays.items():
        tensor: dict[str, Any] = {
            "name": name,
            "shape": list(array.shape),
            "datatype": type_of(array),
        }
        if as_bytes(name):
            tails.append(array.tobytes())
            tensor["parameters"] = {"binary_data_size": array.nbytes}
        else:
            tensor["data"] = array.ravel().tolist()
        described.append(tensor)
    return described, tails


def _split(headers: Mapping[str, str], body: bytes) -> tuple[dict[str, Any], memoryview]:
    """Give the JSON of a body, and what lies behind it."""
    given = {name.lower(): value for name, value in headers.items()}
    length = given.get(HEADER_LENGTH.lower(), str(len(body)))
    # Python reads numbers with signs and blanks, too.
    if not length.isdecimal() or len(length) > len(str(len(body))) or int(length) > len(body):
        raise ValueError(f"{HEADER_LENGTH} is {length[:20]!r} of {len(body)} bytes")
    return json.loads(body[: int(length)]), memoryview(body)[int(length) :]


def _unpack_tensors(tensors: Sequence[Mapping[str, Any]], tail: memoryview) -> dict[str, Any]:
    """Read tensors, whose bytes lie one after the other."""
    arrays: dict[str, NDArray[Any]] = {}
    for tensor in tensors:
        content = tensor.get("data")
        size = (tensor.get("parameters") or {}).get("binary_data_size")
        if size is not None:
            content, tail = tail[: _count(size)], tail[_count(size) :]
        arrays[_text(tensor["name"])] = array_of(content, tensor["datatype"], tensor["shape"])
    if len(tail) or len(arrays) != len(tensors):
        raise ValueError("there are bytes of no tensor, or two tensors of one name")
    return arrays


def type_of(array: NDArray[Any]) -> str:
    """Name the type of an array of uint8 or float32."""
    return next(name for name, dtype in _TYPES.items() if dtype == array.dtype)


def array_of(content: Any, datatype: str, shape: Sequence[int]) -> NDArray[Any]:
    """Make an array of bytes, or of numbers, nested or not.

    Raises:
        ValueError: If there are more or fewer than its shape says, or one of `UNREADABLE`.
    """
    sides = [_count(side) for side in shape]
    dtype = _TYPES[datatype]
    if len(sides) > _MOST_DIMENSIONS:
        raise ValueError(f"a tensor has {len(sides)} dimensions")
    if isinstance(content, bytes | memoryview):
        flat = np.frombuffer(content, dtype)
    else:
        flat = np.asarray(content, dtype).ravel()
    if flat.size != math.prod(sides):
        raise ValueError(f"a tensor of shape {sides} has {flat.size} numbers")
    return flat.reshape(sides)


def _flag(document: Mapping[str, Any], name: str, *, otherwise: bool) -> bool:
    """Read a parameter that is yes or no."""
    return bool((document.get("parameters") or {}).get(name, otherwise))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a name is no text")
    return value


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("a size is no whole number")
    return value
