"""`/cases/ID/differential`: the white cells of a case, class by class."""

from typing import Any

from marshmallow import fields, validate

from hematovision.differential import Verdict
from hematovision.errors import BlindError, CaseUnknownError
from hematovision.exchange.speech import ENGLISH
from hematovision.labels import LABELS, Count, Label
from hematovision.people import Right
from hematovision.services.checks import CheckState
from hematovision.services.differential import Sheet, open_sheet
from hematovision.storage.cases import CaseState
from hematovision.web.access import needs
from hematovision.web.api import values
from hematovision.web.api.etags import tagged
from hematovision.web.api.resources import Resource, fails
from hematovision.web.api.schemas import Document, said
from hematovision.web.differential import sheet_document
from hematovision.web.looks import look
from hematovision.web.wiring import get_wiring

resource = Resource("differential", "Differential", "The white cells of a case, class by class.")


class RangeDocument(Document):
    """A reference range; both ends belong to it."""

    low = values.real("The lower end.")
    high = values.real("The upper end.")


class MeasureDocument(Document):
    """A number with its exact 95 % limits, and what both mean against a reference range."""

    value = values.real("The number.", example=61.5)
    low = values.real("The lower limit (Clopper and Pearson).", example=51.2)
    high = values.real("The upper limit.", example=71.1)
    range = fields.Nested(
        RangeDocument, required=True, allow_none=True, metadata=said("Null where none is set.")
    )
    verdict = values.code(
        "`below`, `within` and `above` are settled; `maybe_below`, `undecided` and `maybe_above` "
        "are not, for the limits reach over an end of the range. Null without a range.",
        Verdict,
        allow_none=True,
    )


def measure(about: str) -> fields.Nested:
    """Give a field for a number with its limits."""
    return fields.Nested(MeasureDocument, required=True, allow_none=True, metadata=said(about))


class PartDocument(Document):
    """One class of the hundred."""

    code = values.code("Of its label.", example="neutrophil")
    key = values.text("The letter on its mark.", validate.Length(max=1), example="N")
    number = values.count("Cells called so by people, or by the model where nobody spoke yet.")
    confirmed = values.count("Those of them that people called so.")
    suggested = values.count(
        "Cells that the model named so; null where it cannot.", allow_none=True
    )
    share = measure("Of all that are counted, in %; null while none are.")
    suggested_share = values.real("Of all that the model named, in %.", most=100, allow_none=True)
    more = values.count(
        "How many more cells would settle it at today's share, or null.", allow_none=True
    )
    absolute = measure("In 10⁹ a litre; null while the white count is not known.")
    inside = values.text("The code of the class that it is counted in as well, or empty.")


class BesideDocument(Document):
    """Cells that are not of the hundred."""

    code = values.code("Of their label.", example="erythroblast")
    key = values.text("The letter on their mark.", validate.Length(max=1), example="R")
    number = values.count("How many.")
    suggested = values.count("Cells that the model put there, or null.", allow_none=True)
    rate = measure("How many there are per 100 white cells, or null.")


class SuggestionsDocument(Document):
    """What became of the names that the model gave."""

    reviewed = values.count("Names of which somebody said something.")
    changed = values.count("Those where they said something else.")
    kept = measure("The share of the others, in %; null while nobody spoke.")
    waiting = values.count("Names of which nobody said anything.")


class CheckDocument(Document):
    """What is to be looked at before the differential holds."""

    code = values.code(
        "`waiting`, `unidentified`, `unconfirmed`, `target`, `second`, `apart`, `failed`, `empty` "
        "or `models`."
    )
    state = values.code("`open`: to be done; `look`: to be looked at; or `done`.", CheckState)
    number = values.count("What is left, or what there is where nothing is left.")
    photos = fields.List(
        fields.Integer(), required=True, metadata=said("The photos it speaks of, by number.")
    )
    models = fields.List(
        fields.String(), required=True, metadata=said("The models that it speaks of.")
    )
    is_leavable = values.flag("Whether somebody may sign though it is open, if they say why.")


class RangesDocument(Document):
    """The reference ranges that hold for the case."""

    code = values.code("Of the age band.")
    name = values.text("As the laboratory calls it; empty for those that come with the system.")
    source = values.text("Whence they come.")


class LabelDocument(Document):
    """A name that people give to a cell."""

    code = values.code("As reviews say it.", example="atypical_lymphocyte")
    key = values.text("The letter on its mark.", validate.Length(max=1), example="A")
    count = values.code("`white`: of the hundred; `beside`: per hundred; or `out`.", Count)
    name = values.text("In English, or as the laboratory calls it.", example="atypical lymphocyte")
    is_own = values.flag("Whether it is the laboratory's own.")


class CountedCaseDocument(Document):
    """The case whose cells are counted."""

    id = values.key("The case.")
    state = values.code("How far it is.", CaseState)
    version = values.count("Counts the changes of what stands in it, but for cells.")
    signed = values.count("How many versions of it are signed.")
    target = values.count("How many white cells are to be counted.")
    age_band = values.code("The reference ranges that were chosen, or null.", allow_none=True)


class DifferentialDocument(Document):
    """The white cells of a case as they stand now, signed or not."""

    case = fields.Nested(CountedCaseDocument, required=True, metadata=said("The case."))
    ranges = fields.Nested(
        RangesDocument,
        required=True,
        allow_none=True,
        metadata=said("Null where those that the case picks are gone."),
    )
    counted = values.count("White cells that are counted: the hundred.", example=100)
    confirmed = values.count("Those of them that people named.")
    named = values.count("Cells that the model named.")
    parts = fields.List(
        fields.Nested(PartDocument), required=True, metadata=said("The classes of the hundred.")
    )
    beside = fields.List(
        fields.Nested(BesideDocument),
        required=True,
        metadata=said("Counted per hundred white cells."),
    )
    unidentified = fields.Nested(
        BesideDocument, required=True, metadata=said("Nobody has put a name to them yet.")
    )
    out = fields.List(fields.Nested(BesideDocument), required=True, metadata=said("Not counted."))
    suggestions = fields.Nested(
        SuggestionsDocument, required=True, metadata=said("What became of the model's names.")
    )
    white_count = values.real("White cells in blood, 10⁹ a litre, or null.", allow_none=True)
    corrected_count = values.real(
        "The same without erythroblasts; null where there are none.", allow_none=True
    )
    checks = fields.List(
        fields.Nested(CheckDocument),
        required=True,
        metadata=said("In the order in which people work."),
    )
    labels = fields.List(
        fields.Nested(LabelDocument),
        required=True,
        metadata=said("What cells may be called, the laboratory's own names among them."),
    )


@resource.get("/cases/<int:case_id>/differential")
@needs(Right.SEE_CASES)
@tagged
@resource.response(200, DifferentialDocument)
@fails(CaseUnknownError, BlindError)
def show(case_id: int) -> dict[str, Any]:
    """Get the differential of a case.

    It is that of the case as it stands; what was signed is in the reports.
    """
    sheet = open_sheet(get_wiring().database, case_id)
    look("differential.seen", f"case {case_id}", polled=True)
    return sheet_document(sheet) | {"labels": list(_labels(sheet))}


def _labels(sheet: Sheet) -> Any:
    for label in (*LABELS, *sheet.own):
        yield _label(label, sheet.own)


def _label(label: Label, own: tuple[Label, ...]) -> dict[str, Any]:
    return {
        "code": label.code,
        "key": label.key,
        "count": label.count,
        "name": ENGLISH.name(label.code, 1, own),
        "is_own": label in own,
    }
