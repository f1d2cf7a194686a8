"""[oidc] of node.toml, read strictly: by which identity provider people sign in, and what it may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from credentials.documents.uri import parse_uri

# Which kind of key signs by each algorithm: all have a public half, so that no secret is taken for one.
KEY_TYPES = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **{"ES256": "EC", "ES384": "EC", "ES512": "EC", "Ed25519": "OKP", "EdDSA": "OKP"},
}
TEXTS = ("issuer", "client_id", "algorithm", "name", "roles")
MEMBERS = frozenset({*TEXTS, "secret_file", "ca_file", "scopes", "gives"})
USUAL = {"algorithm": "RS256", "name": "preferred_username", "roles": "groups"}
GIVES_MAX = 256
SECRET_BYTES_MAX = 512
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """An identity provider; `name` and `roles` are the claims that say who came, and in which groups.

    `gives`: what stands among `roles`, and which role of config/desks.toml it gives here.
    """

    issuer: str
    client_id: str
    algorithm: str
    name: str
    roles: str
    secret: str
    scopes: tuple[str, ...]
    gives: Mapping[str, str]
    ca_file: str | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any], secret: bytes, ca_file: str | None) -> ProviderSettings:
        """Read the table; ValueError says what is wrong with it."""
        texts = {name: row.get(name, USUAL.get(name)) for name in TEXTS}
        for name, value in texts.items():
            if not isinstance(value, str) or not value or len(value) > 500 or not value.isprintable():
                raise ValueError(f"oidc.{name} is a text, and has to be there")
        if texts["algorithm"] not in KEY_TYPES:
            raise ValueError(f"oidc.algorithm is one of {', '.join(KEY_TYPES)}")
        return cls(
            **{**texts, "issuer": _issuer(texts["issuer"])},
            secret=_secret(secret),
            scopes=_scopes(row.get("scopes", ["openid", "profile"])),
            gives=_gives(row.get("gives")),
            ca_file=ca_file,
        )


def _issuer(text: Any) -> str:
    """OpenID Connect Discovery 1.0, 3: https, no query and no fragment; http at loopback alone."""
    uri = parse_uri(text)
    if uri is None or not uri.is_web or uri.query is not None or uri.fragment is not None:
        raise ValueError("oidc.issuer is the address of the provider, as https://login.example/realm")
    if uri.scheme != "https" and (uri.host or "") not in LOOPBACK:
        raise ValueError("oidc.issuer is not https: whoever stands between would sign in as anybody")
    return str(text)


def _secret(data: bytes) -> str:
    text = data.strip().decode("ascii", "replace")
    if not 16 <= len(text) <= SECRET_BYTES_MAX or not text.isascii() or not text.isprintable():
        raise ValueError(
            "oidc.secret_file holds the secret of this client: one line of 16 characters or more"
        )
    return text


def _scopes(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one.isalnum() for one in value):
        raise ValueError("oidc.scopes is a list of words")
    if "openid" not in value:
        raise ValueError("oidc.scopes has openid among them: without it nobody says who came")
    return tuple(value)


def _gives(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or not 1 <= len(value) <= GIVES_MAX:
        raise ValueError(
            'oidc.gives is a table [oidc.gives]: a group of the provider, as "nl-customs" = "customs"'
        )
    if not all(isinstance(role, str) for role in value.values()):
        raise ValueError("oidc.gives names a role for each group")
    return dict(value)
