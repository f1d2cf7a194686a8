"""`comity vc issue|verify`: secure and verify documents with a key in a file; no node, no network.

The result is one JSON object, {"result": "success|failure|indeterminate", "data": "..."}: what was made,
what was verified, or why not; the exit code is 0, 1 or 2. The key is a verification method of type JsonWebKey
with publicKeyJwk, and with secretKeyJwk to issue. A context that is not pinned is given by --context
URL=FILE; a presentation is made and verified for one reader by --domain and --challenge.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.client import write_out
from node.named_files import read_named

if TYPE_CHECKING:
    from credentials.documents.canonical import Contexts

SUCCESS, FAILURE, INDETERMINATE = "success", "failure", "indeterminate"
EXIT_CODES = {SUCCESS: 0, FAILURE: 1, INDETERMINATE: 2}
FEATURES = tuple(
    f"{kind}_{mechanism}"
    for kind in ("credential", "presentation")
    for mechanism in ("jose", "cose", "sdjwt", "di")
)
INPUT_BYTES_MAX = 16 << 20
KEY_BYTES_MAX = 64 << 10

INPUT = click.option("--input", "source", default="-", show_default=True, help="Document; - is stdin.")
KEY = click.option("--key", "key_file", type=click.Path(path_type=Path), help="JsonWebKey method (JSON).")
FEATURE = click.option(
    "--feature", type=click.Choice(FEATURES), default="credential_di", show_default=True, help="How."
)
CONTEXT = click.option(
    "--context", "added", multiple=True, metavar="URL=FILE", help="A further JSON-LD context; repeatable."
)
DOMAIN = click.option("--domain", help="Of a presentation: for whom it is made (aud of a JWT).")
CHALLENGE = click.option("--challenge", help="Of a presentation: what the reader asked (nonce of a JWT).")
OUTPUT = click.option("--output", "target", default="-", show_default=True, help="Result; - is stdout.")


@click.group()
def vc() -> None:
    """Credentials and presentations, with a key in a file."""


@vc.command()
@INPUT
@KEY
@FEATURE
@OUTPUT
@click.option("--sd", help="SD-JWT: JSON list of paths that may be withheld.")
@click.option("--cryptosuite", default="eddsa-jcs-2022", show_default=True, help="Of a Data Integrity proof.")
@CONTEXT
@DOMAIN
@CHALLENGE
def issue(
    *,
    source: str,
    key_file: Path | None,
    feature: str,
    target: str,
    sd: str | None,
    cryptosuite: str,
    added: tuple[str, ...],
    domain: str | None,
    challenge: str | None,
) -> int:
    """Secure one document.

    As a JWT with *_jose, as the document with a proof with *_di.
    """
    from credentials.errors import CredentialError  # noqa: PLC0415

    kind, _, mechanism = feature.partition("_")
    try:
        if mechanism not in ("jose", "di") or sd is not None:
            raise CredentialError("unsupported_algorithm", f"{feature} cannot be made here.")
        if key_file is None:
            raise click.UsageError("--key names the key that signs")
        asked = Asked(kind, mechanism, _contexts(added), domain, challenge)
        data = _issue(_read(source), _key(key_file), asked, cryptosuite)
    except CredentialError as error:
        return _refused(target, error)
    return _write(target, SUCCESS, data)


@vc.command()
@INPUT
@KEY
@FEATURE
@OUTPUT
@CONTEXT
@DOMAIN
@CHALLENGE
def verify(
    *,
    source: str,
    key_file: Path | None,
    feature: str,
    target: str,
    added: tuple[str, ...],
    domain: str | None,
    challenge: str | None,
) -> int:
    """Verify one document; without --key only did:key is known. The data is what was signed.

    Signatures and structure only: validity periods and statuses are in the data, for the reader to judge.
    """
    from credentials.errors import CredentialError  # noqa: PLC0415

    kind, _, mechanism = feature.partition("_")
    try:
        if mechanism not in ("jose", "di"):
            raise CredentialError("unsupported_algorithm", f"{feature} cannot be verified here.")
        asked = Asked(kind, mechanism, _contexts(added), domain, challenge)
        data = _verify(_read(source), _key(key_file) if key_file else None, asked)
    except CredentialError as error:
        return _refused(target, error)
    return _write(target, SUCCESS, data)


@dataclass(frozen=True, slots=True)
class Asked:
    """What kind of document, by which mechanism, in which vocabulary, and for whom."""

    kind: str  # credential, presentation
    mechanism: str  # jose, di
    contexts: Contexts
    domain: str | None
    challenge: str | None

    def __post_init__(self) -> None:
        if self.kind == "credential" and (self.domain is not None or self.challenge is not None):
            raise click.UsageError(
                "--domain and --challenge are of a presentation: use --feature presentation_.."
            )


def _contexts(added: tuple[str, ...]) -> Contexts:
    """The pinned contexts and those of the command line."""
    from node.config import contexts  # noqa: PLC0415

    files = {}
    for item in added:
        url, equals, name = item.rpartition("=")
        if not equals or not url or not name:
            raise click.UsageError(f"--context {item} is not URL=FILE")
        data = read_named(Path(name), INPUT_BYTES_MAX, what="the context")
        files[url] = (data, hashlib.sha256(data).hexdigest())
    return contexts().adding(files) if files else contexts()


def _issue(text: bytes, method: dict[str, Any], asked: Asked, cryptosuite: str) -> str:
    from credentials.documents import suites  # noqa: PLC0415
    from credentials.documents.canonical import parse_json  # noqa: PLC0415
    from credentials.documents.secured import require_lossless, require_small, what_is_said  # noqa: PLC0415
    from credentials.documents.suites import jose  # noqa: PLC0415

    document = parse_json(text)
    require_small(document)
    _require_structure(document, asked.kind)
    assert isinstance(document, dict), "the structure was checked"
    unsecured = {name: value for name, value in document.items() if name != "proof"}
    suite = suites.SUITES.get(cryptosuite)
    on_rdf = asked.mechanism == "di" and suite is not None and suite.canonical == "rdfc"
    # A presentation in a JWT holds envelopes, whose texts are opaque.
    if asked.kind == "credential" or asked.mechanism == "di":
        require_lossless(unsecured if on_rdf else what_is_said(unsecured), asked.contexts)
    signer = _signer(method)
    if asked.mechanism == "jose":
        claims = {"aud": asked.domain, "nonce": asked.challenge}
        return jose.sign_jwt(
            document,
            signer,
            media_type="vc+jwt" if asked.kind == "credential" else "vp+jwt",
            claims={name: value for name, value in claims.items() if value is not None},
        )
    members = {"domain": asked.domain, "challenge": asked.challenge}
    secured = suites.sign(
        document,
        signer,
        datetime.fromtimestamp(int(time.time()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        cryptosuite=cryptosuite,
        purpose=_purpose(asked.kind),
        contexts=asked.contexts,
        members={name: value for name, value in members.items() if value is not None},
    )
    return json.dumps(secured, ensure_ascii=False)


def _verify(text: bytes, method: dict[str, Any] | None, asked: Asked) -> str:
    from credentials.documents.canonical import parse_json  # noqa: PLC0415
    from credentials.documents.keys import controller_of, did_key_decode, jwk_decode, require_did  # noqa: PLC0415
    from credentials.documents.secured import open_secured  # noqa: PLC0415
    from credentials.documents.suites import jose  # noqa: PLC0415
    from credentials.errors import CredentialError  # noqa: PLC0415

    def key_of(url: str) -> bytes:
        if method is not None and url in _names(method):
            return jwk_decode(method.get("publicKeyJwk"))
        require_did(controller_of(url))
        if url.startswith("did:key:"):
            return did_key_decode(url)
        raise CredentialError("issuer_unknown", f"No key was given for {url[:200]}; name its file by --key.")

    shown: Any
    text = text.strip()
    if asked.mechanism == "jose" and not text.startswith((b"{", b'"')):
        shown = text.decode("ascii", "replace")
    else:
        shown = parse_json(text)
    if asked.mechanism == "jose" and isinstance(shown, str):
        shown = jose.envelop(shown, "vc+jwt" if asked.kind == "credential" else "vp+jwt")
    secured = open_secured(
        shown,
        key_of,
        asked.contexts,
        purpose=_purpose(asked.kind),
        domain=asked.domain,
        challenge=asked.challenge,
    )
    if (secured.not_before or 0) > time.time():  # RFC 7519, 4.1.5: not accepted for processing
        raise CredentialError("not_yet_valid", "The JWT is not to be accepted yet: its nbf lies ahead.")
    _require_structure(secured.document, asked.kind)
    return json.dumps(secured.document, ensure_ascii=False)


def _require_structure(document: object, kind: str) -> None:
    from credentials.documents.presentation import parse_presentation  # noqa: PLC0415
    from credentials.documents.secured import view_of  # noqa: PLC0415

    if kind == "credential":
        view_of(document)
    else:
        parse_presentation(document)


def _purpose(kind: str) -> str:
    return "assertionMethod" if kind == "credential" else "authentication"


def _names(method: dict[str, Any]) -> set[str]:
    """The URLs by which the key of a method may be named: its id, or its controller with the key's kid."""
    controller, key = method.get("controller"), method.get("publicKeyJwk")
    kid = key.get("kid") if isinstance(key, dict) else None
    return {str(method.get("id")), str(controller), f"{controller}#{kid}"}


