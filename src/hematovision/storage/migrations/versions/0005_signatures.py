"""Signatures, cases that go back to be looked at again, and second readings."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "signatures",
        sa.Column("id", KEY, nullable=False),
        sa.Column("case_id", KEY, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("meaning", sa.Text(), nullable=False),
        sa.Column("printed_name", sa.String(64), nullable=False),
        sa.Column("signed_by", KEY, nullable=False),
        sa.Column("signed_at", MOMENT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("overrides", sa.JSON(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_signatures"),
        sa.UniqueConstraint("case_id", "version", name="uq_signatures_case_id_version"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_signatures_case_id"),
        sa.ForeignKeyConstraint(["signed_by"], ["users.id"], name="fk_signatures_signed_by"),
    )
    op.create_table(
        "case_returns",
        sa.Column("id", KEY, nullable=False),
        sa.Column("case_id", KEY, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_by", KEY, nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("done_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_case_returns"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_case_returns_case_id"),
        sa.ForeignKeyConstraint(["asked_by"], ["users.id"], name="fk_case_returns_asked_by"),
    )
    op.create_table(
        "second_readings",
        sa.Column("id", KEY, nullable=False),
        sa.Column("case_id", KEY, nullable=False),
        sa.Column("asked_by", KEY, nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("reader_id", KEY),
        sa.Column("finished_at", MOMENT),
        sa.Column("given_up_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_second_readings"),
        sa.UniqueConstraint("case_id", "reader_id", name="uq_second_readings_case_id_reader_id"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_second_readings_case_id"),
        sa.ForeignKeyConstraint(["asked_by"], ["users.id"], name="fk_second_readings_asked_by"),
        sa.ForeignKeyConstraint(["reader_id"], ["users.id"], name="fk_second_readings_reader_id"),
    )
    op.create_table(
        "second_labels",
        sa.Column("reading_id", KEY, nullable=False),
        sa.Column("cell_id", KEY, nullable=False),
        sa.Column("label", sa.String(64)),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("said_at", MOMENT, nullable=False),
        sa.Column("first_label", sa.String(64)),
        sa.Column("decided", sa.String(64)),
        sa.Column("decided_by", KEY),
        sa.Column("decided_at", MOMENT),
        sa.PrimaryKeyConstraint("reading_id", "cell_id", name="pk_second_labels"),
        sa.ForeignKeyConstraint(
            ["reading_id"], ["second_readings.id"], name="fk_second_labels_reading_id"
        ),
        sa.ForeignKeyConstraint(["cell_id"], ["cells.id"], name="fk_second_labels_cell_id"),
        sa.ForeignKeyConstraint(["decided_by"], ["users.id"], name="fk_second_labels_decided_by"),
    )
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns)


def downgrade() -> None:
    """Take the tables away, and let what was signed be in review again, as nothing says more."""
    for name, table, _ in reversed(INDEXES):
        op.drop_index(name, table)
    for table in ("second_labels", "second_readings", "case_returns", "signatures"):
        op.drop_table(table)
    op.execute("UPDATE cases SET state = 'in_review' WHERE state IN ('signed', 'amended')")


INDEXES = (
    ("ix_signatures_signed_by", "signatures", ["signed_by"]),
    ("ix_signatures_signed_at", "signatures", ["signed_at"]),
    ("ix_case_returns_case_id", "case_returns", ["case_id"]),
    ("ix_case_returns_done_at_case_id", "case_returns", ["done_at", "case_id"]),
    ("ix_second_readings_reader_id", "second_readings", ["reader_id"]),
    ("ix_second_labels_cell_id", "second_labels", ["cell_id"]),
)
