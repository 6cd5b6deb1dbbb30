"""Checkpoints of several machines, where all of them reach them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.records import attack, event, keep, remove, stored

from hematovision.errors import PicturesAwayError
from hematovision.services.proving import Fault, prove
from hematovision.storage.checkpoints import FILE, read_checkpoints
from hematovision.storage.custody import AuditKeyError
from hematovision.storage.database import Database, connect, open_database
from hematovision.storage.places import Place


@dataclass(slots=True)
class Machines:
    """Machines with disks of their own and one database.

    Attributes:
        folder: Of the test.
        keys: Theirs.
        place: Where all of them keep checkpoints.
    """

    folder: Path
    keys: Path
    place: str
    opened: list[Database]

    def add(self, name: str, keys: Path | None = None) -> Database:
        address = f"sqlite:///{self.folder / 'shared.sqlite'}"
        disk, where = self.folder / name, keys or self.keys
        made = open_database(address, disk, keys=where, checkpoints=self.place)
        self.opened.append(made)
        return made

    def names(self) -> list[str]:
        return [*Place(self.place).list("")]


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    made = Machines(tmp_path, tmp_path / "keys", f"memory:/{tmp_path}/checkpoints", [])
    yield made
    for database in made.opened:
        database.close()


def test_record_is_proved_by_a_machine_whose_disk_is_empty(machines: Machines) -> None:
    one = machines.add("one")
    keep(one, event(1), event(2))
    one.checkpoint()
    assert not (machines.folder / "one" / FILE).exists()
    proof = prove(machines.add("another"))
    assert (proof.is_whole, proof.proved) == (True, 3)


def test_two_machines_that_tell_of_one_event_write_one_file(machines: Machines) -> None:
    one, other = machines.add("one"), machines.add("another")
    keep(one, event(1))
    for machine in (one, other, one):
        machine.checkpoint()
    assert len(machines.names()) == 1


def test_end_that_is_cut_off_and_written_on_is_found_though_both_are_told_of(
    machines: Machines,
) -> None:
    one = machines.add("one")
    keep(one, *(event(number) for number in range(1, 5)))
    one.checkpoint()
    attack(one, remove(5), remove(4))
    found = {finding.fault for finding in prove(machines.add("another")).findings}
    assert found == {Fault.CUT}
    keep(one, event(7), event(8))
    machines.add("third").checkpoint()
    assert len(machines.names()) == 3
    found = {finding.fault for finding in prove(machines.add("fourth")).findings}
    assert found == {Fault.REWRITTEN}


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda name: name[:-4] + "0000", id="signature"),
        pytest.param(lambda name: "000000000001" + name[12:], id="number"),
    ],
)
def test_checkpoint_that_was_changed_is_found(
    machines: Machines, harm: Callable[[str], str]
) -> None:
    one = machines.add("one")
    keep(one, event(1))
    place = Place(machines.place)
    (name,) = machines.names()
    place.write(harm(name), place.read(name))
    place.write("no-checkpoint", b"")
    assert Fault.CHECKPOINT in {finding.fault for finding in prove(one).findings}


def test_lines_of_a_backup_prove_in_a_file_and_beside_others(
    machines: Machines, tmp_path: Path
) -> None:
    one = machines.add("one")
    keep(one, event(1), event(2))
    one.checkpoint()
    lines = one.custody.checkpoints.lines()
    address = f"sqlite:///{machines.folder / 'shared.sqlite'}"
    alone = connect(address, tmp_path / "alone", keys=machines.keys)
    alone.custody.checkpoints.bring(lines)
    assert len(read_checkpoints(tmp_path / "alone" / FILE)) == len(machines.names())
    assert prove(alone).proved == 3
    keep(alone, event(3))
    alone.checkpoint()
    assert (prove(alone).is_whole, prove(alone).proved) == (True, 4)
    moved = f"memory:/{tmp_path}/moved"
    there = connect(address, tmp_path / "there", keys=machines.keys, checkpoints=moved)
    assert there.custody.checkpoints.is_empty()
    there.custody.checkpoints.bring(alone.custody.checkpoints.lines())
    assert not there.custody.checkpoints.is_empty()
    proof = prove(there)
    assert (proof.is_whole, proof.proved, len(stored(there))) == (True, 4, 4)
    alone.close()
    there.close()


def test_own_file_of_earlier_days_still_counts(machines: Machines) -> None:
    address = f"sqlite:///{machines.folder / 'shared.sqlite'}"
    before = open_database(address, machines.folder / "one", keys=machines.keys)
    keep(before, event(1))
    before.close()
    assert prove(machines.add("another")).proved == 0
    assert prove(machines.add("one")).proved == 2


def test_event_is_kept_though_no_checkpoint_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("s3fs")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    database = open_database("", tmp_path, checkpoints=f"s3://away-{tmp_path.name}/checkpoints")
    keep(database, event(1))
    assert "has no checkpoint at event 2" in caplog.text
    with pytest.raises(PicturesAwayError):
        database.checkpoint()
    database.close()


def test_chain_is_not_gone_on_with_by_another_key(machines: Machines) -> None:
    one = machines.add("one")
    # Both opened the database before there was an event.
    other = machines.add("another", keys=machines.folder / "other-keys")
    keep(one, event(1))
    with pytest.raises(AuditKeyError, match="Put back"):
        keep(other, event(2))
    assert prove(one).is_whole
