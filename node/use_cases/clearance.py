"""The verdict on one item that somebody waits for; whole consignments: `node/verdicts/consignments.py`."""

from __future__ import annotations

import time
from typing import Any

from credentials.errors import CredentialError
from credentials.verdicts.clearance import clear_item
from credentials.verdicts.manifest import Line
from credentials.verdicts.policy import Policy
from credentials.verdicts.verdict_record import ItemRecord
from node.errors import bad_request
from node.verdicts.consignments import require_law_date
from node.verdicts.judging import Judging
from node.verdicts.sources import Gathering

JSON = dict[str, Any]


class Clearance:
    """Judges a scan."""

    def __init__(self, gathering: Gathering, policy: Policy, judging: Judging) -> None:
        self._gathering = gathering
        self._policy = policy
        self._judging = judging

    def item(self, item: JSON, *, law_date: str | None = None) -> ItemRecord:
        """The verdict of one manifest line, judged now."""
        try:
            line = Line.parse({k: v for k, v in item.items() if k not in ("law_date", "direction")})
        except CredentialError as error:
            raise bad_request(error.code, str(error).replace("the manifest", "this scan", 1)) from error
        when = require_law_date(law_date if law_date is not None else item.get("law_date"))
        with self._judging.giving_way.scanning():
            evidence = self._judging.declarations.beside(line.battery, self._gathering.evidence(item), "")
            judged = clear_item(
                line, evidence, self._policy, when, int(time.time()), direction=item.get("direction")
            )
            return judged.as_dict()
