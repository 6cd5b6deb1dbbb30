"""The database: SQLite by default, PostgreSQL by its address; brought up to date at every start."""

import logging
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    InterfaceError,
    InvalidatePoolError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.orm import Session

from hematovision.errors import DatabaseAwayError, StorageFullError
from hematovision.storage.aging import AgingStore
from hematovision.storage.answers import AnswerStore
from hematovision.storage.audit import AuditStore
from hematovision.storage.belongings import BelongingsStore
from hematovision.storage.cases import CaseStore
from hematovision.storage.cells import CellStore
from hematovision.storage.census import CensusStore
from hematovision.storage.checkpoints import Checkpoint
from hematovision.storage.claims import ClaimStore
from hematovision.storage.custody import AuditKeyError, Custody
from hematovision.storage.deliveries import DeliveryStore
from hematovision.storage.differentials import DifferentialStore
from hematovision.storage.discards import DiscardStore
from hematovision.storage.identities import IdentityStore
from hematovision.storage.jobs import JobStore
from hematovision.storage.laboratory import LaboratoryStore
from hematovision.storage.locator_checks import LocatorCheckStore
from hematovision.storage.models import ModelStore
from hematovision.storage.overviews import OverviewStore
from hematovision.storage.photos import PhotoStore
from hematovision.storage.places import PlaceUnusableError
from hematovision.storage.private import keep_file
from hematovision.storage.quality import QualityStore
from hematovision.storage.readings import ReadingStore
from hematovision.storage.references import ReferenceStore
from hematovision.storage.returns import ReturnStore
from hematovision.storage.sealed import SealedStore
from hematovision.storage.search import SearchStore
from hematovision.storage.seconds import SecondStore
from hematovision.storage.signatures import SignatureStore
from hematovision.storage.tokens import TokenStore
from hematovision.storage.users import UserStore
from hematovision.storage.webhooks import WebhookStore

MIGRATIONS = Path(__file__).parent / "migrations"
FILE = "hematovision.sqlite"
POSTGRES_LIMITS = {"connect_timeout": 10, "tcp_user_timeout": 30_000}
"""Seconds until there is a connection, and milliseconds until one is lost that answers nothing."""
BUSY_SECONDS = 20
READING = "hematovision_reading"
USED = "hematovision_used"
REST_SECONDS = 1.0
"""A connection that lay idle for so long may have been cut meanwhile."""
PRAGMAS = ("journal_mode = WAL", "foreign_keys = ON", "synchronous = FULL", "secure_delete = ON")
"""The last: what is deleted or changed is overwritten with zeros."""
MOST_VACUUMED = 2**28
"""Bytes of a file that is written anew within some seconds; so long nobody else writes."""

OLDEST = re.compile(r"(\d{4})_(\d{4})")
"""The number of a migration that only adds, and that of the oldest whose programs go on with it."""

FULL = re.compile("disk is full|No space left on device|disk I/O error")
"""What SQLite and PostgreSQL say where there is no room; SQLite also where its log has none."""
BUG = re.compile("no such|has no column|syntax error")
"""What SQLite says of a statement that is wrong; PostgreSQL's driver has another class for it."""

log = logging.getLogger(__name__)


class DatabaseUnusableError(Exception):
    """The database cannot be reached, understood or brought up to date."""


