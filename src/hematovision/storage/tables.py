"""The tables; `migrations` follow this file."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeEngine

NAME_LENGTH = 64
LARGEST_KEY = 2**63 - 1
"""No row has a number above it, and no database lets one be asked for."""
STILL_UNIDENTIFIED = "label = 'unidentified' OR (label IS NULL AND cell_type IS NULL)"
"""Of a cell: nobody has named it yet. An index holds these cells, so that they are found fast."""
Key = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only where the column is INTEGER."""
NUMBERED_FOR_GOOD = {"sqlite_autoincrement": True}
"""Of what can be erased: no other gets its number, as SQLite would let it."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(TypeDecorator[datetime]):
    """A point in time, UTC; SQLite keeps no zone, so it is put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Insist on a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone.")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Milliseconds(TypeDecorator[datetime]):
    """A point in time, UTC, as a whole number: small and fast where many are compared."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Count the milliseconds since 1970."""
        return None if value is None else (value - EPOCH) // timedelta(milliseconds=1)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Make a moment of them."""
        return None if value is None else EPOCH + timedelta(milliseconds=value)


class Number(TypeDecorator[int]):
    """A whole number of four bytes, which may be compared with larger ones: no row has those.

    PostgreSQL would refuse the whole query, and numbers of addresses and forms come from outside.
    """

    impl = Integer
    cache_ok = True

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> TypeEngine[Any]:
        """Say as what a value comes that is compared with it."""
        return BigInteger()


class Base(DeclarativeBase):
    """What all tables share: names for every constraint, so that migrations can speak of them."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {int: Number}
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UserRow(Base):
    """Somebody with an account; rows are never deleted, for the record speaks of them."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    folded_name: Mapped[str] = mapped_column(String(4 * NAME_LENGTH), unique=True)
    role: Mapped[str] = mapped_column(String(32))
    password_hash: Mapped[str | None] = mapped_column(String(255))
    second_factor: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The authenticator's secret, sealed with the key of the data folder."""
    second_factor_step: Mapped[int | None] = mapped_column(BigInteger)
    """The time step of the last code that was accepted; none counts twice."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    disabled_at: Mapped[datetime | None] = mapped_column(Moment)


class SignInRow(Base):
    """Somebody who is signed in at one browser."""

    __tablename__ = "sign_ins"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    seen_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)


class IdentityRow(Base):
    """Who somebody is at a provider that signs people in."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    issuer: Mapped[str] = mapped_column(String(512))
    subject: Mapped[str] = mapped_column(String(255))
    """The provider gives it to nobody else; names and addresses may pass to others."""
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(Moment)


class ConfirmationRow(Base):
    """Somebody proved anew who they are, for one thing and a few minutes."""

    __tablename__ = "confirmations"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    what: Mapped[bytes] = mapped_column(LargeBinary(32))
    """The hash of what it is good for."""
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)


class LinkRow(Base):
    """A link that lets somebody in once."""

    __tablename__ = "sign_in_links"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)


class TokenRow(Base):
    """What a program shows in the place of a password."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    label: Mapped[str] = mapped_column(String(NAME_LENGTH))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    """The rights that it was given; what its owner may not do it may not either."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    used_at: Mapped[datetime | None] = mapped_column(Moment)
    """When it was last shown, to the minute; none while it never was."""
    used_from: Mapped[str | None] = mapped_column(String(NAME_LENGTH))


class AnswerRow(Base):
    """A request that came with a key of its own, and what it was answered: for when it comes again.

    It says nothing that other tables do not say, so neither copies nor backups hold it.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (UniqueConstraint("user_id", "key_hash"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    key_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    """SHA-256: programs make keys of what they send, which may tell of a patient."""
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32))
    """SHA-256 of what was asked."""
    work: Mapped[str] = mapped_column(String(24))
    """Begins the claims of what was done for it, whoever works on it."""
    claim: Mapped[str] = mapped_column(String(32))
    """Of the one request that works on it, so that no other answers in its place."""
    claimed_at: Mapped[datetime] = mapped_column(Moment, index=True)
    case_id: Mapped[int | None] = mapped_column(ForeignKey("cases.id"), index=True)
    """The case that the answer tells of, with which it is erased."""
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Sealed; none while somebody works on it."""


