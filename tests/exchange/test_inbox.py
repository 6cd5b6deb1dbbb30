import os
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path, PurePath

import pytest

from hematovision.errors import FileTooLargeError
from hematovision.exchange import inbox as module
from hematovision.exchange import moving
from hematovision.exchange.inbox import (
    ABANDONED_SECONDS,
    DONE,
    FAILED,
    READING,
    Inbox,
    NoFileError,
    Taken,
    UnsettledError,
)

INTERVAL = 2.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(tmp_path: Path, clock: Clock) -> Inbox:
    return opened(tmp_path / "inbox", clock)


def opened(folder: Path, clock: Callable[[], float]) -> Inbox:
    folder.mkdir(exist_ok=True)
    inbox = Inbox(folder, INTERVAL, clock)
    inbox.open()
    return inbox


def drop(inbox: Inbox, name: str, content: bytes = b"a photo") -> Path:
    place = inbox.root / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


def look(inbox: Inbox, clock: Clock) -> list[str]:
    """Look twice, with the interval between."""
    inbox.look()
    clock.now += INTERVAL
    return [path.as_posix() for path in inbox.look()]


def take(inbox: Inbox, name: str = "a.jpg", content: bytes = b"a photo") -> Taken:
    drop(inbox, name, content)
    taken = inbox.take(PurePath(name))
    assert taken
    return taken


def files(inbox: Inbox) -> dict[str, bytes]:
    found = (path for path in sorted(inbox.root.rglob("*")) if path.is_file())
    return {path.relative_to(inbox.root).as_posix(): path.read_bytes() for path in found}


def test_file_is_whole_once_it_did_not_change_for_the_interval(inbox: Inbox, clock: Clock) -> None:
    place = drop(inbox, "a.jpg")
    assert inbox.look() == []
    clock.now += INTERVAL
    place.write_bytes(b"a larger photo")
    assert inbox.look() == []
    assert inbox.unfinished == [PurePath("a.jpg")]
    clock.now += INTERVAL / 2
    os.utime(place, ns=(1, 1))
    assert inbox.look() == []
    clock.now += INTERVAL
    assert inbox.look() == [PurePath("a.jpg")]
    assert inbox.unfinished == []


def test_file_that_went_and_came_back_is_waited_for_anew(inbox: Inbox, clock: Clock) -> None:
    place = drop(inbox, "a.jpg")
    inbox.look()
    place.unlink()
    clock.now += INTERVAL
    inbox.look()
    drop(inbox, "a.jpg")
    assert inbox.look() == []


def test_empty_file_is_never_whole(inbox: Inbox, clock: Clock) -> None:
    drop(inbox, "a.jpg", b"")
    assert look(inbox, clock) == []


UNFINISHED = [".a.jpg", "~a.jpg", "a.jpg~", "a.jpg.part", "a.part.jpg", "a.tmp", ".hidden/a.jpg"]
OTHERS = ["notes.txt", "jpg", "done/a.jpg", "failed/a.jpg", "reading/a.jpg", "Done/a.jpg"]


@pytest.mark.parametrize("name", UNFINISHED + OTHERS)
def test_what_is_unfinished_hidden_or_no_photo_is_left_alone(
    inbox: Inbox, clock: Clock, name: str
) -> None:
    drop(inbox, name)
    assert look(inbox, clock) == []


def test_photos_of_folders_are_found_in_order(inbox: Inbox, clock: Clock) -> None:
    names = ["26-1/deep/a.tif", "26-1/done/b.PNG", "z.jpg"]
    for name in names:
        drop(inbox, name)
    assert look(inbox, clock) == names


def test_folders_may_lie_deeper_in_each_other_than_python_calls_itself(
    inbox: Inbox, clock: Clock
) -> None:
    here = os.open(inbox.root, os.O_RDONLY)
    for _ in range(sys.getrecursionlimit() + 100):
        os.mkdir("d", dir_fd=here)
        here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(here)
    drop(inbox, "a.jpg")
    assert look(inbox, clock) == ["a.jpg"]
    # Nor does what clears up after the tests.
    top, rest = inbox.root / "d", inbox.root / "rest"
    while (top / "d").exists():
        (top / "d").rename(rest)
        top.rmdir()
        rest.rename(top)


