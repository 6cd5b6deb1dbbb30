"""What leaves the system by the page: the report of a case, its tables and its pictures."""

from pathlib import Path

from flask import (
    Blueprint,
    Flask,
    abort,
    current_app,
    render_template,
    request,
    send_file,
)
from werkzeug.wrappers import Response

from hematovision.exchange.standing import standing
from hematovision.people import Right
from hematovision.services.exports import Counter, Export, Format, export_case, export_cases
from hematovision.services.reports import address_under, open_report
from hematovision.web.access import hand, needs
from hematovision.web.cases import wanted_cases
from hematovision.web.crops import album
from hematovision.web.looks import look
from hematovision.web.speech import PageSpeech
from hematovision.web.uploads import number_of
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("exports", __name__, url_prefix="/cases")
OF_CASES = (Format.CSV, Format.XLSX)


@blueprint.get("/<int:case_id>/report")
@needs(Right.EXPORT)
def show(case_id: int) -> str:
    """Show what can be had of a case, as it stands and as it was signed."""
    database, now, version = get_wiring().database, hand().now, _version()
    newest = open_report(database, case_id, now=now)
    report = newest
    if version is not None:
        report = open_report(database, case_id, now=now, version=version)
    look("report.seen", f"case {case_id}", {"version": report.version})
    return render_template(
        "report.html",
        report=report,
        # Also those that came after the version that is looked at.
        versions=newest.signatures,
        closed=newest.version > 0,
        standing=standing(report, PageSpeech()),
    )


@blueprint.get("/<int:case_id>/report.pdf")
@needs(Right.EXPORT)
def pdf(case_id: int) -> Response:
    """Hand the report over on paper."""
    return _given(case_id, Format.PDF)


@blueprint.get("/<int:case_id>/report.fhir.json")
@needs(Right.EXPORT)
def fhir(case_id: int) -> Response:
    """Hand the report over for other systems."""
    return _given(case_id, Format.FHIR)


@blueprint.get("/<int:case_id>/cells.csv")
@needs(Right.EXPORT)
def csv(case_id: int) -> Response:
    """Hand the cells over, a row a cell."""
    return _given(case_id, Format.CSV)


@blueprint.get("/<int:case_id>/cells.xlsx")
@needs(Right.EXPORT)
def xlsx(case_id: int) -> Response:
    """Hand the cells over as a workbook."""
    return _given(case_id, Format.XLSX)


@blueprint.get("/<int:case_id>/pictures.zip")
@needs(Right.EXPORT)
def pictures(case_id: int) -> Response:
    """Hand photos and cells over as pictures."""
    return _given(case_id, Format.ZIP)


@blueprint.get("/export")
@needs(Right.EXPORT)
def cases() -> Response:
    """Hand over the cases that a search of the start page finds, a row a case."""
    kind = request.args.get("format", Format.CSV)
    if kind not in OF_CASES:
        abort(404)
    return sent(export_cases(counter(), wanted_cases(), Format(kind), by=hand()))


def _given(case_id: int, kind: Format) -> Response:
    """Hand a case over; without a version, the newest that holds."""
    return sent(export_case(counter(), case_id, kind, by=hand(), version=_version()))


def _version() -> int | None:
    """Read which version is wanted; zero for what stands there now."""
    given = request.args.get("version")
    version = number_of(given)
    if given is not None and version is None:
        abort(404)
    return version


def counter() -> Counter:
    """Say where exports are made, and in which language."""
    folder = Path(current_app.config["UPLOAD_FOLDER"])
    return Counter(album(), folder, PageSpeech(), address_under(request.url_root))


def sent(export: Export) -> Response:
    """Answer with a file that was made; nobody on the way keeps it."""
    length = export.stream.seek(0, 2)
    export.stream.seek(0)
    answer = send_file(
        export.stream, mimetype=export.mimetype, as_attachment=True, download_name=export.name
    )
    answer.content_length = length
    answer.headers["Cache-Control"] = "no-store"
    answer.set_etag(export.sha256)
    return answer


def init_app(app: Flask) -> None:
    """Register the page and what it hands over."""
    app.register_blueprint(blueprint)