class AttemptRow(Base):
    """How often a sign-in under a name failed in a row, whether somebody has that name or not."""

    __tablename__ = "failed_sign_ins"

    name_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(Moment, index=True)


class AuditRow(Base):
    """One event: written in the transaction of what it records; triggers refuse to change it."""

    __tablename__ = "audit_events"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    """Counts the events without a gap, since there is a chain."""
    at: Mapped[datetime] = mapped_column(Moment, index=True)
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    door: Mapped[str] = mapped_column(String(16))
    action: Mapped[str] = mapped_column(String(64), index=True)
    subject: Mapped[str] = mapped_column(String(128), index=True)
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    address: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    """From where a page or a program asked."""
    case_id: Mapped[int | None] = mapped_column(Key, index=True)
    """The case that it tells of, which may have been erased since."""
    before_digest: Mapped[str | None] = mapped_column(String(64))
    """HMAC of what was there, in hex, with the key of the case."""
    after_digest: Mapped[str | None] = mapped_column(String(64))
    digest: Mapped[str | None] = mapped_column(String(64), index=True)
    """HMAC of the event and the digest before it, in hex; none before there was a chain."""


class AuditKeyRow(Base):
    """The key of what events say of a case, sealed; without it nobody reads that again."""

    __tablename__ = "audit_keys"

    case_id: Mapped[int] = mapped_column(Key, primary_key=True, autoincrement=False)
    """Zero is what belongs to no case, such as settings."""
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class AuditValueRow(Base):
    """What was there before an event and after it, encrypted; erased with its case."""

    __tablename__ = "audit_values"

    event_id: Mapped[int] = mapped_column(
        ForeignKey("audit_events.id"), primary_key=True, autoincrement=False
    )
    case_id: Mapped[int] = mapped_column(Key, index=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class CaseRow(Base):
    """A film that somebody reads: photos, and what is said of their cells."""

    __tablename__ = "cases"
    __table_args__ = NUMBERED_FOR_GOOD

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    accession: Mapped[str] = mapped_column(String(NAME_LENGTH))
    folded_accession: Mapped[str] = mapped_column(String(4 * NAME_LENGTH), unique=True)
    note: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), index=True)
    version: Mapped[int]
    """Counts the changes, so that the later of two who change at once is told."""
    target: Mapped[int]
    """How many white cells are to be counted."""
    white_count: Mapped[float | None]
    """White cells in blood, 10^9 a litre, of another instrument."""
    age_band: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    may_improve: Mapped[bool] = mapped_column(server_default=false())
    """Whether its confirmed cells may be used to improve a model; no, unless somebody says so."""
    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(Moment, index=True)
    reviewed_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    """Who said something of a cell last."""
    reviewed_at: Mapped[datetime | None] = mapped_column(Moment)


