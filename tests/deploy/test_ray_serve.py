"""The networks on a real Ray of two replicas give the answers that they give in the process."""

import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import yaml
from numpy.typing import NDArray
from tests.conftest import skip_or_fail

from hematovision import models
from hematovision.drawing.smears import draw_smear
from hematovision.vision.bundle import read_bundle
from hematovision.vision.decoding import decode_image
from hematovision.vision.open_inference import pack_request, unpack_response
from hematovision.vision.open_inference_grpc import (
    SERVICE,
    fill_request,
    messages,
    read_response,
)
from hematovision.vision.reader import load_reader
from hematovision.vision.remote_reader import Remote, load_remote_reader
from hematovision.vision.served import Served, open_served

from .ray_cluster import ROOT, SERVICER, Cluster, ray_cluster

MODEL = Path(models.__path__[0]) / "blood_cell"
CONFIGURATION = yaml.safe_load((ROOT / "deploy/ray_serve.yaml").read_text())


@pytest.fixture(scope="module")
def installed() -> None:
    if find_spec("ray") is None:
        skip_or_fail("there is no Ray: pip install 'hematovision[scale]'")


@pytest.fixture(scope="module")
def networks() -> tuple[Served, Served]:
    return open_served(read_bundle(MODEL), threads=1)


@pytest.fixture(scope="module")
def cluster(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with ray_cluster(MODEL, tmp_path_factory.mktemp("ray")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def channel(cluster: Cluster) -> Iterator[Any]:
    grpc = pytest.importorskip("grpc")
    with grpc.insecure_channel(f"127.0.0.1:{cluster.grpc}") as channel:
        yield channel


def pictures(seed: int, *shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)


def ask(cluster: Cluster, path: str, **more: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {cluster.token}"} | more.pop("headers", {})
    method = "POST" if "data" in more else "GET"
    address = f"http://127.0.0.1:{cluster.http}{path}"
    return requests.request(method, address, headers=headers, timeout=60, **more)


def infer(
    cluster: Cluster, network: Served, some: NDArray[np.uint8], *outputs: str
) -> requests.Response:
    headers, body = pack_request({"pictures": some}, outputs)
    return ask(cluster, f"/v2/models/{network.name}/infer", headers=headers, data=body)


def call(cluster: Cluster, channel: Any, method: str, request: Any) -> Any:
    kind = getattr(messages(), f"{method}Response")
    return channel.unary_unary(
        f"/{SERVICE}/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=kind.FromString,
    )(request, timeout=60, metadata=[("authorization", f"Bearer {cluster.token}")])


def check(network: Served, some: NDArray[np.uint8], found: Any, *outputs: str) -> None:
    """Compare with what the network says in this process."""
    names = [output.name for output in network.outputs]
    wanted = dict(zip(names, network.network(some), strict=True))
    assert tuple(found) == (outputs or tuple(names))
    for name, answer in found.items():
        np.testing.assert_allclose(answer, wanted[name], atol=1e-4)


SHAPES = [
    pytest.param(0, (3, 160, 160), id="cells"),
    pytest.param(1, (1, 256, 192), id="a view"),
    pytest.param(1, (2, 640, 640), id="tiles"),
]


@pytest.mark.parametrize(("place", "shape"), SHAPES)
def test_answers_over_http_are_those_in_the_process(
    cluster: Cluster, networks: tuple[Served, Served], place: int, shape: tuple[int, ...]
) -> None:
    some = pictures(place, *shape)
    reply = infer(cluster, networks[place], some)
    assert reply.status_code == 200
    check(networks[place], some, unpack_response(reply.headers, reply.content))


@pytest.mark.parametrize(("place", "shape"), SHAPES)
def test_answers_over_grpc_are_those_in_the_process(
    cluster: Cluster,
    channel: Any,
    networks: tuple[Served, Served],
    place: int,
    shape: tuple[int, ...],
) -> None:
    some = pictures(place, *shape)
    request = fill_request(networks[place].name, {"pictures": some})
    response = call(cluster, channel, "ModelInfer", request)
    check(networks[place], some, read_response(response))


def test_requests_of_many_are_run_together_and_answered_apart(
    cluster: Cluster, networks: tuple[Served, Served]
) -> None:
    asked = [
        (place, pictures(seed, number, *side), outputs)
        for seed, (place, number, side, outputs) in enumerate(
            [
                (0, 1, (160, 160), ("logits",)),
                (0, 3, (160, 160), ("features", "logits")),
                (1, 1, (64, 96), ("heat", "boxes")),
                (1, 2, (96, 64), ("boxes",)),
                (0, 2, (160, 160), ("heat",)),
            ]
            * 6
        )
    ]

    def one(job: tuple[int, NDArray[np.uint8], tuple[str, ...]]) -> requests.Response:
        place, some, outputs = job
        return infer(cluster, networks[place], some, *outputs)

    with ThreadPoolExecutor(len(asked)) as pool:
        replies = list(pool.map(one, asked))
    for (place, some, outputs), reply in zip(asked, replies, strict=True):
        assert reply.status_code == 200, reply.text
        check(networks[place], some, unpack_response(reply.headers, reply.content), *outputs)
    path = f"/v2/models/{networks[0].name}/stats"
    sizes = {
        batch["batch_size"]
        for _ in range(20)
        for batch in ask(cluster, path).json()["model_stats"][0]["batch_stats"]
    }
    assert max(sizes) > max(len(some) for _, some, __ in asked)


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2/models/{}/ready"])
def test_server_is_ready(cluster: Cluster, networks: tuple[Served, Served], path: str) -> None:
    reply = ask(cluster, path.format(networks[1].name))
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "application/json")


def test_server_is_ready_over_grpc(
    cluster: Cluster, channel: Any, networks: tuple[Served, Served]
) -> None:
    kinds = messages()
    assert call(cluster, channel, "ServerReady", kinds.ServerReadyRequest()).ready
    request = kinds.ModelMetadataRequest(name=networks[1].name)
    told = call(cluster, channel, "ModelMetadata", request)
    assert [output.name for output in told.outputs] == ["heat", "boxes"]


@pytest.mark.parametrize(
    ("path", "shape", "status"),
    [
        pytest.param("/v2/models/locator-000000000000", None, 404, id="unknown network"),
        pytest.param("/elsewhere", None, 404, id="unknown path"),
        pytest.param("/v2/models/{}/infer", (1, 50, 64), 400, id="odd view"),
        pytest.param("/v2/models/{}/infer", (1, 32, 1056), 413, id="large view"),
        pytest.param("/v2/models/{}/infer", (6, 1024, 1024), 413, id="large request"),
    ],
)
def test_what_is_wrong_is_told_in_the_protocols_form(
    cluster: Cluster,
    networks: tuple[Served, Served],
    path: str,
    shape: tuple[int, ...] | None,
    status: int,
) -> None:
    more: dict[str, Any] = {}
    if shape is not None:
        headers, body = pack_request({"pictures": np.zeros((*shape, 3), np.uint8)})
        more = {"headers": headers, "data": body}
    reply = ask(cluster, path.format(networks[1].name), **more)
    assert reply.status_code == status
    assert reply.json()["error"]


def test_what_is_wrong_is_told_over_grpc(
    cluster: Cluster, channel: Any, networks: tuple[Served, Served]
) -> None:
    grpc = pytest.importorskip("grpc")
    for name, side, code in (
        ("locator-000000000000", 64, grpc.StatusCode.NOT_FOUND),
        (networks[1].name, 50, grpc.StatusCode.INVALID_ARGUMENT),
    ):
        request = fill_request(name, {"pictures": pictures(0, 1, side, side)})
        with pytest.raises(grpc.RpcError) as caught:
            call(cluster, channel, "ModelInfer", request)
        assert caught.value.code() == code
        assert caught.value.details()


def test_whoever_shows_no_token_is_told_nothing(cluster: Cluster, channel: Any) -> None:
    grpc = pytest.importorskip("grpc")
    stranger = cluster._replace(token="")
    assert ask(stranger, "/v2").status_code == 401
    assert ask(stranger, "/v2/health/ready").status_code == 200
    with pytest.raises(grpc.RpcError) as caught:
        call(stranger, channel, "ServerMetadata", messages().ServerMetadataRequest())
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_killed_replica_costs_a_request_tried_again_at_most(
    cluster: Cluster, networks: tuple[Served, Served]
) -> None:
    classifier, _ = networks
    some = pictures(5, 1, 160, 160)
    stop = time.monotonic() + 4

    def go_on(_: int) -> tuple[int, int]:
        done = again = 0
        while time.monotonic() < stop:
            for _attempt in range(2):
                reply = infer(cluster, classifier, some, "logits")
                if reply.status_code == 200:
                    break
                again += 1
            assert reply.status_code == 200, reply.text
            found = unpack_response(reply.headers, reply.content)
            np.testing.assert_allclose(found["logits"], wanted, atol=1e-4)
            done += 1
        return done, again

    wanted = classifier.network(some)[0]
    with ThreadPoolExecutor(3) as pool:
        clients = pool.map(go_on, range(3))
        time.sleep(1)
        before = cluster.tell("kill")
        counts = list(clients)
    assert len(before) == 2
    assert all(done for done, _ in counts)
    assert max(again for _, again in counts) <= 1
    end = time.monotonic() + 30
    while len(cluster.tell("replicas")) < 2:
        assert time.monotonic() < end, "nobody takes the place of a killed replica"
        time.sleep(0.2)


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_photo_is_read_as_in_the_process(cluster: Cluster, scheme: str) -> None:
    smear = decode_image(draw_smear(["neutrophil", "lymphocyte"], seed=5).picture)
    port = cluster.http if scheme == "http" else cluster.grpc
    remote = Remote(f"{scheme}://127.0.0.1:{port}", 30.0, cluster.token_file)
    reader = load_remote_reader(MODEL, remote=remote)
    reader.check()
    found = reader.read(smear, explain=True)
    wanted = load_reader(MODEL, threads=1).read(smear, explain=True)
    assert len(found) == len(wanted) > 0
    for one, other in zip(found, wanted, strict=True):
        assert (one.box, one.decision, one.cell_type) == (
            other.box,
            other.decision,
            other.cell_type,
        )
        for kind, share in other.probabilities.items():
            assert one.probabilities[kind] == pytest.approx(share, abs=1e-4)


def test_configuration_is_one_that_ray_takes(installed: None) -> None:
    with warnings.catch_warnings():
        # Ray's own, of pydantic.
        warnings.simplefilter("ignore")
        from ray.serve.schema import ServeDeploySchema

        read = ServeDeploySchema.model_validate(CONFIGURATION)
        (application,) = read.applications
        module, _, name = application.import_path.partition(":")
        deploy = import_module(module)
        deploy.Arguments.model_validate(application.args)
        built = getattr(deploy, name)
        (deployment,) = application.deployments
        assert deployment.name == deploy.deployment.name
        assert callable(built)
    assert read.grpc_options.grpc_servicer_functions == [SERVICER]
    module, _, name = SERVICER.rpartition(".")
    assert callable(getattr(import_module(module), name))


def test_every_argument_is_told_in_the_configuration(installed: None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = import_module("deploy.ray_serve").Arguments
    told = (ROOT / "deploy/ray_serve.yaml").read_text()
    assert all(f"{name}:" in told for name in arguments.model_fields)
