"""Webhooks: other systems that are told what happens, and what they are told."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "webhooks",
        sa.Column("id", KEY, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.String(200), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("former_secret", sa.LargeBinary()),
        sa.Column("former_until", MOMENT),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("disabled_at", MOMENT),
        sa.Column("disabled_why", sa.String(16)),
        sa.Column("tried_at", MOMENT),
        sa.Column("failing_since", MOMENT),
        sa.Column("created_by", KEY),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name="fk_webhooks_created_by"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", KEY, nullable=False),
        sa.Column("event_id", sa.String(40), nullable=False),
        sa.Column("webhook_id", KEY, nullable=False),
        sa.Column("case_id", KEY),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", MOMENT, nullable=False),
        sa.Column("tried_at", MOMENT),
        sa.Column("status", sa.Integer()),
        sa.Column("failure", sa.String(16)),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
        sa.UniqueConstraint(
            "event_id", "webhook_id", name="uq_webhook_deliveries_event_id_webhook_id"
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name="fk_webhook_deliveries_webhook_id"
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_webhook_deliveries_case_id"),
        sqlite_autoincrement=True,
    )
    for name, columns in INDEXES.items():
        op.create_index(f"ix_webhook_deliveries_{name}", "webhook_deliveries", columns)


def downgrade() -> None:
    """Take the tables away; nobody is told any more what waits."""
    for name in INDEXES:
        op.drop_index(f"ix_webhook_deliveries_{name}", "webhook_deliveries")
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")


INDEXES = {
    "queue": ["state", "next_at"],
    "webhook_id_id": ["webhook_id", "id"],
    "case_id": ["case_id"],
    "created_at": ["created_at"],
}
