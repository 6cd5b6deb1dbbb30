import dataclasses
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import StubReader

from hematovision.cells import NOTICE
from hematovision.config import PACKAGED_MODEL, Settings
from hematovision.people import Role
from hematovision.services.accounts import get_user, set_password
from hematovision.services.batches import Desk, add_photo, read_next
from hematovision.services.cases import open_case
from hematovision.services.hands import Hand
from hematovision.services.preferences import find_language, set_language
from hematovision.storage.database import Database
from hematovision.web import create_app
from hematovision.web.catalogues import path_of, read
from hematovision.web.language import LANGUAGES, NAMES, name_of

from .conftest import JSON, Sender, signed_in
from .wording import texts_of

PASSWORD = "plum orbit walnut canyon"  # noqa: S105 - of a test
SPANISH, ENGLISH = {"Accept-Language": "es"}, {"Accept-Language": "en"}
BY = Hand(None, "page", datetime.now(UTC))
SAME = re.compile(
    r"HematoVision|English|Español|sha256|stub|administrator|technologist|MobileNetV2|AUROC"
    r"|JPEG|PNG|TIFF|BMP|WebP|MB|BCCD|JTSC|PBC|TXL|Raabin|WBC|MIT|CC BY|Apache|ImageNet|Kaggle"
    r"|Blood Cell Images|Barcelona|Acevedo|CellaVision|blood_cell|Ctrl|[0-9a-f]{4,}|Error|script"
    r"|\bmin\b|\b[Ww]ebhooks?\b|\bAPI\b"
)
"""What is called so in both languages."""
MARKED = re.compile(r'<(?!html)(\w+)\b[^>]*\blang="en".*?</\1>', re.DOTALL)
"""What a page says to be English, as the document of the API."""


def post(client: FlaskClient, url: str, **fields: str) -> object:
    page = client.get("/sign-in", follow_redirects=True).text
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return client.post(url, data=fields | {"csrf_token": found[1]})


def language_of(client: FlaskClient, **headers: str) -> str:
    page = client.get("/sign-in", headers=headers, follow_redirects=True).text
    found = re.search(r'<html lang="(\w+)"', page)
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        pytest.param("es", "es", id="Spanish"),
        pytest.param("es-MX,es;q=0.9,en;q=0.8", "es", id="of a country"),
        pytest.param("en-GB,es;q=0.9", "en", id="English first"),
        pytest.param("ca,es;q=0.7,en;q=0.3", "es", id="another first"),
        pytest.param("es;q=0,en;q=0.1", "en", id="not Spanish"),
        pytest.param("ja", "en", id="not spoken here"),
        pytest.param("*", "en", id="any"),
        pytest.param("", "en", id="empty"),
        pytest.param("x" * 500 + ";q=zz", "en", id="nonsense"),
    ],
)
def test_page_speaks_what_the_browser_asks_for(
    visitor: FlaskClient, header: str, language: str
) -> None:
    assert language_of(visitor, **{"Accept-Language": header}) == language


def test_other_languages_get_other_answers(visitor: FlaskClient, client: FlaskClient) -> None:
    for answer in (visitor.get("/sign-in"), client.get("/"), client.get("/", headers=JSON)):
        assert {"Accept-Language", "Cookie"} <= set(answer.vary)
    with visitor.get("/static/style.css") as answer:
        assert "Accept-Language" not in answer.vary


def test_visitor_chooses_a_language_for_this_browser(visitor: FlaskClient) -> None:
    answer = post(visitor, "/language?next=/sign-in", language="es")
    assert answer.status_code == HTTPStatus.SEE_OTHER
    assert answer.location == "/sign-in"
    assert language_of(visitor, **ENGLISH) == "es"
    post(visitor, "/language", language="en")
    assert language_of(visitor, **SPANISH) == "en"


def test_language_that_is_not_spoken_is_refused(visitor: FlaskClient) -> None:
    assert post(visitor, "/language", language="xx").status_code == HTTPStatus.BAD_REQUEST
    assert language_of(visitor, **SPANISH) == "es"


def test_language_is_not_changed_by_another_site(visitor: FlaskClient) -> None:
    assert visitor.post("/language", data={"language": "es"}).status_code == HTTPStatus.BAD_REQUEST
    assert language_of(visitor) == "en"


def test_choice_leads_to_no_other_site(visitor: FlaskClient) -> None:
    answer = post(visitor, "/language?next=//evil.example", language="es")
    assert answer.location == "/"


def test_account_remembers_the_language(
    app: Flask, database: Database, client: FlaskClient, visitor: FlaskClient
) -> None:
    user = get_user(database, Role.TECHNOLOGIST)
    set_password(database, user, PASSWORD, by=BY)
    client = signed_in(app, database, Role.TECHNOLOGIST)
    post(client, "/language?next=/account", language="es")
    assert find_language(database, user) == "es"
    post(visitor, "/sign-in", name=user.name, password=PASSWORD)
    assert '<html lang="es"' in visitor.get("/account", headers=ENGLISH).text


def test_language_chosen_before_the_sign_in_stays(
    database: Database, client: FlaskClient, visitor: FlaskClient
) -> None:
    user = get_user(database, Role.TECHNOLOGIST)
    set_password(database, user, PASSWORD, by=BY)
    post(visitor, "/language", language="es")
    post(visitor, "/sign-in", name=user.name, password=PASSWORD)
    page = visitor.get("/account", headers=ENGLISH).text
    assert '<html lang="es"' in page
    assert find_language(database, user) is None
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    visitor.post("/sign-out", data={"csrf_token": token[1]})
    assert language_of(visitor, **ENGLISH) == "es"


