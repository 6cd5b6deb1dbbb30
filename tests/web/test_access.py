import io
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient

from hematovision.people import Right, Role
from hematovision.services.accounts import add_user, disable_user, get_user
from hematovision.services.hands import Hand
from hematovision.services.tokens import add_token
from hematovision.storage.database import Database
from hematovision.web.access import SIGN_IN, public

from .conftest import JSON, Sender, bearer, signed_in

VIEWER, TECHNOLOGIST, PATHOLOGIST, ADMINISTRATOR = Role
EVERYBODY = {None, *Role}
SIGNED_IN = set(Role)
READERS = {TECHNOLOGIST, PATHOLOGIST, ADMINISTRATOR}
SETTERS = {PATHOLOGIST, ADMINISTRATOR}
SIGNERS = {PATHOLOGIST, ADMINISTRATOR}
MAY = {
    "static": EVERYBODY,
    "health.show": EVERYBODY,
    "api.openapi": SIGNED_IN,
    "api.docs": SIGNED_IN,
    "api_health.show": EVERYBODY,
    "api_model.show": SIGNED_IN,
    "api_cases.index": SIGNED_IN,
    "api_cases.show": SIGNED_IN,
    "api_photos.index": SIGNED_IN,
    "api_photos.show": SIGNED_IN,
    "api_photos.picture": SIGNED_IN,
    "api_cells.index": SIGNED_IN,
    "api_cells.show": SIGNED_IN,
    "api_cells.crop": SIGNED_IN,
    "api_cells.history": SIGNED_IN,
    "api_differential.show": SIGNED_IN,
    "api_signatures.index": SIGNED_IN,
    "api_cases.make": READERS,
    "api_photos.send": READERS,
    "api_cells.add": READERS,
    "api_cells.review": READERS,
    "api_reports.pdf": READERS,
    "api_reports.csv": READERS,
    "api_reports.xlsx": READERS,
    "api_reports.fhir": READERS,
    "api_readings.read": READERS,
    "api_readings.index": SIGNED_IN,
    "api_readings.show": SIGNED_IN,
    "api_jobs.show": READERS,
    "health.live": EVERYBODY,
    "health.ready": EVERYBODY,
    "language.choose": EVERYBODY,
    "sign_in.form": EVERYBODY,
    "sign_in.enter": EVERYBODY,
    "sign_in.link": EVERYBODY,
    "sign_in.use_link": EVERYBODY,
    "sign_in.leave": SIGNED_IN,
    "single_sign_on.start": EVERYBODY,
    "single_sign_on.back": EVERYBODY,
    "single_sign_on.leave": EVERYBODY,
    "single_sign_on.ask_again": SIGNERS,
    "pages.home": SIGNED_IN,
    "pages.predict": READERS,
    "cases.show": SIGNED_IN,
    "differential.show": SIGNED_IN,
    "differential.numbers": SIGNED_IN,
    "differential.change": READERS,
    "exports.show": READERS,
    "exports.pdf": READERS,
    "exports.fhir": READERS,
    "exports.csv": READERS,
    "exports.xlsx": READERS,
    "exports.pictures": READERS,
    "exports.cases": READERS,
    "laboratory_signing.show": SETTERS,
    "laboratory_signing.change": SETTERS,
    "signing.show": SIGNERS,
    "signing.sign": SIGNERS,
    "signing.amend": SIGNERS,
    "signing.back": SIGNERS,
    "signing.looked": READERS,
    "signing.version": SIGNED_IN,
    "second.show": SIGNED_IN,
    "second.ask": READERS,
    "second.take": READERS,
    "second.give_up": READERS,
    "second.finish": READERS,
    "second.gallery": READERS,
    "second.review": READERS,
    "second.agreement": SIGNED_IN,
    "second.settle": SIGNERS,
    "laboratory_ranges.show": {PATHOLOGIST, ADMINISTRATOR},
    "laboratory_ranges.add": {PATHOLOGIST, ADMINISTRATOR},
    "laboratory_ranges.change": {PATHOLOGIST, ADMINISTRATOR},
    "laboratory_ranges.remove": {PATHOLOGIST, ADMINISTRATOR},
    "cases.add": READERS,
    "cases.photos": SIGNED_IN,
    "cases.progress": SIGNED_IN,
    "cases.add_photos": READERS,
    "cases.pause": READERS,
    "cases.resume": READERS,
    "cases.cancel": READERS,
    "cases.retry": READERS,
    "cases.leave_photo_out": READERS,
    "cases.change_note": READERS,
    "cases.allow_teaching": READERS,
    "erasing.show": {ADMINISTRATOR},
    "erasing.erase": {ADMINISTRATOR},
    "erasing.done": {ADMINISTRATOR},
    "gallery.show": SIGNED_IN,
    "gallery.review": READERS,
    "gallery.box": READERS,
    "gallery.history": SIGNED_IN,
    "gallery.crop": SIGNED_IN,
    "gallery.heat": SIGNED_IN,
    "gallery.photo": SIGNED_IN,
    "gallery.picture": SIGNED_IN,
    "references.reference": SIGNED_IN,
    "keys.show": SIGNED_IN,
    "keys.change": SIGNED_IN,
    "laboratory.show": SETTERS,
    "laboratory.add": SETTERS,
    "laboratory.retire": SETTERS,
    "laboratory.revive": SETTERS,
    "history.show": SIGNED_IN,
    "history.reading": SIGNED_IN,
    "history.file": READERS,
    "model.show": SIGNED_IN,
    "quality.show": READERS,
    "quality.table": READERS,
    "locator_checks.show": READERS,
    "locator_checks.count": READERS,
    "locator_checks.picture": READERS,
    "models.show": SIGNED_IN,
    "models.ask_promotion": {ADMINISTRATOR},
    "models.accept": {ADMINISTRATOR},
    "models.ask_rollback": {ADMINISTRATOR},
    "models.go_back": {ADMINISTRATOR},
    "models.shadow": {ADMINISTRATOR},
    "account.show": SIGNED_IN,
    "account.change_password": SIGNED_IN,
    "account.change_name": SIGNED_IN,
    "account.begin_second_factor": SIGNED_IN,
    "account.finish_second_factor": SIGNED_IN,
    "account.end_second_factor": SIGNED_IN,
    "account.leave_elsewhere": SIGNED_IN,
    "account.make_token": SIGNED_IN,
    "account.take_token": SIGNED_IN,
    "audit.show": SETTERS,
    "audit.event": SETTERS,
    "users.show": {ADMINISTRATOR},
    "users.add": {ADMINISTRATOR},
    "users.change_role": {ADMINISTRATOR},
    "users.disable": {ADMINISTRATOR},
    "users.enable": {ADMINISTRATOR},
    "users.reset": {ADMINISTRATOR},
    "users.take_token": {ADMINISTRATOR},
    "webhooks.show": {ADMINISTRATOR},
    "webhooks.add": {ADMINISTRATOR},
    "webhooks.one": {ADMINISTRATOR},
    "webhooks.change": {ADMINISTRATOR},
    "webhooks.rotate": {ADMINISTRATOR},
    "webhooks.test": {ADMINISTRATOR},
    "webhooks.again": {ADMINISTRATOR},
    "webhooks.remove": {ADMINISTRATOR},
    "api_webhooks.index": {ADMINISTRATOR},
    "api_webhooks.add": {ADMINISTRATOR},
    "api_webhooks.show": {ADMINISTRATOR},
    "api_webhooks.change": {ADMINISTRATOR},
    "api_webhooks.remove": {ADMINISTRATOR},
    "api_webhooks.rotate": {ADMINISTRATOR},
    "api_webhooks.test": {ADMINISTRATOR},
    "api_webhooks.deliveries": {ADMINISTRATOR},
    "api_webhooks.again": {ADMINISTRATOR},
}
NOW = datetime.now(UTC)
BY = Hand(None, "terminal", NOW)


