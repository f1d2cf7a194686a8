"""`python -m node` of a later version: it has the code of one guard more, which refuses nothing."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, cast

from credentials.ledger.rules import RULES
from node.__main__ import main

GUARD = "X99"

if __name__ == "__main__":
    cast(MutableMapping[str, Any], RULES)[GUARD] = lambda standing, attestation, context: None
    main()
