"""`python -m node` of a later version: it has the code of one guard more, which refuses nothing.

With COMITY_TEST_RULES_VERSION=2 it knows version 2 of the ledger's rules as well, which are those of 1.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import Any, cast

from credentials.ledger import governance_records
from credentials.ledger.rules import RULES
from node.__main__ import main

GUARD = "X99"

if __name__ == "__main__":
    cast(MutableMapping[str, Any], RULES)[GUARD] = lambda standing, attestation, context: None
    versions = range(1, int(os.environ.get("COMITY_TEST_RULES_VERSION", "1")) + 1)
    cast(Any, governance_records).APP_VERSIONS = frozenset(versions)
    main()
