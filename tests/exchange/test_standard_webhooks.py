import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from hematovision.exchange.standard_webhooks import headers_of, new_event_id, new_secret

PAGE = Path(__file__).resolve().parents[2] / "docs/webhooks.md"
BODY = b'{"type":"case.signed"}'
Check = Callable[[str, dict[str, str], bytes], bool]


def by_library(secret: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        Verifier(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def by_our_page() -> Check:
    """Take the example of the documentation."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    names: dict[str, Check] = {}
    exec(found[1], names)  # noqa: S102 - our own page
    return names["is_genuine"]


CHECKS = [pytest.param(by_library, id="library"), pytest.param(by_our_page(), id="page")]


def sent(*secrets: str, ago: timedelta = timedelta()) -> dict[str, str]:
    return dict(headers_of("msg_1", BODY, secrets, now=datetime.now(UTC) - ago))


@pytest.mark.parametrize("check", CHECKS)
def test_receiver_takes_what_we_sign_and_nothing_else(check: Check) -> None:
    secret, other = new_secret(), new_secret()
    assert check(secret, sent(secret), BODY)
    assert check(secret, sent(other, secret), BODY)
    assert check(other, sent(other, secret), BODY)
    assert not check(secret, sent(other), BODY)
    assert not check(secret, sent(secret), BODY + b" ")
    assert not check(secret, sent(secret) | {"webhook-id": "msg_2"}, BODY)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("minutes", [-6, 6])
def test_what_was_sent_long_ago_is_not_taken_again(check: Check, minutes: int) -> None:
    secret = new_secret()
    assert not check(secret, sent(secret, ago=timedelta(minutes=minutes)), BODY)


def test_secrets_and_events_are_like_no_other() -> None:
    assert len({new_secret() for _ in range(50)} | {new_event_id() for _ in range(50)}) == 100
    assert re.fullmatch(r"whsec_[\w+/]{43}=", new_secret())
    assert re.fullmatch(r"msg_[0-9a-f]{32}", new_event_id())
