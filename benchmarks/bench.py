"""`make bench`: how fast HematoVision is, as ratios to Keras `model.predict` in the same run.

Machines differ and are shared, so no figure here is a test: read the ratios.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
import psutil
from gallery import measure_gallery
from rich.console import Console
from rich.table import Table

from hematovision.config import Settings
from hematovision.learning.network import backbone_of
from hematovision.people import Role
from hematovision.services.accounts import add_user
from hematovision.services.hands import Hand
from hematovision.services.readings import read_image
from hematovision.services.tokens import add_token
from hematovision.storage.database import open_database
from hematovision.vision.bundle import CLASSIFIER_FILE, KERAS_FILE
from hematovision.vision.decoders import open_decoders
from hematovision.vision.reader import load_reader
from hematovision.vision.runtime import Network

ROUNDS = 40
PHOTOS = 200
STARTS = 5
BOUNDARY = "hematovision-bench"
GALLERY = (
    ("opened for the first time", "g_open_first"),
    ("opened again", "g_open"),
    ("correction on the screen", "g_on_screen"),
    ("correction stored", "g_stored"),
    ("slow frame while scrolling (19 of 20 are faster)", "g_frame"),
)


def median_ms(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Give the median time of a call in milliseconds, after three to warm up."""
    for _ in range(3):
        work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start_server(port: int) -> tuple[subprocess.Popen[bytes], float]:
    """Start `hematovision serve`; give it and the seconds until it answered."""
    command = Path(sys.executable).with_name("hematovision")
    begin = time.perf_counter()
    server = subprocess.Popen(
        [command, "serve", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ,
    )
    while time.perf_counter() - begin < 60:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5):
                return server, time.perf_counter() - begin
        except OSError:
            time.sleep(0.01)
    server.kill()
    raise SystemExit("hematovision serve did not answer within a minute.")


def make_token() -> str:
    """Let a program in at the servers of this benchmark, which have a data folder of their own."""
    settings = Settings.from_environment()
    by = Hand(None, "terminal", datetime.now(UTC))
    database = open_database(settings.database_url, settings.data_folder)
    try:
        return add_token(database, add_user(database, "bench", Role.TECHNOLOGIST, by=by), "", by=by)
    finally:
        database.close()


