import os
import resource
import signal
import subprocess
import sys
import threading
import time
from ast import literal_eval
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from tests.listening import listening

from hematovision.cells import RgbImage
from hematovision.errors import (
    DecoderCrashedError,
    DecodersBusyError,
    DecodingTookTooLongError,
    EmptyFileError,
    HematoVisionError,
    ImageTooHeavyError,
    ImageTooLargeError,
)
from hematovision.observing.signals import Signal
from hematovision.vision.decoders import HERE, Decoder, open_decoders

from .pictures import PHOTO, SAMPLES, as_mode, save, several, with_orientation

if sys.platform != "linux":
    pytest.skip("decodes in the process itself", allow_module_level=True)

from hematovision.vision.decoder_pool import DecoderPool
from hematovision.vision.decoder_process import DecoderBrokenError, DecoderProcess, scrubbed

JPEG, PNG, WEBP = as_mode("RGB", "JPEG"), as_mode("RGB", "PNG"), as_mode("RGBA", "WEBP")
MORE = {
    **{f"{kind} turned": with_orientation(kind, 6) for kind in ("JPEG", "PNG", "TIFF", "WEBP")},
    **{f"{kind} transparent": as_mode("RGBA", kind) for kind in ("PNG", "TIFF", "WEBP")},
    **{f"{kind} palette": as_mode("P", kind) for kind in ("PNG", "TIFF", "BMP")},
    "colours of a table that are clear": save(
        Image.fromarray(PHOTO).quantize(16), "PNG", transparency=3
    ),
    "moves": several("WEBP"),
    "laboratory colours": as_mode("LAB", "TIFF"),
    "cut JPEG": JPEG[:-200],
    "cut PNG": PNG[:-200],
    "cut WebP": WEBP[:-100],
    "cut TIFF": as_mode("RGB", "TIFF", compression="tiff_lzw")[:300],
    "torn header": JPEG[:200],
    "no picture": b"rubbish",
    "nothing": b"",
}


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    pool = DecoderPool(2, seconds=120)
    yield pool
    pool.close()


@pytest.fixture
def own() -> Iterator[DecoderPool]:
    """Give a pool of one process, which a test may harm."""
    pool = DecoderPool(1, seconds=120)
    yield pool
    pool.close()


def until(happens: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.01)


def what_comes_of(decoder: Decoder, data: bytes) -> object:
    try:
        return decoder.decode(data).tolist()
    except HematoVisionError as error:
        return type(error), error.message, error.template, error.values


@pytest.mark.filterwarnings(r"ignore:::PIL\.")
def test_answers_are_those_of_a_decoder_in_this_process(pool: DecoderPool) -> None:
    samples = {name: make() for name, (make, _, _) in SAMPLES.items()} | MORE
    for name, data in samples.items():
        assert what_comes_of(pool, data) == what_comes_of(HERE, data), name
    assert pool.restarts == 0


def test_photo_is_whole_and_belongs_to_who_asked(pool: DecoderPool) -> None:
    photo = pool.decode(PNG)
    assert (photo.dtype, photo.shape) == (np.uint8, PHOTO.shape)
    assert photo.flags.c_contiguous
    assert photo.flags.writeable
    assert photo.flags.owndata
    pool.decode(JPEG)
    np.testing.assert_array_equal(photo, PHOTO)


def test_limits_are_those_of_each_picture(pool: DecoderPool) -> None:
    with pytest.raises(ImageTooLargeError):
        pool.decode(PNG, max_pixels=1000)
    with pytest.raises(ImageTooLargeError):
        pool.check(PNG, max_pixels=1000)
    pool.check(PNG)
    with pytest.raises(EmptyFileError):
        pool.check(b"")


