"""Which lines show a word that is being given anew: nobody signs on one that the ledger has overtaken (D596).

Between a block and the new word of a line there is a while: the watch has to look, the line has to be judged.
Whoever reads the line meanwhile is told. What the watch has marked is known by its mark; what it has not
looked at yet is read here as it will read it; what time alone has ended is known by the moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.storage.overtaken import Lines
from node.verdicts.declarations import OPEN_S
from node.verdicts.learned import GOVERNANCE, Learned, decision_of

EVERY = (0, 1 << 53)
LEAVES_READ_MAX = 2_000  # with more, whatever they are about, every open line may be overtaken
VALUES_MAX = 4_000  # looked for by one statement; beyond it as well

About = Mapping[str, Sequence[bytes | str]] | None  # by column; None: any line


class Overtaking:
    """Asked inside one reading of the office (`OfficeStore.reading`), of the words read in it.

    The ledger is read after them: what it has learned by then is behind the mark of the watch as they saw it,
    and marked or judged, or it is before it and found here.
    """

    def __init__(
        self, office: OfficeStore, ledger: LedgerStore, learned: Learned, height: Callable[[], int]
    ) -> None:
        """`height`: up to which it is known what governs."""
        self._office = office
        self._ledger = ledger
        self._learned = learned
        self._height = height
        self._read: tuple[tuple[int, int, int], About] = ((0, 0, 0), {})

    def lines(self, consignment_id: str, between: Lines = EVERY) -> frozenset[int]:
        """The lines of a consignment (of a part of it: from the first to the last) that are judged again."""
        about, now = self._about(), int(time.time())
        return self._office.overtaken.behind(consignment_id, about, now, now - OPEN_S, between)

    def of(self, places: Sequence[tuple[str, int]]) -> frozenset[tuple[str, int]]:
        """Of a few lines, by consignment and line, those that are judged again."""
        about, now = self._about(), int(time.time())
        return self._office.overtaken.behind_at(places, about, now, now - OPEN_S)

    def counts(self, consignment_ids: Sequence[str]) -> dict[str, int]:
        """How many lines of each."""
        about, now = self._about(), int(time.time())
        return self._office.overtaken.behind_counts(consignment_ids, about, now, now - OPEN_S)

    def _about(self) -> About:
        """What the log has learned that the watch has not looked at."""
        begin, size = self._office.overtaken.watched_until(), self._ledger.log_size()
        if begin >= size:
            return {}
        asked = (begin, size, self._height())
        known, about = self._read
        if known != asked:
            about = self._read_about(*asked)
            self._read = (asked, about)
        return about

    def _read_about(self, begin: int, size: int, height: int) -> About:
        if size - begin > LEAVES_READ_MAX:
            return None
        with self._ledger.reading():
            found = self._ledger.leaves.since(begin, LEAVES_READ_MAX)
            # A decision that governs later only has changed no word yet.
            rows = [r for r in found if r.type != GOVERNANCE or decision_of(r).in_force <= height]
            about = self._learned.about(rows) if rows else {}
        many = about is not None and sum(map(len, about.values())) > VALUES_MAX
        return None if many else about
