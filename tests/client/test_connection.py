import logging
import pickle
import re
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from hematovision.client import ApiError, Client, ClientError, UnreachableError
from hematovision.client.connection import retry_after

from .servers import CASE, READING, Answer, fake, page, problem

MODEL = Answer(document=READING["model"])


def test_every_request_shows_the_token_and_says_what_it_is() -> None:
    with fake(MODEL) as server, server.client() as client:
        client.model()
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("GET", "/api/v1/model")
    assert asked.headers["Authorization"] == "Bearer hv_secret"
    assert asked.headers["User-Agent"].startswith("hematovision-client/")


def test_netrc_of_the_user_does_not_take_the_place_of_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with fake(MODEL) as server:
        with server.client() as client:
            client.model()
        with server.client("") as stranger:
            stranger.model()
    assert server.asked[0].headers["Authorization"] == "Bearer hv_secret"
    assert "Authorization" not in server.asked[1].headers


def test_token_is_told_to_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), fake(problem(503, "busy"), problem(403, "no")) as server:
        client = server.client()
        with pytest.raises(ApiError) as raised:
            client.model()
        client.close()
    told = f"{client!r}{client._connection!r}{client._connection._session.auth!r}{raised.value!r}"
    assert "hv_secret" not in told
    assert "hv_secret" not in caplog.text
    assert repr(client) == f"Client('{server.url}')"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        pytest.param("lab.example", "looks like", id="no scheme"),
        pytest.param("ftp://lab.example", "looks like", id="another scheme"),
        pytest.param("https://me:pw@lab.example", "looks like", id="a password"),
        pytest.param("http://lab.example", "Without https", id="no encryption"),
        pytest.param("http://192.168.1.5", "Without https", id="no encryption to a number"),
    ],
)
def test_address_that_a_token_may_not_be_shown_to_is_refused(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Client(url, "token")


def test_address_without_encryption_is_taken_where_somebody_insists_or_it_is_here() -> None:
    for url in ("http://localhost:5000", "http://127.0.0.1", "http://[::1]:80", "https://lab.x/"):
        Client(url).close()
    Client("http://lab.example", plain=True).close()


@pytest.mark.parametrize("token", ["a b", "a\nb", "é"])
def test_what_can_be_no_token_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="no token"):
        Client("https://lab.example", token)


def test_there_is_always_a_time_limit() -> None:
    with pytest.raises(ValueError, match="timeout"):
        Client("https://lab.example", timeout=0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(url, timeout=0.2, retries=0) as client, pytest.raises(UnreachableError):
            client.model()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_busy_server_is_asked_again(status: int) -> None:
    with (
        fake(problem(status, "busy"), problem(status, "busy"), MODEL) as server,
        server.client() as client,
    ):
        assert client.model().version == "1.1.0"
    assert len(server.asked) == 3
    assert 0.25 <= server.waited[0] <= 0.5 <= server.waited[1] <= 1


def test_server_is_given_the_time_that_it_asks_for() -> None:
    with fake(problem(503, "busy", Retry_After="7"), MODEL) as server, server.client() as client:
        client.model()
    assert server.waited == [7.0]


def test_server_that_asks_for_too_much_time_is_not_waited_for() -> None:
    with (
        fake(problem(429, "rate", Retry_After="3600")) as server,
        server.client() as client,
        pytest.raises(ApiError) as raised,
    ):
        client.model()
    assert (raised.value.status, raised.value.code, server.waited) == (429, "rate", [])


def test_server_that_stays_busy_is_told_of_in_the_end() -> None:
    with (
        fake(problem(503, "too_busy")) as server,
        server.client(retries=2) as client,
        pytest.raises(ApiError) as raised,
    ):
        client.model()
    assert raised.value.code == "too_busy"
    assert len(server.asked) == 3


def test_server_that_is_not_there_is_asked_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    client, waited = Client(url, retries=2), list[float]()
    client._connection.sleep = waited.append
    with client, pytest.raises(UnreachableError, match="was not reached"):
        client.health()
    assert len(waited) == 2


def test_what_is_sent_again_is_the_very_same_so_it_is_done_once(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a photo")
    busy = problem(503, "busy")
    with (
        fake(busy, busy, Answer(document={"readings": [READING]})) as server,
        server.client() as client,
    ):
        client.read(tmp_path / "a.jpg")
        server.answers = [busy, Answer(201, CASE)]
        client.make_case("26-0837")
    keys = [asked.headers["Idempotency-Key"] for asked in server.asked]
    assert len(set(keys[:3])) == len(set(keys[3:])) == 1
    assert len(set(keys)) == 2
    assert len({asked.body for asked in server.asked[:3]}) == 1
    assert b"a photo" in server.asked[0].body


def test_request_whose_twin_is_still_answered_is_sent_again() -> None:
    with (
        fake(problem(409, "under_way", Retry_After="1"), Answer(201, CASE)) as server,
        server.client() as client,
    ):
        assert client.make_case("26-0837").id == 3
    assert len(server.asked) == 2


def test_refusal_says_why_and_is_not_repeated() -> None:
    fields = [{"field": "accession", "reason": "Too long."}]
    refusal = problem(422, "fields_invalid", X_Request_ID="r-1")
    refusal.document["errors"] = fields
    with (
        fake(refusal) as server,
        server.client() as client,
        pytest.raises(ApiError, match=r"D\. A\.") as raised,
    ):
        client.make_case("x" * 99)
    error = raised.value
    assert (error.status, error.code, error.detail, error.advice, error.request_id) == (
        422,
        "fields_invalid",
        "D.",
        "A.",
        "r-1",
    )
    assert error.fields == {"accession": "Too long."}
    assert len(server.asked) == 1
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    assert (again.status, again.code) == (422, "fields_invalid")


def test_answer_of_a_server_between_is_a_refusal_too() -> None:
    with (
        fake(Answer(404, content=b"<html>")) as server,
        server.client() as client,
        pytest.raises(ApiError) as raised,
    ):
        client.model()
    assert (raised.value.code, raised.value.detail) == ("http_404", "Said So")


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"{}", b'{"version": 1}'])
def test_answer_of_another_server_is_told(content: bytes) -> None:
    with (
        fake(Answer(content=content)) as server,
        server.client() as client,
        pytest.raises(ClientError, match="Is it HematoVision"),
    ):
        client.model()


