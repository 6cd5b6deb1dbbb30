"""The page: a request becomes a call, a value becomes a page or a document."""

from flask import Flask
from jinja2 import StrictUndefined

from hematovision.cells import CellReader, Queue
from hematovision.config import Settings
from hematovision.storage.database import Database, open_database
from hematovision.vision.decoders import HERE, Decoder
from hematovision.web import (
    access,
    account,
    api,
    audit,
    cards,
    case_photos,
    demonstration,
    differential,
    erasing,
    errors,
    exports,
    gallery,
    health,
    history,
    idempotency,
    keys,
    laboratory,
    laboratory_ranges,
    laboratory_signing,
    language,
    locator_checks,
    metrics,
    model_page,
    models,
    numbers,
    pages,
    pressure,
    provider,
    proxies,
    quality,
    rates,
    second,
    security,
    sign_in,
    signing,
    single_sign_on,
    uploads,
    users,
    vocabulary,
    watch,
    webhooks,
    wiring,
)


def create_app(
    settings: Settings | None = None,
    reader: CellReader | None = None,
    database: Database | None = None,
    queue: Queue | None = None,
    decoder: Decoder = HERE,
) -> Flask:
    """Make the application.

    Args:
        settings: How this installation behaves; read from the environment when left out.
        reader: Finds and names the cells; loaded from the model folder when left out.
        database: Where accounts, cases and readings are kept; opened as the settings say when left
            out.
        queue: Wakes those who read photos in the background; when left out they look by themselves.
        decoder: Turns the bytes of pictures into pixels; when left out they meet this very process,
            with its keys and its database.

    Returns:
        The application. It starts without a model too, and then says so and reads nothing.
    """
    settings = settings or Settings.from_environment()
    app = watch.Application(__name__)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    database = database or open_database(
        settings.database_url,
        settings.data_folder,
        keys=settings.keys,
        checkpoints=settings.checkpoints,
    )
    proxies.init_app(app, settings)
    # First, so that what refuses a request is watched as well.
    watch.init_app(app, settings, database)
    wiring.init_app(app, settings, reader, database, queue, decoder)
    pressure.init_app(app, settings)
    demonstration.init_app(app)
    # Its limit comes before anything reads a form.
    uploads.init_app(app, settings)
    security.init_app(app, settings)
    rates.init_app(app, settings)
    access.init_app(app)
    security.guard_forms(app)
    idempotency.init_app(app)
    language.init_app(app)
    numbers.init_app(app)
    vocabulary.init_app(app)
    errors.init_app(app)
    cards.init_app(app)
    pages.init_app(app)
    differential.init_app(app)
    exports.init_app(app)
    laboratory_ranges.init_app(app)
    laboratory_signing.init_app(app)
    signing.init_app(app)
    second.init_app(app)
    case_photos.init_app(app)
    erasing.init_app(app)
    gallery.init_app(app)
    history.init_app(app)
    model_page.init_app(app)
    quality.init_app(app)
    locator_checks.init_app(app)
    models.init_app(app)
    health.init_app(app)
    metrics.init_app(app)
    sign_in.init_app(app)
    provider.init_app(app, settings)
    single_sign_on.init_app(app)
    account.init_app(app)
    keys.init_app(app)
    laboratory.init_app(app)
    users.init_app(app)
    webhooks.init_app(app)
    audit.init_app(app)
    api.init_app(app)
    return app
