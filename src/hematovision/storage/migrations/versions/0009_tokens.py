"""Tokens: what each may do and when it was last shown; answers for requests that come again."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)

VIEWER = ["see_model", "see_cases"]
TECHNOLOGIST = ["see_model", "read_photos", "see_cases", "review", "export", "see_quality"]
PATHOLOGIST = [*TECHNOLOGIST, "see_audit", "set_laboratory"]
GIVEN = {
    "viewer": VIEWER,
    "technologist": TECHNOLOGIST,
    "pathologist": PATHOLOGIST,
    "administrator": [*PATHOLOGIST, "manage_models"],
}
"""What a program of each role could do before a token said so itself."""


def upgrade() -> None:
    """Let every token say what it may do, as it could before; make the table of answers."""
    op.add_column("api_tokens", sa.Column("scopes", sa.JSON()))
    op.add_column("api_tokens", sa.Column("used_at", MOMENT))
    op.add_column("api_tokens", sa.Column("used_from", sa.String(64)))
    _give_scopes()
    with op.batch_alter_table("api_tokens") as table:
        table.alter_column("scopes", nullable=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("id", KEY, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("key_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(32), nullable=False),
        sa.Column("work", sa.String(24), nullable=False),
        sa.Column("claim", sa.String(32), nullable=False),
        sa.Column("claimed_at", MOMENT, nullable=False),
        sa.Column("case_id", KEY),
        sa.Column("answer", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name="pk_idempotency_keys"),
        sa.UniqueConstraint("user_id", "key_hash", name="uq_idempotency_keys_user_id_key_hash"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_idempotency_keys_user_id"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_idempotency_keys_case_id"),
    )
    for column in INDEXES:
        op.create_index(f"ix_idempotency_keys_{column}", "idempotency_keys", [column])


def downgrade() -> None:
    """Forget answers, and let every token do again whatever a program of its owner's may."""
    for column in reversed(INDEXES):
        op.drop_index(f"ix_idempotency_keys_{column}", "idempotency_keys")
    op.drop_table("idempotency_keys")
    with op.batch_alter_table("api_tokens") as table:
        for column in ("used_from", "used_at", "scopes"):
            table.drop_column(column)


INDEXES = ("claimed_at", "case_id")


def _give_scopes() -> None:
    tokens = sa.table("api_tokens", sa.column("user_id"), sa.column("scopes", sa.JSON()))
    users = sa.table("users", sa.column("id"), sa.column("role"))
    for role, scopes in GIVEN.items():
        theirs = sa.select(users.c.id).where(users.c.role == role)
        op.execute(tokens.update().where(tokens.c.user_id.in_(theirs)).values(scopes=scopes))
