"""The judgement on lines that say the same: one and the same beside the writer and in a worker."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from credentials.verdicts.answering import answers_of, as_text
from credentials.verdicts.clearance import ItemVerdict, clear_repeated
from credentials.verdicts.evidence import At, Evidence
from credentials.verdicts.freshness import ZONE_OFFSET_S_MIN
from credentials.verdicts.manifest import Line
from credentials.verdicts.policy import Policy
from credentials.verdicts.severity import UNDECIDED
from credentials.verdicts.verdict import Conclusion, Verdict
from credentials.verdicts.verdict_record import ItemRecord
from node import log
from node.storage.consignments import ConsignmentRow
from node.storage.rests_on import DOCUMENT, UNREAD, Rest
from node.transient_faults import PASSING, sentence
from node.verdicts.declarations import Declarations
from node.verdicts.manifests import Pair, Together
from node.verdicts.resting import rests_of
from node.verdicts.sources import Gathering, Reading

BATCH_LINES = 8  # fetched for together, stored together
REPEATED_LINES_MAX = 256  # of a batch, with those that say again what another one says
ALIAS = "alias"  # the check of further codes


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict in JSON, what was read for it, and what was raised in place of one.

    `by_itself`: no other line that is judged meanwhile, manifest or document that is had would change it.
    """

    verdict: ItemRecord
    read: Set[Rest] = frozenset()
    error: Exception | None = None
    answers: bytes = b""  # what a report of the consignment's day adds up (`as_text`); empty: not known
    by_itself: bool = False


class Judgement:
    """Judges by what was gathered and what this node was shown."""

    def __init__(self, gathering: Gathering, declarations: Declarations, policy: Policy) -> None:
        self._gathering = gathering
        self._declarations = declarations
        self._policy = policy

    def of(
        self, pairs: Sequence[Pair], row: ConsignmentRow, together: Together, reading: Reading | None
    ) -> list[Judged]:
        """Of lines that say the same, in their order."""
        (line, raw), lines = pairs[0], [line for line, _ in pairs]
        evidence = self._gathering.evidence_of(raw, reading)
        evidence = self._declarations.beside(line.battery, evidence, row.declaration, row.id)
        now = int(time.time())  # after: nothing that was had is younger than the verdict on it
        context = together.by(evidence.network.tables.identifiers)
        cleared = clear_repeated(lines, evidence, self._policy, law_date_of(row, now), now, context)
        read = rests_of(evidence, self._gathering.did, self._policy.status_list_age_s_max, now)
        verdicts = [one.as_dict() for one in cleared]
        alone, answers = _stands_alone(evidence, read), _answered(cleared[0], row.law_date, read)
        return [
            Judged(one, read, by_itself=alone and not _names_codes(one), answers=answers) for one in verdicts
        ]

    def tried(
        self,
        pairs: Sequence[Pair],
        row: ConsignmentRow,
        together: Together,
        reading: Reading | None,
        pause: Callable[[], None],
    ) -> list[Judged]:
        """The same, where what raises unforeseen takes the place of a verdict; `pause` after it."""
        try:
            judged = self.of(pairs, row, together, reading)
        except PASSING:
            raise
        except Exception as raised:
            lines = [line for line, _ in pairs]
            judged = [Judged(one, error=raised) for one in _not_judged(self._gathering, lines, row)]
        pause()
        return judged


def _not_judged(gathering: Gathering, lines: Sequence[Line], row: ConsignmentRow) -> list[ItemRecord]:
    network, now = gathering.network_view(), int(time.time())
    conclusion = Conclusion(UNDECIDED, "set_aside", None, "unreachable")
    verdict = Verdict(conclusion, (), At(law_date_of(row, now), now), network.height, network.block_time)
    return [ItemVerdict(line, verdict).as_dict() for line in lines]


def _stands_alone(evidence: Evidence, read: Set[Rest]) -> bool:
    beside = evidence.aliases or evidence.namers or evidence.declared or evidence.sharing
    return not beside and not _lacks(read)


def _lacks(read: Set[Rest]) -> bool:
    return any(kind in (DOCUMENT, UNREAD) for kind, _ in read)


def _answered(cleared: ItemVerdict, law_date: str, read: Set[Rest]) -> bytes:
    """What the line answers of the requirements (0667); nothing where asking again may give more."""
    if cleared.inquiry is None or _lacks(read):
        return b""
    inquiry = replace(cleared.inquiry, at=replace(cleared.inquiry.at, law_date=law_date))
    shown = inquiry.evidence.presented  # of what is shown with a line a report reads each document
    try:
        return as_text(answers_of(inquiry, None if shown else cleared.examined))
    except Exception as error:  # a report judges this line itself, and meets it; the verdict stands
        log.moment("not_answered", error, line=cleared.line.line, because=sentence(error))
        return b""


def _names_codes(verdict: Mapping[str, Any]) -> bool:
    return any(check["name"] == ALIAS and check["evidence"].get("identifier") for check in verdict["checks"])


def alike(part: Iterable[Pair]) -> list[list[Pair]]:
    """The lines by what they say."""
    found: dict[bytes, list[Pair]] = defaultdict(list)
    for pair in part:
        found[_said(pair)].append(pair)
    return list(found.values())


def _said(pair: Pair) -> bytes:
    """What a line says, but for its number."""
    said = {name: value for name, value in pair[1].items() if name != "line"}
    return json.dumps(said, sort_keys=True).encode()


def batch_of(waiting: Iterator[Pair], most: int = BATCH_LINES) -> list[Pair]:
    """The lines from the front that are one batch: so many, and those that repeat one of them."""
    said: set[bytes] = set()
    batch: list[Pair] = []
    for pair in islice(waiting, REPEATED_LINES_MAX):
        said.add(_said(pair))
        if len(said) > most:
            break
        batch.append(pair)
    return batch


def law_date_of(row: ConsignmentRow, now: int) -> str:
    """The law by which a line is judged: what the manifest names, and once that day is over, today's (D756).

    A day that was over when the manifest came stays what it is, and the verdict says so.
    """
    came, today = (datetime.fromtimestamp(at, UTC).date() for at in (row.created + ZONE_OFFSET_S_MIN, now))
    return row.law_date if row.law_date < came.isoformat() else max(row.law_date, today.isoformat())
