"""`python -m benchmarks.remote`: what reading costs where the networks run on a server.

A server of the Open Inference Protocol with ONNX Runtime behind runs in a process of its own, on
the same cores; `hematovision serve` reads the same photos with the engine in the process, then by
asking that server over HTTP and over gRPC. Machines differ and are shared: compare the rows.
"""

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory

import psutil
import requests
from rich.console import Console
from rich.table import Table
from tests.inference_servers import grpc_server, http_server

from hematovision.config import PACKAGED_MODEL
from hematovision.people import Role
from hematovision.services.accounts import add_user
from hematovision.services.hands import Hand
from hematovision.services.tokens import add_token
from hematovision.storage.database import open_database

WAYS = {"http": http_server, "grpc": grpc_server}
START_SECONDS = 120.0
MB = 1e6


def run_server(way: str, ready: Connection) -> None:
    """Serve the shipped model until the other end is closed."""
    with WAYS[way](PACKAGED_MODEL) as served:
        ready.send(served.url)
        ready.poll(None)


@contextmanager
def inference(way: str) -> Iterator[str]:
    """Run the networks in a process of their own; give its address."""
    if way == "in_process":
        yield ""
        return
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=run_server, args=(way, theirs))
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("end")
        process.join()


@contextmanager
def hematovision(folder: Path, url: str) -> Iterator[tuple[str, psutil.Process]]:
    """Start `hematovision serve` without workers; give its address and its process."""
    with socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    given = {"DATA_FOLDER": str(folder), "INFERENCE_URL": url, "THREADS": "1", "DECODERS": "1"}
    server = subprocess.Popen(
        [sys.executable, "-m", "hematovision", "serve", "--port", str(port), "--workers", "0"],
        stdout=subprocess.DEVNULL,
        env=os.environ | {f"HEMATOVISION_{name}": value for name, value in given.items()},
    )
    address, end = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
    try:
        while time.monotonic() < end:
            try:
                requests.get(f"{address}/healthz", timeout=5)
                break
            except requests.RequestException:
                time.sleep(0.1)
        yield address, psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait()


def make_token(folder: Path) -> str:
    """Let a program in."""
    by, database = Hand(None, "terminal", datetime.now(UTC)), open_database("", folder)
    try:
        return add_token(database, add_user(database, "bench", Role.TECHNOLOGIST, by=by), "", by=by)
    finally:
        database.close()


def measure(way: str, photos: list[Path]) -> tuple[str, ...]:
    """Read the photos one after the other; give a row of the table."""
    times, engines, cells = [], set(), 0
    with TemporaryDirectory() as name, inference(way) as url:
        folder = Path(name)
        with hematovision(folder, url) as (address, process):
            session = requests.Session()
            session.headers["Authorization"] = f"Bearer {make_token(folder)}"
            before = process.memory_info().rss
            for photo in photos:
                picture, begin = photo.read_bytes(), time.perf_counter()
                answer = session.post(
                    f"{address}/api/v1/readings", files={"image": picture}, timeout=120
                )
                times.append(1000 * (time.perf_counter() - begin))
                (reading,) = answer.json()["readings"]
                engines.add(reading["engine"])
                cells += len(reading["cells"])
            after = process.memory_info().rss
            has_engine = any("onnxruntime" in one.path for one in process.memory_maps())
    return (
        way,
        ", ".join(sorted(engines)),
        str(cells),
        f"{statistics.median(times):.0f}",
        f"{before / MB:.0f}",
        f"{after / MB:.0f}",
        "yes" if has_engine else "no",
    )


def main() -> None:
    """Measure each way, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--photos", type=int, default=50)
    options = parser.parse_args()
    photos = sorted((options.data / "bccd" / "photos").glob("*.jpg"))[: options.photos]
    if not photos:
        raise SystemExit(f"{options.data}/bccd is missing; docs/data.md says where to get it.")
    table = Table("inference", "engine", "cells", "median ms", "MB at start", "MB after", "has ORT")
    for way in ("in_process", *WAYS):
        table.add_row(*measure(way, photos))
    Console().print(table)


if __name__ == "__main__":
    main()
