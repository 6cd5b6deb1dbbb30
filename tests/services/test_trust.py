from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hematovision.config import Settings
from hematovision.people import Role
from hematovision.services.trust import Trust, highest, is_safe, read_roles, read_secret, read_trust

ISSUER = "https://id.lab.example"
WHOLE = Settings(oidc_issuer=ISSUER, oidc_client_id="us", oidc_roles="a=viewer")


def test_without_an_issuer_there_is_no_single_sign_on() -> None:
    assert read_trust(Settings()) is None


def test_provider_is_called_as_its_host_where_it_has_no_name() -> None:
    trust = read_trust(WHOLE)
    assert trust
    assert trust.name == "id.lab.example"
    named = read_trust(replace(WHOLE, oidc_name="Lab ID"))
    assert named
    assert named.name == "Lab ID"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"oidc_issuer": "http://id.lab.example"}, "OIDC_ISSUER", id="no TLS"),
        pytest.param({"oidc_issuer": "id.lab.example"}, "OIDC_ISSUER", id="no address"),
        pytest.param({"oidc_issuer": f"{ISSUER}?a=b"}, "OIDC_ISSUER", id="query"),
        pytest.param({"oidc_issuer": "", "oidc_only": True}, "OIDC_ONLY", id="only nothing"),
        pytest.param({"oidc_client_id": ""}, "OIDC_CLIENT_ID", id="no client"),
        pytest.param({"oidc_scopes": "profile"}, "OIDC_SCOPES", id="no openid"),
        pytest.param({"oidc_roles": ""}, "OIDC_ROLES", id="no role"),
        pytest.param({"oidc_roles": "a=king"}, "OIDC_ROLES", id="no such role"),
        pytest.param({"oidc_roles": "=viewer"}, "OIDC_ROLES", id="no group"),
        pytest.param({"oidc_roles": "a"}, "OIDC_ROLES", id="half a pair"),
    ],
)
def test_setting_that_is_missing_or_wrong_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=f"HEMATOVISION_{words}"):
        read_trust(replace(WHOLE, **change))


def test_groups_of_a_directory_are_parted_by_semicolons() -> None:
    assert read_roles("CN=Path,OU=Lab=pathologist; CN=Tech,OU=Lab = technologist;") == {
        "CN=Path,OU=Lab": Role.PATHOLOGIST,
        "CN=Tech,OU=Lab": Role.TECHNOLOGIST,
    }


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        pytest.param(ISSUER, True, id="https"),
        pytest.param(f"{ISSUER}/realms/lab", True, id="path"),
        pytest.param("http://127.0.0.1:9400", True, id="this machine"),
        pytest.param("http://[::1]:9400", True, id="this machine, version 6"),
        pytest.param("http://localhost", True, id="this machine by name"),
        pytest.param("http://127.0.0.1.evil.example", False, id="looks like this machine"),
        pytest.param("http://10.0.0.1", False, id="another machine"),
        pytest.param("https://me@id.lab.example", False, id="user in it"),
        pytest.param("https://", False, id="no host"),
        pytest.param("https://[::1", False, id="torn"),
        pytest.param("javascript:alert(1)", False, id="script"),
        pytest.param("https://id.lab.example/\r\nX: y", False, id="two lines"),
        pytest.param(f"{ISSUER}/{'a' * 512}", False, id="long"),
    ],
)
def test_only_addresses_that_nobody_can_listen_to_are_safe(address: str, safe: bool) -> None:
    assert is_safe(address) is safe


@pytest.mark.parametrize(
    ("claim", "claims", "role"),
    [
        pytest.param("groups", {"groups": ["a", "b"]}, Role.PATHOLOGIST, id="list"),
        pytest.param("groups", {"groups": "a"}, Role.VIEWER, id="one"),
        pytest.param("realm.roles", {"realm": {"roles": ["a"]}}, Role.VIEWER, id="path"),
        pytest.param("https://x.example/g", {"https://x.example/g": ["a"]}, Role.VIEWER, id="url"),
        pytest.param("realm.roles", {"realm": ["a"]}, None, id="path that ends"),
        pytest.param("groups", {"groups": {"a": 1}}, None, id="mapping"),
        pytest.param("groups", {}, None, id="nothing"),
    ],
)
def test_role_is_found_in_claims(claim: str, claims: dict[str, Any], role: Role | None) -> None:
    roles = {"a": Role.VIEWER, "b": Role.PATHOLOGIST}
    assert Trust(ISSUER, "Lab ID", claim, roles).role_of(claims) is role


def test_highest_role_is_the_one_that_may_most() -> None:
    assert highest([Role.TECHNOLOGIST, Role.ADMINISTRATOR, Role.VIEWER]) is Role.ADMINISTRATOR
    assert highest([]) is None


def test_secret_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hush\nnot this\n")
    assert read_secret(Settings(oidc_client_secret="x", oidc_client_secret_file=file)) == "hush"  # noqa: S106
    assert read_secret(Settings(oidc_client_secret="x")) == "x"  # noqa: S106
    assert read_secret(Settings()) == ""
    file.write_text("\n")
    with pytest.raises(ValueError, match="has no first line"):
        read_secret(Settings(oidc_client_secret_file=file))
    with pytest.raises(ValueError, match="cannot be read"):
        read_secret(Settings(oidc_client_secret_file=tmp_path / "none"))


def test_secret_is_never_shown() -> None:
    assert "hush" not in repr(Settings(oidc_client_secret="hush"))  # noqa: S106
