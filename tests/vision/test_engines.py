"""One model, three ways: in the process, and on servers over HTTP and gRPC."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pytest
from tests.inference_servers import Served, grpc_server, http_server, reply

from hematovision.cells import Engine, Reading, engine_of
from hematovision.config import PACKAGED_MODEL, Settings
from hematovision.drawing.smears import draw_smear
from hematovision.errors import InferenceAwayError, InferenceWrongError
from hematovision.observing import signals
from hematovision.observing.signals import Signal, Stage
from hematovision.vision.attempts import NoAnswerError
from hematovision.vision.decoding import decode_image
from hematovision.vision.engines import check_engine, engine_loader
from hematovision.vision.reader import PhotoReader, load_reader
from hematovision.vision.remote_reader import Remote, RemoteReader, load_remote_reader

from .networks import write_tiny_model, write_whole_model
from .test_reader import BLUE, GREEN, spotted

NO_GRPC = importlib.util.find_spec("grpc") is None
WAYS = [
    pytest.param(http_server, id="http"),
    pytest.param(
        grpc_server,
        id="grpc",
        marks=pytest.mark.skipif(NO_GRPC, reason="needs the [grpc] extra (grpcio)"),
    ),
]
Way = Callable[..., AbstractContextManager[Served]]
PHOTO = spotted((64, 64, BLUE), (160, 120, GREEN))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_whole_model(tmp_path_factory.mktemp("remote") / "model")


@pytest.fixture
def served(folder: Path) -> Iterator[Served]:
    with http_server(folder) as served:
        yield served


def remote(served: Served, folder: Path, *, fallback: bool = False) -> RemoteReader:
    return load_remote_reader(folder, remote=Remote(served.url, 30.0), fallback=fallback)


def assert_equal(given: list[Reading], wanted: list[Reading]) -> None:
    assert [one.box for one in given] == [one.box for one in wanted]
    assert [one.cell_type for one in given] == [one.cell_type for one in wanted]
    for one, other in zip(given, wanted, strict=True):
        assert list(one.probabilities.values()) == pytest.approx(
            list(other.probabilities.values()), abs=1e-4
        )
        assert one.known == pytest.approx(other.known, abs=1e-4)
        assert one.morphology == other.morphology
        assert (one.heat is None) == (other.heat is None)
        if one.heat and other.heat:
            np.testing.assert_allclose(one.heat.weights, other.heat.weights, atol=1e-4)


@pytest.mark.parametrize("way", WAYS)
def test_server_reads_a_drawn_photo_as_the_process_does(way: Way) -> None:
    photo = decode_image(draw_smear(["neutrophil", "lymphocyte", "monocyte"], seed=5).picture)
    local = load_reader(PACKAGED_MODEL, threads=1)
    with way(PACKAGED_MODEL) as served:
        reader = load_remote_reader(PACKAGED_MODEL, remote=Remote(served.url, 60.0))
        readings = reader.read(photo, explain=True)
    assert engine_of(readings) is Engine.REMOTE
    assert reader.model == local.model
    assert len(readings) > 0
    assert_equal(list(readings), list(local.read(photo, explain=True)))


@pytest.mark.real_data
@pytest.mark.parametrize("way", WAYS)
def test_server_reads_real_photos_as_the_process_does(way: Way, data_folder: Path) -> None:
    paths = sorted((data_folder / "bccd").rglob("*.jpg"))[:3]
    local = load_reader(PACKAGED_MODEL, threads=1)
    with way(PACKAGED_MODEL) as served:
        reader = load_remote_reader(PACKAGED_MODEL, remote=Remote(served.url, 60.0))
        for path in paths:
            photo = decode_image(path.read_bytes())
            assert_equal(list(reader.read(photo)), list(local.read(photo)))


@pytest.mark.parametrize("way", WAYS)
def test_outputs_of_networks_are_equal_to_a_ten_thousandth(way: Way, folder: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), np.uint8)
    local = load_reader(folder, threads=1)
    with way(folder) as served:
        reader = remote(served, folder)
        assert reader.classifier.outputs == 4
        for given, wanted in zip(
            reader.classifier(pictures), local._classifier(pictures), strict=True
        ):
            np.testing.assert_allclose(given, wanted, atol=1e-4)
        for given, wanted in zip(reader.locator(pictures), local._locator(pictures), strict=True):
            np.testing.assert_allclose(given, wanted, atol=1e-4)


@pytest.mark.parametrize("way", WAYS)
def test_network_without_a_rule_of_attributes_is_asked_what_it_gives(
    way: Way, tmp_path: Path
) -> None:
    folder = write_tiny_model(tmp_path / "model")
    with way(folder) as served:
        reader = remote(served, folder)
        assert reader.classifier.outputs == 2
        assert len(reader.read(PHOTO, explain=True)) == 2
        assert not reader.reader.explains


@pytest.mark.parametrize("way", WAYS)
def test_many_threads_read_at_once(way: Way, folder: Path) -> None:
    with way(folder) as served, ThreadPoolExecutor(8) as pool:
        reader = remote(served, folder)
        every = list(pool.map(reader.read, [PHOTO] * 16))
    assert every == [every[0]] * 16


@pytest.mark.parametrize("way", WAYS)
def test_server_that_is_there_with_the_model_is_well(way: Way, folder: Path) -> None:
    with way(folder) as served:
        reader = remote(served, folder)
        check_engine(reader)
        served.is_ready = False
        with pytest.raises(NoAnswerError):
            check_engine(reader)


@pytest.mark.parametrize("way", WAYS)
def test_server_without_the_model_is_not_asked_for_another(
    way: Way, folder: Path, tmp_path: Path
) -> None:
    other = write_tiny_model(tmp_path / "model", "9.0.0")
    with way(other) as served:
        reader = remote(served, folder)
        with pytest.raises(NoAnswerError, match="does not serve"):
            check_engine(reader)
        with pytest.raises(InferenceAwayError):
            reader.read(PHOTO)
        assert served.inferences <= 1


def test_reader_of_the_process_is_always_well(folder: Path) -> None:
    check_engine(load_reader(folder, threads=1))


@pytest.mark.parametrize("way", WAYS)
def test_token_is_shown(way: Way, folder: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("hush\n")
    with way(folder) as served:
        reader = load_remote_reader(folder, remote=Remote(served.url, 30.0, token))
        reader.read(PHOTO)
        token.write_text("another")
        reader.read(PHOTO)
    assert set(served.shown) == {"Bearer hush", "Bearer another"}


@pytest.mark.parametrize("content", [None, b"", b"two words", b"\xff", b"a\nb"])
def test_token_that_is_none_is_shown_to_nobody(
    served: Served, folder: Path, tmp_path: Path, content: bytes | None
) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_bytes(content)
    reader = load_remote_reader(folder, remote=Remote(served.url, 30.0, token))
    with pytest.raises(InferenceAwayError):
        reader.read(PHOTO)
    assert served.asked == []


@pytest.mark.parametrize(
    ("status", "error"), [(503, InferenceAwayError), (500, InferenceWrongError)]
)
def test_without_fallback_a_photo_is_not_read(
    served: Served, folder: Path, status: int, error: type[Exception]
) -> None:
    served.always = reply(status)
    with pytest.raises(error):
        remote(served, folder).read(PHOTO)


class Heard:
    """Remembers what happened."""

    def __init__(self) -> None:
        self.signals: list[Signal] = []

    def stage(self, stage: Stage) -> AbstractContextManager[None]:
        return nullcontext()

    def signal(self, signal: Signal) -> None:
        self.signals.append(signal)


@pytest.mark.parametrize("status", [503, 500])
def test_fallback_reads_in_the_process_and_says_so(
    served: Served, folder: Path, status: int
) -> None:
    heard = Heard()
    served.always = reply(status)
    reader = remote(served, folder, fallback=True)
    signals.watch(heard)
    try:
        readings = reader.read(PHOTO)
    finally:
        signals.look_away(heard)
    assert engine_of(readings) is Engine.FALLBACK
    assert heard.signals.count(Signal.INFERENCE_FALLBACK) == 1
    assert_equal(list(readings), list(load_reader(folder, threads=1).read(PHOTO)))


def test_photo_is_read_by_one_engine_alone(served: Served, folder: Path) -> None:
    reader = remote(served, folder, fallback=True)
    answered = len(reader.locator(PHOTO[None]))
    assert answered == 2
    # The locator answers, the classifier does not.
    names = list(served.networks)
    served.networks.pop(names[0])
    assert engine_of(reader.read(PHOTO)) is Engine.FALLBACK


def test_fallback_is_loaded_when_it_is_needed_first(served: Served, folder: Path) -> None:
    reader = remote(served, folder, fallback=True)
    assert engine_of(reader.read(PHOTO)) is Engine.REMOTE
    assert reader.local is not None
    assert reader.local._reader is None
    served.always = reply(503)
    reader.read(PHOTO)
    first = reader.local.get()
    reader.read(PHOTO)
    assert reader.local.get() is first


def test_settings_say_where_it_is_read(served: Served, folder: Path, tmp_path: Path) -> None:
    assert engine_loader(Settings()) is load_reader
    token = tmp_path / "token"
    token.write_text("hush")
    given = Settings(
        inference_url=served.url,
        inference_seconds=3,
        inference_fallback=True,
        inference_token_file=token,
    )
    reader = engine_loader(given)(folder, threads=1)
    assert isinstance(reader, RemoteReader)
    assert reader.local is not None
    assert reader.classifier.line.seconds == 3
    assert engine_of(reader.read(PHOTO)) is Engine.REMOTE
    assert set(served.shown) == {"Bearer hush"}
    assert isinstance(engine_loader(Settings())(folder, threads=1), PhotoReader)


RUN = """
import sys
{before}
from pathlib import Path
import numpy as np
from hematovision.vision.engines import EngineUnusableError, engine_loader
from hematovision.config import Settings
try:
    load = engine_loader(Settings(inference_url=sys.argv[1]))
except EngineUnusableError as error:
    sys.exit(str(error))
photo = np.load(sys.argv[3])
print(len(load(Path(sys.argv[2]), threads=1).read(photo)))
print("onnxruntime" in sys.modules, "grpc" in sys.modules)
"""


def run(url: str, folder: Path, photo: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN.format(before=before), url, str(folder), str(photo)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)  # noqa: S603


def test_process_that_asks_a_server_never_loads_an_engine(
    served: Served, folder: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "photo.npy", PHOTO)
    done = run(served.url, folder, tmp_path / "photo.npy")
    assert done.stdout.split() == ["2", "False", "False"], done.stderr


def test_missing_grpc_is_said_with_what_to_install(folder: Path, tmp_path: Path) -> None:
    before = "sys.modules['grpc'] = None"
    done = run("grpc://127.0.0.1:1", folder, tmp_path / "photo.npy", before)
    assert done.returncode == 1
    assert "pip install 'hematovision[grpc]'" in done.stderr
