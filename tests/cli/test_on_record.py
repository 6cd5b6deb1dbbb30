import pytest
from tests.records import event, keep

from hematovision.cli.on_record import keep_checkpoints, server_on_record
from hematovision.config import Settings
from hematovision.services.proving import prove
from hematovision.storage.database import Database, open_database


class Stop:
    """Lets a thread go round a few times."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    def wait(self, timeout: float | None = None) -> bool:
        self.rounds -= 1
        return self.rounds < 0


def test_start_and_stop_are_on_record_and_proved(settings: Settings) -> None:
    with server_on_record(settings):
        pass
    database = open_database("", settings.data_folder)
    with database.reading() as records:
        assert [one.action for one in records.audit.list()] == ["server.stopped", "server.started"]
    proof = prove(database)
    assert (proof.is_whole, proof.proved, proof.last) == (True, 3, 3)
    database.close()


def test_what_comes_last_in_the_evening_gets_a_checkpoint(database: Database) -> None:
    keep(database, event(1), event(2))
    assert prove(database).proved == 2
    keep_checkpoints(database, Stop(2))
    assert prove(database).proved == 3


def test_checkpoint_that_cannot_be_written_ends_nothing(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    keep(database, event(1))
    database.custody.checkpoints.file = database.custody.folder / "none" / "file"
    keep_checkpoints(database, Stop(2))
    assert caplog.text.count("The audit record has no checkpoint") == 2
