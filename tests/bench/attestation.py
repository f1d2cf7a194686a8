"""Row 2: decode and verify one attestation, against libsodium alone over the same signed bytes."""

import nacl.bindings

from consensus.cose import SeedSigner, SignatureInvalid
from consensus.encoding import encode
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import make_attestation, parse_attestation, verify_attestation
from tests.bench.harness import Comparison, compare, timed

SIGNER = SeedSigner("did:web:maker.example#attest-1", b"\x02" * 32)


def attestation() -> bytes:
    """Return a typical attestation: one event of one battery."""
    return make_attestation(
        signer=SIGNER,
        iat=1_803_800_000,
        kind="battery.produced",
        issuer="did:web:maker.example",
        subject=Subject("gbt34014", "ZZ1", bytes(range(32))),
        network_id=bytes(32),
        event_time=1_803_790_000,
        produced_on=1_803_772_800,
        document_digest=bytes(range(32, 64)),
        content_type="application/vc",
    )


def verify(data: bytes) -> None:
    """Decode and verify as a node does; raises."""
    verify_attestation(parse_attestation(data), SIGNER.public_key)


def measure(*, rounds: int, seconds: float) -> tuple[str, Comparison]:
    """Return the row's name and the comparison."""
    data = attestation()
    message = parse_attestation(data).message
    assert message is not None, "a parsed attestation keeps its message"
    signed = encode(["Signature1", message.protected_bytes, b"", message.payload])
    sealed = message.signature + signed
    try:
        verify(data[:-1] + bytes([data[-1] ^ 1]))
    except SignatureInvalid:
        pass
    else:
        raise AssertionError("an altered attestation was accepted")
    sides = {
        "comity": timed(lambda: verify(data)),
        "libsodium": timed(lambda: nacl.bindings.crypto_sign_open(sealed, SIGNER.public_key)),
    }
    return f"decode and verify an attestation of {len(data)} bytes", compare(
        sides, rounds=rounds, seconds=seconds
    )
