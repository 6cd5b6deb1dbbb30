import json

import numpy as np
import pytest

from hematovision.vision.open_inference import (
    HEADER_LENGTH,
    PICTURES,
    MessageError,
    Wanted,
    pack_request,
    pack_response,
    served_as,
    unpack_request,
    unpack_response,
)

CELLS = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
LOGITS = np.linspace(-9, 9, 12, dtype=np.float32).reshape(2, 6)


@pytest.mark.parametrize("binary", [True, False], ids=["bytes", "json"])
@pytest.mark.parametrize("outputs", [(), ("logits", "heat")], ids=["all", "some"])
def test_request_comes_out_as_it_went_in(binary, outputs):
    headers, body = pack_request({PICTURES: CELLS}, outputs, binary=binary)
    arrays, wanted = unpack_request(headers, body)
    assert arrays[PICTURES].dtype == np.uint8
    assert np.array_equal(arrays[PICTURES], CELLS)
    assert wanted.names == outputs
    assert wanted.as_bytes("logits") is binary


def test_bytes_are_no_larger_than_the_pictures_and_a_few_words():
    assert len(pack_request({PICTURES: CELLS})[1]) < CELLS.nbytes + 200


@pytest.mark.parametrize("wanted", [None, Wanted(otherwise=True)], ids=["json", "bytes"])
def test_response_comes_out_as_it_went_in(wanted):
    headers, body = pack_response("blood_cell-0", {"logits": LOGITS, "cells": CELLS}, wanted)
    arrays = unpack_response(headers, body)
    assert list(arrays) == ["logits", "cells"]
    assert arrays["logits"].dtype == np.float32
    assert np.array_equal(arrays["logits"], LOGITS)
    assert np.array_equal(arrays["cells"], CELLS)


def test_each_output_is_written_as_it_was_asked_for():
    document = {
        "parameters": {"binary_data_output": True},
        "inputs": [],
        "outputs": [{"name": "a", "parameters": {"binary_data": False}}, {"name": "b"}],
    }
    _, wanted = unpack_request({}, json.dumps(document).encode())
    headers, body = pack_response("m", {"a": LOGITS, "b": LOGITS}, wanted)
    tensors = json.loads(body[: int(headers[HEADER_LENGTH])])["outputs"]
    assert ["data" in tensor for tensor in tensors] == [True, False]


def test_header_is_found_in_any_capitals():
    headers, body = pack_request({PICTURES: CELLS})
    lowered = {name.lower(): value for name, value in headers.items()}
    assert np.array_equal(unpack_request(lowered, body)[0][PICTURES], CELLS)


def test_nested_numbers_are_read():
    body = json.dumps(
        {"outputs": [{"name": "a", "datatype": "FP32", "shape": [1, 2], "data": [[0.5, 1]]}]}
    ).encode()
    assert unpack_response({}, body)["a"].tolist() == [[0.5, 1.0]]


def _tensor(**changes):
    return {"name": "a", "datatype": "FP32", "shape": [2], "data": [1, 2]} | changes


@pytest.mark.parametrize(
    "document",
    [
        pytest.param([], id="list"),
        pytest.param({}, id="no outputs"),
        pytest.param({"outputs": [5]}, id="no tensor"),
        pytest.param({"outputs": [_tensor(name=5)]}, id="name"),
        pytest.param({"outputs": [_tensor(), _tensor()]}, id="twice"),
        pytest.param({"outputs": [_tensor(shape=[3])]}, id="too few"),
        pytest.param({"outputs": [_tensor(shape=[10**9, 10**9])]}, id="vast"),
        pytest.param({"outputs": [_tensor(shape=[-1, -2])]}, id="negative"),
        pytest.param({"outputs": [_tensor(shape=[True, 2])]}, id="true"),
        pytest.param({"outputs": [_tensor(shape=[1] * 80 + [2])]}, id="dimensions"),
        pytest.param({"outputs": [_tensor(shape=None)]}, id="no shape"),
        pytest.param({"outputs": [_tensor(datatype="BYTES")]}, id="type"),
        pytest.param({"outputs": [_tensor(data=["a", "b"])]}, id="words"),
        pytest.param({"outputs": [_tensor(datatype="UINT8", data=[1, 256])]}, id="overflow"),
        pytest.param({"outputs": [_tensor(data=None)]}, id="no data"),
        pytest.param({"outputs": [_tensor(parameters={"binary_data_size": 8})]}, id="no bytes"),
        pytest.param({"outputs": [_tensor(parameters={"binary_data_size": "8"})]}, id="size"),
        pytest.param({"outputs": [_tensor(parameters=[1])]}, id="parameters"),
    ],
)
def test_garbage_is_refused(document):
    with pytest.raises(MessageError):
        unpack_response({}, json.dumps(document).encode())


@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 100_000, b"{", b"9" * 5000])
def test_what_is_no_json_is_refused(body):
    with pytest.raises(MessageError):
        unpack_response({}, body)


@pytest.mark.parametrize("length", ["-1", "+3", "x", "", "99999", "9" * 5000, "10"])
def test_wrong_length_of_the_json_is_refused(length):
    _, body = pack_response("m", {"a": LOGITS}, Wanted(otherwise=True))
    with pytest.raises(MessageError):
        unpack_response({HEADER_LENGTH: length}, body)


def test_bytes_of_no_tensor_are_refused():
    headers, body = pack_response("m", {"a": LOGITS}, Wanted(otherwise=True))
    with pytest.raises(MessageError):
        unpack_response(headers, body + b"\0\0\0\0")


def test_request_without_inputs_is_refused():
    with pytest.raises(MessageError, match="request"):
        unpack_request({}, b"{}")


def test_networks_are_named_after_the_folder_that_holds_them():
    served = served_as("0123456789abcdef" * 4)
    assert served == ("blood_cell-0123456789ab", "locator-0123456789ab")
