"""The application object for `flask run`, gunicorn and the Procfile."""

from hematovision.config import Settings
from hematovision.jobs import open_queue
from hematovision.observing.logs import init_logs
from hematovision.vision.decoders import open_decoders
from hematovision.web import create_app

settings = Settings.from_environment()
init_logs(settings.log_format)
decoder = open_decoders(settings.decoders, max_pixels=settings.max_pixels)
app = create_app(settings, queue=open_queue(settings), decoder=decoder)
