"""The laws that the simulation of the capacity plan must keep."""

import math

import pytest
from benchmarks.simulation import Costs, Layout, closed, engine, opened, station


def test_one_row_of_chance_waits_as_theory_says() -> None:
    # M/M/1: 1 / (mu - lambda).
    seen = opened(station(lambda chance: chance.expovariate(0.1)), 60, seconds=2000)
    assert seen.mean == pytest.approx(1000 / (100 - 60), rel=0.06)


def test_one_row_of_equal_work_waits_as_theory_says() -> None:
    # M/D/1: s + rho s / (2 (1 - rho)).
    seen = opened(station(lambda _: 10), 60, seconds=1000)
    assert seen.mean == pytest.approx(10 + 0.6 * 10 / (2 * 0.4), rel=0.05)


def test_as_many_are_inside_as_come_times_how_long_they_stay() -> None:
    # Little's law.
    seen = opened(station(lambda chance: chance.expovariate(0.1), servers=2), 120, seconds=300)
    assert seen.inside == pytest.approx(seen.rate * seen.mean / 1000, rel=0.02)


@pytest.mark.parametrize("clients", [1, 8, 64])
def test_clients_that_never_pause_are_as_many_as_answers_a_second_times_their_time(
    clients: int,
) -> None:
    seen = closed(Costs(decode=5, locator=20, python=4), Layout(), clients, seconds=30)
    assert seen.rate * seen.mean / 1000 == pytest.approx(clients, rel=0.05)


def test_more_clients_than_cores_saturate_at_the_bound() -> None:
    costs = Costs(client=1, decode=5, locator=20, classifier=10, python=4, record=5, database=1)
    few, many = (closed(costs, Layout(slots=8), clients, seconds=30) for clients in (8, 64))
    bound = 2 * 1000 / costs.processor
    assert few.rate == pytest.approx(bound, rel=0.05)
    assert many.rate <= bound * 1.02
    assert many.mean > 6 * few.mean


def test_lock_of_python_holds_one_process_to_one_core() -> None:
    costs = Costs(python=20)
    one, two = (closed(costs, Layout(processes=count), 16, seconds=30).rate for count in (1, 2))
    assert one == pytest.approx(50, rel=0.05)
    assert two == pytest.approx(100, rel=0.05)


def test_chain_holds_all_machines_together() -> None:
    seen = closed(
        Costs(python=1, chain=2, flush=8), Layout(cores=64, processes=32), 256, seconds=10
    )
    assert seen.rate == pytest.approx(100, rel=0.03)


def test_photos_beyond_the_slots_wait() -> None:
    costs = Costs(locator=20)
    assert closed(costs, Layout(cores=8, slots=1), 8, seconds=10).rate == pytest.approx(
        50, rel=0.05
    )


@pytest.mark.parametrize("rate", [20, 200, 2000])
def test_batch_is_never_larger_than_it_may_be_and_waits_no_longer(rate: float) -> None:
    serve, made = engine(2, 0.3, most=16, delay=5)
    opened(serve, rate, seconds=20)
    assert max(made[0].sizes) <= 16
    assert max(made[0].waits) <= 5 + 1e-9


def test_batch_that_is_full_waits_for_nobody() -> None:
    serve, made = engine(2, 0.3, most=16, delay=50)
    opened(serve, 5000, seconds=5)
    assert set(made[0].sizes[5:]) == {16}
    assert max(made[0].waits[5:]) == 0


def test_engine_of_batches_saturates_at_full_batches() -> None:
    serve, _ = engine(2, 0.3, most=16, delay=0)
    assert opened(serve, 5000, seconds=5).rate == pytest.approx(16_000 / (2 + 16 * 0.3), rel=0.02)


def test_idle_engine_answers_after_the_delay() -> None:
    serve, made = engine(2, 0.3, most=16, delay=5)
    seen = opened(serve, 1, seconds=200)
    assert seen.quantile(0.5) == pytest.approx(5 + 2.3, abs=0.1)
    assert math.isclose(min(made[0].sizes), 1)
