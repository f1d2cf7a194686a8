"""TLS: what a node shows to whoever connects."""

from __future__ import annotations

import ssl
from pathlib import Path

from node.errors import SetupError


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 and later with the operator's certificate; SetupError names the options."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise SetupError(f"--tls-cert {certificate} and --tls-key {key} cannot be used: {error}") from error
    return context
