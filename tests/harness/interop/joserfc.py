"""joserfc: JWS as another party reads and writes it. A test partner only (credentials/README.md, D19)."""

import json
from functools import cache

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key as Imported
from joserfc.jwk import import_key

from credentials.documents.keys import ED25519, P256, P384, P521
from tests.harness.interop.documents import Document, Key

__all__ = ["ALGORITHMS", "JoseError", "sign", "verify"]

ALGORITHMS = {"Ed25519": ED25519, "ES256": P256, "ES384": P384, "ES512": P521}


@cache
def _imported(key: Key, *, secret: bool) -> Imported:
    return import_key({**key.jwk(secret=secret)})


def sign(document: Document, algorithm: str, key: Key) -> str:
    """Return the `vc+jwt` of a credential (vc-jose-cose, 3.1.1)."""
    header = {"alg": algorithm, "typ": "vc+jwt", "cty": "vc", "kid": key.signer.key_id}
    return jws.serialize_compact(header, json.dumps(document), _imported(key, secret=True), [algorithm])


def verify(text: str, algorithm: str, key: Key) -> Document:
    """Return the credential in a JWT; raises JoseError."""
    read = jws.deserialize_compact(text, _imported(key, secret=False), [algorithm])
    return dict(json.loads(read.payload))
