import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.services.signatures import add_person, ready_case
from werkzeug.test import TestResponse

from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.people import Role
from hematovision.services.accounts import disable_user, get_user, list_users
from hematovision.services.hands import Hand
from hematovision.storage.database import Database
from hematovision.web import create_app
from hematovision.web.provider import KEPT

from .conftest import JSON, signed_in
from .identity_provider import (
    CLIENT,
    OTHER,
    SECRET,
    TOKEN,
    IdentityProvider,
    half_hash,
    identity_provider,
)
from .test_sign_in import GOOD, post

START, BACK = "/sign-in/provider", "/sign-in/provider/back"
BY = Hand(None, "terminal", datetime.now(UTC))
GROUPS = "hv-view=viewer,hv-tech=technologist,hv-path=pathologist,hv-admin=administrator"


@pytest.fixture(scope="module")
def running() -> Iterator[IdentityProvider]:
    with identity_provider() as provider:
        yield provider


@pytest.fixture
def provider(running: IdentityProvider) -> IdentityProvider:
    """Give a provider that was told nothing yet."""
    running.__init__(running.issuer)  # type: ignore[misc]
    return running


@pytest.fixture
def settings(settings: Settings, provider: IdentityProvider) -> Settings:
    return replace(
        settings,
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT,
        oidc_client_secret=SECRET,
        oidc_roles=GROUPS,
        oidc_name="Lab ID",
    )


def sign_in(client: FlaskClient, provider: IdentityProvider, start: str = START) -> TestResponse:
    """Go to the provider and come back."""
    return client.get(provider.visit(client.get(start).location))


def events(database: Database) -> list[tuple[str, dict[str, Any]]]:
    with database.reading() as records:
        return [(event.action, dict(event.details)) for event in records.audit.list()]


def names(database: Database) -> list[str]:
    return [user.name for user in list_users(database)]


def test_page_offers_the_provider_beside_passwords(visitor: FlaskClient) -> None:
    page = visitor.get("/sign-in?next=/model").text
    assert 'href="/sign-in/provider?next=/model"' in page
    assert "Sign in with Lab ID" in page
    assert 'name="password"' in page


def test_whoever_comes_first_gets_an_account_with_the_role_of_the_group(
    visitor: FlaskClient, database: Database, provider: IdentityProvider
) -> None:
    answer = sign_in(visitor, provider)
    assert (answer.status_code, answer.location) == (HTTPStatus.SEE_OTHER, "/")
    assert "Account of rosa" in visitor.get("/").text
    rosa = get_user(database, "rosa")
    assert (rosa.role, rosa.has_password) == (Role.PATHOLOGIST, False)
    assert [action for action, _ in events(database)[:2]] == [
        "user.signed_in_by_provider",
        "user.added",
    ]


def test_administrator_sees_who_comes_by_the_provider(
    app: Flask, visitor: FlaskClient, database: Database, provider: IdentityProvider
) -> None:
    sign_in(visitor, provider)
    page = signed_in(app, database, Role.ADMINISTRATOR).get("/users").text
    assert page.count("signed in by Lab ID, which says the role") == 1
    assert page.count("no password yet") == 1


def test_request_asks_for_a_code_with_a_challenge_a_state_and_a_nonce(
    visitor: FlaskClient, provider: IdentityProvider
) -> None:
    sign_in(visitor, provider)
    asked = provider.asked
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["redirect_uri"] == f"http://localhost{BACK}"
    assert asked["scope"] == "openid profile"
    assert len(asked["state"]) >= 20
    assert len(asked["nonce"]) >= 20
    assert "prompt" not in asked
    assert provider.exchanged["redirect_uri"] == asked["redirect_uri"]
    assert provider.exchanged["basic"].startswith("Basic")
    assert SECRET not in visitor.get("/sign-in").text


