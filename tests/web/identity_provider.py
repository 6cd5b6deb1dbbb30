"""An OpenID Connect provider that says what a test tells it to, also what no provider should."""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import waitress
from authlib.oidc.core.util import create_half_hash
from flask import Flask, redirect, request
from joserfc import jws
from joserfc.jwk import RSAKey
from waitress import wasyncore
from werkzeug.wrappers import Response

CLIENT = "hematovision"
SECRET = "provider's own secret"  # noqa: S105 - of a provider that is made for a test
TOKEN = "access"  # noqa: S105
KEY = RSAKey.generate_key(2048, {"kid": "one"})
OTHER = RSAKey.generate_key(2048, {"kid": "one"})


@dataclass
class IdentityProvider:
    """Signs what it is told.

    Attributes:
        issuer: Its address.
        metadata: What it publishes in the place of what is right.
        claims: What it says of people in the place of what is right.
        token: What it answers in the place of an id_token that it signs.
        status: Of what it answers for a code.
        asked: What it was asked at its page, last.
        exchanged: What it was asked for a code, last.
        calls: Which of its addresses were asked.
    """

    issuer: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    token: str | None = None
    status: int = 200
    asked: dict[str, str] = field(default_factory=dict)
    exchanged: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    codes: dict[str, str] = field(default_factory=dict)

    def visit(self, address: str) -> str:
        """Sign in at the address to which the server led; give where it leads back to."""
        parts = urlsplit(address)
        assert f"{parts.scheme}://{parts.netloc}" == self.issuer
        self.asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        code = secrets.token_urlsafe()
        self.codes[code] = self.asked["code_challenge"]
        return f"/sign-in/provider/back?code={code}&state={self.asked['state']}"

    def said(self) -> dict[str, Any]:
        now = int(time.time())
        right = {
            "iss": self.issuer,
            "sub": "248289761001",
            "aud": CLIENT,
            "exp": now + 300,
            "iat": now,
            "auth_time": now,
            "nonce": self.asked.get("nonce"),
            "preferred_username": "rosa",
            "groups": ["hv-path"],
        }
        claims = right | self.claims
        return {name: value for name, value in claims.items() if value is not None}

    def sign(self, alg: str = "RS256", key: Any = KEY, **claims: Any) -> str:
        header = {"alg": alg, "kid": "one"}
        payload = json.dumps(self.said() | claims)
        return jws.serialize_compact(header, payload, key, [alg])

    def unsigned(self) -> str:
        """Give an id_token with `alg: none`."""
        return f"{self._plain('none')}."

    def signed_with_public_key(self) -> str:
        """Give an id_token whose HMAC has the public key for its secret, as everybody knows it."""
        plain = self._plain("HS256")
        code = hmac.digest(KEY.as_pem(private=False), plain.encode(), "sha256")
        return f"{plain}.{_coded(code)}"

    def _plain(self, alg: str) -> str:
        parts = ({"alg": alg, "kid": "one"}, self.said())
        return ".".join(_coded(json.dumps(part).encode()) for part in parts)

    def app(self) -> Flask:
        app = Flask(__name__)

        @app.get("/.well-known/openid-configuration")
        def discovery() -> dict[str, Any]:
            self.calls.append("discovery")
            right = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "end_session_endpoint": f"{self.issuer}/leave",
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            }
            return right | self.metadata

        @app.get("/jwks")
        def jwks() -> dict[str, Any]:
            self.calls.append("jwks")
            return {"keys": [KEY.as_dict(private=False)]}

        @app.get("/moved")
        def moved() -> Response:
            return redirect(f"{self.issuer}/jwks")

        @app.post("/token")
        def token() -> tuple[dict[str, Any], int]:
            self.calls.append("token")
            self.exchanged = request.form.to_dict() | {"basic": str(request.authorization)}
            verifier = request.form.get("code_verifier", "").encode()
            digest = _coded(hashlib.sha256(verifier).digest())
            if self.codes.pop(request.form.get("code", ""), None) != digest:
                return {"error": "invalid_grant"}, 400
            answer = {"access_token": TOKEN, "token_type": "Bearer", "id_token": self.token}
            answer["id_token"] = self.token or self.sign()
            return answer, self.status

        return app


def _coded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def half_hash(text: str) -> str:
    """Give the `at_hash` of an access token."""
    return create_half_hash(text, "RS256").decode()


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    """Run a provider for as long as it is needed."""
    provider = IdentityProvider()
    server = waitress.create_server(provider.app(), host="127.0.0.1", port=0)
    provider.issuer = f"http://127.0.0.1:{server.effective_port}"
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield provider
    finally:
        server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map))
        thread.join(10)
        server.task_dispatcher.shutdown()
