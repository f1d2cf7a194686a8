"""Hostile answers of those whom a node asks: an identity provider, a host, and whoever is hosted here.

What comes because it was asked for enters by the same edge as what comes by itself: it is taken, or refused
with a sentence, and nothing else happens.
"""

from __future__ import annotations

import json
import random
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from concurrent.futures import CancelledError
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from consensus.encoding import decode, encode
from node.errors import ProblemError
from node.peers.collecting import Collecting
from node.peers.mailboxes import ASKED_MAX, Mailboxes
from node.provider_settings import ProviderSettings
from node.resolution.fetch import FetchError
from node.resolution.identity_provider import IdentityProvider, ProviderError
from tests.harness.hostile import RUBBISH, SEED, Door, altered, flipped
from tests.harness.ledger import EU_AUTHORITY, IMPORTER, MAKER
from tests.harness.support_service import LiveNode

JSON = dict[str, Any]
ISSUER, BACK = "https://id.example", "https://node.example/oidc/back"
NAMES = ("alg", "kid", "crit", "b64", "typ", "jku", "jwk", "x5c", "x5t", "zip", "use", "key_ops", "oth", "d")
SETTINGS = ProviderSettings(
    issuer=ISSUER,
    client_id="comity",
    algorithm="RS256",
    name="preferred_username",
    roles="groups",
    secret="s" * 32,
    scopes=("openid",),
    gives={"customs": "officer"},
)


def through_answers(node: LiveNode, count: int) -> Door:
    """Of so many answers half are an identity provider's, the others of hosts and of the hosted."""
    draw, door = random.Random(SEED), Door("answers of others")
    provider, host, hosted = Provider(draw), Host(node), Hosted()
    for number in range(count):
        asked: Any = (provider, host, provider, hosted)[number % 4]
        said = asked.hostile(draw)
        door.knock(said, partial(asked.answered, said))
    assert count < 100 or door.outcomes["signed in"]
    return door


class Provider:
    """An identity provider that has keys, and in each answer says one thing otherwise."""

    def __init__(self, draw: random.Random) -> None:
        self.asks = IdentityProvider(SETTINGS)
        vars(self.asks)["_fetcher"] = self
        self._key = rsa.generate_private_key(65537, 2048)
        numbers = self._key.public_key().public_numbers()
        jwk = {"kty": "RSA", "kid": "1", "n": _number(numbers.n), "e": _number(numbers.e), "use": "sig"}
        self._lawful: JSON = {
            "discovery": {
                "issuer": ISSUER,
                **{name: f"{ISSUER}/x" for name in ("authorization_endpoint", "token_endpoint")},
                "jwks_uri": f"{ISSUER}/keys",
            },
            "keys": {"keys": [jwk]},
            "header": {"alg": "RS256", "kid": "1"},
            "claims": {
                "iss": ISSUER, "aud": "comity", "sub": "a-1", "preferred_username": "Anna", "groups": ["x"],
            },
            "answer": {"token_type": "bearer"},
            "sent": {"code": "c"},
        }  # fmt: skip
        self._said: JSON = self._lawful
        self._token = ""

    def hostile(self, draw: random.Random) -> JSON:
        """All that it says, with a part or two of it changed, as a value or as bytes."""
        name = draw.choice([*self._lawful, "token", "nothing"])
        flips = {name: draw.randrange(1 << 32)} if draw.random() < 0.3 else {}
        names = [] if flips else [name, draw.choice([name, "header", "keys"])]
        changed = {one: altered(self._lawful[one], draw) for one in names if one in self._lawful}
        if draw.random() < 0.2:  # what stands in headers and keys of others
            (jwk,) = self._lawful["keys"]["keys"]
            more = {draw.choice(NAMES): draw.choice(RUBBISH)}
            beside = {"header": {**self._lawful["header"], **more}, "keys": {"keys": [{**jwk, **more}]}}
            time_ = {draw.choice(("exp", "iat")): draw.choice((10**400, -(10**400), 1e308, *RUBBISH))}
            beside["claims"] = {**self._lawful["claims"], **time_}
            changed |= draw.choice([{one: said} for one, said in beside.items()])
        return {**self._lawful, **changed, "flips": flips, "status": draw.choice([200] * 9 + [400, 503])}

    def answered(self, said: JSON) -> str:
        """Somebody signs in, or is told why not."""
        self._said = said
        vars(self.asks)["_kept"].clear()
        try:
            begun = self.asks.begin(BACK, "/")
            asked = dict(parse_qsl(urlsplit(begun.address).query))
            self._token = self._signed(said, asked["nonce"])
            sent = said["sent"] if isinstance(said["sent"], dict) else {}
            shown = {name: str(value).encode("utf-8", "replace").decode() for name, value in sent.items()}
            back = {"state": asked["state"], **shown}  # as an address has them
            self.asks.finish(begun.sealed, back, BACK)
        except ProviderError as error:
            assert str(error)
            return f"provider: {error.code}"
        return "signed in"

    # -- in the place of the fetcher

    def get(self, url: str, **_: object) -> bytes:
        return self._bytes("keys" if url.endswith("/keys") else "discovery")

    def ask(self, url: str, body: bytes, headers: Mapping[str, str], **_: object) -> tuple[int, bytes]:
        if self._said["status"] == 503:
            raise FetchError("unreachable", "nobody answers")
        answer = self._said["answer"]
        self._said["answer"] = {**answer, "id_token": self._token} if isinstance(answer, dict) else answer
        return self._said["status"], self._bytes("answer")

    def _bytes(self, name: str) -> bytes:
        data = json.dumps(self._said[name]).encode()
        seed = self._said["flips"].get(name)
        return data if seed is None else flipped(data, random.Random(seed))

    def _signed(self, said: JSON, nonce: str) -> str:
        claims, now = said["claims"], int(time.time())
        if isinstance(claims, dict):
            claims = {"nonce": nonce, "iat": now, "exp": now + 60, **claims}
        text = f"{_b64(said['header'])}.{_b64(claims)}"
        signature = self._key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        token = f"{text}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        seed = said["flips"].get("token")
        return token if seed is None else flipped(token.encode(), random.Random(seed)).decode("latin-1")


