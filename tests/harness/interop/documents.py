"""What goes round: three invented credentials, and a key of each kind in the forms the partners read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consensus.cose import SeedSigner, Signer
from credentials.documents.canonical import b64u
from credentials.documents.identifiers import parse_identifier
from credentials.documents.issuer import issue_event
from credentials.documents.keys import (
    ED25519,
    P256,
    P384,
    P521,
    base58btc_encode,
    jwk_encode,
    multikey_encode,
)
from credentials.documents.status import entry
from credentials.documents.suites.ecdsa import EcdsaSigner, secret_from_seed
from credentials.errors import CredentialError
from node import config
from tests.harness.signed_passports import issue_passport

MAKER = "did:web:maker.example"
ISSUED = "2026-06-18T00:00:00Z"
CONTEXTS: dict[str, Any] = dict(config.contexts())

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair of the maker, and its secret as the partners read it."""

    signer: Signer
    secret: bytes
    multicodec: bytes  # of a secret key of this kind; empty where the partners know none

    def multikey(self, *, secret: bool = False) -> Document:
        """Return the Multikey, with the secret if asked."""
        document = {
            "@context": "https://w3id.org/security/multikey/v1",
            "id": self.signer.key_id,
            "type": "Multikey",
            "controller": MAKER,
            "publicKeyMultibase": multikey_encode(self.signer.public_key),
        }
        if secret:
            document["secretKeyMultibase"] = base58btc_encode(self.multicodec + self.secret)
        return document

    def jwk(self, *, secret: bool = False) -> dict[str, str]:
        """Return the JWK, with the secret if asked."""
        public = jwk_encode(self.signer.public_key)
        return {**public, "d": b64u(self.secret)} if secret else public


def _key(kind: str, name: str, multicodec: bytes) -> Key:
    seed = bytes([len(kind)]) * 32
    if kind == ED25519:
        return Key(SeedSigner(f"{MAKER}#{name}", seed), seed, multicodec)
    secret = secret_from_seed(kind, seed)
    return Key(EcdsaSigner(f"{MAKER}#{name}", kind, secret), secret, multicodec)


KEYS = {
    ED25519: _key(ED25519, "ed25519", b"\x80\x26"),
    P256: _key(P256, "p256", b"\x86\x26"),
    P384: _key(P384, "p384", b"\x87\x26"),
    P521: _key(P521, "p521", b"\x88\x26"),
}
_BY_ID = {key.signer.key_id: key.signer.public_key for key in KEYS.values()}

# (cryptosuite, kind of key): what this node signs and reads
PROOFS = (
    ("eddsa-jcs-2022", ED25519),
    ("eddsa-rdfc-2022", ED25519),
    ("ecdsa-jcs-2019", P256),
    ("ecdsa-jcs-2019", P384),
    ("ecdsa-rdfc-2019", P256),
    ("ecdsa-rdfc-2019", P384),
)


def key_of(method: str) -> bytes:
    """Return the public key of a verification method of the maker."""
    if method not in _BY_ID:
        raise CredentialError("issuer_unknown", f"{method} is not known.")
    return _BY_ID[method]


def controller() -> Document:
    """Return the maker as @digitalbazaar/vc looks it up."""
    return {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": MAKER,
        "assertionMethod": [key.signer.key_id for key in KEYS.values()],
    }


def _table(path: str) -> Any:
    return json.loads(config.shipped(path))


def passport() -> Document:
    """Return a battery passport with all members of the demo's, unsigned: about 10 kB."""
    claims = _table("demo/plausible-ev-nmc.batterypass-1.2.json")
    issued = issue_passport(
        claims,
        issuer_did=MAKER,
        signer=KEYS[ED25519].signer,
        identifier=parse_identifier("gbt34014", "ZZ1PE01G6HDABCG6H0000042", _table("rules/gbt34014.json")),
        version=1,
        ids={point: f"urn:uuid:00000000-0000-4000-8000-00000000000{point}" for point in (1, 2, 3, 4)},
        status_entry=entry("https://maker.example/status/r1", "revocation", 42),
        valid_from=ISSUED,
        created=ISSUED,
        paths=_table("rules/passport-paths.json"),
    )
    document = unsecured(issued.credentials[1])
    document["credentialSubject"] = {**document["credentialSubject"], **claims}
    return document


def event() -> Document:
    """Return the credential of one event in a battery's life, unsigned."""
    signed = issue_event(
        "battery.repaired",
        parse_identifier("gbt34014", "ZZ1PE01G6HDABCG6H0000042", _table("rules/gbt34014.json")),
        {
            "operator": "did:web:workshop.example",
            "replaced": [{"part": "module", "count": 2}],
            "share": 0.125,
        },
        event_id="urn:uuid:00000000-0000-4000-8000-0000000000e1",
        event_time="2026-06-17T10:00:00Z",
        issuer_did=MAKER,
        signer=KEYS[ED25519].signer,
        valid_from=ISSUED,
        created=ISSUED,
    )[0]
    return unsecured(signed)


def conformity() -> Document:
    """Return a conformity credential, unsigned: with a proof 1.8 kB. Assessor and findings are invented."""

    def assessment(number: int, topic: str, declared: float, measured: float) -> Document:
        return {
            "id": f"urn:uuid:00000000-0000-4000-8000-0000000000a{number}",
            "type": "ConformityAssessment",
            "topic": topic,
            "declaredValue": declared,
            "measuredValue": measured,
            "compliance": measured >= declared,
            "regulation": "https://data.europa.eu/eli/reg/2023/1542/oj",
        }

    return {
        "@context": [
            "https://www.w3.org/ns/credentials/v2",
            "https://www.w3.org/ns/credentials/undefined-terms/v2",
        ],
        "id": "urn:uuid:00000000-0000-4000-8000-0000000000c1",
        "type": ["VerifiableCredential", "DigitalConformityCredential"],
        "issuer": MAKER,
        "validFrom": ISSUED,
        "validUntil": "2036-06-17T00:00:00Z",
        "credentialSubject": {
            "id": "urn:comity:item:gbt34014:ZZ1PE01G6HDABCG6H0000042",
            "type": "ConformityAttestation",
            "scheme": "https://assessors.example/schemes/battery-safety",
            "assessedBy": "did:web:assessors.example",
            "assessment": [
                assessment(1, "rated capacity", 210.5, 211.25),
                assessment(2, "round trip energy efficiency", 94.5, 95.75),
                assessment(3, "remaining capacity after 500 cycles", 90.5, 93.5),
            ],
        },
        "credentialStatus": entry("https://maker.example/status/r1", "revocation", 43),
    }


DOCUMENTS = {"passport": passport, "event": event, "conformity": conformity}


def unsecured(document: Mapping[str, Any]) -> Document:
    """Return the document without its proof."""
    return {name: value for name, value in document.items() if name != "proof"}


def altered(document: Document) -> dict[str, Document]:
    """Return copies of a signed document, each with one thing changed, by what that is."""
    other = {name: json.loads(json.dumps(document)) for name in ("claim", "validity", "proof", "signature")}
    other["claim"]["credentialSubject"]["id"] += "1"
    other["validity"]["validFrom"] = "2026-06-17T00:00:00Z"
    other["proof"]["proof"]["created"] = "2026-06-17T00:00:00Z"
    value = document["proof"]["proofValue"]
    other["signature"]["proof"]["proofValue"] = value[:20] + ("2" if value[20] != "2" else "3") + value[21:]
    return other
