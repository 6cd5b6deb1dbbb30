"""`/cases/ID/report.pdf`, `/fhir` and tables: a case as it leaves the system."""

from typing import Any

from marshmallow import fields, validate
from werkzeug.wrappers import Response

from hematovision.errors import (
    BlindError,
    CaseUnknownError,
    NotSignedError,
    SignatureBrokenError,
)
from hematovision.people import Right
from hematovision.services.exports import MIMETYPES, Format, export_case
from hematovision.web.access import hand, needs
from hematovision.web.api import values
from hematovision.web.api.resources import Resource, fails
from hematovision.web.api.schemas import Document, said
from hematovision.web.exports import counter, sent

resource = Resource("reports", "Reports", "A case as it leaves the system, each time on record.")
FILE = {"type": "string", "format": "binary"}
FAILURES = (CaseUnknownError, NotSignedError, SignatureBrokenError, BlindError)


class WantedVersion(Document):
    """Which version is wanted."""

    version = fields.Integer(
        load_default=None,
        validate=validate.Range(0, values.LARGEST),
        metadata=said(
            "A version that was signed, or zero for the case as it stands. When left out, the "
            "newest that holds: what was signed, unless the case is open again."
        ),
    )


@resource.get("/cases/<int:case_id>/report.pdf")
@needs(Right.EXPORT)
@resource.arguments(WantedVersion, location="query")
@resource.response(200, FILE, content_type=MIMETYPES[Format.PDF])
@fails(*FAILURES)
def pdf(wanted: dict[str, Any], case_id: int) -> Response:
    """Get the report of a case on paper, a PDF.

    In the language that `Accept-Language` asks for, English or Spanish.
    """
    return _given(case_id, Format.PDF, wanted)


@resource.get("/cases/<int:case_id>/cells.csv")
@needs(Right.EXPORT)
@resource.arguments(WantedVersion, location="query")
@resource.response(200, {"type": "string"}, content_type=MIMETYPES[Format.CSV])
@fails(*FAILURES)
def csv(wanted: dict[str, Any], case_id: int) -> Response:
    """Get the cells of a case as CSV, a row a cell.

    With what the model and what people say, and each probability.
    """
    return _given(case_id, Format.CSV, wanted)


@resource.get("/cases/<int:case_id>/workbook.xlsx")
@needs(Right.EXPORT)
@resource.arguments(WantedVersion, location="query")
@resource.response(200, FILE, content_type=MIMETYPES[Format.XLSX])
@fails(*FAILURES)
def xlsx(wanted: dict[str, Any], case_id: int) -> Response:
    """Get the cells of a case as a workbook.

    The same rows as `cells.csv`, and a sheet that says what they are of.
    """
    return _given(case_id, Format.XLSX, wanted)


@resource.get("/cases/<int:case_id>/fhir")
@needs(Right.EXPORT)
@resource.arguments(WantedVersion, location="query")
@resource.response(200, {"type": "object"}, content_type=MIMETYPES[Format.FHIR])
@fails(*FAILURES)
def fhir(wanted: dict[str, Any], case_id: int) -> Response:
    """Get the report of a case as a FHIR R4 bundle.

    Its status is `preliminary`, `final` or `amended`.
    """
    return _given(case_id, Format.FHIR, wanted)


def _given(case_id: int, kind: Format, wanted: dict[str, Any]) -> Response:
    return sent(export_case(counter(), case_id, kind, by=hand(), version=wanted["version"]))
