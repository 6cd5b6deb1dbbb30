"""The laws that the simulation of the capacity plan must keep, and the plan itself."""

import json
import math
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from benchmarks.capacity import (
    DOCS,
    ROOT,
    batches_table,
    check,
    fit,
    main,
    markdown,
    put,
    read,
    writers_table,
)
from benchmarks.plan import Assumptions, Known, plan
from benchmarks.simulation import Costs, Layout, closed, engine, opened, station
from benchmarks.writers import Task, write

from hematovision.services.proving import prove
from hematovision.storage.database import open_database

from .databases import Postgres


def test_one_row_of_chance_waits_as_theory_says() -> None:
    # M/M/1: 1 / (mu - lambda).
    seen = opened(station(lambda chance: chance.expovariate(0.1)), 60, seconds=800)
    assert seen.mean == pytest.approx(1000 / (100 - 60), rel=0.1)


def test_one_row_of_equal_work_waits_as_theory_says() -> None:
    # M/D/1: s + rho s / (2 (1 - rho)).
    seen = opened(station(lambda _: 10), 60, seconds=500)
    assert seen.mean == pytest.approx(10 + 0.6 * 10 / (2 * 0.4), rel=0.05)


def test_as_many_are_inside_as_come_times_how_long_they_stay() -> None:
    # Little's law.
    seen = opened(station(lambda chance: chance.expovariate(0.1), servers=2), 120, seconds=100)
    assert seen.inside == pytest.approx(seen.rate * seen.mean / 1000, rel=0.02)


@pytest.mark.parametrize("clients", [1, 8, 64])
def test_clients_that_never_pause_are_as_many_as_answers_a_second_times_their_time(
    clients: int,
) -> None:
    seen = closed(Costs(decode=5, locator=20, python=4), Layout(), clients, seconds=15)
    assert seen.rate * seen.mean / 1000 == pytest.approx(clients, rel=0.05)


def test_more_clients_than_cores_saturate_at_the_bound() -> None:
    costs = Costs(client=1, decode=5, locator=20, classifier=10, python=4, record=5, database=1)
    few, many = (closed(costs, Layout(slots=8), clients, seconds=15) for clients in (8, 64))
    bound = 2 * 1000 / costs.processor
    assert few.rate == pytest.approx(bound, rel=0.05)
    assert many.rate <= bound * 1.02
    assert many.mean > 6 * few.mean


def test_lock_of_python_holds_one_process_to_one_core() -> None:
    costs = Costs(python=20)
    one, two = (closed(costs, Layout(processes=count), 16, seconds=15).rate for count in (1, 2))
    assert one == pytest.approx(50, rel=0.05)
    assert two == pytest.approx(100, rel=0.05)


def test_chain_holds_all_machines_together() -> None:
    layout = Layout(cores=64, processes=32, gathered=1)
    seen = closed(Costs(python=1, chain=2, flush=8), layout, 256, seconds=10)
    assert seen.rate == pytest.approx(100, rel=0.03)


def test_readings_that_come_at_once_share_the_chain() -> None:
    costs = Costs(python=0.1, chain=2, flush=8)
    alone, gathered = (
        closed(costs, Layout(cores=64, processes=1, slots=8, gathered=most), 64, seconds=10).rate
        for most in (1, 32)
    )
    assert alone == pytest.approx(100, rel=0.03)
    assert gathered > 3 * alone


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


def test_clients_of_an_engine_without_delay_are_answered_in_batches_of_those_who_wait() -> None:
    made_up = {"run": 5.0, "picture": 0.0, "pause": 0.001}
    rows = [{"way": "together", "clients": 64, "a second": 1, "together": 1, "p50": 1, "p99": 1}]
    others = [rows[0] | {"way": "serve.batch"}]
    measured = {"milliseconds": made_up, "most": 32, "rows": others + rows}
    _, row = batches_table(measured, seconds=5)
    predicted = [float(number) for number in row[2::2]]
    assert predicted[0] == pytest.approx(32 / 0.005, rel=0.05)
    assert predicted[1] == pytest.approx(32, rel=0.05)
    assert predicted[2] == pytest.approx(10, rel=0.05)


def test_idle_engine_answers_after_the_delay() -> None:
    serve, made = engine(2, 0.3, most=16, delay=5)
    seen = opened(serve, 1, seconds=200)
    assert seen.quantile(0.5) == pytest.approx(5 + 2.3, abs=0.1)
    assert math.isclose(min(made[0].sizes), 1)


