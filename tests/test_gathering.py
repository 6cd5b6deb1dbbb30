import threading
from collections.abc import Sequence

import pytest

from hematovision.gathering import MOST, Gathering


class Slow:
    """Writes numbers as their doubles; the first time only when it is let go."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()
        self.together: list[int] = []

    def __call__(self, entries: Sequence[int]) -> Sequence[int]:
        self.together.append(len(entries))
        self.began.set()
        assert self.go_on.wait(20)
        if 13 in entries:
            raise ValueError("unlucky")
        if 99 in entries:
            raise ConnectionError("away")
        return [2 * entry for entry in entries]


def write_beside(gathering: Gathering[int, int], entries: Sequence[int]) -> Sequence[object]:
    """Write entries from a thread each, while another is under way; give what became of them."""
    slow = gathering.do_all
    assert isinstance(slow, Slow)
    became: dict[int, object] = {}

    def write(place: int, entry: int) -> None:
        try:
            became[place] = gathering.do(entry)
        except (ValueError, ConnectionError) as error:
            became[place] = str(error)

    threads = [threading.Thread(target=write, args=pair) for pair in enumerate(entries)]
    threads[0].start()
    assert slow.began.wait(20)
    for place, thread in enumerate(threads[1:], 1):
        thread.start()
        while len(gathering._waiting) < place:
            pass
    slow.go_on.set()
    for thread in threads:
        thread.join(20)
    return [became[place] for place in range(len(entries))]


def test_one_alone_is_written_at_once() -> None:
    assert Gathering(lambda entries: [2 * entry for entry in entries]).do(21) == 42


def test_what_comes_meanwhile_is_written_together_and_each_learns_what_became_of_its_own() -> None:
    slow = Slow()

    assert write_beside(Gathering(slow), range(6)) == [0, 2, 4, 6, 8, 10]
    assert slow.together == [1, 5]


def test_no_more_are_written_together_than_may_be() -> None:
    slow = Slow()
    write_beside(Gathering(slow), range(20, MOST + 25))

    assert slow.together == [1, MOST, 4]


def test_large_ones_take_the_place_of_several_and_the_largest_goes_alone() -> None:
    slow = Slow()
    write_beside(Gathering(slow, size_of=lambda entry: entry), [1, 20, 9, 4, 40, 2])

    assert slow.together == [1, 2, 1, 1, 1]


def test_one_that_cannot_be_written_takes_no_other_with_it() -> None:
    assert write_beside(Gathering(Slow()), [1, 2, 13, 4]) == [2, 4, "unlucky", 8]


def test_what_is_true_of_all_is_asked_once() -> None:
    slow = Slow()
    became = write_beside(Gathering(slow, of_all=(ConnectionError,)), [1, 2, 99, 4])

    assert became == [2, "away", "away", "away"]
    assert slow.together == [1, 3]


def test_failure_of_one_alone_is_raised() -> None:
    def refuse(entries: Sequence[int]) -> Sequence[int]:
        raise ValueError("unlucky")

    with pytest.raises(ValueError, match="unlucky"):
        Gathering(refuse).do(1)
