"""How this package refuses a document, and how it leaves one undecided."""

from __future__ import annotations

import re
from typing import NoReturn

from credentials.errors import CredentialError, malformed

IRI = re.compile(r'[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>"{}|^`\\]*')

_CALLED_NOW = {"issuanceDate": "validFrom", "expirationDate": "validUntil"}


def undefined(name: object) -> NoReturn:
    """Refuse a member that no context defines; of the edition before, with what it is called now."""
    now = _CALLED_NOW.get(str(name))
    also = "" if now is None else f": it is of VCDM 1.1, and {now} in VCDM 2.0"
    malformed(f"The member {str(name)[:80]!a} is not defined by the document's contexts{also}")


def context_unknown(url: str) -> NoReturn:
    """Leave the document undecided: what its terms mean is not known here, which is not its fault."""
    if IRI.fullmatch(url) is None:
        malformed(f"The context {url[:200]!a} is not an absolute URL (JSON-LD 1.1 API, 4.1.2)")
    raise CredentialError(
        "context_unknown",
        f"This node does not have the context {url[:200]!a}; its operator can add it ([[contexts]] in "
        "node.toml, or --context URL=FILE).",
    )
