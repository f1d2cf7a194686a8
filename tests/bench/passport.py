"""Row 1: verify a signed battery passport here and in @digitalbazaar/vc (Node), one document on both sides.

Both parse the JSON, check the structure, verify the eddsa-jcs-2022 proof with the key of its method and check
the validity interval. Neither asks for the status. Before anything is timed both refuse an altered copy.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from credentials.documents.canonical import parse_json
from credentials.documents.keys import ED25519
from credentials.documents.model import parse_credential
from credentials.documents.suites import eddsa
from credentials.errors import CredentialError
from tests.bench.harness import Comparison, NotMeasured, compare, timed
from tests.harness.interop import documents
from tests.harness.interop.digitalbazaar import DigitalBazaar, verifying
from tests.harness.interop.digitalbazaar import digitalbazaar as running
from tests.harness.interop.documents import ISSUED, KEYS, key_of

SUITE = eddsa.JCS_2022.name
NOW = 1_803_800_000


def passport() -> dict[str, Any]:
    """Return one signed credential with all members of the demo's passport: about 10 kB."""
    return eddsa.sign(documents.passport(), KEYS[ED25519].signer, ISSUED)


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


@contextmanager
def digitalbazaar(document: dict[str, Any]) -> Iterator[tuple[DigitalBazaar, dict[str, Any]]]:
    """Start @digitalbazaar/vc; yield it and its verdict about a passport."""
    with running() as peer:
        yield peer, peer.verify(document, SUITE)


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
        sides = {
            "comity": timed(lambda: verify(data)),
            "@digitalbazaar/vc": peer.batch(verifying(document, SUITE)),
        }
        return f"verify a passport of {len(data):,} bytes, eddsa-jcs-2022", compare(
            sides, rounds=rounds, seconds=seconds
        )
