import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sklearn.metrics import confusion_matrix
from tests.conftest import StubReader
from tests.databases import counted_queries

from hematovision.cells import (
    Box,
    CellType,
    Decision,
    Measured,
    ModelIdentity,
    PhotoReading,
    Reading,
    RgbImage,
)
from hematovision.labels import NO_CELL, UNIDENTIFIED
from hematovision.people import Role
from hematovision.services.batches import Desk, add_photo, read_next
from hematovision.services.hands import Hand
from hematovision.services.pairs import PairSource
from hematovision.services.quality import FEWEST, drift_of, is_unlike, survey
from hematovision.services.readings import read_image
from hematovision.services.recording import Record, record_reading
from hematovision.services.review import Said
from hematovision.services.second_readings import (
    ask_second,
    finish_second,
    name_second,
    take_second,
)
from hematovision.services.shares import Part
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.files import open_files
from hematovision.storage.photos import Sent
from hematovision.storage.quality import Look, Pair, Period, Reads
from hematovision.storage.sealing import Seal
from hematovision.vision.looks import Looks, SetLooks, Spread

MODEL = ModelIdentity("stub", "0.0.0", "0" * 64)
MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
WEEK = timedelta(weeks=1)
ALL = Period()
N, L, M = CellType.NEUTROPHIL, CellType.LYMPHOCYTE, CellType.MONOCYTE
LOOKS = Looks(MODEL, (SetLooks("a", 99, {"focus": Spread(-2, -1, 0), "red": Spread(0, 1, 2)}),))


def read(
    database: Database,
    case: Case,
    kinds: Sequence[CellType | None],
    at: datetime = MONDAY,
    measured: Measured | None = None,
    model: ModelIdentity = MODEL,
) -> None:
    """Let a model read a photo of a case."""
    cells = [
        Reading(
            Box(0, 0, 40, 40),
            Decision.NAMED if kind else Decision.UNIDENTIFIED,
            kind,
            0.9,
            {},
            (),
            measured=measured,
        )
        for kind in kinds
    ]
    with database.transaction() as records:
        sha256 = f"{len(records.photos.list(case.id))}".rjust(64, "0")
        sent = Sent(sha256, 9, "name", "page", None, at)
        records.photos.add(sent, case_id=case.id)
        photo = records.photos.take("worker", now=at, until=at)
        assert photo is not None
        said = PhotoReading(sha256, 128, 96, model, tuple(cells))
        assert records.photos.finish(photo, "worker", said, now=at)


def say(
    database: Database,
    case: Case,
    labels: Sequence[str | None],
    by: str = "ines",
    at: datetime = MONDAY,
) -> int:
    """Let somebody call the cells of a case so, one after the other; give who it is."""
    with database.transaction() as records:
        user = records.users.find(by) or records.users.add(by, Role.TECHNOLOGIST, now=at)
        for cell, label in zip(records.cells.list(case.id), labels, strict=False):
            if label is not None:
                assert records.cells.review(
                    case.id, cell.id, label, seen=cell.version, by=user.id, now=at
                )
        return user.id


@pytest.fixture
def case(database: Database) -> Case:
    with database.transaction() as records:
        return records.cases.add("26-1", "", by=None, now=MONDAY)


def test_nothing_was_read_and_nothing_can_be_said(database: Database) -> None:
    found = survey(database, ALL, LOOKS)
    assert found.overrides.all == Part(0, 0)
    assert found.overrides.all.share is None
    assert (found.confusion, found.reads, found.agreement, found.drift) == ({}, [], [], [])
    assert found.unlike == []


def test_override_is_another_name_and_no_finer_one(database: Database, case: Case) -> None:
    read(database, case, [N, N, N, L, None, M])
    ines = say(database, case, ["neutrophil", "band", NO_CELL, "monocyte", "blast", None])
    found = survey(database, ALL, None).overrides
    assert found.classes == {"neutrophil": Part(1, 3), "lymphocyte": Part(1, 1)}
    assert found.readers == {ines: Part(2, 4)}
    assert list(found.weeks.values()) == [Part(2, 4)]
    assert found.all == Part(2, 4)


