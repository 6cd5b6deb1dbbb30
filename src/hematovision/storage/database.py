"""The database: SQLite by default, PostgreSQL by its address; brought up to date at every start."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from hematovision.storage.aging import AgingStore
from hematovision.storage.answers import AnswerStore
from hematovision.storage.audit import AuditStore
from hematovision.storage.belongings import BelongingsStore
from hematovision.storage.cases import CaseStore
from hematovision.storage.cells import CellStore
from hematovision.storage.census import CensusStore
from hematovision.storage.checkpoints import Checkpoint
from hematovision.storage.claims import ClaimStore
from hematovision.storage.connections import (
    READING,
    DatabaseUnusableError,
    named_failures,
    open_engine,
)
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
from hematovision.storage.versions import suits, upgrade, version_of
from hematovision.storage.webhooks import WebhookStore

MOST_VACUUMED = 2**28
"""Bytes of a file that is written anew within some seconds; so long nobody else writes."""

log = logging.getLogger(__name__)


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
        with named_failures(), Session(self.engine) as session, session.begin():
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
        with named_failures(), Session(self.engine.execution_options(**options)) as session:
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
        return Database(open_engine(address, folder), Custody(folder, keys, checkpoints))
    except PlaceUnusableError as error:
        raise DatabaseUnusableError(str(error)) from error
