"""An OpenID provider on loopback, a process of its own, of Authlib: one client, whoever it is told came.

    python -m tests.harness.openid_provider PORT SECRET

It asks nobody for a passphrase: `POST /control {"person": {...}, "wrong": ...}` says who is at the browser,
and what is wrong with what it says next (`SPOILED`, and of its discovery document `MISPLACED`).
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import AuthorizationCodeMixin
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, Response, jsonify, request
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from werkzeug.serving import make_server

ROOT = Path(__file__).resolve().parents[2]
CLIENT = "comity"
ELSEWHERE = "https://elsewhere.example"
ANNA = {"sub": "a-1", "preferred_username": "Anna Berg", "groups": ["nl-customs", "canteen"]}
# What is wrong with the claims of a token, each alone.
SPOILED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "iss": lambda claims: {**claims, "iss": ELSEWHERE},
    "no iss": lambda claims: {name: value for name, value in claims.items() if name != "iss"},
    "aud": lambda claims: {**claims, "aud": "another client"},
    "azp": lambda claims: {**claims, "aud": [CLIENT, "another client"]},
    "azp of another": lambda claims: {**claims, "azp": "another client"},
    "exp": lambda claims: {**claims, "exp": claims["iat"] - 3600},
    "exp as text": lambda claims: {**claims, "exp": str(claims["exp"])},
    "iat": lambda claims: {**claims, "iat": claims["iat"] + 3600},
    "iat of four hundred digits": lambda claims: {**claims, "iat": 10**400},
    "nonce": lambda claims: {**claims, "nonce": "another"},
    "no nonce": lambda claims: {name: value for name, value in claims.items() if name != "nonce"},
    "nonces": lambda claims: {**claims, "nonce": [claims["nonce"], "another"]},
    "half a character": lambda claims: {**claims, "nonce": "\ud800"},
    "sub": lambda claims: {**claims, "sub": 7},
    "name": lambda claims: {**claims, "preferred_username": ["Anna Berg"]},
}
SIGNED_OTHERWISE = (
    "none",
    "by the client's secret",
    "by the public key",
    "by a stranger",
    "by a key of its own",
    "by a key that is short",
    "under a header that is none",
)
MISPLACED = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")


class Client:
    """The one client of this provider."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    def get_client_id(self) -> str:
        return CLIENT

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri.startswith("http://") and redirect_uri.endswith("/oidc/back")

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class Code(AuthorizationCodeMixin):  # type: ignore[misc]
    """A code that was given out; `user`: whom it is about."""

    code: str
    redirect_uri: str
    scope: str
    nonce: str
    code_challenge: str
    code_challenge_method: str
    user: Mapping[str, Any]
    at: int = field(default_factory=lambda: int(time.time()))

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> int:
        return self.at


@dataclass
class Provider:
    """Its keys, who is at the browser, and the codes that were not used yet."""

    issuer: str
    client: Client
    person: Mapping[str, Any] = field(default_factory=lambda: ANNA)
    wrong: str = ""
    codes: dict[str, Code] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: _key("1"))
    short: RSAKey = field(default_factory=lambda: _key("short", bits=1024))  # as its keys say as well

    def discovery(self) -> dict[str, Any]:
        told = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
        }
        return {**told, self.wrong: f"{ELSEWHERE}/x"} if self.wrong in MISPLACED else told

    def signed(self, claims: dict[str, Any]) -> str:
        claims = SPOILED.get(self.wrong, dict)(claims)
        header = {"alg": "RS256", "kid": self.key.kid}
        if self.wrong == "none":
            return jwt.encode({"alg": "none"}, claims, OctKey.import_key("x" * 32), ["none"])
        if self.wrong == "by the client's secret":
            return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(self.client.secret), ["HS256"])
        if self.wrong == "by the public key":
            secret = OctKey.import_key(self.key.as_pem(private=False))
            return jwt.encode({**header, "alg": "HS256"}, claims, secret, ["HS256"])
        if self.wrong == "by a stranger":
            return jwt.encode(header, claims, _key("1"), ["RS256"])
        if self.wrong == "by a key of its own":
            stranger = _key("own")
            own = {"alg": "RS256", "jwk": stranger.as_dict(private=False), "jku": f"{ELSEWHERE}/keys"}
            return jwt.encode(own, claims, stranger, ["RS256"])
        if self.wrong == "by a key that is short":
            return jwt.encode({**header, "kid": "short"}, claims, self.short, ["RS256"])
        if self.wrong == "under a header that is none":
            strange = json.dumps({**header, "crit": 7}).encode()
            return f"{base64.urlsafe_b64encode(strange).rstrip(b'=').decode()}.e30.AA"
        return jwt.encode(header, claims, self.key, ["RS256"])


