"""The form of a reading, as `exchange/documents.py` lays it out, and of what comes around it."""

from typing import Any

from marshmallow import fields, validate

from hematovision.cells import CellType, Decision, Engine
from hematovision.storage.cases import CaseState
from hematovision.web.api.paging import Cursor, Paging
from hematovision.web.api.schemas import Document, Line, Moment, Number, Problem, said

TYPES = [str(kind) for kind in CellType]
BOX = "In pixels of the upright photo: left, top, right, bottom."
STATES = ("waiting", "reading", "done")


class ImageDocument(Document):
    """The photo that was read."""

    sha256 = fields.String(required=True, metadata=said("SHA-256 of the file, hexadecimal."))
    width = fields.Integer(required=True, metadata=said("Pixels across, upright."))
    height = fields.Integer(required=True, metadata=said("Pixels down, upright."))


class ModelDocument(Document):
    """A model, by name, version and content."""

    name = fields.String(required=True, metadata=said("Its name."))
    version = fields.String(required=True, metadata=said("Its version."))
    sha256 = fields.String(required=True, metadata=said("SHA-256 of its weights, hexadecimal."))


class CellAnswer(Document):
    """What the model says of one white cell."""

    box = fields.List(
        fields.Integer(), required=True, validate=validate.Length(equal=4), metadata=said(BOX)
    )
    decision = fields.String(
        required=True,
        validate=validate.OneOf([str(one) for one in Decision]),
        metadata=said("`named`, or `unidentified` where the model does not commit itself."),
    )
    cell_type = fields.String(
        required=True,
        allow_none=True,
        validate=validate.OneOf(TYPES),
        metadata=said("Its type; null where it is unidentified."),
    )
    confidence = fields.Float(
        required=True, metadata=said("The calibrated probability of the likeliest type.")
    )
    probabilities = fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        required=True,
        metadata=said("The calibrated probability of each type."),
    )
    prediction_set = fields.List(
        fields.String(validate=validate.OneOf(TYPES)),
        required=True,
        metadata=said("What it could be; one type where it is named for sure."),
    )
    known = fields.Float(
        required=True,
        allow_none=True,
        metadata=said("How much it resembles the cells that the model has learnt from, 0 to 1."),
    )
    morphology = fields.String(
        required=True, allow_none=True, metadata=said("How it looks, in words.")
    )
    heat = fields.List(
        fields.List(fields.Float()),
        allow_none=True,
        metadata=said("With `explain`: how much each place mattered, row by row, 0 to 1."),
    )
    heat_type = fields.String(
        allow_none=True, metadata=said("With `explain`: the type that the heat speaks for.")
    )
    heat_box = fields.List(
        fields.Integer(),
        allow_none=True,
        metadata=said(f"With `explain`: the square that the heat fills. {BOX}"),
    )


class ReadingDocument(Document):
    """What the model says of one photo."""

    id = fields.Integer(required=True, metadata=said("The number of the photo."))
    url = fields.String(required=True, metadata=said("Where it is found again."))
    image = fields.Nested(ImageDocument, required=True, metadata=said("The photo."))
    model = fields.Nested(ModelDocument, required=True, metadata=said("The model that read it."))
    engine = fields.String(
        required=True,
        validate=validate.OneOf(list(map(str, Engine))),
        metadata=said(
            "Where the networks ran: in the process, on an inference server (`remote`), or in the "
            "process because that did not answer (`fallback`)."
        ),
    )
    cells = fields.List(
        fields.Nested(CellAnswer),
        required=True,
        metadata=said("The white cells; there may be none."),
    )
    counts = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata=said("How many cells have each name; those without one are `unidentified`."),
    )
    notice = fields.String(required=True, metadata=said("What it must not be used for."))


class Entry(ReadingDocument):
    """A reading; or, in its place, `error`; or how far it is, where it still waits."""

    error = fields.Nested(Problem, metadata=said("Why this one could not be read."))
    state = fields.String(
        validate=validate.Equal("waiting"), metadata=said("`waiting` until it is read.")
    )


def entries() -> fields.Field[Any]:
    """Give the field of what became of files; of an entry's members none is always there."""
    about = said("One entry a file, in the order sent.")
    return fields.List(fields.Nested(Entry(partial=True)), required=True, metadata=about)


class ReadingsDocument(Document):
    """What was read at once."""

    readings = entries()


class JobDocument(Document):
    """Photos that are read later, and how far they are."""

    id = fields.Integer(required=True, metadata=said("The number of the job."))
    state = fields.String(
        required=True,
        validate=validate.OneOf(STATES),
        metadata=said("`waiting`, `reading` once the first is in hand, `done` when all are."),
    )
    created_at = Moment(required=True, metadata=said("When it was sent."))
    total = fields.Integer(required=True, metadata=said("How many files were sent."))
    done = fields.Integer(required=True, metadata=said("How many need not be waited for."))
    readings = entries()


class Asked(Document):
    """What a form may say beside its files."""

    explain = fields.Boolean(
        load_default=False, metadata=said("Whether to say as well where each answer comes from.")
    )


class ReadingsWanted(Paging):
    """Which readings are listed."""

    cursor = Cursor(2, load_default=None)
    accession = Line(64, load_default="", metadata=said("How the number of the case begins."))
    since = Moment(load_default=None, metadata=said("Read then or later."))
    until = Moment(load_default=None, metadata=said("Read earlier."))
    person = Number(
        least=0,
        load_default=None,
        metadata=said("The number of who sent the photo; 0 for nobody signed in."),
    )
    label = Line(
        64,
        load_default="",
        metadata=said("Readings with a cell that goes by it, such as `neutrophil`."),
    )
    state = fields.String(
        load_default=None,
        validate=validate.OneOf([str(state) for state in CaseState]),
        metadata=said("Of the case."),
    )
    quick = fields.Boolean(load_default=False, metadata=said("Only readings of no case."))
    model_version = Line(64, load_default="", metadata=said("Of the model that read."))


class LineDocument(Document):
    """A reading in a list."""

    id = fields.Integer(required=True, metadata=said("The number of the photo."))
    url = fields.String(required=True, metadata=said("Where the reading is."))
    read_at = Moment(required=True, metadata=said("When it was read."))
    case = fields.Integer(
        required=True, allow_none=True, metadata=said("The number of its case, if any.")
    )
    accession = fields.String(
        required=True, allow_none=True, metadata=said("The accession number of its case, if any.")
    )
    state = fields.String(
        required=True,
        allow_none=True,
        validate=validate.OneOf([str(state) for state in CaseState]),
        metadata=said("Of its case, if any."),
    )
    sender = fields.String(
        required=True, allow_none=True, metadata=said("The name of who sent the photo, if known.")
    )
    door = fields.String(
        required=True, metadata=said("How the photo came: `page`, `api`, `terminal` or `folder`.")
    )
    model_version = fields.String(required=True, metadata=said("Of the model that read."))
    total = fields.Integer(
        required=True,
        allow_none=True,
        metadata=said(
            "How many cells there are; null where you read the case a second time and must not "
            "know of how many people said that there is none."
        ),
    )
    counts = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        allow_none=True,
        metadata=said(
            "How many cells go by each name, people's before the model's; null where you are to "
            "read the case a second time without knowing."
        ),
    )