@dataclass(slots=True)
class Records:
    """Every store, within one transaction.

    Attributes:
        session: The transaction.
        custody: What guards the record of who did what.
        users: People, and who is signed in.
        tokens: What their programs show.
        answers: What programs were answered, for requests that come again.
        identities: Who they are at a provider that signs people in.
        cases: Films that somebody reads.
        photos: Theirs: what waits, what is read.
        jobs: Photos of no case that were sent to be read later.
        cells: Theirs, and what models and people say of them.
        differentials: What is shown beside the counts of a case.
        overviews: Cases and photos with all that a list shows of them.
        references: Cells of known type, to compare with.
        readings: What a model said of a photo, as it was said.
        search: The history of all readings.
        quality: What is asked of all that was read and reviewed.
        locator_checks: What people counted in photos that they were shown.
        models: Those that are installed, and what they say in the shadow of another.
        laboratory: What is set for everybody, and by people for themselves.
        signatures: What people signed of cases, version by version.
        returns: Why cases go back to be looked at again.
        seconds: What second readers said.
        webhooks: Other systems that are told what happens.
        deliveries: What they are told.
        belongings: All that hangs on a case.
        discards: Files that must go.
        sealed: What is sealed with the key of the data folder.
        aging: What has been here for long.
        claims: Which files of a watched folder are on record.
        census: What is counted for whoever watches.
        audit: What was done, by whom and when.
    """

    session: Session
    custody: Custody
    users: UserStore = field(init=False)
    tokens: TokenStore = field(init=False)
    answers: AnswerStore = field(init=False)
    identities: IdentityStore = field(init=False)
    cases: CaseStore = field(init=False)
    photos: PhotoStore = field(init=False)
    jobs: JobStore = field(init=False)
    cells: CellStore = field(init=False)
    differentials: DifferentialStore = field(init=False)
    overviews: OverviewStore = field(init=False)
    references: ReferenceStore = field(init=False)
    readings: ReadingStore = field(init=False)
    search: SearchStore = field(init=False)
    quality: QualityStore = field(init=False)
    locator_checks: LocatorCheckStore = field(init=False)
    models: ModelStore = field(init=False)
    laboratory: LaboratoryStore = field(init=False)
    signatures: SignatureStore = field(init=False)
    returns: ReturnStore = field(init=False)
    seconds: SecondStore = field(init=False)
    webhooks: WebhookStore = field(init=False)
    deliveries: DeliveryStore = field(init=False)
    belongings: BelongingsStore = field(init=False)
    discards: DiscardStore = field(init=False)
    sealed: SealedStore = field(init=False)
    aging: AgingStore = field(init=False)
    claims: ClaimStore = field(init=False)
    census: CensusStore = field(init=False)
    audit: AuditStore = field(init=False)

    def __post_init__(self) -> None:
        """Open the stores in the transaction."""
        self.users = UserStore(self.session)
        self.tokens = TokenStore(self.session)
        self.answers = AnswerStore(self.session)
        self.identities = IdentityStore(self.session)
        self.cases = CaseStore(self.session)
        self.photos = PhotoStore(self.session)
        self.jobs = JobStore(self.session)
        self.cells = CellStore(self.session)
        self.differentials = DifferentialStore(self.session)
        self.overviews = OverviewStore(self.session)
        self.references = ReferenceStore(self.session)
        self.readings = ReadingStore(self.session)
        self.search = SearchStore(self.session)
        self.quality = QualityStore(self.session)
        self.locator_checks = LocatorCheckStore(self.session)
        self.models = ModelStore(self.session)
        self.laboratory = LaboratoryStore(self.session)
        self.signatures = SignatureStore(self.session)
        self.returns = ReturnStore(self.session)
        self.seconds = SecondStore(self.session)
        self.webhooks = WebhookStore(self.session)
        self.deliveries = DeliveryStore(self.session)
        self.belongings = BelongingsStore(self.session)
        self.discards = DiscardStore(self.session)
        self.sealed = SealedStore(self.session)
        self.aging = AgingStore(self.session)
        self.claims = ClaimStore(self.session)
        self.census = CensusStore(self.session)
        self.audit = AuditStore(self.session, self.custody)


