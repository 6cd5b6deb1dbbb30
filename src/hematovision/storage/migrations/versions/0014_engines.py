"""Where the networks ran that read a photo: in the process, or on a server."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Say of what was read before that it was read in the process, for there was nothing else."""
    op.add_column(
        "readings",
        sa.Column("engine", sa.String(16), nullable=False, server_default="in_process"),
    )


def downgrade() -> None:
    """Take it away: nobody knows any more which readings a fallback made."""
    op.drop_column("readings", "engine")
