import pytest

from hematovision.storage.database import Database


@pytest.fixture
def database(each_database: Database) -> Database:
    """Run the tests of this room on SQLite and on a real PostgreSQL."""
    return each_database
