"""The certificate that a node shows to others: its own, vouched for by its transport key on the ledger.

A key of its own for TLS (P-256, made when the node starts, never on disk) in a certificate that it signs
itself; an extension holds what makes it believable:

    2.25.185305138317284541830262437530212345678   OCTET STRING, 64 bytes for each `transport` key: Ed25519
        over CBOR ["comity/tls/v1", DID, SubjectPublicKeyInfo, not before (s), not after (s)]

The same way is taken by libp2p's TLS handshake. Who asks a peer reads the peer's transport key on the ledger,
not a list of authorities; a certificate of an authority that the operator named is believed as well.
"""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from consensus.cose import SIGNATURE_BYTES, SignatureInvalid, Signer, verify_ed25519
from consensus.encoding import encode

BINDING = x509.ObjectIdentifier("2.25.185305138317284541830262437530212345678")
TAG = "comity/tls/v1"
BINDINGS_MAX = 16  # of one certificate that are looked at
# Asked for by name: a node that shows browsers the certificate of an authority shows peers its own.
PEER_NAME = "peer.comity.internal"
VALID_S = 2 * 366 * 24 * 3600  # longer than a process runs; each start makes another
SKEW_S = 24 * 3600


class UntrustedPeer(ConnectionError):
    """Whoever answers at a peer's address has not shown that it is that peer."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe at the other end of a TLS connection."""

    context: ssl.SSLContext
    server_name: str | None  # None: the host of the address
    check: Callable[[bytes], None] = lambda der: None  # of the certificate; raises UntrustedPeer


def make_certificate(
    did: str, signers: Iterable[Signer], names: Iterable[str], now: int
) -> tuple[bytes, bytes]:
    """(certificate, private key) in PEM for these hosts, bound to the transport keys of `did`."""
    key = ec.generate_private_key(ec.SECP256R1())
    begins, ends = now - SKEW_S, now + VALID_S
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, did[:64])])
    statement = _statement(did, _public(key.public_key()), begins, ends)
    # Also by former and coming ones: who is behind knows no other, and believes no other.
    signed = b"".join(signer.sign(statement) for signer in signers)
    hosts = dict.fromkeys([PEER_NAME, "localhost", "127.0.0.1", "::1", *names])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_moment(begins))
        .not_valid_after(_moment(ends))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_host(one) for one in hosts]), critical=False)
        .add_extension(x509.UnrecognizedExtension(BINDING, signed), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return built.public_bytes(serialization.Encoding.PEM), private


def require_peer(der: bytes, did: str, transport: Collection[bytes], now: float) -> None:
    """Raise UntrustedPeer unless one of `transport`, the keys of `did`, vouches for this certificate now."""
    try:
        shown = x509.load_der_x509_certificate(der)
        binding = shown.extensions.get_extension_for_oid(BINDING).value
        assert isinstance(binding, x509.UnrecognizedExtension), "no library knows it"
        begins = int(shown.not_valid_before_utc.timestamp())
        ends = int(shown.not_valid_after_utc.timestamp())
        public_key = shown.public_key()
        if not isinstance(public_key, ec.EllipticCurvePublicKey):
            raise ValueError("no key to believe")
        statement = _statement(did, _public(public_key), begins, ends)
        if not any(_vouches(key, binding.value, statement) for key in transport):
            raise ValueError("nobody vouches for it")
    except Exception as error:  # whatever a hostile certificate raises: a form of the library's, or a key's
        raise UntrustedPeer(
            f"the certificate at its address is not vouched for by the transport key of {did}: another "
            "server answers there, or a proxy (name its authority in node.toml: [peers] ca_file)"
        ) from error
    if not begins - SKEW_S <= now <= ends:
        raise UntrustedPeer(f"the certificate of {did} is not valid now: compare the clocks, or restart it")


def _vouches(key: bytes, bindings: bytes, statement: bytes) -> bool:
    for start in range(0, min(len(bindings), BINDINGS_MAX * SIGNATURE_BYTES), SIGNATURE_BYTES):
        with suppress(SignatureInvalid):
            verify_ed25519(key, bindings[start : start + SIGNATURE_BYTES], statement)
            return True
    return False


def pinned(did: str, transport: Callable[[], Collection[bytes]], now: Callable[[], float]) -> Trust:
    """Believe only `did`'s own certificate; TLS 1.3."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # No authority vouches for it: `check` does, before the first byte is sent.
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return Trust(context, PEER_NAME, lambda der: require_peer(der, did, transport(), now()))


def by_authority(ca_file: str | None) -> Trust:
    """Believe the authorities in a file (None: the system's) for the host of the address; TLS 1.3."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return Trust(context, None)


def _statement(did: str, public: bytes, begins: int, ends: int) -> bytes:
    return encode([TAG, did, public, begins, ends])


def _public(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _moment(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
