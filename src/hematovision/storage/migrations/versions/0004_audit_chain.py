"""Audit: a chain of events that nothing changes, and what they say that can be forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DIGEST = sa.String(64)


def upgrade() -> None:
    """Add what a chain needs; what was written before is chained with the first new event."""
    for name, kind in COLUMNS:
        op.add_column("audit_events", sa.Column(name, kind))
    for words in OF_CASES[op.get_bind().dialect.name]:
        op.execute(words)
    for column in INDEXED:
        op.create_index(f"ix_audit_events_{column}", "audit_events", [column])
    op.create_table(
        "audit_keys",
        sa.Column("case_id", KEY, nullable=False, autoincrement=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", name="pk_audit_keys"),
    )
    op.create_table(
        "audit_values",
        sa.Column("event_id", KEY, nullable=False, autoincrement=False),
        sa.Column("case_id", KEY, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_audit_values"),
        sa.ForeignKeyConstraint(["event_id"], ["audit_events.id"], name="fk_audit_values_event_id"),
    )
    op.create_index("ix_audit_values_case_id", "audit_values", ["case_id"])
    for words in REFUSING[op.get_bind().dialect.name]:
        op.execute(words)


def downgrade() -> None:
    """Take the chain away; the events stay."""
    for words in ADMITTING[op.get_bind().dialect.name]:
        op.execute(words)
    op.drop_table("audit_values")
    op.drop_table("audit_keys")
    for column in reversed(INDEXED):
        op.drop_index(f"ix_audit_events_{column}", "audit_events")
    for name, _ in reversed(COLUMNS):
        op.drop_column("audit_events", name)


COLUMNS = (
    ("address", sa.String(64)),
    ("case_id", KEY),
    ("before_digest", DIGEST),
    ("after_digest", DIGEST),
    ("digest", DIGEST),
)
INDEXED = ("subject", "case_id", "digest")
OF_CASES = {
    "sqlite": (
        "UPDATE audit_events SET case_id = CAST(substr(subject, 6) AS INTEGER) "
        "WHERE subject LIKE 'case %'",
        "UPDATE audit_events SET case_id = json_extract(details, '$.case') "
        "WHERE case_id IS NULL AND json_type(details, '$.case') = 'integer'",
    ),
    "postgresql": (
        "UPDATE audit_events SET case_id = CAST(substr(subject, 6) AS BIGINT) "
        "WHERE subject ~ '^case [0-9]{1,18}$'",
        "UPDATE audit_events SET case_id = CAST(details ->> 'case' AS BIGINT) "
        "WHERE case_id IS NULL AND details ->> 'case' ~ '^[0-9]{1,18}$'",
    ),
}
REFUSING = {
    # INSERT OR REPLACE deletes without asking a trigger, so an insert is refused as well.
    "sqlite": (
        "CREATE TRIGGER audit_events_update BEFORE UPDATE ON audit_events "
        "BEGIN SELECT RAISE(ABORT, 'the audit record is never changed'); END",
        "CREATE TRIGGER audit_events_delete BEFORE DELETE ON audit_events "
        "BEGIN SELECT RAISE(ABORT, 'the audit record is never changed'); END",
        "CREATE TRIGGER audit_events_replace BEFORE INSERT ON audit_events "
        "WHEN EXISTS (SELECT 1 FROM audit_events WHERE id = NEW.id) "
        "BEGIN SELECT RAISE(ABORT, 'the audit record is never changed'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit record is never changed'; END $$",
        "CREATE TRIGGER audit_events_change BEFORE UPDATE OR DELETE ON audit_events "
        "FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()",
        "CREATE TRIGGER audit_events_empty BEFORE TRUNCATE ON audit_events "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()",
    ),
}
ADMITTING = {
    "sqlite": (
        "DROP TRIGGER IF EXISTS audit_events_update",
        "DROP TRIGGER IF EXISTS audit_events_delete",
        "DROP TRIGGER IF EXISTS audit_events_replace",
    ),
    "postgresql": (
        "DROP TRIGGER IF EXISTS audit_events_change ON audit_events",
        "DROP TRIGGER IF EXISTS audit_events_empty ON audit_events",
        "DROP FUNCTION IF EXISTS refuse_audit_change()",
    ),
}