def _signer(method: dict[str, Any]) -> Any:
    from consensus.cose import SeedSigner  # noqa: PLC0415
    from credentials.documents.canonical import b64u_decode  # noqa: PLC0415
    from credentials.documents.keys import ED25519, KINDS, jwk_decode  # noqa: PLC0415
    from credentials.documents.suites.ecdsa import EcdsaSigner  # noqa: PLC0415
    from credentials.errors import CredentialError  # noqa: PLC0415

    secret = method.get("secretKeyJwk")
    name = method.get("id")
    if not isinstance(secret, dict) or not isinstance(secret.get("d"), str) or not isinstance(name, str):
        raise CredentialError("malformed", "The key holds no id and secretKeyJwk.")
    public = jwk_decode({member: value for member, value in secret.items() if member != "d"})
    seed = b64u_decode(secret["d"], "secret key")
    if len(seed) != KINDS[secret["crv"]].coordinate_bytes:
        raise CredentialError("malformed", "secretKeyJwk.d has the wrong length (RFC 7518, 6.2.2.1).")
    signer = SeedSigner(name, seed) if secret["crv"] == ED25519 else EcdsaSigner(name, secret["crv"], seed)
    if signer.public_key != public:
        raise CredentialError("malformed", "secretKeyJwk holds another public key than its secret one.")
    return signer


def _read(source: str) -> bytes:
    return read_named(Path(source), INPUT_BYTES_MAX, stdin=True)


def _key(path: Path) -> dict[str, Any]:
    from credentials.documents.canonical import parse_json  # noqa: PLC0415
    from credentials.errors import CredentialError  # noqa: PLC0415

    method = parse_json(read_named(path, KEY_BYTES_MAX, what="the key"))
    if not isinstance(method, dict) or method.get("type") not in ("JsonWebKey", "JsonWebKey2020"):
        raise CredentialError("malformed", "The key is not a verification method of type JsonWebKey.")
    return method


def _refused(target: str, error: Any) -> int:
    from credentials.errors import UNDECIDED  # noqa: PLC0415

    undecided = error.code in UNDECIDED
    return _write(target, INDETERMINATE if undecided else FAILURE, str(error))


def _write(target: str, result: str, data: str) -> int:
    text = json.dumps({"result": result, "data": data}, ensure_ascii=False) + "\n"
    write_out(text, None if target == "-" else Path(target))
    return EXIT_CODES[result]