WRITERS = [
    {
        "flush_ms": flush,
        "cells": 1,
        "way": way,
        "writers": 1,
        "batch": batch,
        "records": 1000,
        "a second": 100.0 * batch,
        "p50": 9.0,
        "p95": 12.0,
        "waited": 0.1,
        "held": 1.2 + flush + 0.1 * batch,
        "undisturbed": 1.0 + flush + 0.1 * batch,
        "asked": 2,
        "writer cpu": 5.0,
        "database cpu": 1.1,
        "bytes": {"photos": 600.0, "cells": 700.0},
        "log bytes": 5000.0,
    }
    for flush in (0, 1)
    for way, batch in (("event", 1), ("alone", 1), ("batch 8", 8), ("alone, shared flush", 1))
]
PARTS = {
    "decode": 6.0,
    "decode_here": 3.0,
    "glass": 2.0,
    "locate": 4.0,
    "cut": 5.0,
    "say": 1.0,
    "rest": 1.0,
    "locator_network": 8.0,
    "classifier_network": 20.0,
    "record": 10.0,
    "together": 34.0,
}


def loads(processes: int) -> dict[str, object]:
    load = {"requests_a_second": 14.0, "p50_ms": 65.0, "p95_ms": 80.0, "client_share": 0.004}
    return {
        "name": f"web-{processes}-float32",
        "processes": processes,
        "loads": {"1": load, "8": load | {"requests_a_second": 25.0, "p50_ms": 320.0}},
    }


def test_what_was_fitted_is_met_and_the_rest_is_predicted() -> None:
    alone = {"requests_a_second": 14.0, "p50_ms": 65.0, "p95_ms": 80.0, "client_share": 0.004}
    costs = fit(PARTS, WRITERS[1], alone, 2)
    first, second = check(costs, {1: {"1": alone, "8": alone}}, 2)
    assert first.predicted[1] == pytest.approx(65, rel=0.05)
    assert first.predicted[0] * 1.2 < second.predicted[0] < 2 * 1000 / costs.processor * 1.05


def test_plan_is_printed_and_put_on_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    performance = {
        "machine": {"cores": 2},
        "pipeline": {"float32": PARTS},
        "cases": [loads(1), loads(2), {"name": "plain", "processes": 1}],
    }
    (tmp_path / "performance.json").write_text(json.dumps(performance))
    (tmp_path / "writers.json").write_text(json.dumps(WRITERS))
    (tmp_path / "batching.json").write_text(json.dumps(read(DOCS / "batching.json")))
    names = ("costs", "check", "batches", "writers", "plan", "assumptions")
    page = tmp_path / "scaling.md"
    page.write_text("".join(f"{name}:\n<!-- {name} -->old<!-- /{name} -->\n" for name in names))
    options = ["performance", "writers", "cuda", "batching"]
    told = [word for name in options for word in (f"--{name}", str(tmp_path / f"{name}.json"))]
    main([*told, "--page", str(page), "--plots", str(tmp_path), "--seconds", "5"])
    written = page.read_text()
    assert "old" not in written
    assert "| 10,000/s |" in written
    assert "GPUs" not in written
    assert written.count("| 2 | 8 |") == 1
    assert (tmp_path / "scaling-plan.png").exists()
    assert "readings in a transaction" in capsys.readouterr().out


def test_page_without_a_place_is_refused() -> None:
    with pytest.raises(SystemExit, match="plan"):
        put("<!-- costs --><!-- /costs -->", "plan", "")


def test_more_photos_want_batches_and_then_databases() -> None:
    known = Known.of(Costs(decode=3, python=10, locator=8, classifier=20), WRITERS, None)
    few, more, most = (plan(photos, known, Assumptions()) for photos in (100, 1_000, 10_000))
    assert few.chains == (1, 1)
    assert (more.chains[0] > 1, more.chains[1]) == (True, 1)
    assert most.chains[1] > 1
    assert "or GPUs (H100)" not in few.lines()


def test_page_has_the_figures_of_writers_that_were_measured() -> None:
    said = (DOCS / "scaling.md").read_text()
    assert markdown(writers_table(read(DOCS / "writers.json"))) in said
    assert markdown(Assumptions().table()) in said


def test_writers_record_and_say_how_long_they_held_the_lock(
    postgres_server: Postgres, tmp_path: Path
) -> None:
    address = postgres_server.make()
    with closing(open_database(address, tmp_path)) as database:
        for batch, shares_flush in ((0, False), (2, False), (1, True)):
            done = write(database, tmp_path, Task(1, batch, shares_flush, 1, 0.2))
            assert done.records >= max(batch, 1)
            assert done.asked == 2
            assert 0 < min(done.held_ms) < max(done.transactions_ms)
        assert prove(database).findings == []


@pytest.mark.parametrize("program", ["capacity", "writers", "cuda"])
def test_programs_of_the_plan_say_what_they_are_told(program: str) -> None:
    said = subprocess.check_output(  # noqa: S603 - our own programs
        [sys.executable, "-m", f"benchmarks.{program}", "--help"], cwd=ROOT, text=True
    )
    assert "--json" in said or "--performance" in said
