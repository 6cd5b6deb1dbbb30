"""How NVIDIA Triton is to serve a network: its `config.pbtxt`.

https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto
"""

from collections.abc import Iterable
from typing import NamedTuple

from hematovision.vision.open_inference import VERSION
from hematovision.vision.served import FREE, Served, Tensor

MOST_TOGETHER = 32
"""Pictures of one run: as many cells as are classified at once here."""
PREFERRED = (8, 16, MOST_TOGETHER)
LONGEST_WAIT = 2000
"""Microseconds that a request waits for others."""
WARMED_VIEW = 256
"""Side of the views that a server is warmed with, in pixels: the coarsest of a photo."""


class Serving(NamedTuple):
    """On what a network is served, and how many times over.

    Attributes:
        gpus: How many; none means processors.
        instances: Copies of the network, on each of the GPUs where there are some.
    """

    gpus: int = 0
    instances: int = 1


def config_text(network: Served, file: str, serving: Serving) -> str:
    """Write `config.pbtxt`, in protobuf's text form.

    Args:
        network: What is served.
        file: The name of the ONNX file.
        serving: On what, and how many.
    """
    outputs = ",\n  ".join(map(_tensor, network.outputs))
    return f"""\
# Written by `hematovision model export --triton`.
name: "{network.name}"
backend: "onnxruntime"
default_model_filename: "{file}"
version_policy {{ specific {{ versions: [ {VERSION} ] }} }}
# The batch is not among the sides below; requests of other sides are never put together.
max_batch_size: {MOST_TOGETHER}
input [ {_tensor(network.pictures)} ]
output [
  {outputs}
]
dynamic_batching {{
  preferred_batch_size: [ {_listed(PREFERRED)} ]
  max_queue_delay_microseconds: {LONGEST_WAIT}
}}
{_instances(serving)}
model_warmup [
  {_warmup(network.pictures, 1)},
  {_warmup(network.pictures, PREFERRED[0])}
]
"""


def _tensor(tensor: Tensor) -> str:
    return (
        f'{{ name: "{tensor.name}" data_type: TYPE_{tensor.datatype} '
        f"dims: [ {_listed(tensor.shape)} ] }}"
    )


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _instances(serving: Serving) -> str:
    """Hold one run to one thread on processors, where each instance has a core of its own."""
    if serving.gpus:
        cards = _listed(range(serving.gpus))
        return f"""\
# Copies on each of these GPUs, numbered from 0. TensorFloat-32 would change the answers, and a full
# search for the fastest convolution would be made anew for each size of view.
instance_group [ {{ kind: KIND_GPU count: {serving.instances} gpus: [ {cards} ] }} ]
optimization {{ execution_accelerators {{ gpu_execution_accelerator [ {{
  name: "cuda"
  parameters {{ key: "use_tf32" value: "0" }}
  parameters {{ key: "cudnn_conv_algo_search" value: "HEURISTIC" }}
}} ] }} }}"""
    return f"""\
# A copy for each core, as each keeps to one; on GPUs: hematovision model export --gpus.
instance_group [ {{ kind: KIND_CPU count: {serving.instances} }} ]
parameters {{ key: "intra_op_thread_count" value {{ string_value: "1" }} }}"""


def _warmup(pictures: Tensor, number: int) -> str:
    sides = [WARMED_VIEW if side == FREE else side for side in pictures.shape]
    return (
        f'{{ name: "{number} together" batch_size: {number} '
        f'inputs {{ key: "{pictures.name}" value {{ '
        f"data_type: TYPE_{pictures.datatype} dims: [ {_listed(sides)} ] zero_data: true }} }} }}"
    )
