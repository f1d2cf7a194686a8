"""Rows of suites: sign and verify two credentials here and in independent implementations, suite by suite.

The battery passport (8.5 kB) and the conformity credential (1.8 kB) of tests/interop, as JSON text.

* verify: parse the text, check what the library checks of structure and validity, verify the proof. We check
  more than the others do (the structural rules of VCDM 2.0; on RDF, names), and nobody asks for the status.
* issue: parse the text, check it, sign it, write the text. Each side imports its key once, before.

Rates are per second of processor time, all threads of a side together: rounds this short say nothing by the
clock on the wall while other work shares the cores, and what a verification costs is the question here.
Before anything is timed each side verifies what it is to verify, and refuses an altered copy.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import orjson

from credentials.documents import suites
from credentials.documents.canonical import parse_json
from credentials.documents.model import parse_credential
from credentials.documents.suites import jose
from credentials.errors import CredentialError
from node import config
from tests.bench.harness import Batch, Comparison, NotMeasured, compare
from tests.harness.interop import documents, joserfc, openvc
from tests.harness.interop.digitalbazaar import DigitalBazaar, digitalbazaar, signing, verifying
from tests.harness.interop.documents import ISSUED, KEYS, PROOFS, Document, Key, altered, key_of

NOW = 1_803_800_000
NAMES = ("passport", "conformity")
DIGITALBAZAAR, OPENVC, JOSERFC = "@digitalbazaar/vc", "openvc-core", "joserfc"


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: what is done, how it is said, and the two sides of it."""

    title: str
    sides: Mapping[str, Batch]


def timed(work: Callable[[], object]) -> Batch:
    """Return a batch that repeats `work`, and the seconds it takes of the processor."""

    def batch(count: int) -> float:
        started = time.process_time()
        for _ in range(count):
            work()
        return time.process_time() - started

    return batch


def _judge(document: Any, controller: str) -> None:
    credential = parse_credential(document)
    if controller != credential.issuer:
        raise CredentialError("invalid_signature", "Signed by somebody else than the issuer.")
    if credential.valid_from is None or not credential.valid_from <= NOW <= (credential.valid_until or NOW):
        raise CredentialError("not_yet_valid", "Outside its validity.")


def verify(data: bytes) -> None:
    """Verify a credential with a proof; raises CredentialError."""
    document: Any = parse_json(data)
    (result,) = suites.verify(document, key_of, contexts=config.contexts())
    _judge(document, result.controller)


def issue(data: bytes, suite: str, key: Key) -> bytes:
    """Return the credential with a proof."""
    document: Any = parse_json(data)
    parse_credential(document)
    signed = suites.sign(document, key.signer, ISSUED, cryptosuite=suite, contexts=config.contexts())
    return orjson.dumps(signed)


def verify_jwt(text: str) -> None:
    """Verify a vc+jwt; raises CredentialError."""
    read = jose.verify_jwt(text, key_of)
    _judge(read.document, read.controller)


def issue_jwt(data: bytes, key: Key) -> str:
    """Return the vc+jwt of a credential."""
    document: Any = parse_json(data)
    parse_credential(document)
    return jose.sign_jwt(document, key.signer)


def _must_refuse(side: str, check: Callable[[], object], error: type[Exception]) -> None:
    try:
        check()
    except error:
        return
    raise AssertionError(f"{side} accepted an altered credential")


def _proof_rows(bazaar: DigitalBazaar | None, suite: str, kind: str, name: str) -> Iterator[Row]:
    key, document = KEYS[kind], documents.DOCUMENTS[name]()
    unsigned = json.dumps(document).encode()
    data = issue(unsigned, suite, key)
    secured: Document = json.loads(data)
    copy = altered(secured)["claim"]
    verify(data)
    _must_refuse("comity", lambda: verify(json.dumps(copy).encode()), CredentialError)
    verifies, issues = timed(lambda: verify(data)), timed(lambda: issue(unsigned, suite, key))
    label = f"{name} {len(data):,} B, {suite} {kind}"
    if bazaar is not None:
        answer = bazaar.verify(secured, suite)
        if not answer["verified"] or bazaar.verify(copy, suite)["verified"]:
            raise NotMeasured(f"{DIGITALBAZAAR} judges {label} otherwise than we do")
        over_there = bazaar.batch(verifying(secured, suite), clock="cpu_seconds")
        yield Row(f"verify {label}", {"comity": verifies, DIGITALBAZAAR: over_there})
        over_there = bazaar.batch(signing(document, suite, key), clock="cpu_seconds")
        yield Row(f"issue {label}", {"comity": issues, DIGITALBAZAAR: over_there})
    try:
        openvc.verify(secured, suite, key)
    except openvc.ProofError:
        return  # ecdsa-rdfc-2019 with P-384, see tests/harness/interop/openvc.py
    _must_refuse(OPENVC, lambda: openvc.verify(copy, suite, key), openvc.ProofError)
    theirs = timed(lambda: openvc.verify(json.loads(data), suite, key))
    yield Row(f"verify {label}", {"comity": verifies, OPENVC: theirs})
    theirs = timed(lambda: json.dumps(openvc.sign(json.loads(unsigned), suite, key)))
    yield Row(f"issue {label}", {"comity": issues, OPENVC: theirs})


def _jwt_rows(algorithm: str, kind: str, name: str) -> Iterator[Row]:
    key = KEYS[kind]
    unsigned = json.dumps(documents.DOCUMENTS[name]()).encode()
    text = issue_jwt(unsigned, key)
    copy = text[:-8] + ("A" if text[-8] != "A" else "B") + text[-7:]
    verify_jwt(text)
    _must_refuse("comity", lambda: verify_jwt(copy), CredentialError)
    joserfc.verify(text, algorithm, key)
    _must_refuse(JOSERFC, lambda: joserfc.verify(copy, algorithm, key), joserfc.JoseError)
    label = f"{name} {len(text):,} B, vc+jwt {algorithm}"
    ours, theirs = timed(lambda: verify_jwt(text)), timed(lambda: joserfc.verify(text, algorithm, key))
    yield Row(f"verify {label}", {"comity": ours, JOSERFC: theirs})
    ours = timed(lambda: issue_jwt(unsigned, key))
    theirs = timed(lambda: joserfc.sign(json.loads(unsigned), algorithm, key))
    yield Row(f"issue {label}", {"comity": ours, JOSERFC: theirs})


def measure(*, rounds: int, seconds: float) -> Iterator[tuple[str, Comparison]]:
    """Yield the name of each row and its comparison; without Node its rows are left out, and that is said."""
    with ExitStack() as stack:
        try:
            bazaar: DigitalBazaar | None = stack.enter_context(digitalbazaar())
        except NotMeasured as reason:
            bazaar = None
            print(f"suites: {DIGITALBAZAAR} not measured: {reason}")
        for name in NAMES:
            rows = [row for suite, kind in PROOFS for row in _proof_rows(bazaar, suite, kind, name)]
            rows += [
                row
                for algorithm, kind in joserfc.ALGORITHMS.items()
                for row in _jwt_rows(algorithm, kind, name)
            ]
            for row in rows:
                yield row.title, compare(row.sides, rounds=rounds, seconds=seconds)