def test_person_is_the_same_the_second_time_whatever_they_are_called(
    app: Flask, database: Database, provider: IdentityProvider
) -> None:
    sign_in(app.test_client(), provider)
    provider.claims = {"preferred_username": "rosa.okafor"}
    client = app.test_client()
    sign_in(client, provider)
    assert "Account of rosa<" in client.get("/").text.replace('"', "<")
    assert names(database) == ["rosa"]


def test_name_of_somebody_else_is_never_taken_for_them(
    visitor: FlaskClient, database: Database, provider: IdentityProvider
) -> None:
    add_person(database, "rosa", Role.ADMINISTRATOR)
    provider.claims = {"email": "rosa@lab.example", "email_verified": True}
    sign_in(visitor, provider)
    assert names(database) == ["rosa", "rosa-2"]
    assert "Account of rosa-2" in visitor.get("/").text
    assert visitor.get("/users").status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        pytest.param(["hv-view", "hv-admin", "x"], Role.ADMINISTRATOR, id="highest of several"),
        pytest.param("hv-tech", Role.TECHNOLOGIST, id="a single one"),
    ],
)
def test_role_follows_the_claim_at_every_sign_in(
    app: Flask, database: Database, provider: IdentityProvider, groups: object, role: Role
) -> None:
    add_person(database, "ines", Role.ADMINISTRATOR)
    sign_in(app.test_client(), provider)
    provider.claims = {"groups": groups}
    sign_in(app.test_client(), provider)
    assert get_user(database, "rosa").role is role
    changed = {"from": "pathologist", "to": str(role), "why": "provider"}
    assert ("user.role_changed", changed) in events(database)


@pytest.mark.parametrize("groups", [[], ["hv-pathX"], None, 7, {"hv-path": True}, [["hv-path"]]])
def test_without_a_mapped_role_nobody_is_let_in_and_nothing_is_made(
    visitor: FlaskClient, database: Database, provider: IdentityProvider, groups: object
) -> None:
    provider.claims = {"groups": groups}
    answer = sign_in(visitor, provider)
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "None of your groups at Lab ID has a role here." in answer.text
    assert names(database) == []
    assert visitor.get("/").location == "/sign-in"
    assert events(database)[0] == ("user.sign_in_failed", {"why": "role_unmapped"})


def test_last_administrator_stays_one(
    app: Flask, database: Database, provider: IdentityProvider
) -> None:
    provider.claims = {"groups": ["hv-admin"]}
    sign_in(app.test_client(), provider)
    provider.claims = {}
    client = app.test_client()
    answer = sign_in(client, provider)
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "rosa is the last administrator." in answer.text
    assert get_user(database, "rosa").role is Role.ADMINISTRATOR
    assert client.get("/").location == "/sign-in"


def test_whoever_is_shut_out_here_stays_out(
    app: Flask, database: Database, provider: IdentityProvider
) -> None:
    client = app.test_client()
    sign_in(client, provider)
    disable_user(database, get_user(database, "rosa"), by=BY)
    assert client.get("/").location == "/sign-in"
    answer = sign_in(client, provider)
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "You are shut out here." in answer.text
    assert client.get("/").location == "/sign-in"


Forge = Callable[[IdentityProvider], None]


def claims(**said: Any) -> Forge:
    return lambda provider: provider.claims.update(said)


def token(make: Callable[[IdentityProvider], str]) -> Forge:
    """Answer with a token that is made when the nonce is known."""

    def forge(provider: IdentityProvider) -> None:
        provider.token = make(provider)

    return forge