def test_threads_each_get_their_own_picture(pool: DecoderPool) -> None:
    photos = [np.full((40, 40, 3), shade, np.uint8) for shade in range(0, 240, 5)]
    files = [save(Image.fromarray(photo), "PNG") for photo in photos]
    with ThreadPoolExecutor(8) as threads:
        for photo, decoded in zip(photos, threads.map(pool.decode, files), strict=True):
            np.testing.assert_array_equal(decoded, photo)
    assert len(pool.processes()) <= 2


def test_large_picture_gives_its_memory_back() -> None:
    pool = DecoderPool(1, seconds=120)
    try:
        large = np.zeros((3000, 4000, 3), np.uint8)
        large[::7] = 9
        pool.decode(PNG)
        (process,) = map(psutil.Process, pool.processes())
        before = process.memory_info().shared
        np.testing.assert_array_equal(pool.decode(save(Image.fromarray(large), "BMP")), large)
        # Of what both share, 36 MB were in use.
        assert process.memory_info().shared - before < 16e6
        np.testing.assert_array_equal(pool.decode(PNG), PHOTO)
    finally:
        pool.close()


def test_nothing_is_started_before_it_is_needed(own: DecoderPool) -> None:
    assert own.processes() == []
    own.warm()
    (first,) = own.processes()
    own.warm()
    own.decode(PNG)
    assert own.processes() == [first]


def test_process_that_was_killed_is_replaced(own: DecoderPool) -> None:
    own.decode(PNG)
    (first,) = own.processes()
    os.kill(first, signal.SIGKILL)
    with listening() as heard:
        np.testing.assert_array_equal(own.decode(PNG), PHOTO)
    assert own.processes() != [first]
    assert own.restarts == 1
    assert heard == [Signal.DECODER_RESTARTED]


def test_picture_survives_that_its_process_is_killed_at_work(own: DecoderPool) -> None:
    own.decode(PNG)
    (first,) = own.processes()
    os.kill(first, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(own.decode, PNG)
        until(lambda: own._busy)
        os.kill(first, signal.SIGKILL)
        np.testing.assert_array_equal(asked.result(60), PHOTO)
    assert own.restarts == 1


def test_one_that_hangs_holds_up_no_other_and_is_ended() -> None:
    pool = DecoderPool(2, seconds=5)
    try:
        pool.check(PNG)
        (stuck,) = pool.processes()
        os.kill(stuck, signal.SIGSTOP)
        with ThreadPoolExecutor(1) as threads:
            asked = threads.submit(pool.decode, PNG)
            until(lambda: pool._busy)
            np.testing.assert_array_equal(pool.decode(PNG), PHOTO)
            with pytest.raises(DecodingTookTooLongError, match="longer than 5 seconds"):
                asked.result(60)
        assert stuck not in pool.processes()
        assert pool.restarts == 1
    finally:
        pool.close()


@pytest.mark.parametrize("patience", [{"wait_seconds": 0.1}, {"most_waiting": 0}])
def test_neither_many_wait_nor_for_ever(patience: dict[str, float]) -> None:
    pool = DecoderPool(1, seconds=120, **patience)
    try:
        pool.decode(PNG)
        (stuck,) = pool.processes()
        os.kill(stuck, signal.SIGSTOP)
        with ThreadPoolExecutor(1) as threads:
            asked = threads.submit(pool.decode, PNG)
            until(lambda: pool._busy)
            with pytest.raises(DecodersBusyError):
                pool.decode(PNG)
            os.kill(stuck, signal.SIGCONT)
            np.testing.assert_array_equal(asked.result(60), PHOTO)
    finally:
        pool.close()


def test_memory_bomb_is_refused_and_harms_nobody() -> None:
    pool = DecoderPool(1, seconds=120, memory=150 * 2**20)
    try:
        bomb = save(Image.new("RGB", (6000, 6000)), "PNG")
        with pytest.raises(ImageTooHeavyError):
            pool.decode(bomb)
        np.testing.assert_array_equal(pool.decode(PNG), PHOTO)
        assert pool.restarts == 0
    finally:
        pool.close()


def test_process_is_handed_no_secret_and_no_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HEMATOVISION_SECRET_KEY", "hush")
    tell = (
        "words = repr([sorted(os.environ), len(os.listdir('/proc/self/fd'))]).encode()\n"
        "    channel.sendall(struct.pack('<cII', b'b', len(words), 0) + words)"
    )
    pool = hostile(tell)
    with (tmp_path / "database").open("w") as database:
        os.set_inheritable(database.fileno(), True)
        with pytest.raises(DecoderBrokenError) as told:
            pool.decode(PNG)
    pool.close()
    names, files = literal_eval(literal_eval(str(told.value)))
    assert not [name for name in names if name.startswith("HEMATOVISION")]
    # Three that every program has, two of memory, and the one that looks.
    assert files == 6


def test_environment_keeps_where_python_is_and_no_more() -> None:
    scrub = scrubbed({"PATH": "/bin", "HEMATOVISION_DATABASE_URL": "x", "AWS_SECRET": "y"})
    assert scrub["PATH"] == "/bin"
    assert not {"HEMATOVISION_DATABASE_URL", "AWS_SECRET"} & scrub.keys()


def test_memory_of_a_picture_is_kept_for_the_next() -> None:
    with closing(DecoderPool(1)) as pool:
        picture = save(Image.new("RGB", (640, 480), "pink"), "PNG")
        for _ in range(3):
            pool.decode(picture)
        (number,) = pool.processes()

        def faults() -> int:
            return int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[7])

        before = faults()
        for _ in range(5):
            pool.decode(picture)
        # It was 700 for each picture of 640x480.
        assert faults() - before < 500


