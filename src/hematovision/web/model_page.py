"""The page of the model: what it is, what it was learnt from, how it scored."""

from flask import Blueprint, Flask, render_template

from hematovision.cells import CellType
from hematovision.errors import ModelDamagedError
from hematovision.people import Right
from hematovision.services.choosing import find_choice
from hematovision.vision.bundle import Bundle, read_bundle
from hematovision.vision.evaluation import find_evaluation
from hematovision.vision.origins import BACKBONE, learnt_from
from hematovision.vision.scores import Evaluation
from hematovision.web import charts
from hematovision.web.access import needs
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("model", __name__)


@blueprint.get("/model")
@needs(Right.SEE_MODEL)
def show() -> str:
    """Show the model folder; nothing on the page is typed, all of it is read."""
    shelf = get_wiring().shelf
    bundle = read_bundle(shelf.folder(find_choice(shelf.database).reads))
    evaluation, failure = _find_evaluation(bundle)
    return render_template(
        "model.html",
        bundle=bundle,
        types=[kind for kind in CellType if kind in bundle.classes and kind is not CellType.OTHER],
        site=bundle.document.get("site"),
        origins=learnt_from(bundle.document),
        backbone=BACKBONE,
        evaluation=evaluation,
        failure=failure,
    )


def _find_evaluation(bundle: Bundle) -> tuple[Evaluation | None, ModelDamagedError | None]:
    """Give the scores, or why those that are there cannot be shown."""
    try:
        return find_evaluation(bundle), None
    except ModelDamagedError as error:
        return None, error


def init_app(app: Flask) -> None:
    """Register the page."""
    charts.init_app(app)
    app.register_blueprint(blueprint)
