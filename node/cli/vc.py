"""`comity vc issue|verify`: secure and verify documents with a key in a file; no node, no network.

The result is one JSON object, {"result": "success|failure|indeterminate", "data": "..."}: what was made,
what was verified, or why not; the exit code is 0, 1 or 2. The key is a verification method of type JsonWebKey
with publicKeyJwk, and with secretKeyJwk to issue.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from node.errors import SetupError

SUCCESS, FAILURE, INDETERMINATE = "success", "failure", "indeterminate"
EXIT_CODES = {SUCCESS: 0, FAILURE: 1, INDETERMINATE: 2}
FEATURES = tuple(
    f"{kind}_{mechanism}"
    for kind in ("credential", "presentation")
    for mechanism in ("jose", "cose", "sdjwt", "di")
)
INPUT_BYTES_MAX = 16 << 20

INPUT = click.option("--input", "source", default="-", show_default=True, help="Document; - is stdin.")
KEY = click.option("--key", "key_file", type=click.Path(path_type=Path), help="JsonWebKey method (JSON).")
FEATURE = click.option(
    "--feature", type=click.Choice(FEATURES), default="credential_di", show_default=True, help="How."
)
OUTPUT = click.option("--output", "target", default="-", show_default=True, help="Result; - is stdout.")


@click.group()
def vc() -> None:
    """Issue and verify credentials and presentations with a key in a file."""


@vc.command()
@INPUT
@KEY
@FEATURE
@OUTPUT
@click.option("--sd", help="SD-JWT: JSON list of paths that may be withheld.")
@click.option("--cryptosuite", default="eddsa-jcs-2022", show_default=True, help="Of a Data Integrity proof.")
def issue(
    *,
    source: str,
    key_file: Path | None,
    feature: str,
    target: str,
    sd: str | None,
    cryptosuite: str,
) -> int:
    """Secure one document: a JWT with *_jose, the document with a proof with *_di."""
    from credentials.errors import CredentialError  # noqa: PLC0415

    kind, _, mechanism = feature.partition("_")
    try:
        if mechanism not in ("jose", "di") or sd is not None:
            raise CredentialError("unsupported_algorithm", f"{feature} cannot be made here.")
        if key_file is None:
            raise click.UsageError("--key names the key that signs")
        data = _issue(_read(source), _key(key_file), kind, mechanism, cryptosuite)
    except CredentialError as error:
        return _refused(target, error)
    return _write(target, SUCCESS, data)


@vc.command()
@INPUT
@KEY
@FEATURE
@OUTPUT
def verify(*, source: str, key_file: Path | None, feature: str, target: str) -> int:
    """Verify one document; without --key only did:key is known. The data is what was signed.

    Signatures and structure only: validity periods and statuses are in the data, for the reader to judge.
    """
    from credentials.errors import CredentialError  # noqa: PLC0415

    kind, _, mechanism = feature.partition("_")
    try:
        if mechanism not in ("jose", "di"):
            raise CredentialError("unsupported_algorithm", f"{feature} cannot be verified here.")
        data = _verify(_read(source), _key(key_file) if key_file else None, kind, mechanism)
    except CredentialError as error:
        return _refused(target, error)
    return _write(target, SUCCESS, data)


def _issue(text: bytes, method: dict[str, Any], kind: str, mechanism: str, cryptosuite: str) -> str:
    from credentials.documents import suites  # noqa: PLC0415
    from credentials.documents.canonical import parse_json  # noqa: PLC0415
    from credentials.documents.secured import require_lossless, require_small  # noqa: PLC0415
    from credentials.documents.suites import jose  # noqa: PLC0415
    from node.config import contexts  # noqa: PLC0415

    document = parse_json(text)
    require_small(document)
    _require_structure(document, kind)
    assert isinstance(document, dict), "the structure was checked"
    unsecured = {name: value for name, value in document.items() if name != "proof"}
    require_lossless(unsecured, contexts())
    signer = _signer(method)
    if mechanism == "jose":
        return jose.sign_jwt(document, signer, media_type="vc+jwt" if kind == "credential" else "vp+jwt")
    secured = suites.sign(
        document,
        signer,
        datetime.fromtimestamp(int(time.time()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        cryptosuite=cryptosuite,
        purpose=_purpose(kind),
        contexts=contexts(),
    )
    return json.dumps(secured, ensure_ascii=False)


def _verify(text: bytes, method: dict[str, Any] | None, kind: str, mechanism: str) -> str:
    from credentials.documents.canonical import parse_json  # noqa: PLC0415
    from credentials.documents.keys import did_key_decode, jwk_decode  # noqa: PLC0415
    from credentials.documents.secured import open_secured  # noqa: PLC0415
    from credentials.documents.suites import jose  # noqa: PLC0415
    from credentials.errors import CredentialError  # noqa: PLC0415
    from node.config import contexts  # noqa: PLC0415

    def key_of(url: str) -> bytes:
        if method is None or url not in _names(method):
            if url.startswith("did:key:"):
                return did_key_decode(url)
            raise CredentialError("issuer_unknown", f"No key was given for {url[:200]}.")
        return jwk_decode(method.get("publicKeyJwk"))

    shown: Any
    text = text.strip()
    if mechanism == "jose" and not text.startswith((b"{", b'"')):
        shown = text.decode("ascii", "replace")
    else:
        shown = parse_json(text)
    if mechanism == "jose" and isinstance(shown, str):
        shown = jose.envelop(shown, "vc+jwt" if kind == "credential" else "vp+jwt")
    secured = open_secured(shown, key_of, contexts(), purpose=_purpose(kind))
    _require_structure(secured.document, kind)
    return json.dumps(secured.document, ensure_ascii=False)


def _require_structure(document: object, kind: str) -> None:
    from credentials.documents.model import parse_credential  # noqa: PLC0415
    from credentials.documents.presentation import parse_presentation  # noqa: PLC0415

    if kind == "credential":
        parse_credential(document)
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
    try:
        if source == "-":
            data = sys.stdin.buffer.read(INPUT_BYTES_MAX + 1)
        else:
            with Path(source).open("rb") as file:
                data = file.read(INPUT_BYTES_MAX + 1)
    except OSError as error:
        raise SetupError(f"{source} cannot be read: {error.strerror}") from error
    if len(data) > INPUT_BYTES_MAX:
        raise SetupError(f"{source} has more than {INPUT_BYTES_MAX >> 20} MiB")
    return data


def _key(path: Path) -> dict[str, Any]:
    from credentials.documents.canonical import parse_json  # noqa: PLC0415
    from credentials.errors import CredentialError  # noqa: PLC0415

    try:
        method = parse_json(path.read_bytes())
    except OSError as error:
        raise SetupError(f"the key {path} cannot be read: {error.strerror}") from error
    if not isinstance(method, dict) or method.get("type") not in ("JsonWebKey", "JsonWebKey2020"):
        raise CredentialError("malformed", "The key is not a verification method of type JsonWebKey.")
    return method


def _refused(target: str, error: Any) -> int:
    from credentials.errors import UNDECIDED  # noqa: PLC0415

    undecided = error.code in UNDECIDED
    return _write(target, INDETERMINATE if undecided else FAILURE, str(error))


def _write(target: str, result: str, data: str) -> int:
    text = json.dumps({"result": result, "data": data}, ensure_ascii=False) + "\n"
    if target == "-":
        click.echo(text, nl=False)
    else:
        try:
            Path(target).write_text(text)
        except OSError as error:
            raise SetupError(f"{target} cannot be written: {error.strerror}") from error
    return EXIT_CODES[result]
