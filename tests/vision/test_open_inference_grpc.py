import re

import numpy as np
import pytest

pytest.importorskip("google.protobuf", reason="needs the [grpc] extra (protobuf)")

from hematovision.vision.open_inference import PICTURES, MessageError
from hematovision.vision.open_inference_grpc import (
    DESCRIPTORS,
    METHODS,
    fill_request,
    fill_response,
    messages,
    read_request,
    read_response,
)

CELLS = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
LOGITS = np.linspace(-9, 9, 12, dtype=np.float32).reshape(2, 6)


def test_request_comes_out_as_it_went_in():
    sent = fill_request("blood_cell-0", {PICTURES: CELLS}, ["logits"]).SerializeToString()
    request = messages().ModelInferRequest.FromString(sent)
    arrays, wanted = read_request(request)
    assert request.model_name == "blood_cell-0"
    assert np.array_equal(arrays[PICTURES], CELLS)
    assert wanted.names == ("logits",)


def test_response_comes_out_as_it_went_in():
    sent = fill_response("m", {"logits": LOGITS, "cells": CELLS}).SerializeToString()
    arrays = read_response(messages().ModelInferResponse.FromString(sent))
    assert arrays["logits"].dtype == np.float32
    assert np.array_equal(arrays["logits"], LOGITS)
    assert np.array_equal(arrays["cells"], CELLS)


def test_numbers_that_are_no_bytes_are_read():
    response = messages().ModelInferResponse()
    tensor = response.outputs.add(name="a", datatype="FP32", shape=[1, 2])
    tensor.contents.fp32_contents.extend([0.5, 1.5])
    assert read_response(response)["a"].tolist() == [[0.5, 1.5]]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"shape": [2, 7]}, id="too few"),
        pytest.param({"shape": [-2, -6]}, id="negative"),
        pytest.param({"datatype": "BYTES"}, id="type"),
        pytest.param({"datatype": ""}, id="no type"),
    ],
)
def test_garbage_is_refused(changes):
    response = fill_response("m", {"logits": LOGITS})
    for name, value in changes.items():
        response.outputs[0].ClearField(name)
        if isinstance(value, list):
            response.outputs[0].shape.extend(value)
        else:
            response.outputs[0].datatype = value
    with pytest.raises(MessageError):
        read_response(response)


def test_bytes_of_no_tensor_are_refused():
    response = fill_response("m", {"logits": LOGITS})
    response.raw_output_contents.append(b"")
    with pytest.raises(MessageError, match="the bytes of 2"):
        read_response(response)


def test_two_tensors_of_one_name_are_refused():
    response = fill_response("m", {"a": LOGITS, "b": LOGITS})
    response.outputs[1].name = "a"
    with pytest.raises(MessageError):
        read_response(response)


def test_descriptors_are_made_of_the_proto_beside_them():
    from google.protobuf import descriptor_pb2

    (file,) = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file
    proto = DESCRIPTORS.with_suffix(".proto").read_text("utf-8")
    fields = re.findall(r"^ +(?:repeated )?[\w.<>, ]+? (\w+) = (\d+);", proto, re.M)
    assert sorted(fields) == sorted(_fields(file.message_type))
    assert re.findall(r"rpc (\w+)", proto) == [rpc.name for rpc in file.service[0].method]
    assert [rpc.name for rpc in file.service[0].method] == list(METHODS)


def _fields(types):
    for kind in types:
        if not kind.options.map_entry:
            yield from ((field.name, str(field.number)) for field in kind.field)
            yield from _fields(kind.nested_type)