def urls(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Walk the map: endpoint, method and address of every rule."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        values = {name: 1 if name.endswith(("_id", "number")) else "x" for name in rule.arguments}
        for method in sorted(set(rule.methods or ()) - {"HEAD", "OPTIONS"}):
            yield rule.endpoint, method, adapter.build(rule.endpoint, values, method=method)


def who(
    app: Flask, database: Database, role: Role | None, url: str
) -> tuple[FlaskClient, dict[str, str]]:
    """Give somebody of a role: with a token where programs are, at a browser elsewhere."""
    if role is None:
        return app.test_client(), JSON
    if url.startswith("/api/v1/"):
        return app.test_client(), bearer(database, role)
    return signed_in(app, database, role), JSON


@pytest.mark.parametrize("role", [None, *Role])
def test_every_url_opens_to_those_listed_here(
    app: Flask, database: Database, role: Role | None
) -> None:
    refused = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    seen = set()
    for endpoint, method, url in urls(app):
        client, headers = who(app, database, role, url)
        answer = client.open(url, method=method, headers=headers)
        assert (answer.status_code not in refused) == (role in MAY[endpoint]), url
        seen.add(endpoint)
    assert seen == set(MAY)


def test_view_without_a_mark_is_closed_to_all(app: Flask, database: Database) -> None:
    app.add_url_rule("/forgotten", view_func=lambda: "secret", endpoint="forgotten")
    for role in Role:
        answer = signed_in(app, database, role).get("/forgotten")
        assert answer.status_code == HTTPStatus.FORBIDDEN
        assert "secret" not in answer.text


def test_view_marked_public_opens(app: Flask) -> None:
    app.add_url_rule("/open", view_func=public(lambda: "yes"), endpoint="open")
    assert app.test_client().get("/open").text == "yes"


def test_visitor_is_led_to_the_sign_in_and_back(visitor: FlaskClient) -> None:
    answer = visitor.get("/model?a=b")
    assert answer.status_code == HTTPStatus.FOUND
    assert answer.location == "/sign-in?next=/model?a%3Db"
    assert visitor.get("/").location == "/sign-in"


def test_program_without_a_token_is_told_what_to_send(visitor: FlaskClient) -> None:
    answer = visitor.post("/predict", headers=JSON)
    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="HematoVision"'
    assert answer.json["code"] == "not_signed_in"
    assert "Bearer" in answer.json["advice"]


def test_form_of_who_is_out_by_now_is_refused_as_a_page(
    client: FlaskClient, database: Database, jpeg: bytes
) -> None:
    sender = Sender(client)
    form = {"image": (io.BytesIO(jpeg), "a.jpg"), "csrf_token": sender.token()}
    with database.transaction() as records:
        records.users.remove_sign_ins(get_user(database, TECHNOLOGIST).id)
    answer = client.post("/predict", data=form)
    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert "Sign in" in answer.text


@pytest.mark.parametrize(
    ("header", "status"),
    [
        pytest.param("Bearer {}", 200, id="token"),
        pytest.param("bearer {}", 200, id="small letters"),
        pytest.param("Bearer {}x", 401, id="longer"),
        pytest.param("Bearer ", 401, id="empty"),
        pytest.param("Basic {}", 401, id="another kind"),
        pytest.param("{}", 401, id="alone"),
    ],
)
def test_program_reads_with_a_token(
    visitor: FlaskClient, database: Database, jpeg: bytes, header: str, status: int
) -> None:
    user = add_user(database, "robot", TECHNOLOGIST, by=BY)
    token = add_token(database, user, "script", by=BY)
    answer = Sender(visitor).program((jpeg, "a.jpg"), Authorization=header.format(token))
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("method", "url", "scopes", "code", "challenge"),
    [
        pytest.param("GET", "/model", None, "token_unknown", 'error="invalid_token"', id="unknown"),
        pytest.param(
            "GET",
            "/cases",
            {Right.SEE_MODEL},
            "scope_missing",
            'error="insufficient_scope", scope="see_cases"',
            id="not given",
        ),
        pytest.param(
            "GET",
            "/audit",
            {Right.SEE_MODEL},
            "not_allowed",
            'error="insufficient_scope"',
            id="not of the role",
        ),
        pytest.param(
            "POST",
            "/users",
            {Right.SEE_MODEL},
            "not_allowed",
            'error="insufficient_scope"',
            id="of people",
        ),
    ],
)
def test_program_is_told_what_its_token_lacks(
    visitor: FlaskClient,
    database: Database,
    method: str,
    url: str,
    scopes: set[Right] | None,
    code: str,
    challenge: str,
) -> None:
    user = add_user(database, "robot", TECHNOLOGIST, by=BY)
    token = add_token(database, user, "script", scopes=scopes, by=BY) if scopes else "hv_none"
    headers = JSON | {"Authorization": f"Bearer {token}"}
    answer = visitor.open(url, method=method, headers=headers)
    assert answer.json["code"] == code
    assert answer.headers["WWW-Authenticate"] == f'Bearer realm="HematoVision", {challenge}'
    if code == "scope_missing":
        assert answer.json["detail"] == "The token does not carry “see_cases”."
    with database.reading() as records:
        assert records.audit.list()[0].action == "access.refused"


