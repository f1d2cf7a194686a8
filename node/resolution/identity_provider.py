"""Signing in by an identity provider: who it says came (OpenID Connect Core 1.0, the code flow, with PKCE).

    begin     the provider's address with a state, a nonce and a challenge (RFC 7636); the browser keeps,
              sealed, what it has to bring back within ten minutes
    finish    the state compared; the code exchanged for an ID token, by this client's secret; its signature
              by the one algorithm of node.toml, then iss, aud, azp, exp, iat and nonce

Only the issuer that the operator named is asked: the discovery document is read at its address, and whatever
address stands there is asked only where it is of the same origin. No token names a key or an address for
itself. What is in a token is a provider's word about a person, and no evidence about goods: joserfc reads it,
and no verdict rests on it (decision 0701).
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote, urlencode

import nacl.exceptions
import nacl.secret
import orjson

from credentials.documents.canonical import b64u_decode
from credentials.errors import CredentialError
from node.provider_settings import KEY_TYPES, ProviderSettings
from node.resolution.fetch import Fetcher, FetchError, FetchPolicy, origin_of

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

BEGUN_S = 600  # from the first page of the provider until the person is back
DOCUMENT_BYTES_MAX = 256 << 10
KEPT_S = 3600.0  # what the provider says of itself
AGAIN_S = 10.0  # that a provider which did not answer is left alone, and keys are not asked for again
WAIT_S_MAX = 1.0  # for whoever asks it already: a thread that waits answers no page
LEEWAY_S = 60  # of its clock and ours
KEYS_MAX = 64
RSA_BITS_MIN = 2048  # NIST SP 800-131A: no shorter key signs anybody in, whoever has it among its own
VALUES_MAX = 2000  # groups of one person
ERROR = re.compile(r"[a-z_]{1,40}")  # RFC 6749, 4.1.2.1
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderError(ValueError):
    """Nobody is signed in: it is `away`, or `refused`; its answer is `unfit`, or `foreign`."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser is sent, and what it keeps meanwhile."""

    address: str
    sealed: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """Who came: `subject` is theirs for ever; `values` are the groups; `next` is a page here."""

    subject: str
    name: str
    values: frozenset[str]
    next: str


