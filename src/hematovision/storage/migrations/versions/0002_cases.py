"""Cases: photos, what models said of their cells, what people said; settings of a laboratory."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "cases",
        sa.Column("id", KEY, nullable=False),
        sa.Column("accession", sa.String(64), nullable=False),
        sa.Column("folded_accession", sa.String(256), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("target", sa.Integer(), nullable=False),
        sa.Column("white_count", sa.Double()),
        sa.Column("age_band", sa.String(64)),
        sa.Column("created_by", KEY),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("reviewed_by", KEY),
        sa.Column("reviewed_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_cases"),
        sa.UniqueConstraint("folded_accession", name="uq_cases_folded_accession"),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name="fk_cases_created_by"),
        sa.ForeignKeyConstraint(["reviewed_by"], ["users.id"], name="fk_cases_reviewed_by"),
    )
    op.create_table(
        "photos",
        sa.Column("id", KEY, nullable=False),
        sa.Column("case_id", KEY),
        sa.Column("number", sa.Integer()),
        sa.Column("image_sha256", sa.String(64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer()),
        sa.Column("height", sa.Integer()),
        sa.Column("file", sa.String(64)),
        sa.Column("same_as", KEY),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("failure", sa.String(64)),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(64)),
        sa.Column("lease_until", MOMENT),
        sa.Column("door", sa.String(16), nullable=False),
        sa.Column("sending", sa.String(32)),
        sa.Column("sent_by", KEY),
        sa.Column("sent_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_photos"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_photos_case_id"),
        sa.ForeignKeyConstraint(["same_as"], ["photos.id"], name="fk_photos_same_as"),
        sa.ForeignKeyConstraint(["sent_by"], ["users.id"], name="fk_photos_sent_by"),
    )
    op.create_table(
        "readings",
        sa.Column("id", KEY, nullable=False),
        sa.Column("photo_id", KEY, nullable=False),
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("read_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_readings"),
        sa.UniqueConstraint("photo_id", "model_sha256", name="uq_readings_photo_id_model_sha256"),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name="fk_readings_photo_id"),
    )
    op.create_table(
        "cells",
        sa.Column("id", KEY, nullable=False),
        sa.Column("case_id", KEY),
        sa.Column("number", sa.Integer()),
        sa.Column("photo_id", KEY, nullable=False),
        sa.Column("reading_id", KEY),
        sa.Column("box_xmin", sa.Integer(), nullable=False),
        sa.Column("box_ymin", sa.Integer(), nullable=False),
        sa.Column("box_xmax", sa.Integer(), nullable=False),
        sa.Column("box_ymax", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(16)),
        sa.Column("cell_type", sa.String(32)),
        sa.Column("confidence", sa.Double()),
        sa.Column("known", sa.Double()),
        sa.Column("morphology", sa.Text()),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("label", sa.String(64)),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cells"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_cells_case_id"),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name="fk_cells_photo_id"),
        sa.ForeignKeyConstraint(["reading_id"], ["readings.id"], name="fk_cells_reading_id"),
    )
    op.create_table(
        "reviews",
        sa.Column("id", KEY, nullable=False),
        sa.Column("cell_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(64)),
        sa.Column("reviewed_by", KEY, nullable=False),
        sa.Column("reviewed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reviews"),
        sa.UniqueConstraint("cell_id", "number", name="uq_reviews_cell_id_number"),
        sa.ForeignKeyConstraint(["cell_id"], ["cells.id"], name="fk_reviews_cell_id"),
        sa.ForeignKeyConstraint(["reviewed_by"], ["users.id"], name="fk_reviews_reviewed_by"),
    )
    op.create_table(
        "reference_cells",
        sa.Column("id", KEY, nullable=False),
        sa.Column("label", sa.String(64), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("file", sa.String(64), nullable=False),
        sa.Column("image_sha256", sa.String(64), nullable=False),
        sa.Column("added_by", KEY),
        sa.Column("added_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reference_cells"),
        sa.UniqueConstraint("image_sha256", name="uq_reference_cells_image_sha256"),
        sa.ForeignKeyConstraint(["added_by"], ["users.id"], name="fk_reference_cells_added_by"),
    )
    op.create_table(
        "laboratory_settings",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_by", KEY),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_laboratory_settings"),
        sa.ForeignKeyConstraint(
            ["changed_by"], ["users.id"], name="fk_laboratory_settings_changed_by"
        ),
    )
    op.create_table(
        "preferences",
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "name", name="pk_preferences"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_preferences_user_id"),
    )
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns)
    where = sa.text("label = 'unidentified' OR (label IS NULL AND cell_type IS NULL)")
    op.create_index(UNIDENTIFIED, "cells", ["case_id"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Take the tables away, with all that is in them."""
    op.drop_index(UNIDENTIFIED, "cells")
    for name, table, _ in reversed(INDEXES):
        op.drop_index(name, table)
    for table in TABLES:
        op.drop_table(table)


TABLES = (
    "preferences",
    "laboratory_settings",
    "reference_cells",
    "reviews",
    "cells",
    "readings",
    "photos",
    "cases",
)
UNIDENTIFIED = "ix_cells_unidentified"
INDEXES = (
    ("ix_cases_state", "cases", ["state"]),
    ("ix_cases_created_at", "cases", ["created_at"]),
    ("ix_cases_reviewed_by", "cases", ["reviewed_by"]),
    ("ix_photos_case_id", "photos", ["case_id"]),
    ("ix_photos_case_id_image_sha256", "photos", ["case_id", "image_sha256"]),
    ("ix_photos_image_sha256", "photos", ["image_sha256"]),
    ("ix_photos_queue", "photos", ["state", "lease_until", "id"]),
    ("ix_photos_sent_at", "photos", ["sent_at"]),
    ("ix_photos_sent_by", "photos", ["sent_by"]),
    ("ix_readings_model_version", "readings", ["model_version"]),
    ("ix_cells_case_id_number", "cells", ["case_id", "number"]),
    ("ix_cells_photo_id", "cells", ["photo_id"]),
    ("ix_cells_reading_id", "cells", ["reading_id"]),
    ("ix_cells_label", "cells", ["label"]),
    ("ix_reference_cells_label", "reference_cells", ["label"]),
    ("ix_reviews_reviewed_by", "reviews", ["reviewed_by"]),
)
