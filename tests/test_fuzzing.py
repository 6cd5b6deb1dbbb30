"""A small part of `make fuzz`; docs/fuzzing.md has the figures of the whole."""

import random
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from fuzzing import archives
from fuzzing.images import edit, edits
from fuzzing.mutations import mutate
from fuzzing.seeds import make_seeds
from fuzzing.uploads import Tally
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hematovision.errors import HematoVisionError
from hematovision.vision.decoders import HERE, open_decoders

# pytest puts "error" in front of the filter that decoding.py sets.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")

SEEDS = make_seeds()
FILES = list(SEEDS.values())
ROOT = Path(__file__).resolve().parents[1]
REFUSED = {"png animated", "webp animated", "bmp runs"}


def assert_all_is_handled(tally: Tally, number: int) -> None:
    assert tally.unhandled == {}
    assert tally.outcomes.total() >= number
    assert len(tally.outcomes) >= 4


@pytest.mark.parametrize("name", [name for name in SEEDS if name not in REFUSED])
def test_sound_picture_of_every_kind_is_accepted(name: str) -> None:
    assert HERE.decode(SEEDS[name]).shape[2] == 3


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_kind_that_is_not_read_is_refused(name: str) -> None:
    with pytest.raises(HematoVisionError):
        HERE.decode(SEEDS[name])


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(FILES), edits)
def test_edited_picture_is_accepted_whole_or_refused_by_name(
    data: bytes, changes: Sequence[tuple[str, float, int]]
) -> None:
    tally = Tally()
    tally.send(HERE, edit(data, changes))
    assert tally.unhandled == {}


def test_mutated_pictures_harm_no_decoder() -> None:
    decoders, tally = open_decoders(1, max_pixels=1_000_000), Tally()
    for number in range(300):
        tally.send(decoders, mutate(random.Random(number), FILES))  # noqa: S311
    assert_all_is_handled(tally, 300)
    assert tally.fatal == {}


def test_mutated_archives_are_read_or_refused_by_name() -> None:
    assert_all_is_handled(archives.run(150, 0), 150)


def test_same_seed_sends_the_same() -> None:
    again = [[mutate(random.Random(number), FILES) for number in range(50)] for _ in range(2)]  # noqa: S311
    assert again[0] == again[1]
    assert len(set(again[0])) > 40


def test_what_is_not_handled_is_told() -> None:
    class Broken:
        def check(self, data: bytes, *, max_pixels: int = 0) -> None:
            raise ZeroDivisionError("a bug")

        decode = check

    tally = Tally()
    tally.send(Broken(), b"a picture")
    assert tally.unhandled == {"ZeroDivisionError: a bug": b"a picture"}
    assert tally.outcomes["unhandled"] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="atheris is for Linux")
def test_guided_run_counts_what_it_sends() -> None:
    from fuzzing.images import send_guided

    assert_all_is_handled(send_guided(100, 0), 100)
