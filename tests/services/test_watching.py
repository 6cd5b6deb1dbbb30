import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.conftest import StubReader

from hematovision.cells import Reading, RgbImage
from hematovision.errors import (
    HematoVisionError,
    InferenceAwayError,
    InferenceWrongError,
    KeyOutdatedError,
    ModelMissingError,
)
from hematovision.exchange.inbox import FAILED, Inbox, Taken, UnsettledError
from hematovision.services.cases import find_case, get_case, move_case, open_case
from hematovision.services.watching import MOST_ATTEMPTS, Fate, Watch, work_up
from hematovision.storage.cases import CaseState
from hematovision.storage.database import Database, open_database
from hematovision.storage.photos import PhotoState
from hematovision.storage.tables import AuditRow, CaseRow, ClaimRow, PhotoRow, ReadingRow

from . import watches
from .watches import BY, DEATHS, KINDS, drop, make_watch, work_up_all


@pytest.fixture
def watch(database: Database, tmp_path: Path, reader: StubReader) -> Watch:
    return make_watch(database, tmp_path, reader)


@pytest.fixture
def by_case(watch: Watch) -> Watch:
    return replace(watch, by_case=True)


def put(watch: Watch, name: str, content: bytes) -> None:
    place = watch.inbox.root / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


def count(database: Database, *tables: type) -> list[int]:
    with database.reading() as records:
        return [
            records.session.scalar(select(func.count()).select_from(table)) or 0 for table in tables
        ]


def actions(database: Database) -> list[str]:
    with database.reading() as records:
        found = sorted(records.session.scalars(select(AuditRow.action)))
    return [action for action in found if action != "chain.begun"]


def lying(inbox: Inbox) -> list[str]:
    """Name the files of a folder."""
    found = (path for path in inbox.root.rglob("*") if path.is_file())
    return sorted(path.relative_to(inbox.root).as_posix() for path in found)


def test_photo_is_read_recorded_and_moved(watch: Watch, jpeg: bytes) -> None:
    put(watch, "a.jpg", jpeg)
    (settled,) = work_up_all(watch)
    assert (settled.fate, settled.place) == (Fate.READ, watch.inbox.root / "done/a.jpg")
    assert settled.reading
    assert settled.reading.counts == {"neutrophil": 1, "unidentified": 1}
    database = watch.record.database
    assert count(database, PhotoRow, ReadingRow, ClaimRow) == [1, 1, 1]
    with database.reading() as records:
        kept = records.readings.find(settled.photo_id or 0)
    assert kept
    assert (kept.door, kept.sent_by, kept.reading.image_sha256) == (
        "folder",
        None,
        settled.reading.image_sha256,
    )
    assert actions(database) == ["photo.read"]


def test_same_content_under_another_name_is_another_reading(watch: Watch, jpeg: bytes) -> None:
    for name in ("a.jpg", "b.jpg", "26-1/a.jpg"):
        put(watch, name, jpeg)
    assert [settled.fate for settled in work_up_all(watch)] == [Fate.READ] * 3
    put(watch, "a.jpg", jpeg)
    assert [settled.fate for settled in work_up_all(watch)] == [Fate.READ]
    assert count(watch.record.database, PhotoRow, CaseRow) == [4, 0]
    assert len(lying(watch.inbox)) == 4


def test_no_name_of_a_file_is_kept(watch: Watch, jpeg: bytes, tmp_path: Path) -> None:
    put(watch, "jane-doe.jpg", jpeg)
    put(watch, "jane-doe-2.jpg", b"no photo")
    work_up_all(watch)
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and "inbox" not in path.parts]
    assert kept
    assert not [path for path in kept if b"jane-doe" in path.read_bytes()]


