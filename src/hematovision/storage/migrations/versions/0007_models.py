"""Models: those that are installed, what they say in the shadow, and which cases may teach them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables; no case may be used before somebody says so."""
    op.add_column(
        "cases", sa.Column("may_improve", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_table(
        "models",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("installed_by", KEY),
        sa.Column("installed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_models"),
        sa.UniqueConstraint("sha256", name="uq_models_sha256"),
        sa.UniqueConstraint("name", "version", name="uq_models_name_version"),
        sa.ForeignKeyConstraint(["installed_by"], ["users.id"], name="fk_models_installed_by"),
    )
    op.create_table(
        "shadow_readings",
        sa.Column("id", KEY, nullable=False),
        sa.Column("photo_id", KEY, nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cells", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_shadow_readings"),
        sa.UniqueConstraint(
            "photo_id", "model_sha256", name="uq_shadow_readings_photo_id_model_sha256"
        ),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name="fk_shadow_readings_photo_id"),
    )
    op.create_index("ix_shadow_readings_model_sha256", "shadow_readings", ["model_sha256"])


def downgrade() -> None:
    """Take the tables away; folders of models stay where they are."""
    op.drop_index("ix_shadow_readings_model_sha256", "shadow_readings")
    op.drop_table("shadow_readings")
    op.drop_table("models")
    op.drop_column("cases", "may_improve")
