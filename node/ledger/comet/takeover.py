"""A node that missed the end of CometBFT's term goes on from the ledger of a peer (decision node 0658).

Nobody hands those blocks on any more. A peer's snapshot is read as by any newcomer (`snapshot_join.py`): what
CometBFT decided is believed where a later block is certified, and the note is cosigned by those whom this
node knows. It has to continue the ledger that is here; then the node is opened again with it, and with the
engine that orders now. A peer is believed in nothing, and what it gives changes nothing here until then.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from consensus.errors import ConsensusError
from consensus.merkle import Frontier
from node import log
from node.errors import ProblemError, SetupError
from node.ledger import incoming, snapshot_join
from node.ledger.comet.settling import SYNCED, TAKEN
from node.ledger.engine import Outgoing
from node.ledger.rebuilding import keep_notes
from node.ledger.snapshot import SnapshotRefused, fetch
from node.named_files import put_whole
from node.storage.ledger import LedgerStore
from node.transient_faults import PASSING, sentence

AGAIN_S = 3.0  # a peer that is asked for the first time makes its snapshot meanwhile


class Takeover:
    """Asks one peer after the other. `turn` on its own thread, all else from any."""

    name = "takeover"

    def __init__(self, root: Path, known: snapshot_join.Known, store: LedgerStore) -> None:
        """`root`: the data directory; `store`: its ledger, which another one has to continue."""
        self._root, self._known, self._store = root, known, store
        self._rows = root / incoming.FOLDER / "takeover.rows"
        self._woken, self._asked = threading.Event(), 0
        self._out: Outgoing | None = None
        self._renewed = threading.Event()
        self._peers: Sequence[str] = ()

    def attach(self, out: Outgoing, renewed: threading.Event) -> None:
        """The way to the peers; `renewed` is set once the node is to be opened again."""
        self._out, self._renewed = out, renewed

    def ask(self, peers: Sequence[str]) -> None:
        """These have later blocks, and nobody else gives them; of none: nothing is lacking."""
        self._peers = peers

    def turn(self) -> None:
        """Take over what the next peer has, or wait."""
        self._woken.wait(AGAIN_S)
        peers, out = self._peers, self._out
        if not peers or out is None or self._renewed.is_set():
            return
        did = peers[self._asked % len(peers)]
        self._asked += 1
        incoming.place(self._root, self._rows.name)
        try:
            fetch(lambda body: out.request(did, "snapshot", body), self._rows)
            height = self._take()
        except (SetupError, ProblemError, *PASSING) as error:
            why = str(error) if isinstance(error, SetupError | ProblemError) else sentence(error)
            log.moment("snapshot_refused", peer=did, because=why[:300])
        else:
            log.moment("ledger_taken", peer=did, height=height)
            self._renewed.set()
        finally:
            incoming.leave(self._rows)

    def wake(self) -> None:
        """A turn that waits returns."""
        self._woken.set()

    def _take(self) -> int:
        """Lay it where the next start finds it; its height. SetupError, and nothing is there, otherwise."""
        path = self._root / TAKEN
        incoming.remove(path)
        height = snapshot_join.join(self._rows, self._known, path)
        made = LedgerStore(path)
        try:
            self._require_continued(made)
        except ConsensusError as error:
            raise SnapshotRefused(f"a checkpoint that is kept here does not fit it: {error}") from error
        finally:
            made.close()
        put_whole(path, self._root / SYNCED)
        return height

    def _require_continued(self, made: LedgerStore) -> None:
        """It has the last block that is here, and so all before it; what was cosigned here goes along."""
        own, end = self._store.tip(), made.tip()
        assert end is not None, "a snapshot has a block"
        if own is not None and made.block_id(own.height) != own.block_id:
            raise SnapshotRefused(
                f"the peer's ledger has another block {own.height} than the one that is here"
            )
        keep_notes(self._store, made, self._known.policy, Frontier.decode(end.frontier).root)