def _key(kid: str, *, bits: int = 2048) -> RSAKey:
    return RSAKey.generate_key(bits, {"kid": kid, "use": "sig"})


def _grants(provider: Provider) -> tuple[type, list[Any]]:
    """Authlib's grant and extensions, over what this provider remembers."""

    class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

        def save_authorization_code(self, code: str, request: Any) -> Code:
            data = request.payload.data
            told = ("nonce", "code_challenge", "code_challenge_method")
            made = Code(
                code,
                request.payload.redirect_uri,
                request.payload.scope,
                **{name: data[name] for name in told},
                user=request.user,
            )
            provider.codes[code] = made
            return made

        def query_authorization_code(self, code: str, client: Any) -> Code | None:
            return provider.codes.get(code)

        def delete_authorization_code(self, authorization_code: Code) -> None:
            provider.codes.pop(authorization_code.code)

        def authenticate_user(self, authorization_code: Code) -> Mapping[str, Any]:
            return authorization_code.user

    class IdToken(OpenIDCode):  # type: ignore[misc]
        def exists_nonce(self, nonce: str, request: Any) -> bool:
            return any(code.nonce == nonce for code in provider.codes.values())

        def get_client_claims(self, client: Any) -> dict[str, Any]:
            return {"iss": provider.issuer, "aud": CLIENT}

        def generate_user_info(self, user: Mapping[str, Any], scope: str) -> dict[str, Any]:
            return dict(user)

        def encode_id_token(self, token: Any, request: Any) -> str:
            claims = self.get_compatible_claims(request)
            claims.update(self.get_authorization_code_claims(request.authorization_code))
            return provider.signed({**claims, **self.generate_user_info(request.user, token["scope"])})

    return CodeGrant, [CodeChallenge(required=True), IdToken(require_nonce=True)]


def application(provider: Provider) -> Flask:
    """The provider as pages."""
    app = Flask(__name__)
    server = AuthorizationServer(app, lambda _: provider.client, lambda token, request: None)
    grant, extensions = _grants(provider)
    server.register_grant(grant, extensions)

    @app.get("/.well-known/openid-configuration")
    def discovery() -> Response:
        return jsonify(provider.discovery())

    @app.get("/keys")
    def keys() -> Response:
        other = OctKey.generate_key(256, {"kid": "oct"})  # of no use to who takes asymmetric ones alone
        own = [key.as_dict(private=False) for key in (provider.key, provider.short)]
        return jsonify(keys=[*own, other.as_dict(private=True)])

    @app.get("/authorize")
    def authorize() -> Any:
        person = None if provider.wrong == "denied" else provider.person
        return server.create_authorization_response(
            grant_user=person, grant=server.get_consent_grant(end_user=person or ANNA)
        )

    @app.post("/token")
    def token() -> Any:
        if provider.wrong == "away":
            return Response("upside down", 500)
        answer = server.create_token_response()
        return jsonify(access_token="x") if provider.wrong == "no token" else answer

    @app.post("/control")
    def control() -> Response:
        told = request.get_json()
        provider.person, provider.wrong = told.get("person", ANNA), told.get("wrong", "")
        if told.get("rotate"):
            provider.key = _key(told["rotate"])
        return jsonify(ok=True)

    return app


@dataclass(frozen=True)
class Running:
    """One that runs."""

    issuer: str
    secret: str

    def control(self, **told: Any) -> None:
        assert requests.post(f"{self.issuer}/control", json=told, timeout=10).status_code == 200


@contextmanager
def running(port: int, secret: str = "0123456789abcdef-secret") -> Iterator[Running]:
    """One on loopback, until it is done with."""
    command = [sys.executable, "-m", "tests.harness.openid_provider", str(port), secret]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield Running(f"http://127.0.0.1:{port}", secret)
    finally:
        process.terminate()
        process.wait(timeout=20)
        if process.stdout is not None:
            process.stdout.close()


def main(port: str, secret: str) -> None:
    """Serve until the end."""
    provider = Provider(f"http://127.0.0.1:{port}", Client(secret))
    server = make_server("127.0.0.1", int(port), application(provider), threaded=True)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
