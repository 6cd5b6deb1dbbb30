"""What every page says where the laboratory is a demonstration."""

from flask import Flask

from hematovision.services.demonstrations import is_demonstration
from hematovision.web.wiring import get_wiring


def init_app(app: Flask) -> None:
    """Ask the database once: it is made for a demonstration, or never becomes one."""
    with app.app_context():
        said = is_demonstration(get_wiring().database)
    app.context_processor(lambda: {"demonstration": said})
