"""`python -m node` with other rules than the network goes by, as somebody's own change of the code would be.

COMITY_TEST_OTHERWISE says which: `state` records every statement as the others do and comes to another state;
`refuse` admits nothing that happened to a battery.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from hashlib import sha256
from typing import Any, cast

from consensus.application import Refusal
from credentials.ledger import registry
from credentials.ledger.rules import RULES
from node.__main__ import main


def _refuse(*_: object) -> None:
    raise Refusal("planted", "nothing happens here")


if __name__ == "__main__":
    if os.environ["COMITY_TEST_OTHERWISE"] == "refuse":
        for name in RULES:
            cast(MutableMapping[str, Any], RULES)[name] = _refuse
    else:
        real = registry._app_hash
        cast(Any, registry)._app_hash = lambda *given: sha256(real(*given)).digest()
    main()