FORGERIES = [
    pytest.param(claims(nonce="another"), id="wrong nonce"),
    pytest.param(claims(nonce=None), id="no nonce"),
    pytest.param(claims(aud="another"), id="wrong audience"),
    pytest.param(claims(aud=None), id="no audience"),
    pytest.param(claims(aud=[CLIENT, "another"]), id="several audiences, no party"),
    pytest.param(claims(azp="another"), id="wrong party"),
    pytest.param(claims(iss="https://evil.example"), id="wrong issuer"),
    pytest.param(claims(iss=None), id="no issuer"),
    pytest.param(claims(exp=int(time.time()) - 120), id="expired"),
    pytest.param(claims(exp=None), id="never expires"),
    pytest.param(claims(iat=int(time.time()) + 3600), id="of the future"),
    pytest.param(claims(sub=None), id="no subject"),
    pytest.param(claims(sub=""), id="empty subject"),
    pytest.param(claims(sub="x" * 256), id="long subject"),
    pytest.param(claims(sub=7), id="subject is a number"),
    pytest.param(claims(at_hash="wrong"), id="wrong at_hash"),
    pytest.param(token(IdentityProvider.unsigned), id="alg none"),
    pytest.param(token(IdentityProvider.signed_with_public_key), id="HS256 with public key"),
    pytest.param(token(lambda one: one.sign(key=OTHER)), id="key of another"),
    pytest.param(token(lambda _: "a.b.c"), id="no token at all"),
]


@pytest.mark.parametrize("forge", FORGERIES)
def test_answer_that_proves_nothing_signs_nobody_in(
    visitor: FlaskClient, database: Database, provider: IdentityProvider, forge: Forge
) -> None:
    way = provider.visit(visitor.get(START).location)
    forge(provider)
    answer = visitor.get(way)
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert "does not prove who you are" in answer.text
    assert names(database) == []
    assert visitor.get("/").location == "/sign-in"


def test_right_at_hash_is_accepted(visitor: FlaskClient, provider: IdentityProvider) -> None:
    provider.claims = {"at_hash": half_hash(TOKEN)}
    assert sign_in(visitor, provider).status_code == HTTPStatus.SEE_OTHER


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda way: re.sub("state=.*", "state=another", way), id="wrong state"),
        pytest.param(lambda way: re.sub("&state=.*", "", way), id="no state"),
        pytest.param(lambda way: re.sub("code=[^&]*", "code=another", way), id="wrong code"),
        pytest.param(lambda way: re.sub("code=[^&]*&", "", way), id="no code"),
        pytest.param(lambda way: f"{way}&iss=https%3A%2F%2Fevil.example", id="issuer mix-up"),
        pytest.param(lambda _: BACK, id="nothing"),
    ],
)
def test_way_back_that_was_changed_signs_nobody_in(
    visitor: FlaskClient,
    database: Database,
    provider: IdentityProvider,
    change: Callable[[str], str],
) -> None:
    answer = visitor.get(change(provider.visit(visitor.get(START).location)))
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert names(database) == []


def test_code_of_an_attacker_is_worth_nothing_in_another_browser(
    app: Flask, database: Database, provider: IdentityProvider
) -> None:
    attacker, victim = app.test_client(), app.test_client()
    way = provider.visit(attacker.get(START).location)
    victim.get(START)
    assert victim.get(way).status_code == HTTPStatus.BAD_REQUEST
    assert "token" not in provider.calls
    assert names(database) == []


def test_code_counts_once(visitor: FlaskClient, provider: IdentityProvider) -> None:
    way = provider.visit(visitor.get(START).location)
    before = visitor.get_cookie("hematovision")
    assert before
    assert visitor.get(way).status_code == HTTPStatus.SEE_OTHER
    assert visitor.get(way).status_code == HTTPStatus.BAD_REQUEST
    # Nor with the cookie of before: the provider knows the code no more.
    visitor.set_cookie("hematovision", before.value)
    assert visitor.get(way).status_code == HTTPStatus.BAD_REQUEST


def test_provider_that_says_who_answers_must_say_it_always(
    visitor: FlaskClient, provider: IdentityProvider
) -> None:
    provider.metadata = {"authorization_response_iss_parameter_supported": True}
    way = provider.visit(visitor.get(START).location)
    assert visitor.get(way).status_code == HTTPStatus.BAD_REQUEST
    way = provider.visit(visitor.get(START).location)
    answer = visitor.get(f"{way}&iss={provider.issuer}")
    assert answer.status_code == HTTPStatus.SEE_OTHER