def test_what_was_said_last_counts_and_only_once(database: Database, case: Case) -> None:
    read(database, case, [N, N])
    say(database, case, ["lymphocyte", "neutrophil"])
    omar = say(database, case, ["neutrophil"], by="omar", at=MONDAY + WEEK)
    found = survey(database, ALL, None).overrides
    assert found.readers[omar] == Part(0, 1)
    assert list(found.weeks.values()) == [Part(0, 1), Part(0, 1)]
    with database.transaction() as records:
        cell = records.cells.list(case.id)[1]
        assert records.cells.review(case.id, cell.id, None, seen=1, by=omar, now=MONDAY)
    assert survey(database, ALL, None).overrides.all == Part(0, 1)


def test_cells_that_a_person_boxed_say_nothing_of_the_model(database: Database, case: Case) -> None:
    read(database, case, [N])
    with database.transaction() as records:
        (photo,) = records.photos.list(case.id)
        records.cells.add(case.id, photo.id, Box(0, 0, 9, 9))
    say(database, case, [None, "blast"])
    assert survey(database, ALL, None).confusion == {}


def test_confusion_is_that_of_scikit_learn(database: Database, case: Case) -> None:
    kinds = [N, N, N, L, L, M, None, N]
    labels = ["neutrophil", "lymphocyte", "neutrophil", "lymphocyte", "monocyte", "monocyte"]
    labels += ["lymphocyte", "neutrophil"]
    read(database, case, kinds)
    say(database, case, labels)
    order = ["neutrophil", "lymphocyte", "monocyte", UNIDENTIFIED]
    expected = confusion_matrix([kind or UNIDENTIFIED for kind in kinds], labels, labels=order)
    found = survey(database, ALL, None).confusion
    assert list(found) == order
    assert [[found[one][other] for other in order] for one in order] == expected.tolist()


def test_weeks_begin_on_monday_by_the_clock_of_the_laboratory(
    database: Database, case: Case
) -> None:
    last_second = MONDAY + WEEK - timedelta(milliseconds=1)
    for at, kinds in ((MONDAY, [N, None]), (last_second, []), (MONDAY + WEEK, [N])):
        read(database, case, kinds, at)
    this, following = survey(database, ALL, None).reads
    assert (this.photos, this.empty, this.cells, this.unidentified) == (2, 1, 2, 1)
    assert following == Reads(this.week + 1, 1, 0, 1, 0)
    assert ALL.begin_of(this.week) == MONDAY
    east = Period(ahead=timedelta(hours=1))
    found = survey(database, east, None).reads
    assert [one.photos for one in found] == [1, 2]
    assert east.begin_of(found[1].week) == MONDAY + WEEK - timedelta(hours=1)


def test_period_bounds_what_is_asked(database: Database, case: Case) -> None:
    for at in (MONDAY, MONDAY + WEEK, MONDAY + 2 * WEEK):
        read(database, case, [N], at, Measured(focus=-1.0))
        say(database, case, [None] * (at - MONDAY).days.__floordiv__(7) + ["lymphocyte"], at=at)
    period = Period(MONDAY + WEEK, MONDAY + 2 * WEEK)
    found = survey(database, period, LOOKS)
    assert found.overrides.all == Part(1, 1)
    assert [one.photos for one in found.reads] == [1]
    assert [one.outside for one in found.drift] == [Part(0, 1)]


def test_two_who_name_a_cell_one_after_the_other_are_compared(
    database: Database, case: Case
) -> None:
    read(database, case, [N, N, N])
    ines = say(database, case, ["neutrophil", "band", "neutrophil"])
    omar = say(database, case, ["neutrophil", "neutrophil"], by="omar")
    say(database, case, ["band"], by="omar")
    (found,) = survey(database, ALL, None).agreement
    assert (found.source, found.first, found.second) == ("successive", ines, omar)
    assert found.same == Part(1, 2)
    assert found.classes == {"band": Part(0, 1), "neutrophil": Part(1, 2)}


def test_pairs_come_from_wherever_they_are_kept(database: Database) -> None:
    blinded = PairSource("blinded", lambda records, period: [Pair(1, 2, ("band", "band"), 7)])
    (found,) = survey(database, ALL, None, sources=[blinded]).agreement
    assert (found.source, found.same, found.kappa) == ("blinded", Part(7, 7), None)