def post(port: int, picture: bytes, token: str) -> bytes:
    """Send one picture to `POST /predict` and ask for JSON."""
    head = (
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=image; filename=photo.jpg\r\n"
        "Content-Type: image/jpeg\r\n\r\n"
    )
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/predict",
        head.encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode(),
        {
            "Accept": "application/json",
            "Authorization": f"Bearer {token}",
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        body: bytes = answer.read()
    return body


def one_view(network: keras.Model) -> keras.Model:
    """Give plain MobileNetV2 with the shipped weights: the baseline looks at a crop once."""
    if "backbone" not in [layer.name for layer in network.layers]:
        return network
    pictures = keras.Input(network.inputs[0].shape[1:])
    maps = backbone_of(network)(pictures)
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    logits = network.get_layer("logits")(pooled)
    return keras.Model(pictures, keras.layers.Softmax()(logits))


def measure(data: Path) -> dict[str, float]:
    """Run every part once, in one process and one server beside it."""
    photos = [path.read_bytes() for path in sorted((data / "bccd" / "photos").glob("*.jpg"))]
    folder = Settings.from_environment().model_folder
    reader, decoder = load_reader(folder), open_decoders()
    size = reader.bundle.crop.size
    crop = np.random.default_rng(0).integers(0, 255, (1, size, size, 3), dtype=np.uint8)
    network = one_view(keras.models.load_model(folder / KERAS_FILE))
    classifier = Network(folder / CLASSIFIER_FILE)
    ready = crop.astype(np.float32)
    result = {
        "a_keras_predict_ms": median_ms(lambda: network.predict(ready, verbose=0)),
        "b_classifier_ms": median_ms(lambda: classifier(crop)),
        "c_pipeline_ms": median_ms(lambda: read_image(photos[0], reader=reader, decoder=decoder)),
        "c_decoded_here_ms": median_ms(lambda: read_image(photos[0], reader=reader)),
    }
    port, token = free_port(), make_token()
    server, _ = start_server(port)
    try:
        result["d_post_predict_ms"] = median_ms(lambda: post(port, photos[0], token))
        running = psutil.Process(server.pid)
        result["f_memory_after_reading_mb"] = running.memory_info().rss / 1e6
        (worker,) = (one for one in running.children() if "worker" in one.cmdline())
        decoders = [one for one in running.children() if one != worker]
        result["f_memory_of_decoder_mb"] = max(one.memory_info().rss for one in decoders) / 1e6
        result["f_memory_of_worker_mb"] = worker.memory_info().rss / 1e6
    finally:
        server.terminate()
        server.wait()
    start = time.perf_counter()
    for photo in photos[:PHOTOS]:
        read_image(photo, reader=reader, decoder=decoder)
    result["e_photos_a_second"] = min(PHOTOS, len(photos)) / (time.perf_counter() - start)
    result |= measure_start()
    result |= measure_gallery(reader, photos)
    result["b_to_a"] = result["b_classifier_ms"] / result["a_keras_predict_ms"]
    result["c_to_a"] = result["c_pipeline_ms"] / result["a_keras_predict_ms"]
    return result


def measure_start() -> dict[str, float]:
    """Start the server a few times; give medians of the time and the memory."""
    seconds, memory = [], []
    for _ in range(STARTS):
        server, took = start_server(free_port())
        seconds.append(took)
        memory.append(psutil.Process(server.pid).memory_info().rss / 1e6)
        server.terminate()
        server.wait()
    return {
        "f_start_s": statistics.median(seconds),
        "f_memory_at_start_mb": statistics.median(memory),
    }


def main() -> None:
    """Measure, print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    if not (options.data / "bccd").is_dir():
        raise SystemExit(f"{options.data}/bccd is missing; docs/data.md says where to get it.")
    with TemporaryDirectory() as folder:
        os.environ |= {"HEMATOVISION_DATA_FOLDER": folder, "HEMATOVISION_DATABASE_URL": ""}
        result = measure(options.data)
    table = Table("what", "median", "to (a)", title="One run on this machine")
    rows = (
        ("(a) Keras model.predict, one ready crop, one view", "a_keras_predict_ms", "ms"),
        ("(b) classifier, one ready crop, all its views", "b_classifier_ms", "ms"),
        ("(c) pipeline, JPEG of 640x480 to readings", "c_pipeline_ms", "ms"),
        ("(c) the same, decoded in this process", "c_decoded_here_ms", "ms"),
        ("(d) POST /predict as JSON", "d_post_predict_ms", "ms"),
        (f"(e) pipeline over {PHOTOS} photos", "e_photos_a_second", "photos/s"),
        ("(f) serve, until it answers", "f_start_s", "s"),
        ("(f) its memory at start", "f_memory_at_start_mb", "MB"),
        ("(f) its memory after reading photos", "f_memory_after_reading_mb", "MB"),
        ("(f) that of its worker beside it", "f_memory_of_worker_mb", "MB"),
        ("(f) that of a process that decodes", "f_memory_of_decoder_mb", "MB"),
    )
    rows += tuple(
        (f"(g) gallery of {cells} cells: {what}", f"{key}_{cells}_ms", "ms")
        for cells in (200, 1000)
        for what, key in GALLERY
        if f"{key}_{cells}_ms" in result
    )
    for what, key, unit in rows:
        ratio = f"{result[key] / result['a_keras_predict_ms']:.3f}" if unit == "ms" else ""
        table.add_row(what, f"{result[key]:.2f} {unit}", ratio)
    Console().print(table)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