def test_program_of_a_process_is_light() -> None:
    program = "import sys, hematovision.vision.decoder_child; print(*sys.modules)"
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    heavy = {"sqlalchemy", "flask", "onnxruntime", "cryptography", "hematovision.config"}
    assert not heavy & loaded
    ours = {name for name in loaded if name.startswith("hematovision.")}
    assert not {name for name in ours if ".storage" in name or ".services" in name}


PARENT = """
import os, sys
from hematovision.vision.decoder_pool import DecoderPool
pool = DecoderPool(1)
pool.check({png!r})
print(*pool.processes(), flush=True)
sys.stdin.read()
"""


def test_process_ends_when_its_parent_is_killed() -> None:
    parent = psutil.Popen(
        [sys.executable, "-c", PARENT.format(png=PNG)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with parent:
        decoder = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    until(lambda: not decoder.is_running() or decoder.status() == psutil.STATUS_ZOMBIE)


FORKING = """
import os, sys
from hematovision.vision.decoder_pool import DecoderPool
pool = DecoderPool(1)
pool.check({png!r})
before = pool.processes()
child = os.fork()
pool.check({png!r})
if child == 0:
    sys.exit(7 if len(pool.processes()) == 1 and pool.processes() != before else 8)
_, status = os.waitpid(child, 0)
pool.check({png!r})
print(os.waitstatus_to_exitcode(status), pool.processes() == before, pool.restarts)
"""


def test_forked_process_starts_its_own() -> None:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", FORKING.format(png=PNG)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.stdout, done.stderr) == ("7 True 0\n", "")


HOSTILE = """
import os, socket, struct, sys, time
channel = socket.socket(fileno=0)
channel.sendall(struct.pack("<cII", b"h", 0, 0))
while channel.recv(17):
    {answer}
"""


def hostile(answer: str) -> DecoderPool:
    """Give a pool whose processes were taken over."""
    command = (sys.executable, "-c", HOSTILE.format(answer=answer))
    return DecoderPool(1, seconds=30, command=command)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("os.abort()", id="crashes"),
        pytest.param("sys.exit()", id="ends"),
        pytest.param("channel.sendall(b'pp'); sys.exit()", id="ends within its answer"),
        pytest.param("channel.sendall(struct.pack('<cII', b'p', 2**31, 2**31))", id="too large"),
        pytest.param("channel.sendall(struct.pack('<cII', b'p', 0, 0))", id="no pixels"),
        pytest.param("channel.sendall(struct.pack('<cII', b'f', 0, 0))", id="no answer to that"),
        pytest.param("channel.sendall(struct.pack('<cII', b'?', 0, 0))", id="unknown"),
        pytest.param("channel.sendall(struct.pack('<cII', b'r', 2, 0) + b'{}')", id="no refusal"),
    ],
)
def test_process_that_was_taken_over_is_not_believed(answer: str) -> None:
    pool = hostile(answer)
    try:
        with pytest.raises(DecoderCrashedError):
            pool.decode(PNG)
        assert pool.restarts == 2
        assert pool.processes() == []
    finally:
        pool.close()


