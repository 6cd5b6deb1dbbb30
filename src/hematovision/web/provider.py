"""The provider that signs people in (OpenID Connect), as this server speaks with it."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flask import Flask, current_app, redirect, request, session
from werkzeug.wrappers import Response

from hematovision.config import Settings
from hematovision.errors import (
    ProviderRefusedError,
    ProviderUnreachableError,
    SignInUnprovenError,
)
from hematovision.services.single_sign_on import Person
from hematovision.services.trust import Trust, is_safe, read_secret, read_trust

if TYPE_CHECKING:
    from authlib.integrations.flask_client import FlaskOAuth2App

KEPT = "provider"
"""What lies in the session under this name, and how Authlib begins its own."""
DISCOVERY = "/.well-known/openid-configuration"
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
ALGORITHMS = (
    *(f"{kind}{size}" for kind in ("RS", "PS", "ES") for size in (256, 384, 512)),
    "EdDSA",
)
"""Those with two keys: one with a single key, or none, lets whoever knows the public one sign."""
SUPPORTED = "id_token_signing_alg_values_supported"
ANSWERS_WITHIN = 5
KNOWN_FOR = 3600
AWAY_FOR = 10
ERRAND_LASTS = 15 * 60
LEEWAY = 60
"""Seconds, all five."""
SUBJECT_LENGTH = 255

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Errand:
    """What somebody went to the provider for.

    Attributes:
        way: Where they go on: a page of ours, or empty.
        what: What they confirm; empty where they sign in.
        began: When, in seconds since 1970.
    """

    way: str
    what: str
    began: float


@dataclass(slots=True)
class Provider:
    """Sends people to a provider and reads what they come back with.

    What it publishes of itself is asked for when it is first needed, and again after an hour. Where
    that fails nobody waits for it again for some seconds: each who does holds up a page.

    Attributes:
        trust: Which provider.
        client_id: What it calls this server.
        secret: Proves to it that this server asks.
        scopes: What it is asked for.
    """

    trust: Trust
    client_id: str
    secret: str = field(repr=False)
    scopes: str
    _client: "FlaskOAuth2App | None" = None
    _known_until: float = 0
    _away_until: float = 0

    def lead(self, back: str, errand: Errand) -> Response:
        """Lead somebody to the provider; to confirm something they are asked anew who they are.

        Args:
            back: Where the provider sends them back to.
            errand: What for.

        Raises:
            ProviderUnreachableError: If it cannot be asked how.
        """
        asked: dict[str, Any] = {"prompt": "login", "max_age": 0} if errand.what else {}
        with self._named():
            client = self._open()
            made = client.create_authorization_url(back, **asked)
        address = made.pop("url")
        # One errand at a time: a session is a cookie, and must stay small.
        for key in [key for key in session if key.startswith(f"_state_{KEPT}")]:
            session.pop(key)
        kept = {"way": errand.way, "what": errand.what, "began": errand.began}
        client.save_authorize_data(redirect_uri=back, errand=kept, **made)
        return redirect(address)

    def receive(self) -> tuple[Person, Errand]:
        """Read what somebody comes back with; it is good once, in the browser that went.

        Raises:
            ProviderUnreachableError: If it cannot be asked what the code is worth.
            ProviderRefusedError: If it did not sign them in.
            SignInUnprovenError: If what it says is not proved, not for us, or not of now.
        """
        with self._named():
            client = self._open()
            errand = self._take_up(client)
            token = client.authorize_access_token(
                claims_options={
                    "iss": {"essential": True, "value": self.trust.issuer},
                    "aud": {"essential": True, "value": self.client_id},
                    "sub": {"essential": True},
                },
                leeway=LEEWAY,
            )
            claims = token.get("userinfo")
        if claims is None or len(claims["sub"]) > SUBJECT_LENGTH:
            raise self._unproven("there is no id_token, or its subject is too long")
        return Person(self.trust.issuer, claims["sub"], dict(claims)), errand

    def farewell(self, back: str) -> str | None:
        """Give where somebody signs out of the provider too; None where it has no such page.

        Raises:
            ProviderUnreachableError: If it cannot be asked.
        """
        with self._named():
            address = self._open().server_metadata.get("end_session_endpoint")
        if not isinstance(address, str) or not is_safe(address):
            return None
        asked = {"client_id": self.client_id, "post_logout_redirect_uri": back}
        return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}"

    def _take_up(self, client: "FlaskOAuth2App") -> Errand:
        """Give what somebody went for; whoever did not go from this browser is refused."""
        state = request.args.get("state", "")
        kept = client.framework.get_state_data(session, state)
        if kept is None:
            raise self._unproven("nobody went from this browser, or somebody came back already")
        errand = Errand(**kept["errand"])
        if request.args.get("error"):
            client.framework.clear_state_data(session, state)
            log.warning("The provider refused: %r", request.args["error"][:100])
            raise ProviderRefusedError("%(name)s did not sign you in.", name=self.trust.name)
        if time.time() - errand.began > ERRAND_LASTS:
            raise self._unproven("it took too long")
        self._check_sender(client.server_metadata)
        return errand

    def _check_sender(self, metadata: Mapping[str, Any]) -> None:
        """Insist that the answer is of this provider, where it says so (RFC 9207)."""
        must = metadata.get("authorization_response_iss_parameter_supported") is True
        if request.args.get("iss", None if must else self.trust.issuer) != self.trust.issuer:
            raise self._unproven("the answer is of another provider")

    def _open(self) -> "FlaskOAuth2App":
        """Give Authlib's client, which knows what the provider publishes of itself."""
        if self._client is None or time.monotonic() >= self._known_until:
            if time.monotonic() < self._away_until:
                raise MetadataError("it did not answer a moment ago")
            client = self._make()
            try:
                _check_metadata(client.load_server_metadata(), self.trust.issuer)
            except Exception:
                self._away_until = time.monotonic() + AWAY_FOR
                raise
            self._client, self._known_until = client, time.monotonic() + KNOWN_FOR
        return self._client

    def _make(self) -> "FlaskOAuth2App":
        # Half a second, which nobody waits for who signs in by a password.
        from authlib.integrations.flask_client import FlaskIntegration, FlaskOAuth2App
        from authlib.integrations.requests_client import OAuth2Session

        class Straight(OAuth2Session):  # type: ignore[misc]
            """Goes where the metadata say and nowhere else, whatever the answer says."""

            def request(self, *arguments: Any, **options: Any) -> Any:
                return super().request(*arguments, **options | {"allow_redirects": False})

        class App(FlaskOAuth2App):  # type: ignore[misc]
            client_cls = Straight

        return App(
            FlaskIntegration(KEPT),
            KEPT,
            client_id=self.client_id,
            client_secret=self.secret or None,
            server_metadata_url=self.trust.issuer.rstrip("/") + DISCOVERY,
            client_kwargs={
                "scope": self.scopes,
                "code_challenge_method": "S256",
                "default_timeout": ANSWERS_WITHIN,
            },
        )

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Give failures of the network and of proofs their names."""
        from authlib.common.errors import AuthlibBaseError
        from joserfc.errors import JoseError
        from requests import RequestException

        try:
            yield
        except (RequestException, MetadataError) as error:
            log.warning("The provider cannot be asked: %r", error)
            raise ProviderUnreachableError(
                "%(name)s cannot be reached.", name=self.trust.name
            ) from error
        except (AuthlibBaseError, JoseError, ValueError, TypeError, KeyError) as error:
            raise self._unproven(f"{type(error).__name__}: {error}") from error

    def _unproven(self, why: str) -> SignInUnprovenError:
        """Say why on the log only: whoever tries things out need not know."""
        log.warning("Nobody is signed in by the provider: %r", why[:300])
        return SignInUnprovenError(
            "The answer of %(name)s does not prove who you are.", name=self.trust.name
        )


class MetadataError(Exception):
    """What a provider publishes of itself is not what a provider must."""


def _check_metadata(metadata: dict[str, Any], issuer: str) -> None:
    """Insist on the issuer (OpenID Connect Discovery 4.3), safe addresses and two keys."""
    if metadata.get("issuer") != issuer:
        raise MetadataError(f"the issuer is {metadata.get('issuer')!r}")
    for name in ENDPOINTS:
        if not is_safe(str(metadata.get(name, ""))):
            raise MetadataError(f"the {name} is {metadata.get(name)!r}")
    metadata[SUPPORTED] = _safe_algorithms(metadata.get(SUPPORTED))


def _safe_algorithms(said: Any) -> Sequence[str]:
    """Choose those of a provider's algorithms with which only the provider can sign."""
    offered = said if isinstance(said, list) else ["RS256"]
    safe = [name for name in ALGORITHMS if name in offered]
    if not safe:
        raise MetadataError(f"the {SUPPORTED} are {said!r}")
    return safe


def find_provider() -> Provider | None:
    """Give the provider that signs people in, if there is one."""
    found: Provider | None = current_app.extensions[KEPT]
    return found


def init_app(app: Flask, settings: Settings) -> None:
    """Read who the provider is, without asking it anything."""
    trust = read_trust(settings)
    app.extensions[KEPT] = trust and Provider(
        trust, settings.oidc_client_id, read_secret(settings), settings.oidc_scopes
    )
    app.context_processor(lambda: {"provider": trust})
