from pathlib import Path

import pytest
from google.protobuf import text_format

from hematovision.vision.bundle import read_bundle
from hematovision.vision.served import Served, open_served
from hematovision.vision.triton import MOST_TOGETHER, Serving, config_text

from .networks import write_whole_model
from .triton_schema import parse_config


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Served, Served]:
    folder: Path = tmp_path_factory.mktemp("triton") / "model"
    return open_served(read_bundle(write_whole_model(folder)))


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("serving", [Serving(), Serving(gpus=2, instances=3)])
def test_triton_is_told_what_the_network_takes_and_gives(
    networks: tuple[Served, Served], place: int, serving: Serving
) -> None:
    network = networks[place]
    config = parse_config(config_text(network, "model.onnx", serving))
    assert config.name == network.name
    assert (config.backend, config.default_model_filename) == ("onnxruntime", "model.onnx")
    assert list(config.version_policy.specific.versions) == [1]
    (given,) = config.input
    assert (given.name, tuple(given.dims)) == ("pictures", network.pictures.shape)
    assert "TYPE_UINT8" in str(given)
    assert [(one.name, tuple(one.dims)) for one in config.output] == [
        (output.name, output.shape) for output in network.outputs
    ]
    assert all("TYPE_FP32" in str(one) for one in config.output)


def test_requests_wait_for_one_another_for_a_while(networks: tuple[Served, Served]) -> None:
    config = parse_config(config_text(networks[0], "model.onnx", Serving()))
    batching = config.dynamic_batching
    assert config.max_batch_size == MOST_TOGETHER
    assert sorted(batching.preferred_batch_size) == list(batching.preferred_batch_size)
    assert max(batching.preferred_batch_size) <= MOST_TOGETHER
    assert 0 < batching.max_queue_delay_microseconds < 100_000


def test_server_is_warmed_with_views_that_the_network_takes(
    networks: tuple[Served, Served],
) -> None:
    for network in networks:
        config = parse_config(config_text(network, "model.onnx", Serving()))
        for sample in config.model_warmup:
            (pictures,) = sample.inputs.values()
            assert 1 <= sample.batch_size <= config.max_batch_size
            assert len(pictures.dims) == 3
            assert all(side > 0 for side in pictures.dims)
            assert pictures.zero_data


def test_processors_get_copies_of_one_thread(networks: tuple[Served, Served]) -> None:
    config = parse_config(config_text(networks[0], "model.onnx", Serving(instances=4)))
    (group,) = config.instance_group
    assert (group.count, list(group.gpus)) == (4, [])
    assert "KIND_CPU" in str(group)
    assert config.parameters["intra_op_thread_count"].string_value == "1"


def test_cards_get_copies_that_count_in_full(networks: tuple[Served, Served]) -> None:
    config = parse_config(config_text(networks[0], "model.onnx", Serving(gpus=2, instances=3)))
    (group,) = config.instance_group
    assert (group.count, list(group.gpus)) == (3, [0, 1])
    assert "KIND_GPU" in str(group)
    (card,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert (card.name, card.parameters["use_tf32"]) == ("cuda", "0")


@pytest.mark.parametrize(
    "text",
    ['named: "x"', "max_batch_size: many", "input { dims: [ 1.5 ] }", 'name: "x" name: "y"'],
)
def test_the_schema_is_strict(text: str) -> None:
    with pytest.raises(text_format.ParseError):
        parse_config(text)
