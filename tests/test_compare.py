"""The programs of `make bench-compare`, small: stub servers, a tiny model, and the page."""

import io
import json
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from benchmarks.asking import Heard, Order, ask
from benchmarks.cases import Running, Stage, all_cases
from benchmarks.claims import claims_of, growths
from benchmarks.compare import commit, cost_of_million, describe, machine, models_of, parse
from benchmarks.engines import NotThereError, is_ready
from benchmarks.installed import databases, home, installed
from benchmarks.loads import chosen, load_of, measure_all
from benchmarks.parts import measure_parts
from benchmarks.performance import JSON_FILE, parts_of_page, section
from benchmarks.plots import draw_all
from benchmarks.servers import Memory, Program, ask_elsewhere, free_port, running
from PIL import Image, ImageDraw
from tests.installations import lives
from tests.vision.networks import write_tiny_model

from hematovision.machine import cores

STUB = """
import subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Answers(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
HTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of three pictures with a dark spot each."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(3):
        picture = Image.new("RGB", (96, 64), (240, 235, 240))
        ImageDraw.Draw(picture).ellipse((40 + number, 24, 56 + number, 40), fill=(40, 30, 160))
        picture.save(folder / f"{number}.jpg")
    return folder


@contextmanager
def answering(*answers: tuple[int, dict[str, str]]) -> Iterator[int]:
    """Serve some answers in turn, again and again; give the port."""
    turn, lock = iter(range(10**6)), threading.Lock()

    class Stub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                status, headers = answers[next(turn) % len(answers)]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_clients_count_answers_refusals_and_failures_apart(photos: Path) -> None:
    answers = [(200, {}), (503, {"Retry-After": "1"}), (503, {}), (500, {})]
    with answering(*answers) as port:
        heard = ask(Order(port, "/predict", {}, str(photos), clients=2, seconds=0.6))
    assert heard.answered > 0
    assert heard.busy > 0
    assert heard.failed >= heard.busy
    assert len(heard.examples) <= 3
    assert {example[:3] for example in heard.examples} <= {"503", "500"}
    assert 0 < heard.cpu_s < heard.seconds * cores()


def test_server_that_is_gone_is_a_failure_and_no_end(photos: Path) -> None:
    heard = ask(Order(free_port(), "/predict", {}, str(photos), clients=1, seconds=0.2))
    assert (heard.answered, heard.busy) == (0, 0)
    assert "ConnectionRefused" in heard.examples[0]


def test_clients_of_another_process_are_heard(photos: Path) -> None:
    with answering((201, {})) as port:
        order = Order(port, "/predict", {"Authorization": "Bearer x"}, str(photos), 8, 0.3)
        heard = ask_elsewhere(order)
    assert heard.answered > 8
    load = load_of([heard, heard])
    assert load["answered"] == 2 * heard.answered
    assert load["lowest_round"] == load["highest_round"]
    assert 0 < load["p50_ms"] <= load["p95_ms"] <= load["p99_ms"]
    assert 0 < load["client_share"] < 1


def test_load_without_an_answer_has_no_times() -> None:
    assert load_of([Heard(failed=2, seconds=1.0)])["p50_ms"] is None


def test_program_is_given_when_it_has_answered_and_ends_with_its_children(photos: Path) -> None:
    port = free_port()
    program = Program([sys.executable, "-c", STUB, str(port)], port)
    with running(program, b"photo") as server:
        assert server.start_s > 0
        family = [server.process, *server.process.children()]
        weighed = server.memory()
        assert weighed.processes == len(family) == 2
        assert 0 < weighed.pss_mb <= weighed.rss_mb
        assert server.memory_of_children().processes == 1
        assert server.ask(photos, clients=1, seconds=0.2).answered
    assert not any(map(lives, family))


def test_program_that_ends_is_shown_with_its_last_words() -> None:
    program = Program([sys.executable, "-c", "print('no model'); raise SystemExit(1)"], free_port())
    with pytest.raises(SystemExit, match="no model"), running(program, b"photo"):
        pass


def test_hematovision_keeps_what_it_answers(photos: Path, tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model")
    photo = (photos / "0.jpg").read_bytes()
    with databases(wanted=False) as none, home(none) as place:
        with installed(place, photo, model=model, processes=1, settings={}) as server:
            heard = server.ask(photos, clients=4, seconds=0.5)
            assert heard.failed == heard.busy == 0
            assert server.memory_of_children().largest_mb > 0
        assert place.recorded() == heard.answered + 1


def test_parts_of_the_pipeline_add_up(photos: Path, tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model")
    pictures = [path.read_bytes() for path in sorted(photos.glob("*.jpg"))]
    with databases(wanted=False) as none, home(none) as place:
        parts = measure_parts(model, pictures, place)
        assert place.recorded() == 2 * len(pictures)
    found = parts.document()
    assert (parts.photos, parts.cells) == (3, 1.0)
    assert min(parts.whole, parts.decode, parts.locator_network, parts.classifier_network) > 0
    assert parts.record > 0
    named = (parts.decode, parts.glass, parts.locate, parts.locator_network, parts.cut)
    rest = (parts.classifier_network, parts.say, parts.rest)
    assert sum(named + rest) == pytest.approx(parts.whole)
    assert found["share"] == pytest.approx(found["photos_a_second"] / found["bound"])
    assert found["share_together"] == pytest.approx(found["together"] / found["bound_together"])


@dataclass
class StubCase:
    """Runs a server that is there already, or none."""

    name: str
    running: Running | None
    title: str = "stub"
    clients: Sequence[int] = (1, 2)
    turns: list[str] = field(default_factory=list)

    @contextmanager
    def run(self, _stage: Stage) -> Iterator[Running]:
        self.turns.append(self.name)
        if self.running is None:
            raise NotThereError("not there yet")
        yield self.running


@dataclass
class StubServer:
    """Answers without asking anybody."""

    start_s: float = 1.5

    def ask(self, photos: Path, *, clients: int, seconds: float) -> Heard:
        assert photos.is_dir()
        return Heard([10.0 * clients] * 4, seconds=seconds, cpu_s=0.01)

    def memory(self) -> Memory:
        return Memory(2, 300.0, 250.0, 200.0)

    def memory_of_children(self) -> Memory:
        return Memory(1, 200.0, 180.0, 200.0)


def test_cases_take_turns_and_one_that_cannot_run_says_why(photos: Path) -> None:
    turns: list[str] = []
    server: Any = StubServer()
    kept = Running(server, engine=server.memory, recorded=lambda: 13)
    cases: list[Any] = [
        StubCase("first", kept, turns=turns),
        StubCase("away", None, turns=turns),
        StubCase("last", Running(server), turns=turns),
    ]
    stage = Stage(b"", photos, photos, None)
    found, missing = measure_all(cases, stage, seconds=1, rounds=2, say=lambda _: None)
    assert turns == ["first", "away", "last", "last", "first"]
    assert missing == {"away": "not there yet"}
    first, last = found["first"].document(), found["last"].document()
    assert (first["answered"], first["recorded"]) == (26, 26)
    assert first["engine"]["pss_mb"] == 250
    assert (last["recorded"], last["engine"], last["web_mb"]) == (None, None, 200)
    assert first["loads"]["2"]["requests_a_second"] == 4
    assert first["loads"]["2"]["p50_ms"] == 20


def test_models_stand_side_by_side_under_their_names(tmp_path: Path) -> None:
    one, two = write_tiny_model(tmp_path / "one"), write_tiny_model(tmp_path / "two")
    models = models_of([str(one), f"int8={two}"])
    assert list(models) == ["one", "int8"]
    names = [case.name for case in all_cases(models)]
    assert {"plain", "web-1-one", "web-2-int8", "one-slot-2-one", "ray-2-one"} <= set(names)
    assert len(set(names)) == len(names)
    assert [case.name for case in chosen(all_cases(models), "^plain$")] == ["plain"]
    with pytest.raises(SystemExit, match="ray-1-one"):
        chosen(all_cases(models), "nothing")
    with pytest.raises(SystemExit, match="no model folder"):
        models_of([str(tmp_path)])
    assert describe(all_cases(models)[-1])["replicas"] == 2


def test_machine_and_commit_are_named() -> None:
    assert machine()["cores"] == cores()
    assert machine()["versions"]["onnxruntime"]
    assert commit()
    assert parse([]).price > 0


def test_million_photos_cost_what_their_hours_cost() -> None:
    assert cost_of_million(1e6 / 3600, price=0.5) == pytest.approx(0.5 * cores())


def test_engine_that_is_not_there_is_not_ready() -> None:
    assert not is_ready(free_port())


DOCUMENT = json.loads(JSON_FILE.read_text())


def test_page_says_what_was_measured() -> None:
    _, between, _ = parts_of_page()
    assert between == section(DOCUMENT).strip()


def test_page_shows_every_plot() -> None:
    pictures = sorted((JSON_FILE.parent / "images").glob("performance-*.png"))
    assert len(pictures) == 4
    for picture in pictures:
        assert f"](images/{picture.name})" in section(DOCUMENT)


def test_plots_are_drawn_of_what_was_measured(tmp_path: Path) -> None:
    draw_all(DOCUMENT, tmp_path)
    drawn = {path.name: Image.open(io.BytesIO(path.read_bytes())) for path in tmp_path.iterdir()}
    assert len(drawn) == 4
    assert all(picture.width > 500 for picture in drawn.values())


def case(name: str, rate: float, p50: float, p99: float, **more: Any) -> dict[str, Any]:
    load = {
        "requests_a_second": rate,
        "p50_ms": p50,
        "p99_ms": p99,
        "answered": 9,
        "client_share": 0.02,
    }
    return {"name": name, "title": name, "recorded": None, "loads": {"8": load}} | more


def test_claims_are_judged_by_what_was_found() -> None:
    kept = {"answered": 10, "recorded": 9}
    document = {
        "cases": [
            case("plain", 20, 400, 600),
            case("web-1-a", 119, 60, 399),
            case("web-1-b", 240, 30, 401, **kept),
            case("one-slot-1-a", 50, 100, 200),
            case("one-slot-2-a", 75, 80, 150),
            case("ray-1-a", 40, 100, 200, replicas=1, web_mb=251.0),
        ],
        "pipeline": {
            "a": {
                "share": 0.8,
                "photos_a_second": 8.0,
                "bound": 10.0,
                "share_together": 0.75,
                "together": 15.0,
                "bound_together": 20.0,
            }
        },
    }
    claims = claims_of(document)
    assert [claim.met for claim in claims] == [
        False,
        True,
        True,
        False,
        True,
        True,
        False,
        False,
        False,
    ]
    (growth,) = growths({one["name"]: one for one in document["cases"]})
    assert growth.times == 1.5