def test_nobody_leads_to_another_server() -> None:
    with (
        fake(Answer(302, headers={"Location": "https://evil.example/"})) as server,
        server.client() as client,
        pytest.raises(ApiError) as raised,
    ):
        client.model()
    assert raised.value.code == "http_302"
    with fake(page([CASE], "//evil.example/api/v1/cases")) as server, server.client() as client:
        cases = client.cases()
        next(cases)
        next(cases)
    assert {asked.path for asked in server.asked[1:]} == {"/api/v1//evil.example/api/v1/cases"}


def test_lists_are_walked_page_by_page_as_they_are_wanted() -> None:
    pages = page([CASE, CASE], "/api/v1/cases?cursor=Mw%3D%3D"), page([CASE])
    with fake(*pages) as server, server.client() as client:
        cases = client.cases(state="open", q="26")
        next(cases)
        assert len(server.asked) == 1
        assert len(list(cases)) == 2
    assert server.asked[0].query == "state=open&q=26"
    assert (server.asked[1].path, server.asked[1].query) == ("/api/v1/cases", "cursor=Mw%3D%3D")


def test_server_may_lie_behind_a_path() -> None:
    # Whether it knows of the path, or what lies before it keeps that to itself.
    for following in ("/lab/api/v1/cases?cursor=x", "/api/v1/cases?cursor=x"):
        with (
            fake(page([CASE], following), page([])) as server,
            Client(f"{server.url}/lab/") as client,
        ):
            assert len(list(client.cases())) == 1
        assert [asked.path for asked in server.asked] == ["/lab/api/v1/cases"] * 2


def test_delete_that_was_perhaps_done_is_not_repeated() -> None:
    with (
        fake(problem(502, "gateway"), Answer(204)) as server,
        server.client() as client,
        pytest.raises(ApiError),
    ):
        client.remove_webhook(1)
    with fake(problem(503, "busy"), Answer(204)) as server, server.client() as client:
        client.remove_webhook(1)
    assert [asked.method for asked in server.asked] == ["DELETE"] * 2


def test_server_that_cannot_prove_who_it_is_is_not_spoken_to() -> None:
    with fake(MODEL) as server:
        secure = re.sub("^http:", "https:", server.url)
        with Client(secure, retries=1, timeout=20) as client:
            client._connection.sleep = server.waited.append
            with pytest.raises(UnreachableError):
                client.model()
    assert server.asked == []


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "soon",
        "Thu, 26 Nov 2026 10:00:00 -0000",
        pytest.param(f"Thu, 26 Nov 2026 10:00:00 +{'9' * 20}", id="a zone beyond all"),
    ],
)
def test_wait_that_cannot_be_read_is_none(header: str | None) -> None:
    assert retry_after(header) is None


def test_wait_may_be_a_moment() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 20 < (retry_after(soon) or 0) <= 30
    assert retry_after("Thu, 26 Nov 2020 10:00:00 GMT") == 0


def test_certificates_of_a_laboratory_may_be_named(tmp_path: Path) -> None:
    client = Client("https://lab.example", certificates=tmp_path / "lab.pem")
    assert client._connection._session.verify == str(tmp_path / "lab.pem")
    assert Client("https://lab.example")._connection._session.verify is True


def test_environment_says_where_the_server_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake(MODEL) as server:
        monkeypatch.setenv("HEMATOVISION_URL", server.url)
        monkeypatch.setenv("HEMATOVISION_TOKEN", "hv_other")
        with Client.from_environment(timeout=30) as client:
            client.model()
    assert server.asked[0].headers["Authorization"] == "Bearer hv_other"
