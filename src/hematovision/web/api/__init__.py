"""The API for programs, version 1: `/api/v1`, its document `/api/openapi.json`.

How a resource is added, such as `/api/v1/cases`:

1. A module of this package makes `resource = Resource("cases", "Cases", "What the tag is about.")`
   (`resources.py`) and gives each view, from the outside in::

       @resource.get("/cases/<int:case_id>")
       @needs(Right.SEE_CASES)            # the scope; also what the document says
       @tagged                            # ETag and 304, where a GET of one thing
       @resource.response(200, CaseDocument)
       @fails(CaseUnknownError)           # named failures with their status, for the document
       def show(case_id: int) -> dict[str, Any]:
           '''Get a case.

           What there is to say of it; the docstring is the document's summary and description.
           '''

   What comes in is a schema each: `@resource.arguments(Wanted, location="query")`, or
   `location="json"`; a subclass of `Document` (`schemas.py`) refuses fields that it does not know,
   and every field says in `metadata={"description": ...}` what it is. Files come from
   `get_uploads()` and are documented by `@resource.takes_files()`.
2. Lists take `Paging` and answer `page_of(...)` under `page_schema(...)` (`paging.py`).
3. Numbers in its addresses are described in `document.py`.
4. The module joins `RESOURCES` below. Its endpoints are called `api_cases.show` and get their line
   in `tests/web/test_access.py`.

Views here see neither cookies nor sessions; who asks is `get_user()`, and failures are raised.
"""

from flask import Flask

from hematovision.web.api import (
    cases,
    cells,
    differential,
    document,
    health,
    jobs,
    model,
    photos,
    readings,
    reports,
    signatures,
    webhooks,
)
from hematovision.web.api.resources import Api

RESOURCES = (
    readings.resource,
    jobs.resource,
    cases.resource,
    photos.resource,
    cells.resource,
    differential.resource,
    signatures.resource,
    reports.resource,
    webhooks.resource,
    model.resource,
    health.resource,
)
"""In the order of the document."""


def init_app(app: Flask) -> None:
    """Register the resources and their document."""
    api = Api(app)
    for resource in RESOURCES:
        api.register_blueprint(resource)
    document.init_app(app, api)
