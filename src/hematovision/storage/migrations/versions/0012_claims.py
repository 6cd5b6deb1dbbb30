"""What is done once: files of watched folders, and requests that come again."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "claims",
        sa.Column("claim", sa.String(32), nullable=False),
        sa.Column("became", KEY),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("claim", name="pk_claims"),
    )


def downgrade() -> None:
    """Take the table away: a file that is in hand just then would be read again."""
    op.drop_table("claims")