def test_person_who_is_refused_is_not_asked_for_a_token(app: Flask, database: Database) -> None:
    answer = signed_in(app, database, TECHNOLOGIST).get("/audit", headers=JSON)
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "WWW-Authenticate" not in answer.headers


def test_cookie_opens_no_address_of_programs(client: FlaskClient) -> None:
    assert client.get("/history").status_code == HTTPStatus.OK
    answer = client.get("/api/v1/model")
    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert answer.mimetype == "application/problem+json"


def test_token_ends_with_its_owner(visitor: FlaskClient, database: Database, jpeg: bytes) -> None:
    user = add_user(database, "robot", TECHNOLOGIST, by=BY)
    token = add_token(database, user, "script", by=BY)
    disable_user(database, user, by=BY)
    answer = Sender(visitor).program((jpeg, "a.jpg"), Authorization=f"Bearer {token}")
    assert answer.status_code == HTTPStatus.UNAUTHORIZED


def test_wrong_token_is_not_made_good_by_a_cookie(client: FlaskClient) -> None:
    answer = client.get("/model", headers=JSON | {"Authorization": "Bearer wrong"})
    assert answer.status_code == HTTPStatus.UNAUTHORIZED


def test_who_was_away_for_too_long_signs_in_again(app: Flask, database: Database) -> None:
    client = signed_in(app, database, VIEWER)
    assert client.get("/").status_code == HTTPStatus.OK
    token = secrets.token_urlsafe()
    with database.transaction() as records:
        user = records.users.find(VIEWER)
        assert user is not None
        then = NOW - timedelta(minutes=15)
        records.users.add_sign_in(token, user.id, now=then, expires_at=NOW + timedelta(hours=1))
    with client.session_transaction() as session:
        session[SIGN_IN] = token
    assert client.get("/").location == "/sign-in"


