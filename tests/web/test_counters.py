from concurrent.futures import ThreadPoolExecutor

import pytest

from hematovision.web import counters
from hematovision.web.counters import Counters


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give the time, which stands still until somebody sets it."""
    now = [1000.0]
    monkeypatch.setattr("hematovision.web.counters.time.time", lambda: now[0])
    return now


def test_counter_begins_anew_when_it_is_over(clock: list[float]) -> None:
    store = Counters()
    assert [store.incr("a", 60) for _ in range(3)] == [1, 2, 3]
    assert store.incr("b", 60) == 1
    assert (store.get("a"), store.get_expiry("a")) == (3, 1060.0)
    clock[0] = 1060.0
    assert (store.get("a"), store.get_expiry("a")) == (0, 1060.0)
    assert store.incr("a", 60) == 1


def test_counters_can_be_forgotten() -> None:
    store = Counters()
    for key in ("a", "b"):
        store.incr(key, 60)
    store.clear("a")
    assert store.get("a") == 0
    assert store.reset() == 1
    assert store.get("b") == 0
    assert store.check()


def test_what_is_over_does_not_pile_up(clock: list[float]) -> None:
    store = Counters()
    for key in range(counters.MOST):
        store.incr(str(key), 60)
    clock[0] = 1060.0
    store.incr("last", 60)
    assert store.reset() == 1


def test_what_is_over_is_not_looked_for_at_each_request(clock: list[float]) -> None:
    store = Counters()
    for key in range(counters.MOST + 1):
        store.incr(str(key), 60)
    looked_through = store._counted
    store.incr("one more", 60)
    assert store._counted is looked_through
    clock[0] = 1060.0
    for key in range(counters.MOST):
        store.incr(f"later {key}", 60)
    assert store.reset() <= counters.MOST + 1


def test_many_at_once_are_counted_each() -> None:
    store = Counters()
    with ThreadPoolExecutor(8) as pool:
        counted = list(pool.map(lambda _: store.incr("a", 60), range(2000)))
    assert sorted(counted) == list(range(1, 2001))
