"""The page: a request becomes a call, a value becomes a page or a document."""

from flask import Flask
from jinja2 import StrictUndefined

from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.web import cards, errors, model_page, pages, security, uploads, wiring


def create_app(settings: Settings | None = None, reader: CellReader | None = None) -> Flask:
    """Make the application.

    Args:
        settings: How this installation behaves; read from the environment when left out.
        reader: Finds and names the cells; loaded from the model folder when left out.

    Returns:
        The application. It starts without a model too, and then says so and reads nothing.
    """
    settings = settings or Settings.from_environment()
    app = Flask(__name__)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    wiring.init_app(app, settings, reader)
    # Its limit comes before the check of a form's token, which reads the whole form.
    uploads.init_app(app, settings)
    security.init_app(app, settings)
    errors.init_app(app)
    cards.init_app(app)
    pages.init_app(app)
    model_page.init_app(app)
    return app