def test_new_role_counts_from_the_next_request(app: Flask, database: Database) -> None:
    client = signed_in(app, database, ADMINISTRATOR)
    assert client.get("/users").status_code == HTTPStatus.OK
    with database.transaction() as records:
        records.users.set_role(get_user(database, ADMINISTRATOR).id, VIEWER)
    answer = client.get("/users")
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "A viewer may not do this." in answer.text


def test_pages_offer_what_one_may_do(app: Flask, database: Database) -> None:
    def links(role: Role | None, url: str) -> str:
        client = signed_in(app, database, role) if role else app.test_client()
        return client.get(url).text

    assert 'href="/users"' in links(ADMINISTRATOR, "/")
    assert 'href="/users"' not in links(PATHOLOGIST, "/")
    assert "export" in links(TECHNOLOGIST, "/account")
    assert "export" not in links(VIEWER, "/account")
    assert 'href="/model"' not in links(None, "/sign-in")
    assert "Sign out" not in links(None, "/sign-in")


def test_health_is_open_and_tells_nothing(visitor: FlaskClient) -> None:
    answer = visitor.get("/health")
    assert answer.status_code == HTTPStatus.OK
    assert answer.json == {"status": "ok"}


@pytest.mark.parametrize(
    ("method", "url"),
    [
        pytest.param("GET", "/account", id="account"),
        pytest.param("POST", "/account/tokens", id="another token"),
        pytest.param("POST", "/account/keys", id="keys"),
        pytest.param("POST", "/users", id="users"),
        pytest.param("POST", "/cases/1/erase", id="erasing"),
        pytest.param("POST", "/cases/1/sign", id="signing"),
        pytest.param("POST", "/cases/1/amend", id="amending"),
        pytest.param("POST", "/laboratory/signing", id="what is asked for"),
    ],
)
def test_program_manages_no_account(
    visitor: FlaskClient, database: Database, method: str, url: str
) -> None:
    user = add_user(database, "robot", ADMINISTRATOR, by=BY)
    token = add_token(database, user, "script", by=BY)
    headers = JSON | {"Authorization": f"Bearer {token}"}
    answer = visitor.open(url, method=method, headers=headers, data={"name": "x"})
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "A program may not do this." in answer.json["detail"]


def test_upload_of_a_visitor_is_not_read(visitor: FlaskClient, app: Flask, jpeg: bytes) -> None:
    class Unread(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError("the body was read")

    answer = visitor.post(
        "/predict",
        input_stream=Unread(),
        content_type="multipart/form-data; boundary=x",
        content_length=30_000_000,
    )
    assert answer.status_code == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("number", ["9" * 19, "9" * 25])
def test_number_that_no_database_knows_is_no_page(
    app: Flask, database: Database, number: str
) -> None:
    client = signed_in(app, database, ADMINISTRATOR)
    for url in (
        f"/cases/{number}/review",
        f"/cases/1/cells/{number}.jpg?side=64",
        f"/cases/1/cells/{number}/history",
        f"/references/{number}.jpg",
        f"/readings/{number}",
    ):
        assert client.get(url, headers=JSON).status_code in {
            HTTPStatus.NOT_FOUND,
            HTTPStatus.GONE,
        }, url


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/nowhere"),
        ("GET", "/sign-in"),
        ("POST", "/api/v1/nowhere"),
        ("POST", "/api/v1/model"),
    ],
)
def test_what_is_not_counted_does_not_tell_which_tokens_there_are(
    app: Flask, database: Database, method: str, url: str
) -> None:
    def ask(authorization: str) -> tuple[int, str | None, bool]:
        headers = {"Authorization": authorization, "Idempotency-Key": ""}
        answer = app.test_client().open(url, method=method, headers=headers)
        return answer.status_code, answer.location, "Sign in" in answer.text

    assert ask(bearer(database, TECHNOLOGIST)["Authorization"]) == ask("Bearer hv_made_up")