def test_folder_in_hand_that_became_a_link_gives_nothing_away(inbox: Inbox, tmp_path: Path) -> None:
    """Whoever may write to the folder may put another in the place of one of ours."""
    private = tmp_path / "private"
    private.mkdir()
    (private / "a.jpg").write_bytes(b"not for you")
    taken = take(inbox, "sub/a.jpg")
    place = inbox.root / READING / taken.claim / "sub"
    shutil.rmtree(place)
    place.symlink_to(private)
    with pytest.raises(UnsettledError):
        inbox.read(taken, max_bytes=99)
    with pytest.raises(UnsettledError):
        inbox.settle(taken, DONE)
    assert (private / "a.jpg").read_bytes() == b"not for you"


def test_nothing_is_taken_through_a_link(inbox: Inbox, tmp_path: Path) -> None:
    (inbox.root / READING).rmdir()
    (tmp_path / "elsewhere").mkdir()
    (inbox.root / READING).symlink_to(tmp_path / "elsewhere")
    drop(inbox, "a.jpg")
    with pytest.raises(UnsettledError):
        inbox.take(PurePath("a.jpg"))
    assert [*(tmp_path / "elsewhere").iterdir()] == []


def test_links_are_not_followed(inbox: Inbox, clock: Clock, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.jpg").write_bytes(b"of somebody else")
    (inbox.root / "link.jpg").symlink_to(outside / "a.jpg")
    (inbox.root / "folder").symlink_to(outside)
    os.mkfifo(inbox.root / "pipe.jpg")
    assert look(inbox, clock) == []


def test_folder_that_became_a_link_gives_nothing_away(inbox: Inbox, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.jpg").write_bytes(b"of somebody else")
    (inbox.root / "26-1").symlink_to(outside)
    with pytest.raises(UnsettledError):
        inbox.take(PurePath("26-1/a.jpg"))
    taken = take(inbox, "26-2/a.jpg")
    (inbox.root / DONE / "26-2").symlink_to(outside)
    with pytest.raises(UnsettledError):
        inbox.settle(taken, DONE)
    assert [path.name for path in outside.iterdir()] == ["a.jpg"]


def test_link_in_hand_is_not_read(inbox: Inbox, tmp_path: Path) -> None:
    taken = take(inbox)
    place = inbox.root / READING / taken.claim / "a.jpg"
    place.unlink()
    place.symlink_to(tmp_path)
    with pytest.raises(NoFileError):
        inbox.read(taken, max_bytes=9)
    place.unlink()
    os.mkfifo(place)
    with pytest.raises(NoFileError):
        inbox.read(taken, max_bytes=9)


def test_file_that_changes_while_it_is_read_is_not_believed(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = take(inbox)
    stamps = iter([(7, 1), (7, 2)])
    monkeypatch.setattr(module, "_stamp", lambda _: next(stamps))
    with pytest.raises(UnsettledError):
        inbox.read(taken, max_bytes=9)


def test_file_that_changed_since_the_look_is_not_taken(inbox: Inbox, clock: Clock) -> None:
    place = drop(inbox, "a.jpg")
    (name,) = look(inbox, clock)
    place.write_bytes(b"another photo")
    assert inbox.take(PurePath(name)) is None
    assert inbox.left == [PurePath(name)]
    place.unlink()
    assert inbox.take(PurePath(name)) is None
    assert inbox.left == []


def test_file_is_taken_once_whoever_else_takes_it(inbox: Inbox, clock: Clock) -> None:
    others = [opened(inbox.root, clock) for _ in range(4)]
    for number in range(50):
        drop(inbox, f"{number}.jpg")
    taken: list[Taken | None] = []

    def take_all(one: Inbox) -> None:
        taken.extend(one.take(PurePath(f"{number}.jpg")) for number in range(50))

    threads = [threading.Thread(target=take_all, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = [one for one in taken if one]
    assert sorted(one.path.stem for one in got) == sorted(map(str, range(50)))
    assert len(list((inbox.root / READING).iterdir())) == 50


def test_file_that_may_not_be_moved_stays(inbox: Inbox) -> None:
    drop(inbox, "a.jpg")
    (inbox.root / READING).rmdir()
    (inbox.root / READING).write_bytes(b"in the way")
    with pytest.raises(OSError, match="reading"):
        inbox.take(PurePath("a.jpg"))
    assert (inbox.root / "a.jpg").exists()


def test_large_file_is_not_read(inbox: Inbox) -> None:
    taken = take(inbox, content=b"0123456789")
    with pytest.raises(FileTooLargeError):
        inbox.read(taken, max_bytes=9)
    assert inbox.read(taken, max_bytes=10) == b"0123456789"


def test_done_file_is_where_it_was_below_done(inbox: Inbox) -> None:
    taken = take(inbox, "26-1/deep/a.jpg")
    assert inbox.settle(taken, DONE) == inbox.root / "done/26-1/deep/a.jpg"
    assert files(inbox) == {"done/26-1/deep/a.jpg": b"a photo"}
    assert list((inbox.root / READING).iterdir()) == []


def test_failed_file_has_the_reason_beside_it(inbox: Inbox) -> None:
    inbox.settle(take(inbox, content=b"1"), FAILED, "It is no photo.")
    assert files(inbox) == {"failed/a.jpg": b"1", "failed/a.jpg.txt": b"It is no photo.\n"}


def test_text_beside_a_failed_file_follows_no_link(inbox: Inbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"keep me")
    (inbox.root / FAILED / "a.jpg.txt").symlink_to(secret)
    inbox.settle(take(inbox), FAILED, "It is no photo.")
    assert secret.read_bytes() == b"keep me"


def test_nothing_is_overwritten(inbox: Inbox) -> None:
    for number in range(3):
        inbox.settle(take(inbox, content=b"%d" % number), DONE)
    found = files(inbox)
    assert found["done/a.jpg"] == b"0"
    assert sorted(found.values()) == [b"0", b"1", b"2"]
    assert all(name.startswith("done/a") and name.endswith(".jpg") for name in found)


def test_nothing_is_overwritten_where_files_have_one_name_only(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(moving.os, "link", refuse)
    for number in range(2):
        inbox.settle(take(inbox, content=b"%d" % number), FAILED, "no")
    found = files(inbox)
    photos = [name for name in found if name.endswith(".jpg")]
    assert sorted(found[name] for name in photos) == [b"0", b"1"]
    assert {f"{name}.txt" for name in photos} <= set(found)


def test_longest_name_still_finds_its_place(inbox: Inbox) -> None:
    name = "é" * 125 + ".jpg"
    for number in range(2):
        inbox.settle(take(inbox, name, b"%d" % number), FAILED, "no")
    assert len([name for name in files(inbox) if name.endswith(".jpg")]) == 2


def test_move_that_was_killed_halfway_is_ended(inbox: Inbox) -> None:
    taken = take(inbox)
    place = inbox.root / READING / taken.claim / "a.jpg"
    os.link(place, inbox.root / DONE / "a.jpg")
    assert inbox.settle(taken, DONE) == inbox.root / "done/a.jpg"
    assert list(files(inbox)) == ["done/a.jpg"]


def test_file_that_another_settled_is_let_go(inbox: Inbox) -> None:
    taken = take(inbox)
    shutil.rmtree(inbox.root / READING / taken.claim)
    assert inbox.settle(taken, DONE) is None
    with pytest.raises(FileNotFoundError):
        inbox.begin(taken)
    assert inbox.in_hand() == []


def test_what_is_in_hand_is_tried_again_here(inbox: Inbox) -> None:
    taken = take(inbox, "26-1/a.jpg")
    assert inbox.in_hand() == [taken]
    assert taken.folder == "26-1"


def test_what_a_killed_one_had_in_hand_is_taken_up_at_the_start(inbox: Inbox, clock: Clock) -> None:
    taken = take(inbox)
    assert opened(inbox.root, clock).in_hand() == [taken]


def test_what_another_has_in_hand_is_taken_up_when_it_lies_there_for_long(
    inbox: Inbox, clock: Clock
) -> None:
    other = opened(inbox.root, clock)
    taken = take(other)
    assert inbox.in_hand() == []
    clock.now += ABANDONED_SECONDS - 1
    assert inbox.in_hand() == []
    clock.now += 1
    assert inbox.in_hand() == [taken]


def test_empty_rest_of_a_killed_one_is_cleared_away(inbox: Inbox, clock: Clock) -> None:
    (inbox.root / READING / ("0" * 32) / "26-1").mkdir(parents=True)
    (inbox.root / READING / "of somebody").mkdir()
    assert opened(inbox.root, clock).in_hand() == []
    assert [path.name for path in (inbox.root / READING).iterdir()] == ["of somebody"]


def test_beginnings_are_counted_until_it_is_given_back(inbox: Inbox) -> None:
    taken = take(inbox)
    assert [inbox.begin(taken) for _ in range(3)] == [0, 1, 2]
    assert inbox.in_hand() == [taken]
    inbox.give_back(taken)
    assert inbox.begin(taken) == 0


def test_folder_that_is_gone_is_told(inbox: Inbox) -> None:
    shutil.rmtree(inbox.root)
    with pytest.raises(FileNotFoundError):
        inbox.look()
