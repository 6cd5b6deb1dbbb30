"""Asks for everything in the API's document, as everybody, with what fits it and what does not.

`python -m fuzzing.api --examples 100` makes a laboratory with drawn cases in a folder of its own,
starts the application in this process, and lets schemathesis make requests from the document. What
counts as an error: a status of 500 or above other than 503, a status or a content that the document
does not name, and input that it forbids and the application takes.
"""

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as examined
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from PIL import Image
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.drawing.smears import draw_portraits
from hematovision.people import Role
from hematovision.services.acting import add_film
from hematovision.services.batches import Desk
from hematovision.services.demonstrations import add_people, cast_of
from hematovision.services.films import FIELDS_OF, Stage, drawn_films
from hematovision.services.hands import Hand
from hematovision.services.tokens import add_token
from hematovision.storage.database import Database, open_database
from hematovision.vision.reader import load_reader
from hematovision.web import create_app
from hematovision.web.api.chapters import METHODS
from hematovision.web.api.document import document as the_document

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
BUSY = frozenset({429, 503})
"""Statuses of back-pressure; no operation is at fault when it answers them."""
FEW = 8
"""Numbers in addresses are often no larger, so that there is something under them."""
WITHIN = (1, 1, 1, 2, 3, 20, 60)
"""What is asked for of these: the first photo, a cell."""
MOST_SAID = 600
"""Letters of a request that are shown; pictures are long."""
ROLES: tuple[Role | None, ...] = (None, *Role)
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


@dataclass(slots=True)
class Tally:
    """What became of the requests for one operation.

    Attributes:
        operation: Its method and path.
        role: As whom it was asked for; None for a visitor.
        calls: How many requests there were.
        statuses: How often each status was answered.
        errors: What went wrong, and the request that shows it.
    """

    operation: str
    role: Role | None
    calls: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    errors: dict[str, str] = field(default_factory=dict)

    def note(self, what: str, case: schemathesis.Case) -> None:
        """Note what went wrong, once of a kind."""
        kind = what.partition(". ")[0]
        asked = ascii(case.as_curl_command())[:MOST_SAID]
        self.errors.setdefault(kind, f"{what}\n{asked}")


def document_of(app: Flask) -> dict[str, Any]:
    """Give the document with every status named, and without tokens: who asks is ours to say."""
    with app.app_context():
        document = deepcopy(the_document())
    del document["components"]["securitySchemes"]
    for methods in document["paths"].values():
        for method in set(METHODS) & set(methods):
            del methods[method]["security"]
            del methods[method]["responses"]["default"]
    return document


def fuzz(
    app: Flask, headers: Mapping[str, str], role: Role | None, *, examples: int, number: int = 0
) -> Iterator[Tally]:
    """Ask for every operation as somebody.

    Args:
        app: The application.
        headers: Show who asks.
        role: Who that is.
        examples: How many requests that fit the document, and how many that do not, an operation.
        number: Chooses the requests; the same number makes the same ones.
    """
    document = document_of(app)
    schema = schemathesis.openapi.from_dict(document)
    schema.app = app
    for result in schema.get_all_operations():
        operation = result.ok()
        tally = Tally(f"{operation.method.upper()} {operation.path}", role)
        for mode in MODES:
            _ask(operation.as_strategy(mode), headers, tally, examples, number)
        yield tally


def _ask(
    requests: st.SearchStrategy[schemathesis.Case],
    headers: Mapping[str, str],
    tally: Tally,
    examples: int,
    number: int,
) -> None:
    @seed(number)
    @examined(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=requests, known=st.none() | st.tuples(st.integers(1, FEW), st.sampled_from(WITHIN)))
    def ask(case: schemathesis.Case, known: tuple[int, int] | None) -> None:
        if known is not None:
            _make_it_meet(case, *known)
        tally.calls += 1
        try:
            response = case.call(headers=dict(headers))
        except Exception as error:  # schemathesis hands on what the application did not catch
            tally.note(f"{type(error).__name__}: {error}", case)
            return
        tally.statuses[response.status_code] += 1
        if response.status_code in BUSY:
            return
        try:
            case.validate_response(response, checks=CHECKS)
        except (Failure, FailureGroup) as failure:
            for one in getattr(failure, "exceptions", (failure,)):
                tally.note(f"{response.status_code}: {one.title}. {one.message}", case)

    # Of an address without parameters or content nothing can be asked that does not fit.
    with contextlib.suppress(Unsatisfiable):
        ask()


