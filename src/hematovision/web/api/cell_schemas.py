"""The forms of cells, and of what people say of them."""

from collections.abc import Sequence
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from hematovision.cells import CellType, Decision, Doubt
from hematovision.services.crops import SIDES
from hematovision.web.api import values
from hematovision.web.api.schemas import Document, Moment, Problem, said
from hematovision.web.gallery import MOST_SAID


def box_field() -> fields.List[int]:
    """Give a field for where a cell lies."""
    about = "Left, top, right and bottom in pixels of the photo; right and bottom lie just outside."
    return fields.List(
        values.count("A place in the photo."),
        required=True,
        validate=validate.Length(equal=4),
        metadata=said(about, example=[231, 98, 402, 281]),
    )


class ModelOfCellDocument(Document):
    """The model that found a cell."""

    version = values.code("Its version.")
    sha256 = fields.String(required=True, metadata=said("SHA-256 of its weights, hexadecimal."))


class CellDocument(Document):
    """A cell: what the model said of it, which never changes, and what people say."""

    id = values.key("Never given to another cell.", example=412)
    number = values.number("Counts the cells of the case from one.", example=17)
    photo = values.number("The number of its photo in the case.", example=3)
    box = box_field()
    decision = values.code(
        "Whether the model put a name to it; null where a person boxed it.",
        Decision,
        allow_none=True,
    )
    cell_type = values.code("What the model named it, or null.", CellType, allow_none=True)
    confidence = values.real(
        "The highest of the probabilities; null where a person boxed it.", most=1, allow_none=True
    )
    probabilities = fields.Dict(
        keys=fields.String(validate=validate.OneOf([*map(str, CellType)])),
        values=fields.Float(validate=validate.Range(0, 1)),
        required=True,
        metadata=said("By cell type, calibrated; empty where a person boxed it."),
    )
    prediction_set = fields.List(
        fields.String(validate=validate.OneOf([*map(str, CellType)])),
        required=True,
        metadata=said("The types that the model could not rule out, most probable first."),
    )
    doubts = fields.List(
        fields.String(validate=validate.OneOf([*map(str, Doubt)])),
        required=True,
        metadata=said("Why the model put no name to it."),
    )
    known = values.real(
        "How much it resembles the cells that the model learnt, or null.", most=1, allow_none=True
    )
    morphology = values.text("How it looks, in words, or null.", allow_none=True)
    model = fields.Nested(
        ModelOfCellDocument,
        required=True,
        allow_none=True,
        metadata=said("The model that found it; null where a person boxed it."),
    )
    label = values.code(
        "What people call it; null while nobody said anything.", allow_none=True, example="band"
    )
    called = values.code("What it counts as: the label, else the cell type, else `unidentified`.")
    version = values.count("How often people spoke of it; a review names the one it saw as `seen`.")
    reviewed_by = values.code("The account of who spoke last, or null.", allow_none=True)


class MissedCellDocument(Document):
    """A cell that the model missed."""

    photo = values.number("The number of its photo in the case.", example=3)
    box = box_field()


class ReviewDocument(Document):
    """What somebody says of a cell."""

    cell = values.key("The cell, by its id.", example=412)
    label = values.code(
        "What it is: a label of the differential, `no_cell` or `unidentified`. Null takes back all "
        "that was said, with `undo` alone.",
        allow_none=True,
        example="band",
    )
    seen = values.count("The version of the cell that was seen.", example=0)


def _of_different_cells(reviews: Sequence[dict[str, Any]]) -> None:
    if len({one["cell"] for one in reviews}) < len(reviews):
        raise ma.ValidationError("Two of these are of the same cell.")


class ReviewsDocument(Document):
    """What somebody says of many cells."""

    reviews = fields.List(
        fields.Nested(ReviewDocument),
        required=True,
        validate=[validate.Length(1, MOST_SAID), _of_different_cells],
        metadata=said("Of each cell at most one."),
    )
    undo = values.flag(
        "Whether it takes back what was said: then a label that was retired may come back, and "
        "null says that nothing was ever said.",
        load_default=False,
    )


class OutcomeDocument(Document):
    """What became of what somebody said of a cell."""

    stored = values.flag("False where somebody else spoke since the version that was seen.")
    cell = fields.Nested(CellDocument, required=True, metadata=said("The cell as it is now."))


class OutcomesDocument(Document):
    """What became of all that was said."""

    reviews = fields.List(
        fields.Nested(OutcomeDocument),
        required=True,
        metadata=said("One outcome a review, in the order given."),
    )


class OutcomesProblem(Problem):
    """What became of all that was said, where some of it was not stored."""

    reviews = fields.List(
        fields.Nested(OutcomeDocument),
        metadata=said("One outcome a review, in the order given, of `changed_meanwhile`."),
    )


class SaidDocument(Document):
    """What somebody said of a cell, once."""

    number = values.number("Counts the reviews of the cell from one.")
    label = values.code("What they called it; null where they took it back.", allow_none=True)
    by = values.code("The account of who said so.")
    at = Moment(required=True, metadata=said("When."))


class WantedSide(Document):
    """How much of the photo a crop is to show."""

    side = fields.Integer(
        load_default=None,
        validate=validate.OneOf(SIDES),
        metadata=said("Photo pixels from edge to edge; what suits the cells of the case, if none."),
    )