def test_session_of_before_is_left_behind(visitor: FlaskClient, provider: IdentityProvider) -> None:
    way = provider.visit(visitor.get(START).location)
    with visitor.session_transaction() as session:
        session["planted"] = "by another"
    visitor.get(way)
    with visitor.session_transaction() as session:
        assert "planted" not in session
        assert not [key for key in session if key.startswith("_state")]


@pytest.mark.parametrize(
    ("wanted", "led"),
    [
        pytest.param("/model", "/model", id="ours"),
        pytest.param("//evil.example", "/", id="another host"),
        pytest.param("/\\evil.example", "/", id="backslash"),
        pytest.param("https://evil.example", "/", id="another site"),
    ],
)
def test_way_on_never_leaves_us(
    visitor: FlaskClient, provider: IdentityProvider, wanted: str, led: str
) -> None:
    visitor.get("/sign-in")
    way = visitor.get(START, query_string={"next": wanted}).location
    assert visitor.get(provider.visit(way)).location == led


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_site_sends_nobody_to_sign_in(
    visitor: FlaskClient, provider: IdentityProvider, site: str
) -> None:
    answer = visitor.get(f"{START}?next=/model", headers={"Sec-Fetch-Site": site})
    assert answer.location == "/sign-in?next=/model"
    assert provider.calls == []


def test_provider_that_says_no_is_named(visitor: FlaskClient, provider: IdentityProvider) -> None:
    way = provider.visit(visitor.get(START).location)
    state = provider.asked["state"]
    answer = visitor.get(f"{BACK}?error=access_denied&error_description=%3Cb%3E&state={state}")
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "Lab ID did not sign you in." in answer.text
    assert "<b>&lt;" not in answer.text
    assert visitor.get(way).status_code == HTTPStatus.BAD_REQUEST


def test_provider_that_failed_a_moment_ago_is_not_waited_for_again(
    app: Flask, visitor: FlaskClient, provider: IdentityProvider
) -> None:
    """Whoever waits for it holds up a page: a few visitors would hold up all."""
    provider.metadata = {"issuer": "https://evil.example"}
    for _ in range(3):
        assert visitor.get(START).status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert len(provider.calls) == 1
    provider.metadata = {}
    app.extensions[KEPT]._away_until = 0
    assert visitor.get(START).status_code == HTTPStatus.FOUND


@pytest.mark.parametrize("address", [START, f"{BACK}?state=x&code=y", "/sign-out/provider"])
def test_visitors_make_us_ask_the_provider_only_so_often(
    settings: Settings, reader: CellReader, database: Database, address: str
) -> None:
    app = create_app(replace(settings, rate_limit_visitors="1 per hour"), reader, database)
    visitor = app.test_client()
    assert visitor.get(address).status_code != HTTPStatus.TOO_MANY_REQUESTS
    assert visitor.get(address).status_code == HTTPStatus.TOO_MANY_REQUESTS


def test_provider_that_is_away_is_named_and_passwords_let_in(
    settings: Settings, reader: CellReader, database: Database
) -> None:
    away = replace(settings, oidc_issuer="http://127.0.0.1:1")
    client = create_app(away, reader, database).test_client()
    answer = client.get(START)
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "Lab ID cannot be reached." in answer.text
    add_person(database, "ines", Role.TECHNOLOGIST)
    assert post(client, "/sign-in", name="ines", password=GOOD, code="").location == "/"


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"issuer": "https://evil.example"}, id="another issuer"),
        pytest.param({"token_endpoint": "http://lab.example/token"}, id="token without TLS"),
        pytest.param({"jwks_uri": None}, id="no keys"),
        pytest.param(
            {"id_token_signing_alg_values_supported": ["HS256", "none"]}, id="no safe algorithm"
        ),
    ],
)
def test_provider_that_publishes_what_is_unsafe_is_not_used(
    visitor: FlaskClient, provider: IdentityProvider, metadata: dict[str, Any]
) -> None:
    provider.metadata = metadata
    assert visitor.get(START).status_code == HTTPStatus.SERVICE_UNAVAILABLE


