import threading

from hematovision.observing.kept import Kept


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_value_is_made_again_only_when_it_is_old() -> None:
    made: list[int] = []
    clock = Clock()
    kept = Kept(lambda: made.append(1) or len(made), fresh=2, patience=30, clock=clock)
    assert [kept.get(), kept.get()] == [1, 1]
    clock.now = 3.0
    assert kept.get() == 2


def test_value_that_cannot_be_made_is_none_and_tried_again() -> None:
    clock = Clock()
    answers = iter([0, 1])
    kept = Kept(lambda: 1 // next(answers), fresh=2, patience=30, clock=clock)
    assert kept.get() is None
    clock.now = 3.0
    assert kept.get() == 1


def test_what_hangs_is_asked_once_and_waited_for_no_longer() -> None:
    go, asked = threading.Event(), []

    def hang() -> str:
        asked.append(1)
        assert go.wait(60)
        return "there"

    kept = Kept(hang, fresh=2, patience=0.05)
    assert [kept.get() for _ in range(5)] == [None] * 5
    assert len(asked) == 1
    done = kept._done
    go.set()
    assert done.wait(60)
    assert kept.get() == "there"
