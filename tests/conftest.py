"""What every test may use: a stub reader, drawn pictures, and the real ones where they are."""

import io
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image
from werkzeug.routing import Rule

from hematovision.cells import (
    Box,
    CellType,
    Decision,
    Doubt,
    Heat,
    ModelIdentity,
    Reading,
    RgbImage,
)
from hematovision.storage.connections import FILE
from hematovision.storage.database import Database, open_database

from .databases import Postgres, open_copy, postgres, redis
from .objects import Objects, objects

# The same examples every time, and no claim about how fast a shared machine is.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")

SHARED = Path(__file__).resolve().parents[2] / "shared"

LONGEST = (
    "learning/test_datasets.py",
    "test_faults.py",
    "web/test_browser_tour.py",
    "test_killed.py",
    "learning/test_adapting.py",
    "learning/test_training.py",
    "deploy/test_ray_serve.py",
    "web/test_browser.py",
    "services/test_backups.py",
    "services/test_archive_ray.py",
    "test_notebook.py",
    "web/test_browser_gallery.py",
    "web/test_browser_intake.py",
    "deploy/test_compose_by_hand.py",
    "learning/test_export.py",
    "web/test_browser_signing.py",
    "web/test_browser_differential.py",
    "learning/test_network.py",
    "cli/test_watched.py",
    "test_kept.py",
)
"""Files that take a minute or more. Who runs one of them last leaves the other processes idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; the order of all others stays."""
    folder = Path(__file__).parent
    places = {folder / name: place for place, name in enumerate(LONGEST)}
    assert all(path.is_file() for path in places)
    items.sort(key=lambda item: places.get(item.path, len(LONGEST)))


def skip_or_fail(reason: str) -> None:
    """Skip on a laptop; fail in CI, where everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def heat_in(cell_type: CellType, square: Box) -> Heat:
    """Put all heat in the middle of a square of three by three places."""
    return Heat(cell_type, square, ((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0)))


class StubReader:
    """Says the same two cells of every photo, without a network."""

    model = ModelIdentity("stub", "0.0.0", "0" * 64)

    def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
        height, width = photo.shape[:2]
        sure = dict.fromkeys(CellType, 0.01) | {CellType.NEUTROPHIL: 0.95}
        torn = dict.fromkeys(CellType, 0.02) | {CellType.MONOCYTE: 0.51, CellType.LYMPHOCYTE: 0.41}
        return (
            Reading(
                Box(0, 0, width // 2, height // 2),
                Decision.NAMED,
                CellType.NEUTROPHIL,
                0.95,
                sure,
                (CellType.NEUTROPHIL,),
                morphology="bilobed nucleus, fine pink granules",
                heat=heat_in(CellType.NEUTROPHIL, Box(-8, -14, 72, 66)) if explain else None,
            ),
            Reading(
                Box(width // 2, height // 2, width, height),
                Decision.UNIDENTIFIED,
                None,
                0.51,
                torn,
                (CellType.MONOCYTE, CellType.LYMPHOCYTE),
                (Doubt.SEVERAL,),
                heat=heat_in(CellType.MONOCYTE, Box(56, 34, 136, 114)) if explain else None,
            ),
        )


class EmptyReader(StubReader):
    """Finds no white cell in any photo."""

    def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
        return ()


@pytest.fixture(scope="session", autouse=True)
def builders_written_once() -> Iterator[None]:
    """Let Werkzeug write what builds an address once in a run; every application has the same."""
    write, written = Rule._compile_builder, {}

    def write_once(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        if rule.defaults:
            return write(rule, append_unknown)
        key = rule.rule, tuple(rule._trace), append_unknown
        if key not in written:
            written[key] = write(rule, append_unknown)
        return written[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", write_once)
        yield


@pytest.fixture(autouse=True)
def usual_temporary_folder() -> Iterator[None]:
    """Let a server's own folder for what is being sent be that of no other test."""
    usual = tempfile.gettempdir()
    yield
    tempfile.tempdir = usual


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a SQLite database with all tables and nobody in it, once."""
    folder = tmp_path_factory.mktemp("database")
    open_database("", folder).close()
    return folder / FILE


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """Start a real PostgreSQL, once, or skip."""
    try:
        with postgres() as server:
            yield server
    except LookupError as error:
        skip_or_fail(str(error))


@pytest.fixture(scope="session")
def objects_server() -> Iterator[Objects]:
    """Start a real store of objects, once, or skip."""
    try:
        with objects() as server:
            yield server
    except LookupError as error:
        skip_or_fail(str(error))


@pytest.fixture
def store(objects_server: Objects, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """Give a store of objects, and let this process know where it is."""
    from s3fs import S3FileSystem

    for name, value in objects_server.environment.items():
        monkeypatch.setenv(name, value)
    # What an earlier test opened goes on with what the environment was then.
    S3FileSystem.clear_instance_cache()
    return objects_server


@pytest.fixture
def bucket(store: Objects) -> str:
    """Give the address of a bucket of one's own, which the environment says how to reach."""
    return store.make_bucket()


@pytest.fixture
def redis_address() -> Iterator[str]:
    """Start a real Redis of one's own, or skip."""
    try:
        with redis() as server:
            yield server.address
    except LookupError as error:
        skip_or_fail(str(error))


@pytest.fixture
def database(tmp_path: Path, empty_file: Path) -> Iterator[Database]:
    """Give a database of one's own."""
    database = open_copy(empty_file, tmp_path / "database")
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def each_database(
    request: pytest.FixtureRequest, tmp_path: Path, empty_file: Path
) -> Iterator[Database]:
    """Give a database of one's own, of each kind."""
    if request.param == "sqlite":
        database = open_copy(empty_file, tmp_path / "database")
        yield database
        database.close()
        return
    server: Postgres = request.getfixturevalue("postgres_server")
    address = server.make()
    database = open_database(address, tmp_path)
    yield database
    database.close()
    server.drop(address)


@pytest.fixture
def reader() -> StubReader:
    return StubReader()


@pytest.fixture(scope="session")
def photo() -> RgbImage:
    """Draw a small colourful picture of shape (96, 128, 3)."""
    return np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def jpeg(photo: RgbImage) -> bytes:
    """Give the drawn picture as the bytes of a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Find ../shared/data, or skip."""
    folder = SHARED / "data"
    if not folder.is_dir():
        skip_or_fail(f"the real pictures are not at {folder}")
    return folder
