"""Single sign-on in a real Chromium, by a real provider (oidc-provider-mock) in a process."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import requests
from playwright.sync_api import Page, expect
from tests.services.signatures import ready_case

from hematovision.cells import CellReader
from hematovision.config import Settings

from .browsing import Site, assert_fits, assert_no_violations, open_site

pytestmark = pytest.mark.browser


@pytest.fixture
def provider() -> Iterator[str]:
    """Run the provider; give its address."""
    rosa = {"sub": "rosa", "groups": ["hv-path"], "preferred_username": "rosa"}
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", "0"]
    command += ["--user-claims", json.dumps(rosa)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stderr
            for line in process.stderr:
                if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                    break
            assert found, "the provider does not start"
            yield found[0]
        finally:
            process.kill()


@pytest.fixture
def site(settings: Settings, reader: CellReader, provider: str) -> Iterator[Site]:
    settings = replace(
        settings,
        oidc_issuer=provider,
        oidc_client_id="hematovision",
        oidc_client_secret="hush",  # noqa: S106
        oidc_roles="hv-path=pathologist",
        oidc_name="Lab ID",
    )
    with open_site(settings, reader) as site:
        yield site


def test_pathologist_of_the_provider_signs_in_signs_a_case_and_leaves(
    open_page: Callable[..., Page], site: Site, provider: str
) -> None:
    case = ready_case(site.database)
    page = open_page(signed_in=False)
    page.goto(f"{site.address}cases/{case.id}/sign")
    button = page.get_by_role("link", name="Sign in with Lab ID")
    expect(button).to_be_focused()
    assert_no_violations(page)
    assert_fits(page)
    button.click()
    page.get_by_role("button", name="rosa").click()
    expect(page).to_have_url(f"{site.address}cases/{case.id}/sign")

    # Whoever has no password proves at the provider that it is they who sign.
    expect(page.get_by_label("Password, once more")).to_have_count(0)
    assert_no_violations(page)
    now = {"groups": ["hv-path"], "preferred_username": "rosa", "auth_time": int(time.time())}
    requests.put(f"{provider}/users/rosa", json=now, timeout=30).raise_for_status()
    page.get_by_role("link", name="Confirm with Lab ID who you are").click()
    page.get_by_role("button", name="rosa").click()
    expect(page.get_by_role("status")).to_contain_text("You confirmed who you are.")
    page.get_by_label("Your full name").fill("Rosa Okafor, MD")
    assert_no_violations(page)
    page.get_by_role("button", name="Sign and lock").click()
    expect(page).to_have_url(f"{site.address}cases/{case.id}/versions/1")

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_contain_text("You are signed out here.")
    page.get_by_role("link", name="Sign out of Lab ID too").click()
    expect(page).to_have_url(re.compile(f"^{re.escape(provider)}/oauth2/end_session"))