class PhotoRow(Base):
    """A picture that was sent; its name is not kept, nor its metadata once it was read."""

    __tablename__ = "photos"
    __table_args__ = (
        Index("ix_photos_queue", "state", "lease_until", "id"),
        Index("ix_photos_case_id_image_sha256", "case_id", "image_sha256"),
        NUMBERED_FOR_GOOD,
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    case_id: Mapped[int | None] = mapped_column(ForeignKey("cases.id"), index=True)
    number: Mapped[int | None]
    """Counts the photos of a case from one, in the order they came."""
    image_sha256: Mapped[str] = mapped_column(String(64), index=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int | None]
    height: Mapped[int | None]
    file: Mapped[str | None] = mapped_column(String(64))
    """Under which the picture is kept, sealed; none where it is not kept (any more)."""
    same_as: Mapped[int | None] = mapped_column(ForeignKey("photos.id"))
    """The first photo of the case with this very content; only that one counts."""
    state: Mapped[str] = mapped_column(String(16))
    failure: Mapped[str | None] = mapped_column(String(64))
    attempts: Mapped[int]
    worker: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    door: Mapped[str] = mapped_column(String(16))
    sending: Mapped[str | None] = mapped_column(String(32))
    """What was sent together has one; the same content sent again later has another."""
    sent_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    sent_at: Mapped[datetime] = mapped_column(Moment, index=True)


class JobRow(Base):
    """Photos of no case that somebody sent to be read later, and asks for under one number."""

    __tablename__ = "jobs"
    __table_args__ = NUMBERED_FOR_GOOD

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    sent_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    sent_at: Mapped[datetime] = mapped_column(Moment, index=True)
    total: Mapped[int]
    """How many files came, whatever became of them."""


class JobEntryRow(Base):
    """What became of one file of a job: a photo, or the code of why it was refused."""

    __tablename__ = "job_entries"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Counts the files from one, in the order they came."""
    photo_id: Mapped[int | None] = mapped_column(ForeignKey("photos.id"), index=True)
    failure: Mapped[str | None] = mapped_column(String(64))


class ReadingRow(Base):
    """What one model said of one photo; never changed, and never said twice."""

    __tablename__ = "readings"
    __table_args__ = (UniqueConstraint("photo_id", "model_sha256"), NUMBERED_FOR_GOOD)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id"))
    model_name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    model_version: Mapped[str] = mapped_column(String(NAME_LENGTH), index=True)
    model_sha256: Mapped[str] = mapped_column(String(64))
    read_at: Mapped[datetime] = mapped_column(Moment)
    engine: Mapped[str] = mapped_column(String(16), server_default="in_process")


class ModelRow(Base):
    """A model that was installed beside the shipped one; its folder is called by its hash."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    version: Mapped[str] = mapped_column(String(NAME_LENGTH))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    installed_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    installed_at: Mapped[datetime] = mapped_column(Moment)


class ShadowRow(Base):
    """What a model says of a photo that another has read for people: compared, never shown."""

    __tablename__ = "shadow_readings"
    __table_args__ = (UniqueConstraint("photo_id", "model_sha256"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id"))
    model_sha256: Mapped[str] = mapped_column(String(64), index=True)
    read_at: Mapped[datetime] = mapped_column(Moment)
    cells: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """A box, a decision and an answer each, as they were said."""


class CellRow(Base):
    """A cell: found by a model, with its answer, or boxed by a person, with none."""

    __tablename__ = "cells"
    __table_args__ = (
        Index("ix_cells_case_id_number", "case_id", "number"),
        Index(
            "ix_cells_unidentified",
            "case_id",
            sqlite_where=text(STILL_UNIDENTIFIED),
            postgresql_where=text(STILL_UNIDENTIFIED),
        ),
        NUMBERED_FOR_GOOD,
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    case_id: Mapped[int | None] = mapped_column(ForeignKey("cases.id"))
    number: Mapped[int | None]
    """Counts the cells of a case from one, in the order they were found."""
    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id"), index=True)
    reading_id: Mapped[int | None] = mapped_column(ForeignKey("readings.id"), index=True)
    box_xmin: Mapped[int]
    box_ymin: Mapped[int]
    box_xmax: Mapped[int]
    box_ymax: Mapped[int]
    decision: Mapped[str | None] = mapped_column(String(16))
    cell_type: Mapped[str | None] = mapped_column(String(32))
    confidence: Mapped[float | None]
    known: Mapped[float | None]
    morphology: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)
    """All probabilities, the prediction set and the doubts, as they were said."""
    label: Mapped[str | None] = mapped_column(String(NAME_LENGTH), index=True)
    """What the newest review says; none while nobody said anything, or took it back."""
    version: Mapped[int]
    """The number of the newest review, so that the later of two at once is told."""


class HistoryRow(Base):
    """A line of the history: a reading, once under no label, and once under each of its cells'.

    It says nothing that other tables do not say; it says it in the order of the search.
    """

    __tablename__ = "history"
    __table_args__ = (
        Index("ix_history_reading_id", "reading_id"),
        Index(
            "ix_history_person", "label", "sent_by", "at", "reading_id", "model_version", "case_id"
        ),
        Index(
            "ix_history_model", "label", "model_version", "at", "reading_id", "sent_by", "case_id"
        ),
        Index(
            "ix_history_case", "label", "case_id", "at", "reading_id", "sent_by", "model_version"
        ),
        {"sqlite_with_rowid": False},
    )

    label: Mapped[str] = mapped_column(String(NAME_LENGTH), primary_key=True)
    """What people call the cells, else what the model named them; empty for all of them."""
    at: Mapped[datetime] = mapped_column(Milliseconds, primary_key=True)
    """When it was read."""
    reading_id: Mapped[int] = mapped_column(ForeignKey("readings.id"), primary_key=True)
    number: Mapped[int]
    """How many cells of the label it has."""
    sent_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    model_version: Mapped[str] = mapped_column(String(NAME_LENGTH))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("cases.id"))


class ReviewRow(Base):
    """What a person said of a cell, or that they take it back; a newer one leaves it as it is."""

    __tablename__ = "reviews"
    __table_args__ = (
        UniqueConstraint("cell_id", "number"),
        Index("ix_reviews_time", "reviewed_at", "number", "cell_id", "label", "reviewed_by"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    cell_id: Mapped[int] = mapped_column(ForeignKey("cells.id"))
    number: Mapped[int]
    """Counts the reviews of a cell from one; of two at once the later finds its number taken."""
    label: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    reviewed_by: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    reviewed_at: Mapped[datetime] = mapped_column(Moment)


class MeasureRow(Base):
    """What is counted and measured of a photo when a model reads it; never changed."""

    __tablename__ = "photo_measures"

    reading_id: Mapped[int] = mapped_column(ForeignKey("readings.id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(Milliseconds, index=True)
    """When it was read."""
    model_sha256: Mapped[str] = mapped_column(String(64))
    cells: Mapped[int]
    unidentified: Mapped[int]
    """Of these, left without a name by the model."""
    red: Mapped[float | None]
    """This and what follows: of `cells.Measured`, the mean over the cells."""
    green: Mapped[float | None]
    blue: Mapped[float | None]
    contrast: Mapped[float | None]
    focus: Mapped[float | None]
    distance: Mapped[float | None]


class LocatorCheckRow(Base):
    """What a person counted in a photo that they were shown with the boxes that were found."""

    __tablename__ = "locator_checks"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id"), unique=True)
    found: Mapped[int]
    """Boxes that were shown."""
    missed: Mapped[int]
    """White cells without a box."""
    wrong: Mapped[int]
    """Boxes without a white cell."""
    checked_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    checked_at: Mapped[datetime] = mapped_column(Milliseconds, index=True)


class DiscardRow(Base):
    """A file that must go; the row goes once nobody can put it back any more."""

    __tablename__ = "discarded_files"

    file: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime] = mapped_column(Moment, index=True)


class ClaimRow(Base):
    """Something that is done once; written in the transaction of what became of it.

    It is a file of a watched folder, or a part of a request that may come again.
    """

    __tablename__ = "claims"

    claim: Mapped[str] = mapped_column(String(32), primary_key=True)
    """Drawn by chance: what a file is called while it is in hand, or a part of a request."""
    became: Mapped[int | None] = mapped_column(Key)
    """The number of what it became; no foreign key, for that may be erased."""
    at: Mapped[datetime] = mapped_column(Moment)


class ReferenceRow(Base):
    """A cell of known type that a laboratory shows beside doubtful ones."""

    __tablename__ = "reference_cells"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    label: Mapped[str] = mapped_column(String(NAME_LENGTH), index=True)
    source: Mapped[str] = mapped_column(String(NAME_LENGTH))
    """Whence the set comes, as the laboratory calls it."""
    file: Mapped[str] = mapped_column(String(64))
    image_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    added_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    added_at: Mapped[datetime] = mapped_column(Moment)


class LaboratoryRow(Base):
    """What a laboratory has set for everybody, such as its reference ranges."""

    __tablename__ = "laboratory_settings"

    name: Mapped[str] = mapped_column(String(NAME_LENGTH), primary_key=True)
    content: Mapped[Any] = mapped_column(JSON)
    version: Mapped[int]
    changed_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    changed_at: Mapped[datetime] = mapped_column(Moment)


class PreferenceRow(Base):
    """What somebody has set for themselves, such as other keys or another language."""

    __tablename__ = "preferences"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH), primary_key=True)
    content: Mapped[Any] = mapped_column(JSON)


class SignatureRow(Base):
    """What somebody signed of a case; written once, kept beside every later version."""

    __tablename__ = "signatures"
    __table_args__ = (UniqueConstraint("case_id", "version"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    version: Mapped[int]
    """Counts the signatures of a case from one; of two at once the later finds it taken."""
    meaning: Mapped[str] = mapped_column(Text)
    printed_name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    signed_by: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    signed_at: Mapped[datetime] = mapped_column(Moment, index=True)
    reason: Mapped[str] = mapped_column(Text)
    """Why it was amended; empty for the first."""
    overrides: Mapped[dict[str, str]] = mapped_column(JSON)
    """Why checks were left open, by their codes."""
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The differential and a row a cell, as they stood."""


class ReturnRow(Base):
    """A case that goes back to be looked at again: before it is signed, or to be amended."""

    __tablename__ = "case_returns"
    __table_args__ = (Index("ix_case_returns_done_at_case_id", "done_at", "case_id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    version: Mapped[int]
    """Of the signature that is to be amended; zero where nothing is signed yet."""
    reason: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    asked_at: Mapped[datetime] = mapped_column(Moment)
    done_at: Mapped[datetime | None] = mapped_column(Moment)
    """When somebody had looked again, or signed; none while it waits."""


class SecondReadingRow(Base):
    """Somebody reads a case a second time, without seeing what others called its cells."""

    __tablename__ = "second_readings"
    __table_args__ = (UniqueConstraint("case_id", "reader_id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    asked_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    asked_at: Mapped[datetime] = mapped_column(Moment)
    reader_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    """None while nobody has taken it."""
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    given_up_at: Mapped[datetime | None] = mapped_column(Moment)
    """Whoever gives it up may look at the case again, and so never reads it blind any more."""


class SecondLabelRow(Base):
    """What a second reader called a cell, and what the first had called it by then."""

    __tablename__ = "second_labels"

    reading_id: Mapped[int] = mapped_column(ForeignKey("second_readings.id"), primary_key=True)
    cell_id: Mapped[int] = mapped_column(ForeignKey("cells.id"), primary_key=True, index=True)
    label: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    """None where they took back what they had said."""
    version: Mapped[int]
    """Counts what they said of it, as the version of a cell does for everybody else."""
    said_at: Mapped[datetime] = mapped_column(Moment)
    first_label: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    """Taken over when the second reading was finished, so that no later word mends agreement."""
    decided: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    """What whoever decided between both called it; none while nobody did."""
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None] = mapped_column(Moment)


class WebhookRow(Base):
    """An address of another system that is told what happens."""

    __tablename__ = "webhooks"
    __table_args__ = NUMBERED_FOR_GOOD

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(String(200))
    events: Mapped[list[str]] = mapped_column(JSON)
    """What it is told of."""
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    """Signs what it is told; sealed with the key of the data folder."""
    former_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Signs beside the newer one for a while, sealed in the same way."""
    former_until: Mapped[datetime | None] = mapped_column(Moment)
    version: Mapped[int]
    """Counts the changes by people, so that the later of two who change at once is told."""
    disabled_at: Mapped[datetime | None] = mapped_column(Moment)
    disabled_why: Mapped[str | None] = mapped_column(String(16))
    tried_at: Mapped[datetime | None] = mapped_column(Moment)
    failing_since: Mapped[datetime | None] = mapped_column(Moment)
    """When the first of the attempts failed that have all failed since."""
    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(Moment)


class DeliveryRow(Base):
    """Something that a webhook is told: written with what happened, and sent afterwards."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("event_id", "webhook_id"),
        Index("ix_webhook_deliveries_queue", "state", "next_at"),
        Index("ix_webhook_deliveries_webhook_id_id", "webhook_id", "id"),
        NUMBERED_FOR_GOOD,
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    event_id: Mapped[str] = mapped_column(String(40))
    """The same in every attempt, and for everybody who is told."""
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhooks.id"))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("cases.id"), index=True)
    event: Mapped[str] = mapped_column(String(64))
    body: Mapped[str] = mapped_column(Text)
    """Byte for byte what is sent: JSON."""
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    next_at: Mapped[datetime] = mapped_column(Moment)
    """When it may be taken to be sent; whoever takes it puts it off by a lease."""
    tried_at: Mapped[datetime | None] = mapped_column(Moment)
    status: Mapped[int | None]
    """Of the last answer in HTTP, if there was any."""
    failure: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(Moment, index=True)