def test_photo_that_cannot_be_read_says_why(watch: Watch, jpeg: bytes) -> None:
    put(watch, "a.jpg", b"no photo")
    put(watch, "b.jpg", jpeg[: len(jpeg) // 2])
    put(watch, "c.jpg", bytes(100_001))
    settled = work_up_all(watch)
    assert [one.fate for one in settled] == [Fate.FAILED] * 3
    assert settled[0].why.startswith("The file is not a JPEG")
    assert settled[1].why.startswith("The file ends in the middle")
    assert settled[2].why.startswith("The file is larger than")
    for one in settled:
        assert one.place
        assert one.place.parent == watch.inbox.root / FAILED
        assert one.place.with_name(f"{one.place.name}.txt").read_text() == f"{one.why}\n"
    assert count(watch.record.database, PhotoRow, AuditRow, ClaimRow) == [0, 0, 0]


def test_zip_that_calls_itself_a_photo_fails(by_case: Watch) -> None:
    put(by_case, "26-1/a.jpg", b"PK\3\4" + bytes(99))
    (settled,) = work_up_all(by_case)
    assert settled.fate is Fate.FAILED


def test_folder_names_the_case_which_is_made_once(by_case: Watch, jpeg: bytes) -> None:
    for name in ("26-0837/a.jpg", "26-0837/deep/b.jpg", "c.jpg"):
        put(by_case, name, jpeg + name.encode())
    settled = work_up_all(by_case)
    assert [(one.fate, one.accession) for one in settled] == [
        (Fate.WAITING, "26-0837"),
        (Fate.WAITING, "26-0837"),
        (Fate.READ, None),
    ]
    database = by_case.record.database
    case = find_case(database, "26-0837")
    assert case
    with database.reading() as records:
        photos = records.photos.list(case.id)
    assert [photo.state for photo in photos] == [PhotoState.WAITING] * 2
    assert actions(database) == ["case.opened", "photo.read", "photo.sent", "photo.sent"]
    assert "done/26-0837/deep/b.jpg" in lying(by_case.inbox)


def test_content_that_the_case_has_is_not_counted_again(by_case: Watch, jpeg: bytes) -> None:
    put(by_case, "26-0837/a.jpg", jpeg)
    put(by_case, "26-0837/b.jpg", jpeg)
    assert [one.fate for one in work_up_all(by_case)] == [Fate.WAITING, Fate.SAME]
    assert count(by_case.record.database, PhotoRow) == [1]


@pytest.mark.parametrize("folder", ["(no number)", "n" * 65])
def test_folder_that_can_name_no_case_fails(by_case: Watch, jpeg: bytes, folder: str) -> None:
    put(by_case, f"{folder}/a.jpg", jpeg)
    (settled,) = work_up_all(by_case)
    assert settled.why.startswith("This cannot be a case's number.")
    assert count(by_case.record.database, CaseRow) == [0]


def test_photo_of_a_signed_case_fails(by_case: Watch, jpeg: bytes) -> None:
    database = by_case.record.database
    case = open_case(database, "26-0837", by=BY)
    with database.transaction() as records:
        move_case(records, get_case(database, case.id), CaseState.SIGNED)
    put(by_case, "26-0837/a.jpg", jpeg)
    (settled,) = work_up_all(by_case)
    assert settled.why.startswith("This case is signed.")
    assert count(database, PhotoRow) == [0]


def test_file_that_changes_while_it_is_read_is_tried_again(watch: Watch, jpeg: bytes) -> None:
    class Growing(Inbox):
        def read(self, taken: Taken, *, max_bytes: int) -> bytes:
            raise UnsettledError("It is still being written.")

    put(watch, "a.jpg", jpeg)
    growing = replace(watch, inbox=Growing(watch.inbox.root, 0))
    for _ in range(MOST_ATTEMPTS + 1):
        with pytest.raises(UnsettledError):
            work_up_all(growing)
    watch.inbox.open()
    assert [one.fate for one in work_up_all(watch)] == [Fate.READ]


def test_link_that_took_the_place_of_a_file_is_put_aside(
    watch: Watch, jpeg: bytes, tmp_path: Path
) -> None:
    put(watch, "a.jpg", jpeg)
    taken = watch.inbox.take(watch.inbox.look()[0])
    assert taken
    place = watch.inbox.root / "reading" / taken.claim / "a.jpg"
    place.rename(tmp_path / "elsewhere.jpg")
    place.symlink_to(tmp_path / "elsewhere.jpg")
    assert work_up(watch, taken, by=BY).why == "It is a link, or no file."
    assert (tmp_path / "elsewhere.jpg").exists()


@pytest.mark.parametrize("name", ["a.jpg", "26-0837/a.jpg"])
def test_file_is_kept_in_hand_where_the_fault_is_not_its_own(
    by_case: Watch, jpeg: bytes, name: str
) -> None:
    def missing() -> StubReader:
        raise ModelMissingError("There is no model.")

    put(by_case, name, jpeg)
    if name == "a.jpg":
        with pytest.raises(ModelMissingError):
            work_up_all(replace(by_case, reader=missing))
    mark = {"mark": "another"}
    with by_case.record.database.transaction() as records:
        records.laboratory.set("data_key", mark, seen=0, by=None, now=BY.now)
    for _ in range(MOST_ATTEMPTS + 1):
        with pytest.raises(KeyOutdatedError):
            work_up_all(by_case)
    (kept,) = lying(by_case.inbox)
    assert kept.startswith("reading/")
    with by_case.record.database.transaction() as records:
        records.laboratory.set("data_key", None, seen=1, by=None, now=BY.now)
    (settled,) = work_up_all(by_case)
    assert settled.fate in {Fate.READ, Fate.WAITING}


def test_file_at_which_the_program_ends_again_and_again_is_put_aside(
    watch: Watch, jpeg: bytes
) -> None:
    class Broken(StubReader):
        reads = 0

        def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
            self.reads += 1
            raise ZeroDivisionError

    broken = Broken()
    deadly = replace(watch, reader=lambda: broken)
    put(watch, "a.jpg", jpeg)
    for _ in range(MOST_ATTEMPTS):
        with pytest.raises(ZeroDivisionError):
            work_up_all(deadly)
    (settled,) = work_up_all(deadly)
    assert (settled.fate, broken.reads) == (Fate.FAILED, MOST_ATTEMPTS)
    assert "3 times" in settled.why


@pytest.mark.parametrize(
    ("error", "fate"), [(InferenceAwayError, Fate.READ), (InferenceWrongError, Fate.FAILED)]
)
def test_file_waits_while_no_server_answers_and_is_put_aside_where_answers_stay_wrong(
    watch: Watch, jpeg: bytes, error: type[HematoVisionError], fate: Fate
) -> None:
    class Away(StubReader):
        def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
            raise error("The server that does the inference is away.")

    away = replace(watch, reader=Away)
    put(watch, "a.jpg", jpeg)
    for _ in range(MOST_ATTEMPTS):
        with pytest.raises(error):
            work_up_all(away)
    assert [one.fate for one in work_up_all(watch)] == [fate]


def test_two_who_have_one_file_in_hand_record_it_once(
    database: Database, watch: Watch, jpeg: bytes, tmp_path: Path
) -> None:
    both = threading.Barrier(2, timeout=60)

    class Slow(StubReader):
        def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
            both.wait()
            return super().read(photo, explain=explain)

    put(watch, "a.jpg", jpeg)
    taken = watch.inbox.take(watch.inbox.look()[0])
    assert taken
    fates: list[str] = []
    both_watch = [make_watch(database, tmp_path, Slow()) for _ in range(2)]

    def run(one: Watch) -> None:
        fates.append(str(work_up(one, taken, by=BY).fate))

    threads = [threading.Thread(target=run, args=(one,)) for one in both_watch]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fates) == [Fate.READ, Fate.RECORDED]
    assert count(database, PhotoRow, ReadingRow) == [1, 1]
    assert actions(database) == ["photo.read"]
    assert lying(watch.inbox) == ["done/a.jpg"]
    assert len([path for path in (tmp_path / "pictures").rglob("*") if path.is_file()]) == 1


def test_two_who_send_one_file_to_a_case_send_it_once(by_case: Watch, jpeg: bytes) -> None:
    put(by_case, "26-0837/a.jpg", jpeg)
    taken = by_case.inbox.take(by_case.inbox.look()[0])
    assert taken
    database = by_case.record.database
    with database.transaction() as records:
        records.claims.add(taken.claim, now=BY.now)
    assert work_up(by_case, taken, by=BY).fate is Fate.RECORDED
    assert count(database, PhotoRow) == [0]


@pytest.fixture(scope="module")
def killed(
    tmp_path_factory: pytest.TempPathFactory, jpeg: bytes, empty_file: Path
) -> Iterator[Path]:
    """Let a program be killed at every step, with every kind of file, twice."""
    base = tmp_path_factory.mktemp("killed")
    for kind, step in DEATHS:
        folder = base / kind / step
        drop(folder, kind, jpeg)
        (folder / "database").mkdir()
        shutil.copyfile(empty_file, folder / "database" / empty_file.name)
    for number in range(2):
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", watches.__name__, str(base)],
            cwd=Path(__file__).resolve().parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        ended = [tuple(line.split("\t")) for line in done.stdout.splitlines()]
        assert [one[:2] for one in ended] == DEATHS, done.stderr
        # What is on record is not recorded again, so some steps come only once.
        assert number or all(killed == "True" for _, _, killed in ended), done.stderr
    yield base
    shutil.rmtree(base)


@pytest.mark.parametrize(("kind", "step"), DEATHS)
def test_file_is_read_once_wherever_it_was_killed(
    killed: Path, kind: str, step: str, reader: StubReader
) -> None:
    folder = killed / kind / step
    database = open_database("", folder / "database")
    try:
        watch = make_watch(database, folder, reader, by_case=kind == "photo of a case")
        work_up_all(watch)
        assert work_up_all(watch) == []
        if kind == "no photo":
            assert count(database, PhotoRow) == [0]
            assert lying(watch.inbox) == ["failed/a.jpg", "failed/a.jpg.txt"]
        else:
            assert count(database, PhotoRow, ClaimRow) == [1, 1]
            assert lying(watch.inbox) == [f"done/{KINDS[kind]}"]
            assert len(actions(database)) == (2 if kind == "photo of a case" else 1)
        assert list((watch.inbox.root / "reading").iterdir()) == []
    finally:
        database.close()