def test_blinded_reader_is_compared_with_whoever_had_spoken_by_then(
    database: Database, case: Case
) -> None:
    read(database, case, [N, N, L])
    ines = say(database, case, ["neutrophil", "band", "lymphocyte"])
    with database.transaction() as records:
        omar = records.users.add("omar", Role.TECHNOLOGIST, now=MONDAY)
    by = Hand(omar.id, "page", MONDAY + timedelta(hours=1))
    ask_second(database, case.id, by=Hand(ines, "page", MONDAY))
    take_second(database, case.id, by=by)
    with database.reading() as records:
        cells = records.cells.list(case.id)
    name_second(database, case.id, [Said(cell.id, "neutrophil", 0) for cell in cells], by=by)
    assert survey(database, ALL, None).agreement == []
    finish_second(database, case.id, by=by)
    say(database, case, ["blast"], by="lena", at=MONDAY + timedelta(hours=2))
    found = {one.source: one for one in survey(database, ALL, None).agreement}
    assert (found["blinded"].first, found["blinded"].second) == (ines, omar.id)
    assert found["blinded"].same == Part(1, 3)
    assert found["successive"].same == Part(0, 1)
    later = Period(MONDAY + WEEK)
    assert survey(database, later, None).agreement == []


def test_photos_are_held_against_those_of_the_training(database: Database, case: Case) -> None:
    for focus in [-1.0] * 5 + [-3.0] * 20:
        read(database, case, [N, N], measured=Measured(red=1.0, focus=focus))
    read(
        database, case, [N], measured=Measured(focus=-9.0), model=ModelIdentity("b", "2", "1" * 64)
    )
    read(database, case, [])
    red, focus = survey(database, ALL, LOOKS).drift
    assert (red.measure, red.outside, red.is_unlike) == ("red", Part(0, 25), False)
    assert (focus.outside, focus.is_unlike) == (Part(20, 25), True)
    assert [(one.photos, one.mean) for one in focus.weeks] == [(25, pytest.approx(-2.6))]
    assert survey(database, ALL, LOOKS).unlike == ["focus"]


def test_photos_of_every_door_are_measured(
    database: Database, case: Case, tmp_path: Path, jpeg: bytes
) -> None:
    files = open_files("", tmp_path, Seal(os.urandom(32)))
    reader, by = SoftReader(), Hand(None, "terminal", MONDAY)
    add_photo(database, files, case, jpeg, by=by)
    assert read_next(Desk(database, files, reader), "worker", clock=lambda: MONDAY)
    quick = read_image(jpeg, reader=reader)
    record_reading(Record(database, files, keep_pictures=False), quick, jpeg, by=by)
    (focus,) = survey(database, ALL, LOOKS).drift
    assert focus.outside == Part(2, 2)
    assert [one.mean for one in focus.weeks] == [-5.0]


class SoftReader(StubReader):
    """Says that its two cells are out of focus, one more than the other."""

    def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
        return [
            replace(cell, measured=Measured(focus=focus))
            for cell, focus in zip(super().read(photo), (-4.0, -6.0), strict=True)
        ]


@pytest.mark.parametrize(
    ("outside", "photos", "unlike"),
    [
        pytest.param(FEWEST - 1, FEWEST - 1, False, id="few photos"),
        pytest.param(FEWEST, FEWEST, True, id="all of them"),
        pytest.param(10, 200, False, id="as many as in the training data"),
        pytest.param(45, 200, False, id="perhaps more by chance"),
        pytest.param(60, 200, True, id="more than chance brings"),
    ],
)
def test_photos_are_unlike_where_more_lie_outside_than_chance_brings(
    outside: int, photos: int, unlike: bool
) -> None:
    (found,) = drift_of({"focus": [Look(1, photos, -3.0, outside)]})
    assert found.is_unlike is unlike


def test_what_has_just_begun_is_told_though_it_drowns_in_a_long_time() -> None:
    before, newest = Look(1, 500, -1.0, 5), Look(2, 40, -3.0, 30)
    (found,) = drift_of({"focus": [before, newest]})
    assert not is_unlike(found.outside)
    assert (found.newest, found.is_unlike) == (Part(30, 40), True)
    (over,) = drift_of({"focus": [newest, replace(before, week=3)]})
    assert not over.is_unlike


def test_number_of_queries_does_not_grow(database: Database, case: Case) -> None:
    def ask() -> int:
        with counted_queries(database) as statements:
            survey(database, ALL, LOOKS)
        return len(statements)

    before = ask()
    for number in range(5):
        read(database, case, [N, L], MONDAY + number * WEEK, Measured(focus=-1.0))
        say(database, case, ["neutrophil", "band"], by=f"user {number}")
    assert ask() == before
