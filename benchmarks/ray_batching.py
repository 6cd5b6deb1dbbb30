"""Compare how requests are put together: `@serve.batch` of Ray, and `vision.together` here.

    python -m benchmarks.ray_batching --json docs/batching.json

The engine is made up: a run takes 5 ms and 0.2 ms a picture, as one on a GPU does, and keeps no
core busy. Clients ask for one picture, and wait 20 ms on average before they ask again.
"""

import argparse
import asyncio
import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import ray
from ray import serve

from hematovision.vision.served import Served, Tensor
from hematovision.vision.together import Job, Together

RUN, PICTURE, PAUSE = 0.005, 0.0002, 0.02
"""Seconds."""
MOST = 32
SECONDS = 4
JOB = Job(np.zeros((1, 8, 8, 3), np.uint8), ("logits",))


@serve.deployment(ray_actor_options={"num_cpus": 0.5}, max_ongoing_requests=100)
class Load:
    """Clients and engine in one replica, so that nothing else is measured."""

    async def __call__(self, way: str, clients: int) -> dict[str, Any]:
        """Let clients ask one way for a while; give a row of the table."""
        sizes: list[int] = []

        def run(pictures: Any, *, outputs: object) -> list[Any]:
            sizes.append(len(pictures))
            time.sleep(RUN + PICTURE * len(pictures))
            return [np.zeros((len(pictures), 6), np.float32)]

        @serve.batch(max_batch_size=MOST, batch_wait_timeout_s=0.002)
        async def batched(jobs: list[Job]) -> list[None]:
            await asyncio.get_running_loop().run_in_executor(
                pool, lambda: run(np.concatenate([job.pictures for job in jobs]), outputs=())
            )
            return [None] * len(jobs)

        tensors = Tensor("pictures", "UINT8", (8, 8, 3)), (Tensor("logits", "FP32", (6,)),)
        network: Any = Served("made-up", None, run, *tensors)  # type: ignore[arg-type]
        with ThreadPoolExecutor(1) as pool:
            ask = batched if way == "serve.batch" else Together(network, pool, pixels=64 * MOST)
            waits = await _ask(ask, clients)
        waits.sort()
        middle, last = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
        return {
            "way": way,
            "clients": clients,
            "a second": round(len(waits) / SECONDS, 1),
            "together": round(float(np.mean(sizes)), 2),
            "p50": round(1000 * middle, 2),
            "p99": round(1000 * last, 2),
        }


async def _ask(ask: Any, clients: int) -> list[float]:
    """Ask again and again; give how long each answer took, in seconds."""
    chance, end, waits = random.Random(0), time.monotonic() + SECONDS, []  # noqa: S311

    async def client() -> None:
        while time.monotonic() < end:
            await asyncio.sleep(chance.expovariate(1 / PAUSE))
            asked = time.perf_counter()
            await ask(JOB)
            waits.append(time.perf_counter() - asked)

    await asyncio.gather(*(client() for _ in range(clients)))
    return waits


def main() -> None:
    """Print the table, and write what was made up and what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    rows = []
    with TemporaryDirectory(prefix="hematovision-ray-") as folder:
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _temp_dir=folder)
        load = serve.run(Load.bind(), route_prefix=None)
        print("way          clients  a second  together    p50 ms    p99 ms")  # noqa: T201
        for clients in (1, 8, 64):
            for way in ("serve.batch", "together"):
                row = load.remote(way, clients).result()
                rows.append(row)
                numbers = "".join(f"{row[name]:>10.1f}" for name in [*row][2:])
                print(f"{way:<12}{clients:>8}{numbers}")  # noqa: T201
        serve.shutdown()
        ray.shutdown()
    if options.json:
        made_up = {"run": 1000 * RUN, "picture": 1000 * PICTURE, "pause": 1000 * PAUSE}
        document = {"milliseconds": made_up, "most": MOST, "rows": rows}
        options.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