def _make_it_meet(case: schemathesis.Case, whole: int, part: int) -> None:
    """Let a request ask for something that is there, as most would be for nothing by chance."""
    numbers = [name for name, one in case.path_parameters.items() if isinstance(one, int)]
    case.path_parameters |= dict(zip(numbers, (whole, part), strict=False))
    if "Prefer" in case.headers:
        case.headers["Prefer"] = "respond-async"


def register_pictures(pictures: Sequence[bytes]) -> None:
    """Let files be pictures, half pictures and nothing of the kind."""
    halves = [one[: len(one) // 2] for one in pictures]
    files = st.sampled_from([*pictures, *halves]) | st.binary(max_size=64)
    schemathesis.openapi.format("binary", files)


def draw_pictures() -> Sequence[bytes]:
    """Draw a picture, in some of the formats that are read and one that is not."""
    photo = Image.open(io.BytesIO(draw_portraits(["neutrophil"], seed=1)[0]))
    return [_encoded(photo, kind) for kind in ("JPEG", "PNG", "TIFF", "BMP", "GIF")]


def _encoded(photo: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, kind)
    return buffer.getvalue()


def fill(
    app: Flask, reader: CellReader, *, stages: Collection[Stage] = tuple(Stage)
) -> Mapping[Role | None, Mapping[str, str]]:
    """Put a drawn case of each stage into an application; give what shows who asks, by role."""
    wiring = app.extensions["hematovision"]
    database: Database = wiring.database
    by = Hand(None, "terminal", datetime.now(UTC))
    people = add_people(database, by=by)
    desk = Desk(database, wiring.files, reader)
    for film in drawn_films(seed=1, fields=dict.fromkeys(FIELDS_OF, 1)):
        if film.stage not in stages:
            continue
        add_film(desk, film, cast_of(people), clock=lambda: datetime.now(UTC))
    tokens: dict[Role | None, Mapping[str, str]] = {None: {}}
    for person in people:
        token = add_token(database, person.user, "fuzzing", by=by)
        tokens[person.user.role] = {"Authorization": f"Bearer {token}"}
    return tokens


def table_of(tallies: Sequence[Tally]) -> str:
    """Lay out what became of all requests, an operation and role a line."""
    lines = [f"{'operation':<52} {'as':<14} {'calls':>7}  statuses"]
    for one in tallies:
        statuses = " ".join(f"{status}:{count}" for status, count in sorted(one.statuses.items()))
        lines.append(f"{one.operation:<52} {one.role or 'visitor':<14} {one.calls:>7}  {statuses}")
    calls, errors = sum(one.calls for one in tallies), sum(len(one.errors) for one in tallies)
    return "\n".join([*lines, f"{calls} calls, {errors} errors"])


def run(*, examples: int, number: int, say: Callable[[str], object]) -> Sequence[Tally]:
    """Fuzz an application of its own, as everybody."""
    with tempfile.TemporaryDirectory(prefix="hematovision-fuzz-") as folder:
        settings = Settings.from_environment(
            {
                "HEMATOVISION_DATA_FOLDER": folder,
                "HEMATOVISION_MAX_FILE_BYTES": str(2**20),
                "HEMATOVISION_RATE_LIMIT": "off",
                "HEMATOVISION_RATE_LIMIT_VISITORS": "off",
            }
        )
        database = open_database("", settings.data_folder)
        reader = load_reader(settings.model_folder)
        app = create_app(settings, reader, database)
        tokens = fill(app, reader)
        register_pictures(draw_pictures())
        tallies = []
        for role in ROLES:
            start = time.monotonic()
            tallies += list(fuzz(app, tokens[role], role, examples=examples, number=number))
            say(f"As {role or 'visitor'}: {time.monotonic() - start:.0f} s")
        database.close()
    return tallies


def main() -> int:
    """Run from the terminal; 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--examples", type=int, default=100, help="requests of either kind each")
    parser.add_argument("--seed", type=int, default=0, help="chooses the requests")
    asked = parser.parse_args()
    tallies = run(
        examples=asked.examples, number=asked.seed, say=lambda text: print(text, flush=True)
    )
    print(table_of(tallies))
    errors = [(one, error) for one in tallies for error in one.errors.values()]
    for one, error in errors:
        print(f"\n{one.operation} as {one.role or 'visitor'}\n{error}", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    raise SystemExit(main())