def test_provider_that_fails_at_the_code_is_named(
    visitor: FlaskClient, provider: IdentityProvider
) -> None:
    provider.status = 500
    assert sign_in(visitor, provider).status_code == HTTPStatus.SERVICE_UNAVAILABLE


def test_redirect_of_the_provider_is_not_followed(
    visitor: FlaskClient, provider: IdentityProvider
) -> None:
    provider.metadata = {"jwks_uri": f"{provider.issuer}/moved"}
    assert sign_in(visitor, provider).status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "jwks" not in provider.calls


def test_log_cannot_be_forged_by_what_comes_back(
    visitor: FlaskClient, provider: IdentityProvider, caplog: pytest.LogCaptureFixture
) -> None:
    visitor.get(START)
    provider.visit(visitor.get(START).location)
    error = "x%0aCRITICAL%20root%20signed%20in"
    visitor.get(f"{BACK}?error={error}&state={provider.asked['state']}")
    assert "CRITICAL root" in caplog.text
    assert "\nCRITICAL" not in caplog.text


def test_what_the_provider_publishes_is_asked_for_once(
    app: Flask, provider: IdentityProvider
) -> None:
    for _ in range(2):
        sign_in(app.test_client(), provider)
    assert provider.calls == ["discovery", "token", "jwks", "token"]


def test_way_that_took_too_long_begins_again(
    app: Flask, visitor: FlaskClient, provider: IdentityProvider
) -> None:
    way = provider.visit(visitor.get(START).location)
    with visitor.session_transaction() as session:
        (key,) = (key for key in session if key.startswith("_state"))
        session[key]["data"]["errand"]["began"] -= 1000
        session.modified = True
    assert visitor.get(way).status_code == HTTPStatus.BAD_REQUEST


def test_sign_out_ends_the_session_and_offers_that_of_the_provider(
    visitor: FlaskClient, provider: IdentityProvider
) -> None:
    sign_in(visitor, provider)
    answer = post(visitor, "/sign-out", on="/")
    assert answer.location == "/sign-in?left=1"
    page = visitor.get(answer.location).text
    assert 'href="/sign-out/provider"' in page
    assert "Sign out of Lab ID too" in page
    away = visitor.get("/sign-out/provider").location
    ours = "http%3A%2F%2Flocalhost%2Fsign-in"
    asked = f"client_id={CLIENT}&post_logout_redirect_uri={ours}"
    assert away == f"{provider.issuer}/leave?{asked}"


def test_provider_without_a_way_out_leads_back_to_us(
    visitor: FlaskClient, provider: IdentityProvider
) -> None:
    provider.metadata = {"end_session_endpoint": None}
    assert visitor.get("/sign-out/provider").location == "http://localhost/sign-in"


def test_passwords_let_in_administrators_alone_where_it_is_so_set(
    settings: Settings, reader: CellReader, database: Database
) -> None:
    client = create_app(replace(settings, oidc_only=True), reader, database).test_client()
    add_person(database, "ines", Role.PATHOLOGIST)
    add_person(database, "ada", Role.ADMINISTRATOR)
    assert "Administrators alone sign in with a password" in client.get("/sign-in").text
    answer = post(client, "/sign-in", name="ines", password=GOOD, code="")
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "do not match" in answer.text
    assert post(client, "/sign-in", name="ada", password=GOOD, code="").location == "/"


def test_account_of_the_provider_has_no_password_to_choose(
    visitor: FlaskClient, database: Database, provider: IdentityProvider
) -> None:
    sign_in(visitor, provider)
    page = visitor.get("/account").text
    assert "Lab ID signs you in, so there is none here" in page
    assert 'name="password"' not in page
    assert "authenticator" not in page
    answer = post(visitor, "/account/password", on="/account", password=GOOD)
    assert answer.status_code == HTTPStatus.CONFLICT
    assert not get_user(database, "rosa").has_password


