"""Quality: what is measured of a photo, and what people counted in those they were shown."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MEASURES = ("red", "green", "blue", "contrast", "focus", "distance")
MILLISECONDS = {
    "sqlite": "strftime('%s', r.read_at) * 1000 + CAST(substr(r.read_at, 21, 3) AS INTEGER)",
    "postgresql": "CAST(FLOOR(EXTRACT(EPOCH FROM r.read_at) * 1000) AS BIGINT)",
}


def upgrade() -> None:
    """Make the tables, and count the cells of all that was read before."""
    op.create_table(
        "photo_measures",
        sa.Column("reading_id", KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("cells", sa.Integer(), nullable=False),
        sa.Column("unidentified", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Double()) for name in MEASURES),
        sa.PrimaryKeyConstraint("reading_id", name="pk_photo_measures"),
        sa.ForeignKeyConstraint(
            ["reading_id"], ["readings.id"], name="fk_photo_measures_reading_id"
        ),
    )
    op.execute(FILL.format(at=MILLISECONDS[op.get_bind().dialect.name]))
    op.create_index("ix_photo_measures_at", "photo_measures", ["at"])
    op.create_table(
        "locator_checks",
        sa.Column("id", KEY, nullable=False),
        sa.Column("photo_id", KEY, nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("checked_by", KEY, nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_locator_checks"),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name="fk_locator_checks_photo_id"),
        sa.ForeignKeyConstraint(["checked_by"], ["users.id"], name="fk_locator_checks_checked_by"),
        sa.UniqueConstraint("photo_id", name="uq_locator_checks_photo_id"),
    )
    op.create_index("ix_locator_checks_checked_at", "locator_checks", ["checked_at"])
    op.create_index("ix_reviews_time", "reviews", REVIEWS)


def downgrade() -> None:
    """Take the tables away, with what people counted."""
    op.drop_index("ix_reviews_time", "reviews")
    op.drop_table("locator_checks")
    op.drop_table("photo_measures")


REVIEWS = ["reviewed_at", "number", "cell_id", "label", "reviewed_by"]
FILL = """
INSERT INTO photo_measures (reading_id, at, model_sha256, cells, unidentified)
SELECT r.id, {at}, r.model_sha256, COUNT(c.id),
       COALESCE(SUM(CASE WHEN c.id IS NOT NULL AND c.cell_type IS NULL THEN 1 ELSE 0 END), 0)
FROM readings r LEFT JOIN cells c ON c.reading_id = r.id GROUP BY r.id
"""
