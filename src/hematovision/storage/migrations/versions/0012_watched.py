"""The watched folder: which files of it are on record."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "watched_files",
        sa.Column("claim", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("claim", name="pk_watched_files"),
    )


def downgrade() -> None:
    """Take the table away: a file that is in hand just then would be read again."""
    op.drop_table("watched_files")
