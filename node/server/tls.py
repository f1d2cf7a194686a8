"""TLS: which certificate a node shows to whom.

Peers ask for the node's own certificate by name (`node/peers/certificates.py`); browsers and everybody else
get the operator's, where there is one.
"""

from __future__ import annotations

import secrets
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from node.errors import SetupError
from node.peers.certificates import PEER_NAME

Pair = tuple[bytes, bytes]  # a certificate and its key, PEM


def server_context(
    operators: tuple[Path, Path] | None = None,
    own: Pair | None = None,
    renewed: Callable[[], Pair | None] = lambda: None,
) -> ssl.SSLContext:
    """TLS 1.2 and later with the operator's certificate and key (files), the node's own (PEM), or both.

    `renewed` is asked at every handshake of a peer: another certificate, to be shown to peers from now on.
    """
    shown = _of_memory(*own) if own is not None else None

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        nonlocal shown
        if name == PEER_NAME:
            newer = renewed()
            shown = shown if newer is None else _of_memory(*newer)
            assert shown is not None, "there is a certificate to show"
            connection.context = shown

    if operators is None:
        assert shown is not None, "there is a certificate to show"
        shown.sni_callback = choose
        return shown
    certificate, key = operators
    context = _context()
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise SetupError(
            f"--tls-cert {certificate} and --tls-key {key} hold no certificates in PEM with the private key "
            "of the first of them, without a password"
        ) from error
    except OSError as error:
        raise SetupError(f"--tls-cert {certificate} or --tls-key {key}: {error.strerror}") from error
    if shown is not None:
        context.sni_callback = choose
    return context


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _of_memory(certificate: bytes, key: bytes) -> ssl.SSLContext:
    """`ssl` reads files only: the key is there for a moment, under a password that nobody keeps."""
    password = secrets.token_bytes(32).hex().encode()
    sealed = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )
    context = _context()
    with tempfile.TemporaryDirectory() as folder:  # mode 0700
        (Path(folder) / "cert.pem").write_bytes(certificate)
        (Path(folder) / "key.pem").write_bytes(sealed)
        context.load_cert_chain(Path(folder) / "cert.pem", Path(folder) / "key.pem", password)
    return context
