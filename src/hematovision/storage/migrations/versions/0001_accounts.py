"""Accounts: people, who is signed in, links, failed sign-ins, and the record of changes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
HASH = sa.LargeBinary(32)
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "users",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("folded_name", sa.String(256), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("password_hash", sa.String(255)),
        sa.Column("second_factor", sa.LargeBinary()),
        sa.Column("second_factor_step", sa.BigInteger()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("disabled_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("folded_name", name="uq_users_folded_name"),
    )
    op.create_table(
        "sign_ins",
        sa.Column("token_hash", HASH, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sign_ins"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sign_ins_user_id"),
    )
    op.create_table(
        "sign_in_links",
        sa.Column("token_hash", HASH, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sign_in_links"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sign_in_links_user_id"),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", KEY, nullable=False),
        sa.Column("token_hash", HASH, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("label", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_api_tokens"),
        sa.UniqueConstraint("token_hash", name="uq_api_tokens_token_hash"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_api_tokens_user_id"),
    )
    op.create_table(
        "failed_sign_ins",
        sa.Column("name_hash", HASH, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name_hash", name="pk_failed_sign_ins"),
    )
    op.create_table(
        "audit_events",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor_id", KEY),
        sa.Column("door", sa.String(16), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_events"),
        sa.ForeignKeyConstraint(["actor_id"], ["users.id"], name="fk_audit_events_actor_id"),
    )
    for table, column in INDEXES:
        op.create_index(f"ix_{table}_{column}", table, [column])


def downgrade() -> None:
    """Take the tables away, with all that is in them."""
    for table, column in reversed(INDEXES):
        op.drop_index(f"ix_{table}_{column}", table)
    for table in TABLES:
        op.drop_table(table)


TABLES = ("audit_events", "failed_sign_ins", "api_tokens", "sign_in_links", "sign_ins", "users")
INDEXES = (
    ("sign_ins", "user_id"),
    ("sign_ins", "expires_at"),
    ("sign_in_links", "user_id"),
    ("sign_in_links", "expires_at"),
    ("api_tokens", "user_id"),
    ("api_tokens", "expires_at"),
    ("failed_sign_ins", "last_at"),
    ("audit_events", "at"),
    ("audit_events", "actor_id"),
    ("audit_events", "action"),
)
