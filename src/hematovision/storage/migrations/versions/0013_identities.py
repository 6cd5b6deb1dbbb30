"""Single sign-on: who somebody is at a provider, and what they confirmed there."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "identities",
        sa.Column("id", KEY, nullable=False),
        sa.Column("issuer", sa.String(512), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_identities_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_identities"),
        sa.UniqueConstraint("issuer", "subject", name="uq_identities_issuer_subject"),
    )
    op.create_index("ix_identities_user_id", "identities", ["user_id"])
    op.create_table(
        "confirmations",
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("what", sa.LargeBinary(32), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_confirmations_user_id"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_confirmations"),
    )
    op.create_index("ix_confirmations_user_id", "confirmations", ["user_id"])
    op.create_index("ix_confirmations_expires_at", "confirmations", ["expires_at"])


def downgrade() -> None:
    """Take them away: nobody of a provider is known any more."""
    op.drop_index("ix_confirmations_expires_at", "confirmations")
    op.drop_index("ix_confirmations_user_id", "confirmations")
    op.drop_table("confirmations")
    op.drop_index("ix_identities_user_id", "identities")
    op.drop_table("identities")
