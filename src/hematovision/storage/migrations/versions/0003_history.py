"""History: a line a reading, and one a label of its cells, in the order of the search."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MILLISECONDS = {
    "sqlite": "strftime('%s', r.read_at) * 1000 + CAST(substr(r.read_at, 21, 3) AS INTEGER)",
    "postgresql": "CAST(FLOOR(EXTRACT(EPOCH FROM r.read_at) * 1000) AS BIGINT)",
}


def upgrade() -> None:
    """Make the table, and write a line for all that was read before."""
    op.create_table(
        "history",
        sa.Column("label", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reading_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sent_by", KEY),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("case_id", KEY),
        sa.PrimaryKeyConstraint("label", "at", "reading_id", name="pk_history"),
        sa.ForeignKeyConstraint(["reading_id"], ["readings.id"], name="fk_history_reading_id"),
        sa.ForeignKeyConstraint(["sent_by"], ["users.id"], name="fk_history_sent_by"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_history_case_id"),
        sqlite_with_rowid=False,
    )
    op.execute(FILL.format(at=MILLISECONDS[op.get_bind().dialect.name]))
    for name, columns in INDEXES:
        op.create_index(name, "history", columns)


def downgrade() -> None:
    """Take the table away; what it says stands elsewhere too."""
    for name, _ in reversed(INDEXES):
        op.drop_index(name, "history")
    op.drop_table("history")


# A cell that somebody boxed has no reading of its own; it goes with its photo's newest.
FILL = """
INSERT INTO history (label, at, reading_id, number, sent_by, model_version, case_id)
WITH of_cells AS (
    SELECT COALESCE(c.reading_id, newest.id) AS reading_id,
           COALESCE(c.label, c.cell_type, 'unidentified') AS label
    FROM cells c LEFT JOIN (SELECT photo_id, MAX(id) AS id FROM readings GROUP BY photo_id) newest
    ON newest.photo_id = c.photo_id
), found AS (
    SELECT reading_id, label, COUNT(*) AS number FROM of_cells
    WHERE reading_id IS NOT NULL AND label <> 'no_cell' GROUP BY reading_id, label
), lines AS (
    SELECT reading_id, label, number FROM found
    UNION ALL
    SELECT r.id, '', COALESCE(SUM(f.number), 0)
    FROM readings r LEFT JOIN found f ON f.reading_id = r.id GROUP BY r.id
)
SELECT l.label, {at}, r.id, l.number, p.sent_by, r.model_version, p.case_id
FROM lines l JOIN readings r ON r.id = l.reading_id JOIN photos p ON p.id = r.photo_id
"""
INDEXES = (
    ("ix_history_reading_id", ["reading_id"]),
    ("ix_history_person", ["label", "sent_by", "at", "reading_id", "model_version", "case_id"]),
    ("ix_history_model", ["label", "model_version", "at", "reading_id", "sent_by", "case_id"]),
    ("ix_history_case", ["label", "case_id", "at", "reading_id", "sent_by", "model_version"]),
)
