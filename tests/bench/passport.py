"""Row 1: verify a signed battery passport here and in @digitalbazaar/vc (Node), one document on both sides.

Both parse the JSON, check the structure, verify the eddsa-jcs-2022 proof with the key of its method and check
the validity interval. Neither asks for the status. Before anything is timed both refuse an altered copy.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from consensus.cose import SeedSigner
from credentials.canonical import parse_json
from credentials.errors import CredentialError
from credentials.identifiers import parse_identifier
from credentials.issuer import issue_passport
from credentials.keys import multikey_encode
from credentials.model import parse_credential
from credentials.status import entry
from credentials.suites import eddsa
from tests.bench.harness import ROOT, Comparison, NotMeasured, compare, timed

INTEROP = ROOT / "tests" / "interop"
MAKER = "did:web:maker.example"
SIGNER = SeedSigner(f"{MAKER}#credential-1", b"\x01" * 32)
ISSUED = "2026-06-18T00:00:00Z"
NOW = 1_803_800_000
INSTALL_S_MAX = 300


def passport() -> dict[str, Any]:
    """Return one credential with all members of the demo's passport: about 10 kB."""

    def load(path: str) -> Any:
        return json.loads((ROOT / "config" / path).read_text())

    claims = load("demo/plausible-ev-nmc.batterypass-1.2.json")
    issued = issue_passport(
        claims,
        issuer_did=MAKER,
        signer=SIGNER,
        identifier=parse_identifier("gbt34014", "ZZ1PE01G6HDABCG6H0000042", load("rules/gbt34014.json")),
        version=1,
        ids={point: f"urn:uuid:00000000-0000-4000-8000-00000000000{point}" for point in (1, 2, 3, 4)},
        status_entry=entry("https://maker.example/status/r1", "revocation", 42),
        valid_from=ISSUED,
        created=ISSUED,
        paths=load("rules/passport-paths.json"),
    )
    document = {name: value for name, value in issued.credentials[1].items() if name != "proof"}
    document["credentialSubject"] = {**document["credentialSubject"], **claims}
    return eddsa.sign(document, SIGNER, ISSUED)


def key_of(method: str) -> bytes:
    """Return the key of a verification method, as a node's ledger would."""
    if method != SIGNER.key_id:
        raise CredentialError("issuer_unknown", f"{method} is not known.")
    return SIGNER.public_key


def verify(data: bytes) -> None:
    """Verify one passport; raises CredentialError."""
    credential = parse_credential(parse_json(data))
    result = eddsa.verify(credential.document, key_of)
    if result.controller != credential.issuer:
        raise CredentialError("invalid_signature", "Signed by somebody else than the issuer.")
    if credential.valid_from is None or not credential.valid_from <= NOW <= (credential.valid_until or NOW):
        raise CredentialError("not_yet_valid", "Outside its validity.")


def altered(document: dict[str, Any]) -> dict[str, Any]:
    """Return a copy with one value changed."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    copy["credentialSubject"]["passportVersion"] = 7
    return copy


def install() -> str:
    """Return the path of Node, with the packages of tests/interop in place; raises NotMeasured."""
    node, npm = shutil.which("node") or shutil.which("nodejs"), shutil.which("npm")
    if node is None:
        raise NotMeasured("Node is missing")
    if not (INTEROP / "node_modules" / "@digitalbazaar" / "vc").is_dir():
        if npm is None:
            raise NotMeasured("npm is missing")
        try:
            done = subprocess.run(
                [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"],
                cwd=INTEROP,
                capture_output=True,
                text=True,
                timeout=INSTALL_S_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise NotMeasured("npm did not finish installing @digitalbazaar/vc") from error
        if done.returncode:
            raise NotMeasured("npm could not install @digitalbazaar/vc")
    return node


class Peer:
    """A running verify.mjs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None and process.stdout is not None, "both ends are pipes"
        self._in: IO[str] = process.stdin
        self._out: IO[str] = process.stdout

    def ask(self, line: str) -> dict[str, Any]:
        self._in.write(line + "\n")
        self._in.flush()
        answer = self._out.readline()
        if not answer:
            raise NotMeasured("verify.mjs ended early")
        return dict(json.loads(answer))

    def batch(self, count: int) -> float:
        return float(self.ask(str(count))["seconds"])


@contextmanager
def digitalbazaar(document: dict[str, Any]) -> Iterator[tuple[Peer, dict[str, Any]]]:
    """Start verify.mjs with a document; yield it and its first verdict."""
    node = install()
    method = {
        "@context": "https://w3id.org/security/multikey/v1",
        "id": SIGNER.key_id,
        "type": "Multikey",
        "controller": MAKER,
        "publicKeyMultibase": multikey_encode(SIGNER.public_key),
    }
    controller = {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": MAKER,
        "assertionMethod": [SIGNER.key_id],
    }
    with subprocess.Popen(
        [node, "verify.mjs"], cwd=INTEROP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        peer = Peer(process)
        try:
            given = {"credential": document, "documents": {SIGNER.key_id: method, MAKER: controller}}
            yield peer, peer.ask(json.dumps(given))
        finally:
            process.terminate()


def measure(*, rounds: int, seconds: float) -> tuple[str, Comparison]:
    """Return the row's name and the comparison."""
    document = passport()
    data = json.dumps(document).encode()
    try:
        verify(json.dumps(altered(document)).encode())
    except CredentialError as error:
        assert error.code == "invalid_signature", error.code
    else:
        raise AssertionError("an altered passport was accepted here")
    with digitalbazaar(altered(document)) as (_, answer):
        if answer["verified"]:
            raise NotMeasured("@digitalbazaar/vc accepts an altered passport")
    with digitalbazaar(document) as (peer, answer):
        if not answer["verified"]:
            raise NotMeasured(f"@digitalbazaar/vc does not verify our passport: {answer['error']}")
        sides = {"comity": timed(lambda: verify(data)), "@digitalbazaar/vc": peer.batch}
        return f"verify a passport of {len(data):,} bytes, eddsa-jcs-2022", compare(
            sides, rounds=rounds, seconds=seconds
        )