@dataclass(frozen=True, slots=True)
class Database:
    """Where everything is kept.

    Attributes:
        engine: Hands out connections.
        custody: What guards the record of who did what.
    """

    engine: Engine
    custody: Custody

    @contextmanager
    def transaction(self) -> Iterator[Records]:
        """Open the stores; what is done within is kept whole with its events, or not at all.

        Raises:
            DatabaseAwayError: If the database does not answer.
            StorageFullError: If it has no room left.
        """
        with _named_failures(), Session(self.engine) as session, session.begin():
            records = Records(session, self.custody)
            yield records
            chained = records.audit.chain()
        if chained:
            head, events = chained
            self.custody.checkpoints.note(self.custody.chain, head, events=events)

    @contextmanager
    def reading(self, *, once: bool = False) -> Iterator[Records]:
        """Open the stores to look, beside others who write; nothing may be changed within.

        Args:
            once: Whether one thing alone is looked at: PostgreSQL is then not told of a beginning
                and an end, which would be two more ways there and back.

        Raises:
            DatabaseAwayError: If the database does not answer.
        """
        options: dict[str, Any] = {READING: True}
        if once and self.engine.dialect.name == "postgresql":
            options["isolation_level"] = "AUTOCOMMIT"
        with _named_failures(), Session(self.engine.execution_options(**options)) as session:
            records = Records(session, self.custody)
            yield records
            if records.audit.waits:
                raise RuntimeError("An event was added where nothing is written.")

    def checkpoint(self) -> Checkpoint | None:
        """Write down outside of the database how far the record has come.

        Returns:
            The newest checkpoint; None where there is no event yet.

        Raises:
            OSError: If it cannot be written.
        """
        with self.reading() as records:
            head = records.audit.head()
        return self.custody.checkpoints.append(self.custody.chain, head) if head else None

    def check_key(self) -> None:
        """Insist that the record can be continued: that its key is at hand.

        Raises:
            AuditKeyError: If it is not.
            OSError: If it cannot be read.
            ValueError: If it is no key.
        """
        with self.reading() as records:
            key = records.audit.the_key()
        if key is not None:
            self.custody.check(key)

    def forget_deleted(self) -> None:
        """Leave nothing of deleted rows in SQLite's files; PostgreSQL does so by itself, later.

        Zeros are written over a row that is deleted, but not over what was left of it where SQLite
        once moved it to another page; so the file is written anew, unless it is large or others
        write all the time. Who reads meanwhile is not waited for: the log is emptied the next time.
        """
        if self.engine.dialect.name != "sqlite":
            return
        pooled = self.engine.raw_connection()
        try:
            cursor = pooled.cursor()
            pages, size = (
                cursor.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "page_size")
            )
            if pages * size <= MOST_VACUUMED:
                cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError as error:
            log.warning("What was deleted may still stand in the database's file: %s", error)
        finally:
            pooled.close()

    def has_fitting_tables(self) -> bool:
        """Tell whether the tables are those of this program, or newer ones that suit it.

        Raises:
            SQLAlchemyError: If the database does not answer.
        """
        # Only looking, so that nobody who writes is waited for.
        engine = self.engine.execution_options(**{READING: True})
        return suits(version_of(engine))

    @property
    def is_shared(self) -> bool:
        """Tell whether other machines can reach it."""
        return self.engine.dialect.name != "sqlite"

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()


def open_database(
    address: str,
    folder: Path,
    *,
    keys: Path | None = None,
    checkpoints: str = "",
    with_key: bool = True,
) -> Database:
    """Open the database, make it where there is none, and bring it up to date.

    Args:
        address: As SQLAlchemy writes it; empty for a SQLite file in the folder.
        folder: The data folder.
        keys: The folder of the keys; the data folder where it is left out.
        checkpoints: Where all machines keep checkpoints; empty for a file in the data folder.
        with_key: Whether the key of the audit record must be at hand, as for all who write.

    Raises:
        DatabaseUnusableError: If its address cannot be understood, its driver is not installed, it
            cannot be reached, it was made by a newer version of this program, or its record
            cannot be continued with the key in the folder.
        OSError: If the folder cannot be written.
    """
    database = connect(address, folder, keys=keys, checkpoints=checkpoints)
    try:
        if not database.has_fitting_tables():
            upgrade(database.engine)
        if with_key:
            database.check_key()
    except (AuditKeyError, ValueError) as error:
        database.close()
        raise DatabaseUnusableError(str(error)) from error
    except (SQLAlchemyError, CommandError) as error:
        database.close()
        reason = " ".join(str(getattr(error, "orig", error)).split())
        raise DatabaseUnusableError(
            f"The database cannot be used: {reason}. Check HEMATOVISION_DATABASE_URL. A newer "
            "version's database needs that version, or an older copy put back."
        ) from error
    return database


def connect(
    address: str, folder: Path, *, keys: Path | None = None, checkpoints: str = ""
) -> Database:
    """Reach the database without looking into it; its tables may be old, or none.

    Args, but for the last, are those of `open_database`.

    Raises:
        DatabaseUnusableError: If an address cannot be understood, or a driver is not installed.
        OSError: If the folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return Database(_engine(address, folder), Custody(folder, keys, checkpoints))
    except PlaceUnusableError as error:
        raise DatabaseUnusableError(str(error)) from error


def upgrade(engine: Engine, to: str = "head") -> None:
    """Bring the tables up to date; of several servers that start at once, one does it."""
    with _migrating(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(472693)")
        command.upgrade(_config(connection), to)


def downgrade(engine: Engine, to: str) -> None:
    """Take the tables back to an earlier version."""
    with _migrating(engine) as connection:
        command.downgrade(_config(connection), to)


@contextmanager
def _named_failures() -> Iterator[None]:
    """Give what a driver raises of a database that is away or full the names that people know."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        if BUG.search(str(error.orig)):
            raise
        log.warning("The database cannot be used: %s", " ".join(str(error.orig).split()))
        if FULL.search(str(error.orig)):
            raise StorageFullError("The database has no room left.") from error
        raise DatabaseAwayError("The database does not answer.") from error


