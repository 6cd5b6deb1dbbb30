"""Jobs: photos of no case that are read later, and asked for under one number."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "jobs",
        sa.Column("id", KEY, nullable=False),
        sa.Column("sent_by", KEY),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.ForeignKeyConstraint(["sent_by"], ["users.id"], name="fk_jobs_sent_by"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_sent_by", "jobs", ["sent_by"])
    op.create_index("ix_jobs_sent_at", "jobs", ["sent_at"])
    op.create_table(
        "job_entries",
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("photo_id", KEY),
        sa.Column("failure", sa.String(64)),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_job_entries"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_entries_job_id"),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name="fk_job_entries_photo_id"),
    )
    op.create_index("ix_job_entries_photo_id", "job_entries", ["photo_id"])


def downgrade() -> None:
    """Take the tables away; the photos and their readings stay."""
    op.drop_table("job_entries")
    op.drop_table("jobs")