SIGN = "/cases/1/sign"


def confirm(client: FlaskClient, provider: IdentityProvider) -> TestResponse:
    """Follow the link of the page to the provider, and come back."""
    link = re.search(r'href="(/cases/1/sign/confirm\?seen=\w+)"', client.get(SIGN).text)
    assert link
    return sign_in(client, provider, link[1])


def send(client: FlaskClient, **fields: str) -> TestResponse:
    seen = re.search(r'name="seen" value="(\w+)"', client.get(SIGN).text)
    assert seen
    filled = {"seen": seen[1], "meaning": "0", "printed_name": "Rosa Okafor"} | fields
    return post(client, SIGN, **filled)


def test_case_is_signed_once_the_provider_asked_who_it_is(
    visitor: FlaskClient, database: Database, provider: IdentityProvider
) -> None:
    ready_case(database)
    sign_in(visitor, provider)
    page = visitor.get(SIGN).text
    assert "Confirm with Lab ID who you are" in page
    assert 'name="password"' not in page
    refused = send(visitor)
    assert refused.status_code == HTTPStatus.CONFLICT
    assert "You did not confirm who you are." in refused.text
    answer = confirm(visitor, provider)
    assert (answer.status_code, answer.location) == (HTTPStatus.SEE_OTHER, f"{SIGN}#s-h")
    assert (provider.asked["prompt"], provider.asked["max_age"]) == ("login", "0")
    assert "You confirmed who you are." in visitor.get(SIGN).text
    assert send(visitor).location == "/cases/1/versions/1"
    assert "Rosa Okafor" in visitor.get("/cases/1/versions/1").text


@pytest.mark.parametrize(
    ("said", "words"),
    [
        pytest.param({"sub": "another"}, "Somebody else was signed in.", id="another person"),
        pytest.param({"auth_time": None}, "You were not asked again", id="does not say when"),
        pytest.param({"auth_time": int(time.time()) - 600}, "not asked again", id="asked before"),
        pytest.param({"auth_time": int(time.time()) + 6000}, "not asked again", id="future"),
    ],
)
def test_what_confirms_nothing_signs_nothing(
    visitor: FlaskClient,
    database: Database,
    provider: IdentityProvider,
    said: dict[str, Any],
    words: str,
) -> None:
    ready_case(database)
    sign_in(visitor, provider)
    provider.claims = said
    answer = confirm(visitor, provider)
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert words in answer.text
    assert "Confirm with Lab ID who you are" in visitor.get(SIGN).text
    assert events(database)[1][0] == "user.confirmation_refused"


def test_confirmation_is_of_whoever_is_signed_in_and_of_a_digest(
    app: Flask, visitor: FlaskClient, database: Database, provider: IdentityProvider
) -> None:
    ready_case(database)
    seen = "a" * 64
    asked = f"{SIGN}/confirm?seen={seen}"
    assert visitor.get(asked).location.startswith("/sign-in?next=")
    sign_in(visitor, provider)
    assert visitor.get(f"{SIGN}/confirm?seen=all").status_code == HTTPStatus.BAD_REQUEST
    way = visitor.get(asked, headers={"Sec-Fetch-Site": "cross-site"}).location
    assert way == f"{SIGN}#s-h"
    sign_in(visitor, provider, asked)
    assert "Confirm with Lab ID who you are" in visitor.get(SIGN).text
    assert send(visitor, seen=seen).status_code == HTTPStatus.CONFLICT


def test_without_a_provider_its_pages_are_not_there(
    settings: Settings, reader: CellReader, database: Database
) -> None:
    app = create_app(replace(settings, oidc_issuer=""), reader, database)
    client = signed_in(app, database, Role.PATHOLOGIST)
    for address in (START, BACK, "/sign-out/provider", f"{SIGN}/confirm?seen={'a' * 64}"):
        assert client.get(address, headers=JSON).status_code == HTTPStatus.NOT_FOUND
