"""The application object for `flask run`, gunicorn and the Procfile."""

from hematovision.web import create_app

app = create_app()
