"""Mutations guided by coverage: atheris follows which lines of ours and of Pillow are reached.

It runs in a process of its own, because libFuzzer ends its process, and decodes in that process,
because lines are seen nowhere else. What it counted is written to a file as it goes.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["hematovision.vision", "PIL"]):
    from hematovision.vision.decoders import HERE

from fuzzing.mutations import mutate
from fuzzing.seeds import make_seeds
from fuzzing.uploads import Tally

LONGEST = 2**16
EVERY = 50


def main() -> None:
    """Run until as many pictures were sent as are wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="takes corpus and report")
    options = parser.parse_args()
    seeds = make_seeds()
    corpus = options.folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds.values()):
        (corpus / str(number)).write_bytes(seed)
    tally, files, begin = Tally(), list(seeds.values()), time.monotonic()

    def send(data: bytes) -> None:
        tally.send(HERE, data)
        sent = tally.outcomes.total()
        if sent % EVERY == 0 or sent >= options.number:
            write(options.folder, tally, time.monotonic() - begin)

    def change(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.5:
            return atheris.Mutate(data, most)
        return mutate(chance, [data or files[0], *chance.sample(files, 2)])[:most]

    arguments = [sys.argv[0], f"-runs={options.number}", f"-seed={options.seed + 1}"]
    arguments += [f"-max_len={LONGEST}", "-timeout=60", "-rss_limit_mb=2048", "-len_control=0"]
    arguments += [f"-artifact_prefix={options.folder}/", "-verbosity=0", str(corpus)]
    atheris.Setup(arguments, send, custom_mutator=change)
    atheris.Fuzz()


def write(folder: Path, tally: Tally, seconds: float) -> None:
    """Write down what was counted so far."""
    for number, data in enumerate(tally.unhandled.values()):
        (folder / f"unhandled-{number}").write_bytes(data)
    report = {
        "outcomes": tally.outcomes,
        "unhandled": list(tally.unhandled),
        "slowest": tally.slowest,
        "seconds": seconds,
    }
    (folder / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main()
