"""Keeping: files that must go, and numbers that SQLite never gives twice."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

NUMBERED = ("cases", "photos", "readings", "cells")
"""What is erased; the record of changes still speaks of it by its number."""


def upgrade() -> None:
    """Make the table; let no case, photo, reading or cell get the number of an erased one."""
    op.create_table(
        "discarded_files",
        sa.Column("file", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("file", name="pk_discarded_files"),
    )
    op.create_index("ix_discarded_files_at", "discarded_files", ["at"])
    _number_anew(for_good=True)


def downgrade() -> None:
    """Take the table away, and number as SQLite does by itself."""
    _number_anew(for_good=False)
    op.drop_index("ix_discarded_files_at", "discarded_files")
    op.drop_table("discarded_files")


def _number_anew(*, for_good: bool) -> None:
    # PostgreSQL's sequences give no number twice.
    if op.get_bind().dialect.name != "sqlite":
        return
    for name in NUMBERED:
        options = {"sqlite_autoincrement": for_good}
        with op.batch_alter_table(name, recreate="always", table_kwargs=options):
            pass