def test_language_of_an_account_counts_for_its_owner_only(
    app: Flask, database: Database, client: FlaskClient
) -> None:
    set_language(database, get_user(database, Role.TECHNOLOGIST), "es", by=BY)
    other = signed_in(app, database, Role.VIEWER)
    assert '<html lang="en"' in other.get("/account").text


@pytest.fixture
def whole(settings: Settings, database: Database, jpeg: bytes) -> Flask:
    """Give an application with the shipped model's scores, and a case whose photo was read."""
    settings = dataclasses.replace(settings, model_folder=PACKAGED_MODEL)
    app = create_app(settings, StubReader(), database)
    files = app.extensions["hematovision"].files
    add_photo(database, files, open_case(database, "26-0837", by=BY), jpeg, by=BY)
    desk = Desk(database, files, StubReader())
    assert read_next(desk, "worker", clock=lambda: datetime.now(UTC))
    return app


def pages(app: Flask) -> Iterator[str]:
    """Give the address of every page that one can look at."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and rule.endpoint != "static":
            yield adapter.build(rule.endpoint, dict.fromkeys(rule.arguments, 1))
    yield "/no-such-page"
    yield "/account?done=password"


def left_in_english(english: str, spanish: str) -> list[str]:
    """Give the texts of a page that are the same in both languages, but for names."""
    catalogue = read(path_of("es"))
    same = texts_of(english) & texts_of(MARKED.sub("", spanish))
    same -= {message.id for message in catalogue if message.id == message.string}
    return sorted(text for text in same if re.search(r"[^\W\d_]{3,}", SAME.sub("", text)))


def test_no_page_in_spanish_has_an_english_word_left(whole: Flask, database: Database) -> None:
    seen = []
    for role in (None, Role.ADMINISTRATOR):
        client = signed_in(whole, database, role) if role else whole.test_client()
        for url in pages(whole):
            answers = [client.get(url, headers=asked) for asked in (ENGLISH, SPANISH)]
            assert answers[0].status_code < HTTPStatus.INTERNAL_SERVER_ERROR, url
            if answers[0].mimetype != "text/html" or answers[0].status_code == HTTPStatus.FOUND:
                continue
            english, spanish = (answer.text for answer in answers)
            assert '<html lang="es"' in spanish, url
            assert left_in_english(english, spanish) == [], url
            seen.append(url)
    assert {"/", "/model", "/account", "/users", "/sign-in", "/cases", "/no-such-page"} <= set(seen)


def test_result_in_spanish_has_no_english_word_left(client: FlaskClient, jpeg: bytes) -> None:
    def read_in(language: str) -> str:
        client.environ_base["HTTP_ACCEPT_LANGUAGE"] = language
        return Sender(client).page((jpeg, "a.jpg"), (b"", "b.jpg"), (jpeg[:900], "c.jpg")).text

    spanish = read_in("es")
    assert left_in_english(read_in("en"), spanish) == []
    assert "2 imágenes" not in spanish
    assert "3 imágenes" in spanish
    assert "Núcleo bilobulado, gránulos finos rosados." in spanish
    assert "Monocito o linfocito." in spanish
    assert re.search(r"leída en \d+,\d\d s", spanish)
    assert "El archivo está vacío." in spanish


def test_notice_is_said_in_the_language_of_the_page_and_in_english_in_documents(
    client: FlaskClient, jpeg: bytes
) -> None:
    page = client.get("/", headers=SPANISH).text
    assert "Solo para uso en investigación. No apto para procedimientos diagnósticos." in page
    assert NOTICE not in page
    answer = Sender(client).program((jpeg, "a.jpg"), **SPANISH)
    assert answer.json["notice"] == NOTICE
    assert answer.json["cells"][0]["cell_type"] == "neutrophil"
    assert answer.json["cells"][0]["morphology"] == "bilobed nucleus, fine pink granules"


@pytest.mark.parametrize(
    ("language", "detail", "advice"),
    [
        ("en", "More than 3 pictures in one request.", "Send them in several requests."),
        ("es", "Más de 3 imágenes en una sola petición.", "Envíelas en varias peticiones."),
    ],
)
def test_problem_is_told_in_the_language_asked_for_under_one_code(
    client: FlaskClient, jpeg: bytes, language: str, detail: str, advice: str
) -> None:
    files = {"image": [(io.BytesIO(jpeg), "a.jpg") for _ in range(4)]}
    answer = client.post("/predict", data=files, headers=JSON | {"Accept-Language": language})
    assert answer.json["code"] == "too_many_images"
    assert (answer.json["detail"], answer.json["advice"]) == (detail, advice)


def test_failure_beside_a_form_is_told_in_spanish(visitor: FlaskClient) -> None:
    visitor.environ_base["HTTP_ACCEPT_LANGUAGE"] = "es"
    page = post(visitor, "/sign-in", name="nobody", password=PASSWORD)
    assert "El nombre, la contraseña y el código no coinciden. Quedan 4 intentos." in page.text


def test_every_kind_of_cell_has_a_spanish_name(app: Flask) -> None:
    with app.test_request_context(headers=SPANISH):
        assert name_of("band", 2) == "neutrófilos en cayado"
        assert [code for code in NAMES if name_of(code) == code.replace("_", " ")] == []
        assert name_of("own_code") == "own code"


def test_every_language_is_called_by_its_own_name(visitor: FlaskClient) -> None:
    page = visitor.get("/sign-in").text
    for code, name in LANGUAGES.items():
        assert re.search(rf'value="{code}" lang="{code}"[^>]*>{name}<', page)
    assert page.count('aria-current="true"') == 1