@contextmanager
def _migrating(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction in which SQLite lets a table be made anew that others speak of."""
    with engine.connect() as connection:
        is_file = engine.dialect.name == "sqlite"
        driver: Any = connection.connection.driver_connection
        if is_file:
            driver.execute("PRAGMA foreign_keys = OFF")
        try:
            with connection.begin():
                before = _revision(connection)
                yield connection
                if is_file and _revision(connection) != before:
                    _check_links(connection)
        finally:
            if is_file:
                driver.execute("PRAGMA foreign_keys = ON")


def version_of(engine: Engine) -> str | None:
    """Say which migration the tables are at."""
    with engine.connect() as connection:
        return _revision(connection)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _check_links(connection: Connection) -> None:
    """Insist that no row speaks of another that is not there.

    Raises:
        DatabaseUnusableError: If one does.
    """
    if connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise DatabaseUnusableError("A row of the database speaks of one that is not there.")


def suits(revision: str | None) -> bool:
    """Tell whether this program works with the tables of a migration.

    Args:
        revision: `0015`, or `0015_0014` where programs of 0014 go on with the tables of 0015.
    """
    newest = newest_version()
    found = OLDEST.fullmatch(revision or "")
    is_newer = bool(found and newest and found[1] > newest[:4] >= found[2])
    return revision == newest or is_newer


@cache
def newest_version() -> str | None:
    """Say which migration this program's tables are at."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


def _engine(address: str, folder: Path) -> Engine:
    """Make the engine; SQLite is told to behave like a database that several people use."""
    try:
        url = make_url(address or f"sqlite:///{(folder / FILE).absolute()}")
        # Platforms still write the short name, which SQLAlchemy knows no more.
        if url.drivername in {"postgresql", "postgres"}:
            url = url.set(drivername="postgresql+psycopg")
        is_file = url.get_backend_name() == "sqlite"
        limits = {"timeout": BUSY_SECONDS} if is_file else _limits(url)
        engine = create_engine(url, hide_parameters=True, connect_args=limits)
        if is_file and url.database:
            keep_file(Path(url.database))
    except (ArgumentError, ModuleNotFoundError) as error:
        raise DatabaseUnusableError(
            f"HEMATOVISION_DATABASE_URL cannot be used: {error}. It looks like "
            "postgresql://user:password@host/database and needs: pip install 'hematovision[server]'"
        ) from error
    if is_file:
        event.listen(engine, "connect", _prepare_file)
        event.listen(engine, "begin", _begin)
    else:
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", _ask_after_rest)
    return engine


def _note_use(_: Any, kept: Any) -> None:
    kept.info[USED] = time.monotonic()


def _ask_after_rest(connection: Any, kept: Any, _: Any) -> None:
    """Ask whether a connection that was not used lately still stands; to ask always costs too much.

    Raises:
        InvalidatePoolError: If not; then there is a new one, and a new one for all others.
    """
    used = kept.info.get(USED)
    if used is None or time.monotonic() - used < REST_SECONDS:
        return
    try:
        with closing(connection.cursor()) as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except Exception as error:  # whatever the driver raises, it is of no more use
        raise InvalidatePoolError from error


def _limits(url: URL) -> dict[str, Any]:
    """Say how long a server that says nothing is waited for, unless the address says so."""
    if url.get_backend_name() != "postgresql":
        return {}
    return {name: value for name, value in POSTGRES_LIMITS.items() if name not in url.query}


def _prepare_file(connection: Any, _: Any) -> None:
    # Python's driver must not begin transactions by itself: it does so too late.
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Any) -> None:
    # A transaction that reads first and writes later would fail where another wrote meanwhile.
    reads = connection.get_execution_options().get(READING)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _config(connection: Any) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
