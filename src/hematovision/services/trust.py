"""Which provider is trusted to sign people in, and what its people are here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from hematovision.config import Settings
from hematovision.people import Role

ISSUER_LENGTH = 512
OPENID = "openid"


@dataclass(frozen=True, slots=True)
class Trust:
    """A provider that signs people in.

    Attributes:
        issuer: Its address, as it writes it into what it signs.
        name: What people call it.
        role_claim: What it says of people that makes them something here.
        roles: What each of its groups is here.
        is_only: Whether passwords let in administrators alone.
    """

    issuer: str
    name: str
    role_claim: str
    roles: Mapping[str, Role]
    is_only: bool = False

    def role_of(self, claims: Mapping[str, Any]) -> Role | None:
        """Give the highest role that what a provider says of somebody makes them; None for none."""
        said = _strings(_find(claims, self.role_claim))
        return highest([self.roles[group] for group in said if group in self.roles])


def highest(roles: Sequence[Role]) -> Role | None:
    """Give the role that may most, as `Role` lists them."""
    return max(roles, key=list(Role).index, default=None)


def read_trust(settings: Settings) -> Trust | None:
    """Read which provider is trusted; None where there is no single sign-on.

    Raises:
        ValueError: If the settings do not go together; names the one to change.
    """
    issuer = settings.oidc_issuer
    if not issuer:
        if settings.oidc_only:
            raise ValueError(
                "HEMATOVISION_OIDC_ONLY is yes, but no HEMATOVISION_OIDC_ISSUER is set."
            )
        return None
    if not is_safe(issuer) or urlsplit(issuer).query or urlsplit(issuer).fragment:
        raise ValueError(
            f"HEMATOVISION_OIDC_ISSUER is {issuer!r}; it must be an https address without a query."
        )
    if not settings.oidc_client_id:
        raise ValueError("HEMATOVISION_OIDC_CLIENT_ID is empty.")
    if OPENID not in settings.oidc_scopes.split():
        raise ValueError(f"HEMATOVISION_OIDC_SCOPES is {settings.oidc_scopes!r}, without openid.")
    return Trust(
        issuer=issuer,
        name=settings.oidc_name or urlsplit(issuer).hostname or issuer,
        role_claim=settings.oidc_role_claim,
        roles=read_roles(settings.oidc_roles),
        is_only=settings.oidc_only,
    )


def read_roles(text: str) -> Mapping[str, Role]:
    """Read what each group is, such as `hv-path=pathologist,hv-tech=technologist`.

    Groups whose names have commas, as those of a directory, are parted by semicolons.

    Raises:
        ValueError: If there is none, or a role is none of ours.
    """
    parts = [part.strip() for part in text.split(";" if ";" in text else ",") if part.strip()]
    pairs = [part.rpartition("=") for part in parts]
    known = {str(role): role for role in Role}
    wrong = [
        part
        for part, (group, _, role) in zip(parts, pairs, strict=True)
        if not group.strip() or role.strip() not in known
    ]
    if wrong or not pairs:
        raise ValueError(
            f"HEMATOVISION_OIDC_ROLES is {text!r}; it must be group=role, where the role is one of "
            f"{', '.join(known)}."
        )
    return {group.strip(): known[role.strip()] for group, _, role in pairs}


def read_secret(settings: Settings) -> str:
    """Read what proves to the provider that this server asks; empty for a public client.

    Raises:
        ValueError: If its file cannot be read or is empty.
    """
    file = settings.oidc_client_secret_file
    if file is None:
        return settings.oidc_client_secret
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"HEMATOVISION_OIDC_CLIENT_SECRET_FILE cannot be read: {error}") from error
    if not lines or not lines[0].strip():
        raise ValueError("HEMATOVISION_OIDC_CLIENT_SECRET_FILE has no first line.")
    return lines[0].strip()


def is_safe(address: str) -> bool:
    """Tell whether nobody on the way can read or change what goes to an address."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    if len(address) > ISSUER_LENGTH or not host or parts.username or not address.isprintable():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _find(claims: Mapping[str, Any], name: str) -> Any:
    """Find a claim by its name, and else by a path with dots such as `realm_access.roles`."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _strings(said: Any) -> Sequence[str]:
    """Give the groups of a claim, which may be a single one; whatever is no text counts as none."""
    several = said if isinstance(said, list) else [said]
    return [one for one in several if isinstance(one, str)]