class IdentityProvider:
    """One provider. Thread-safe; what strangers begin is kept by their browsers and costs no memory here."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        self._origin = origin_of(settings.issuer)
        policy = FetchPolicy(origins=frozenset({self._origin}), ca_file=settings.ca_file)
        self._fetcher = Fetcher(policy)
        self._box = nacl.secret.SecretBox(secrets.token_bytes(nacl.secret.SecretBox.KEY_SIZE))
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, Mapping[str, Any] | ProviderError]] = {}  # url -> (since, what)

    # -- out -------------------------------------------------------------------------------------------

    def begin(self, redirect_uri: str, wanted: str) -> Begun:
        """The address to sign in at; raises ProviderError."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self._settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": _b64(sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        kept = [state, nonce, verifier, wanted[:2000], self._now() + BEGUN_S]
        address = self._discovered()["authorization_endpoint"]
        sealed = _b64(self._box.encrypt(json.dumps(kept).encode()))
        return Begun(f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}", sealed)

    # -- back ------------------------------------------------------------------------------------------

    def finish(self, sealed: str | None, sent: Mapping[str, str], redirect_uri: str) -> Claimed:
        """Who came back with what `begin` had sealed for this browser; raises ProviderError."""
        state, nonce, verifier, wanted = self._opened(sealed)
        if not hmac.compare_digest(state.encode(), sent.get("state", "").encode()):
            raise ProviderError("foreign", "the state is of another sign-in")
        if sent.get("iss", self._settings.issuer) != self._settings.issuer:  # RFC 9207: of another provider
            _unfit("iss")
        if "code" not in sent:
            error = sent.get("error", "")
            raise ProviderError("refused", error if ERROR.fullmatch(error) else "no code")
        claims = self._claims(self._exchanged(sent["code"], verifier, redirect_uri))
        self._require(claims, nonce)
        return Claimed(claims["sub"], self._name(claims), _values(claims, self._settings.roles), wanted)

    def _opened(self, sealed: str | None) -> tuple[str, str, str, str]:
        try:
            data = base64.urlsafe_b64decode((sealed or "") + "==")
            state, nonce, verifier, wanted, until = json.loads(self._box.decrypt(data))
        except (nacl.exceptions.CryptoError, ValueError) as error:
            raise ProviderError(
                "foreign", "not begun in this browser, or before this node started"
            ) from error
        if self._now() > until:
            raise ProviderError("foreign", "begun too long ago")
        return state, nonce, verifier, wanted

    def _exchanged(self, code: str, verifier: str, redirect_uri: str) -> str:
        """The ID token for a code (RFC 6749, 4.1.3; the client by RFC 6749, 2.3.1)."""
        url = self._discovered()["token_endpoint"]
        form = {
            "grant_type": "authorization_code",
            "code": code[:2000],
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        named = f"{quote(self._settings.client_id, safe='')}:{quote(self._settings.secret, safe='')}"
        headers = {
            "Authorization": f"Basic {base64.b64encode(named.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        try:
            status, body = self._fetcher.ask(
                url, urlencode(form).encode(), headers, size_bytes_max=DOCUMENT_BYTES_MAX
            )
        except FetchError as error:
            raise ProviderError("away", str(error)) from error
        answer = _object(body) if status == 200 else {}
        if status in (400, 401, 403):
            raise ProviderError("refused", f"answered {status} to the code")
        if status != 200 or not isinstance(answer.get("id_token"), str):
            _unfit("id_token")
        return str(answer["id_token"])

    # -- what it says of itself ------------------------------------------------------------------------

    def _discovered(self) -> Mapping[str, Any]:
        """OpenID Connect Discovery 1.0, 4: at the issuer's address, naming that issuer and its own origin."""
        url = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        found = self._document(url)
        if found.get("issuer") != self._settings.issuer:
            _unfit("issuer")
        for name in ENDPOINTS:
            self._require_own(name, found.get(name))
        return found

    def _require_own(self, name: str, address: object) -> None:
        try:
            own = origin_of(address) == self._origin if isinstance(address, str) else False
        except FetchError:
            own = False
        if not own:
            _unfit(name)

    def _document(self, url: str, kept_s: float = KEPT_S) -> Mapping[str, Any]:
        """What was read at `url` not long ago; one thread reads; what failed is left alone a while."""
        if not self._lock.acquire(timeout=WAIT_S_MAX):
            raise ProviderError("away", "others wait for it already")
        try:
            since, what = self._kept.get(url, (-KEPT_S, None))
            age_s = time.monotonic() - since
            if what is None or age_s > (AGAIN_S if isinstance(what, ProviderError) else kept_s):
                what = self._read(url)
                self._kept[url] = time.monotonic(), what
        finally:
            self._lock.release()
        if isinstance(what, ProviderError):
            raise what
        return what

    def _read(self, url: str) -> Mapping[str, Any] | ProviderError:
        try:
            return _object(
                self._fetcher.get(url, accept="application/json", size_bytes_max=DOCUMENT_BYTES_MAX)
            )
        except FetchError as error:
            return ProviderError("away", str(error))
        except ProviderError as error:
            return error

    # -- the token -------------------------------------------------------------------------------------

    def _claims(self, token: str) -> Mapping[str, Any]:
        """What a token says whose signature one of the provider's keys made; new keys are asked for once."""
        from joserfc import jwt  # noqa: PLC0415 - most nodes know no identity provider
        from joserfc.errors import JoseError  # noqa: PLC0415

        url = self._discovered()["jwks_uri"]
        for kept_s in (KEPT_S, AGAIN_S):
            keys = self._keys(self._document(url, kept_s))
            try:
                return dict(jwt.decode(token, keys, algorithms=[self._settings.algorithm]).claims)
            except (JoseError, ValueError, TypeError):  # TypeError: of a header that is none
                continue
        _unfit("signature")

    def _keys(self, found: Mapping[str, Any]) -> KeySet:
        from joserfc.errors import JoseError  # noqa: PLC0415
        from joserfc.jwk import KeySet  # noqa: PLC0415

        rows = found.get("keys")
        fitting = [
            row
            for row in (rows[:KEYS_MAX] if isinstance(rows, list) else ())
            if isinstance(row, dict)
            and row.get("kty") == KEY_TYPES[self._settings.algorithm]
            and row.get("use", "sig") == "sig"
            and not _is_short(row)
        ]
        try:
            return KeySet.import_key_set({"keys": fitting})
        except (JoseError, ValueError, TypeError, KeyError):
            _unfit("jwks")

    def _require(self, claims: Mapping[str, Any], nonce: str) -> None:
        """OpenID Connect Core 1.0, 3.1.3.7."""
        own, now = self._settings.client_id, self._now()
        audience = claims.get("aud")
        listed = audience if isinstance(audience, list) else [audience]
        subject = claims.get("sub")
        held = {
            "iss": claims.get("iss") == self._settings.issuer,
            "aud": own in listed,
            "azp": claims.get("azp", own if len(listed) == 1 else None) == own,
            "exp": _moment(claims.get("exp")) > now - LEEWAY_S,
            "iat": 0 < _moment(claims.get("iat")) < now + LEEWAY_S,
            "nonce": claims.get("nonce") == nonce,
            "sub": isinstance(subject, str) and 0 < len(subject) <= 255 and subject.isascii(),
        }
        for name, holds in held.items():
            if not holds:
                _unfit(name)

    @staticmethod
    def _now() -> int:
        return int(time.time())

    def _name(self, claims: Mapping[str, Any]) -> str:
        name = claims.get(self._settings.name)
        if not isinstance(name, str):
            _unfit(self._settings.name)
        return name


def _values(claims: Mapping[str, Any], claim: str) -> frozenset[str]:
    """The groups: the claim of that name, else the member that its points lead to (`realm_access.roles`)."""
    value: Any = claims.get(claim)
    if value is None:
        value = claims
        for part in claim.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    listed = value if isinstance(value, list) else [value]
    return frozenset(one for one in listed[:VALUES_MAX] if isinstance(one, str))


def _is_short(key: Mapping[str, Any]) -> bool:
    """Whether it is an RSA key of fewer bits than are safe, or its modulus is none (RFC 7518, 6.3.1.1)."""
    if key.get("kty") != "RSA":
        return False
    modulus = key.get("n")
    try:
        data = b64u_decode(modulus) if isinstance(modulus, str) else b""
    except CredentialError:
        return True
    return int.from_bytes(data).bit_length() < RSA_BITS_MIN


def _moment(value: object) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else -1.0


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        _unfit("JSON")
    return found


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unfit(what: str) -> NoReturn:
    raise ProviderError("unfit", what)
