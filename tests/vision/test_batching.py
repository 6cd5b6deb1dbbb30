import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hematovision.vision.batching import BatchedNetwork


class Slow:
    """Gives the sum and the mean of every picture; the first time only when it is let go."""

    outputs = 2

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()
        self.sizes: list[int] = []

    def __call__(
        self, pictures: NDArray[np.uint8], *, outputs: Sequence[int] | None = None
    ) -> list[NDArray[np.float32]]:
        self.sizes.append(len(pictures))
        self.began.set()
        assert self.go_on.wait(20)
        numbers = pictures.reshape(len(pictures), -1).astype(np.float32)
        answers = [numbers.sum(axis=1), numbers.mean(axis=1)]
        return answers if outputs is None else [answers[place] for place in outputs]


def ask_at_once(
    network: BatchedNetwork, slow: Slow, lots: Sequence[NDArray[np.uint8]]
) -> Sequence[list[NDArray[np.float32]]]:
    """Let a thread ask for each lot while the first is under way."""
    answers: dict[int, list[NDArray[np.float32]]] = {}

    def ask(place: int) -> None:
        answers[place] = network(lots[place], outputs=[0])

    threads = [threading.Thread(target=ask, args=[place]) for place in range(len(lots))]
    threads[0].start()
    assert slow.began.wait(20)
    for thread in threads[1:]:
        thread.start()
    while sum(len(one._waiting) for one in network._gatherings.values()) < len(lots) - 1:
        pass
    slow.go_on.set()
    for thread in threads:
        thread.join(20)
    return [answers[place] for place in range(len(lots))]


def pictures(number: int, value: int, side: int = 2) -> NDArray[np.uint8]:
    return np.full((number, side, side, 3), value, np.uint8)


def test_requests_that_come_meanwhile_go_through_the_network_together() -> None:
    slow = Slow()
    network = BatchedNetwork(slow)
    lots = [pictures(1, 1), pictures(2, 2), pictures(3, 3), pictures(1, 4)]

    answers = ask_at_once(network, slow, lots)

    assert slow.sizes == [1, 6]
    assert [answer[0].tolist() for answer in answers] == [
        [12],
        [24, 24],
        [36, 36, 36],
        [48],
    ]


def test_views_of_another_size_do_not_go_together() -> None:
    slow = Slow()
    network = BatchedNetwork(slow)
    slow.go_on.set()
    small, large = network(pictures(1, 1)), network(pictures(1, 1, side=4))

    assert (small[0].item(), large[0].item()) == (12, 48)
    assert len(network._gatherings) == 2


def test_outputs_are_those_of_the_network() -> None:
    slow = Slow()
    slow.go_on.set()
    network = BatchedNetwork(slow)

    assert network.outputs == 2
    assert [answer.item() for answer in network(pictures(1, 2))] == [24, 2]