class Host:
    """Where this node's address is another's: what that one hands over to be answered here."""

    def __init__(self, node: LiveNode) -> None:
        self._handed = b""
        self._collecting = Collecting(EU_AUTHORITY, self)  # type: ignore[arg-type]
        self._collecting.answer_by(lambda path, request: bytes(node.service.peers.handle(path, request).body))

    def hostile(self, draw: random.Random) -> bytes:
        """Rows of what is asked, changed."""
        paths = ("status", "messages", "documents", "", "../x", "collect", "\x00", "x" * 5000)
        asked: list[Any] = [
            [draw.choice([0, 7, (1 << 53) - 1]), draw.choice(paths), draw.randbytes(9)] for _ in range(3)
        ]
        odd: list[Any] = [5, None, [], [[]], [[1, 2, 3]], [["1", "status", b""]], [[True, "status", b""]]]
        data = encode(draw.choice([asked, asked, asked, *odd]))
        return flipped(data, draw) if draw.random() < 0.7 else data

    def answered(self, said: bytes) -> str:
        """One turn of whoever collects."""
        self._handed = said
        self._collecting.wake()  # it waits for nothing
        self._collecting.turn()
        held = vars(self._collecting)
        assert len(held["_asked"]) <= ASKED_MAX
        return f"host: {'answered' if held['_answers'] else 'nothing'}"

    def request(self, host: str, path: str, content: bytes) -> bytes:
        """In the place of the way to it."""
        return self._handed


class Hosted:
    """Who collects here what others asked of it: what it answers."""

    def __init__(self) -> None:
        self._mailboxes = Mailboxes([MAKER])

    def hostile(self, draw: random.Random) -> list[Any]:
        """A status, an answer, and whether the whole is changed on the way."""
        statuses = (200, 200, 400, 403, 404, 409, 503, 599, 0, 99, 600, 1 << 50)
        texts = [json.dumps(one).encode() for one in RUBBISH]
        said = [b"", b"{", b'{"detail": 7}', b'{"detail": "no"}', *texts]
        return [draw.choice(statuses), draw.choice(said), draw.randrange(1 << 32), draw.random() < 0.4]

    def answered(self, said: list[Any]) -> str:
        """It comes, is asked something, and answers."""
        status, answer, seed, changed = said
        self._mailboxes.collect(MAKER, encode([]))
        later = self._mailboxes.put(MAKER, IMPORTER, "status", b"asked")
        handed = decode(self._mailboxes.collect(MAKER, encode([])))
        assert isinstance(handed, list) and isinstance(handed[-1], list)
        content = encode([[handed[-1][0], status, answer]])
        try:
            self._mailboxes.collect(MAKER, flipped(content, random.Random(seed)) if changed else content)
            return f"hosted: {'answered' if later.done() and later.result() is not None else 'silent'}"
        except (ProblemError, CancelledError) as problem:
            assert isinstance(problem, CancelledError) or 400 <= problem.status < 600, problem
            return "hosted: refused"
        finally:
            later.cancel()


def _number(value: int) -> str:
    return urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()


def _b64(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
