from datetime import UTC, datetime

import pytest

from hematovision.storage.database import Database
from hematovision.storage.inserts import AlreadyThereError
from hematovision.storage.versions import downgrade, upgrade

NOW = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)
CLAIM = "0" * 32


def test_file_is_put_on_record_once(database: Database) -> None:
    with database.transaction() as records:
        assert not records.claims.has(CLAIM)
        records.claims.add(CLAIM, now=NOW)
    with pytest.raises(AlreadyThereError), database.transaction() as records:
        records.claims.add(CLAIM, now=NOW)
    with database.reading() as records:
        assert records.claims.has(CLAIM)


def test_table_goes_and_comes_back_empty(database: Database) -> None:
    with database.transaction() as records:
        records.claims.add(CLAIM, now=NOW)
    downgrade(database.engine, "0008")
    upgrade(database.engine)
    with database.reading() as records:
        assert not records.claims.has(CLAIM)