def test_answer_that_never_ends_is_cut_off() -> None:
    command = (sys.executable, "-c", HOSTILE.format(answer="time.sleep(600)"))
    pool = DecoderPool(1, seconds=0.5, command=command)
    try:
        with pytest.raises(DecodingTookTooLongError):
            pool.decode(PNG)
    finally:
        pool.close()


def test_memory_that_is_shared_cannot_be_made_shorter() -> None:
    pool = hostile("os.ftruncate(int(sys.argv[2]), 0)")
    try:
        with pytest.raises(DecoderCrashedError):
            pool.decode(PNG)
    finally:
        pool.close()


def test_bug_of_the_decoder_is_no_refusal() -> None:
    words = "ValueError: a bug"
    pool = hostile(f"channel.sendall(struct.pack('<cII', b'b', {len(words)}, 0) + b'{words}')")
    try:
        with pytest.raises(DecoderBrokenError, match="a bug"):
            pool.decode(PNG)
    finally:
        pool.close()


def test_program_that_does_not_start_is_told() -> None:
    pool = DecoderPool(1, command=(sys.executable, "-c", "raise SystemExit(1)"))
    try:
        with pytest.raises(DecoderBrokenError, match="does not start"):
            pool.decode(PNG)
    finally:
        pool.close()


def test_process_that_is_killed_while_it_starts_is_replaced(own: DecoderPool) -> None:
    own.warm()
    (first,) = own.processes()
    os.kill(first, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(own.decode, PNG)
        until(lambda: own._busy)
        os.kill(first, signal.SIGKILL)
        np.testing.assert_array_equal(asked.result(60), PHOTO)


def test_what_cannot_be_run_leaves_nothing_behind() -> None:
    pool = DecoderPool(1, command=("/no/such/program",))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            pool.decode(PNG)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    pool.close()


def test_interruption_ends_the_process_that_was_at_work(own: DecoderPool) -> None:
    own.decode(PNG)
    (stuck,) = own.processes()
    os.kill(stuck, signal.SIGSTOP)
    before = signal.signal(signal.SIGUSR1, _interrupt)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            own.decode(PNG)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert own.processes() == []
    np.testing.assert_array_equal(own.decode(PNG), PHOTO)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_number_is_by_cores_unless_it_is_set() -> None:
    assert open_decoders(7).number == 7
    assert 2 <= open_decoders().number <= 4


def test_decoder_here_needs_no_process() -> None:
    HERE.warm()
    HERE.check(PNG)
    photo: RgbImage = HERE.decode(PNG)
    np.testing.assert_array_equal(photo, PHOTO)


@pytest.mark.parametrize("left", range(6))
def test_process_that_cannot_be_started_leaves_no_file_open(left: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = psutil.Process().num_fds()
    free = os.dup(0)
    os.close(free)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + left, hard))
        with pytest.raises(OSError, match="Too many open files"):
            DecoderProcess(max_pixels=100, memory=2**30, seconds=5)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert psutil.Process().num_fds() == before
