"""Taking over a snapshot (`snapshot.py`): every row is checked, and none is believed.

The note must satisfy the own log.policy, or the one that governs the last block; the root over all leaves
must be the note's; the last leaf is the block record, and the root over all standings must be the one it
names; every block follows the one before, is certified by a quorum of who then decided, and cuts the log
where it says. What governs is what the decisions in the log say, and has the root that each block record
names: so validators are believed from the height on that those before them agreed to. What is final are the
attestations of the blocks. A peer's SQLite file is never read: its indexes and triggers are its words.

A block that its giver pruned comes without a certificate: it is believed by what came after it.

Block by block: what the rows say governs is applied once the leaves of its block have shown it, and the next
block once those who decide it are known. So what was made up costs its reader one block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

from consensus.checkpoint import Checkpoint, SignedNote
from consensus.encoding import Value, decode, whole_numbers
from consensus.errors import ConsensusError
from consensus.log_policy import LogPolicy
from consensus.merkle import Frontier, leaf_hash
from consensus.standings_map import StandingsMap
from consensus.types import Block, CommitCertificate, verify_certificate
from credentials.errors import CredentialError
from credentials.ledger.constitution import GovernanceRow, Replay
from credentials.ledger.engine_terms import COMETBFT
from credentials.ledger.entries import GOVERNANCE_OPENING, BlockEntry, GovernanceEntry, parse_entry
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import VALIDATORS_AHEAD, Governance
from credentials.ledger.governance_records import PROPOSAL, RuleFiles, RulesNotHere
from node.errors import SetupError, Unreadable
from node.ledger import incoming
from node.ledger.comet.decided import by_cometbft
from node.ledger.snapshot import ROW_BYTES_MAX, TAG, Row, SnapshotRefused
from node.named_files import put_whole
from node.storage.database import RowTwice, StorageError
from node.storage.entries import row_of
from node.storage.ledger import Adoption, LedgerStore
from node.transient_faults import sentence

GOVERNANCE_ROWS_MAX, GOVERNANCE_BYTES_MAX = 100_000, 512 << 20


@dataclass(frozen=True, slots=True)
class Known:
    """What this node takes from nobody: its network directory."""

    genesis: Genesis
    policy: LogPolicy
    rule_files: RuleFiles
    # Blocks that CometBFT decided are taken too, which nobody certified here: what is read is held against a
    # fingerprint or a header. Otherwise only those that a certified block binds.
    uncertified: bool = False
    # Entries of the log whose root the caller holds to a fingerprint: of them nobody else has to be believed.
    compared: int = 0


def join(source: Path, known: Known, ledger: Path) -> int:
    """Make `ledger` (ledger.db) of a snapshot; its height. Otherwise SnapshotRefused, and no ledger."""
    if ledger.exists():
        raise SetupError(
            f"{ledger} exists: a snapshot is for a node that has no ledger yet",
            step="Start the node: it fetches what it lacks. To begin anew, move ledger.db away.",
        )
    scratch = incoming.place(ledger.parent, ledger.name)
    incoming.remove(scratch)
    store = LedgerStore(scratch)
    try:
        with source.open("rb") as file, store.adopting() as adoption:
            height, pruned = _take(_with_room(_read(file), scratch), known, adoption)
        while store.pruned.height < pruned:
            store.pruned.prune(pruned, by_cometbft)
    except RowTwice as error:
        raise SnapshotRefused(
            f"{source.name} is no snapshot of a ledger: a row stands there twice"
        ) from error
    except StorageError as error:
        raise SetupError(
            f"nothing was taken over of {source.name}: {sentence(error)}",
            step="Put that right, and join again.",
        ) from error
    except (ConsensusError, CredentialError) as error:
        raise SnapshotRefused(f"{source.name} is not a snapshot of this network's ledger: {error}") from error
    except RulesNotHere as error:
        raise SetupError(f"{source.name} is not taken over yet: {error}. Then join again") from error
    except OSError as error:
        raise Unreadable(f"{source} cannot be read: {error.strerror}") from error
    else:
        store.close()
        put_whole(scratch, ledger)
        return height
    finally:
        store.close()
        incoming.leave(scratch)


def _with_room(rows: Iterator[Row], scratch: Path) -> Iterator[Row]:
    """Rows, each while there is room for it on the disk."""
    for row in rows:
        incoming.require_written(scratch, ROW_BYTES_MAX)
        yield row


def _read(file: IO[bytes]) -> Iterator[Row]:
    while head := file.read(4):
        size = int.from_bytes(head, "big")
        data = file.read(size) if len(head) == 4 and size <= ROW_BYTES_MAX else b""
        if not data or len(data) != size:
            raise SnapshotRefused("the snapshot is cut short or no snapshot at all: get it again")
        row = decode(data, size_bytes_max=ROW_BYTES_MAX)
        if not isinstance(row, list) or not row:
            raise SnapshotRefused("a row of the snapshot is not a list")
        yield row


def _take(rows: Iterator[Row], known: Known, adoption: Adoption) -> tuple[int, int]:
    """Check row after row into an open transaction; raises and so undoes it when anything does not fit.

    The height, and up to which block the giver does not say who agreed to it.
    """
    height, note, checkpoint = _take_head(rows, known.genesis)
    governing, first = _take_governance(rows, height, adoption)
    replay = Replay(known.genesis, governing, known.rule_files)
    chain = _Chain(known, _Told(height, note, checkpoint), replay, adoption)
    records = chain.rows(_resumed(first, rows))
    # Streamed: the map wants the records in rising order of keys, and so does the store's index.
    standings = StandingsMap(records, lambda *_: ())
    adoption.buckets(standings.buckets())
    record = chain.end()
    if standings.root != record.standings_root:
        raise SnapshotRefused(
            f"a standing was altered: the records do not lead to the root in the record of block {height}"
        )
    return height, chain.pruned


def _policy_of(known: Known, governance: Governance) -> LogPolicy:
    """The own log.policy, or that of who decided the block: those before them agreed to it."""
    genesis = known.genesis
    if governance.log_policy(genesis.origin) == genesis.governance.log_policy(genesis.origin):
        return known.policy
    return LogPolicy.parse(governance.log_policy(genesis.origin))


def _resumed(first: Row | None, rows: Iterator[Row]) -> Iterator[Row]:
    """A row that was looked at, and those after it."""
    if first is not None:
        yield first
    yield from rows


def _take_governance(
    rows: Iterator[Row], height: int, adoption: Adoption
) -> tuple[list[GovernanceRow], Row | None]:
    """What changed until the last block, and the first row of the next kind.

    The leaves of each block are held against what the rows say of it. So a row of no block would be believed
    by nobody's word: who votes, before the first block or after the last one.
    """
    found: list[GovernanceRow] = []
    size = 0
    for row in rows:
        match row:
            case ["governance", list(changes)]:
                read = [_governance_row(change) for change in changes]
                found.extend(read)
                size += sum(len(change.record) for change in read)
            case _:
                break
        # Before the next row is read: they are held in memory until the blocks show whether they are true.
        if len(found) > GOVERNANCE_ROWS_MAX or size > GOVERNANCE_BYTES_MAX:
            raise SnapshotRefused("the snapshot has more changes of what governs than are read")
    else:
        row = []
    proposals: dict[str, bytes] = {}
    for change in sorted(found, key=lambda one: one.decided):
        if not 1 <= change.decided <= height:
            raise SnapshotRefused(
                f"what governs was altered: block {change.decided}, which is not here, decides something"
            )
        # What is decided is a leaf of the log; of proposals only what their record became is.
        if change.type == PROPOSAL and proposals.get(change.name) == change.record:
            raise SnapshotRefused("what governs was altered: a proposal is said to change and does not")
        if change.type == PROPOSAL:
            proposals[change.name] = change.record
        adoption.governance(change)
    return found, row or None


def _governance_row(change: Value) -> GovernanceRow:
    match change:
        case [decided, start, str(kind), str(name), bytes(record)] if whole_numbers(decided, start) and (
            start == decided + 1 or (start == decided + VALIDATORS_AHEAD and kind != PROPOSAL)
        ):
            return GovernanceRow(decided, start, kind, name, record)
    raise SnapshotRefused("a change of what governs is not [decided, governs from, type, name, record]")


def _take_head(rows: Iterator[Row], genesis: Genesis) -> tuple[int, SignedNote, Checkpoint]:
    match next(rows, None):
        case [tag, bytes(network), height, size] if tag == TAG and whole_numbers(height, size):
            if network != genesis.network_id:
                raise SnapshotRefused(
                    f"the snapshot is of network {network.hex()[:16]}, this node joins "
                    f"{genesis.network_id.hex()[:16]}"
                )
        case _:
            raise SnapshotRefused("this is no snapshot: make one with `comity network snapshot`")
    match next(rows, None):
        case ["checkpoint", str(text)]:
            note = SignedNote.parse(text)
        case _:
            raise SnapshotRefused("the snapshot has no checkpoint")
    checkpoint = Checkpoint.parse(note.body)
    if checkpoint.size != size:
        raise SnapshotRefused(f"the cosigned checkpoint has {checkpoint.size} entries, the snapshot {size}")
    return height, note, checkpoint


@dataclass(frozen=True, slots=True)
class _Told:
    """What the head of the snapshot says: of nothing of it is known that it is true."""

    height: int
    note: SignedNote
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class _End:
    """Where the leaves of a block end, as the next block says; of the last block, the cosigned checkpoint."""

    size: int
    root: bytes
    app_hash: bytes | None


class _Chain:
    """Blocks that follow each other, and the leaves they cut the log into."""

    def __init__(self, known: Known, told: _Told, replay: Replay, adoption: Adoption) -> None:
        self._known, self._told, self._replay, self._adoption = known, told, replay, adoption
        self._network_id = known.genesis.network_id
        self._decided: dict[tuple[str, str], bytes] = {}  # what the leaves of the block say was decided
        self._blocks, self._last_id = 0, self._network_id
        self.pruned = 0  # the last block without a certificate
        self._log = Frontier()
        self._last_leaf = b""
        self._height = 0  # whose leaves are complete
        self._uncertified = False  # as the first one: of the founding's engine the ledger does not say it
        self._bound = False  # that later blocks and the note bind those of CometBFT was seen
        self._end = _End(0, b"", None)  # of the one after it

    def rows(self, rows: Iterator[Row]) -> Iterator[tuple[bytes, bytes]]:
        """Take blocks, then leaves in; yield the standings that follow them."""
        of_standings = False
        for row in rows:
            match row:
                case ["block", bytes(block), bytes(certificate)] if not (self._last_leaf or of_standings):
                    self._block(block, certificate)
                case ["entries", list(leaves)] if not of_standings:
                    for leaf in leaves:
                        self._leaf(leaf)
                case ["standings", list(records)]:
                    of_standings = True
                    for record in records:
                        match record:
                            case [bytes(key), bytes(value)] if len(key) == 32:
                                self._adoption.standing(key, value)
                                yield key, value
                            case _:
                                raise SnapshotRefused("a standing is not a key and a record")
                case _:
                    raise SnapshotRefused("the snapshot has a row that does not belong there")

    def _block(self, data: bytes, certificate: bytes) -> None:
        """Put by: who decides it shows when the leaves before it have been read."""
        block = Block.decode(data)
        height = self._blocks + 1
        if block.height != height or block.previous_id != self._last_id:
            raise SnapshotRefused(f"block {height} does not follow the one before it")
        self._blocks, self._last_id = height, block.id
        self.pruned = self.pruned if certificate else height
        self._adoption.block(height, block.id, block.time, data, certificate)

    def _leaf(self, leaf: Value) -> None:
        if not isinstance(leaf, bytes):
            raise SnapshotRefused("an entry is not a byte string")
        if not self._last_leaf:
            self._begin()
        elif self._log.size >= self._end.size:
            self._close()
            self._open(self._height + 1)
        self._adoption.entry(self._log.size, self._height + 1, row_of(leaf))
        self._log = self._log.append([leaf_hash(leaf)])
        self._last_leaf = leaf
        if leaf.startswith(GOVERNANCE_OPENING):
            entry = parse_entry(leaf)
            assert isinstance(entry, GovernanceEntry), "its tag says so"
            self._decided |= {(kind, name): digest for kind, name, _, digest in entry.changed}

    def _begin(self) -> None:
        if not 0 < self._blocks == self._told.height:
            raise SnapshotRefused(f"the snapshot names {self._told.height} blocks and holds {self._blocks}")
        self._certified(1)
        self._open(1)

    def _open(self, height: int) -> None:
        """The leaves of this block follow: until where is known before the first of them is taken."""
        if height > self._blocks:
            raise SnapshotRefused("there are entries beyond the last block")
        if height < self._blocks:
            block = self._certified(height + 1)
            self._end = _End(block.log_size, block.log_root, block.app_hash)
            return
        checkpoint, note = self._told.checkpoint, self._told.note
        policy = _policy_of(self._known, self._replay.governing)
        times = policy.cosigned(note)
        self._adoption.checkpoint(checkpoint.size, policy.before(times), note.text())
        self._end = _End(checkpoint.size, checkpoint.root, None)

    def _certified(self, height: int) -> Block:
        """A block of which a quorum of those who decide it says so: those of two blocks before named them."""
        data, certificate = self._adoption.block_at(height)
        block = Block.decode(data)
        uncertified, term = by_cometbft(certificate), self._replay.term(height)
        if uncertified and not self._known.uncertified:
            self._require_bound(height)
        if height == 1:
            self._uncertified = uncertified
        if uncertified != (term.engine == COMETBFT if term.epoch else self._uncertified):
            raise SnapshotRefused(f"block {height} was decided by another engine than those before it")
        if uncertified:
            return block
        if not certificate:
            self._require_shown(height)
            return block
        validators = self._replay.coming.validators
        try:
            verify_certificate(CommitCertificate.decode(certificate), block, validators, self._network_id)
        except ConsensusError as error:
            raise SnapshotRefused(
                f"block {height} was not decided by those who vote on it: {error}"
            ) from error
        return block

    def _require_shown(self, height: int) -> None:
        """A pruned block is believed by the fingerprint over what it did, or by what came after it.

        `_compared` of who has the fingerprint holds the entries to it once all are read.
        """
        if height < self._blocks:
            after, _ = self._adoption.block_at(height + 1)
            if Block.decode(after).log_size <= self._known.compared:
                return
        self._require_bound(height, pruned=True)

    def _require_bound(self, height: int, *, pruned: bool = False) -> None:
        """A block that CometBFT decided is believed by what came after it; SetupError where nothing did.

        The last block names all before it by their ids, and a quorum certified it; what they did is under the
        root that was cosigned by those whom this node knows: so no validators are made up on the way.
        """
        if self._bound:  # the same note and the same last block for all of them
            return
        _, last = self._adoption.block_at(self._blocks)
        if pruned:
            self._require_certified_end(height, last)
        elif by_cometbft(last):
            raise SetupError(
                f"block {height} was decided by CometBFT, and a snapshot does not show who agreed to it",
                step="Move ledger.db away, and start the node: CometBFT gives it every block again.",
            )
        try:
            self._known.policy.cosigned(self._told.note)
        except ConsensusError as error:
            told = "was pruned" if pruned else "was decided by CometBFT"
            raise SetupError(
                f"block {height} {told}, and others have cosigned since than those whom "
                f"this node knows: who agreed to it is not shown ({error})",
                step="Join again in an empty directory, with a fingerprint of a sponsor.",
            ) from error
        self._bound = True

    @staticmethod
    def _require_certified_end(height: int, last: bytes) -> None:
        if not last or by_cometbft(last):
            raise SetupError(
                f"block {height} was pruned by whoever gave this snapshot, and no later one shows who agreed",
                step="Take one of a participant whose node prunes nothing (no keep.blocks in node.toml).",
            )

    def _close(self) -> None:
        """All leaves of a block were read: they lead to the root that the next block, or the note, names."""
        height, end = self._height + 1, self._end
        last = height == self._blocks
        if self._log.size != end.size or self._log.root != end.root:
            raise SnapshotRefused(
                f"an entry of block {height} was altered, added or left out: the entries do not lead to "
                + ("the cosigned root" if last else "the root in the next block")
            )
        record = parse_entry(self._last_leaf)
        if not isinstance(record, BlockEntry) or record.height != height:
            raise SnapshotRefused(f"the entries of block {height} do not end with its record")
        if not last and record.app_hash != end.app_hash:
            raise SnapshotRefused(f"the record of block {height} names another state than the next block")
        self._adoption.state(height, record.app_hash, self._log.encode())
        self._govern(record)
        self._height = height

    def _govern(self, record: BlockEntry) -> None:
        """What governs after this block is what its leaves decided, and has the root that it names."""
        height, before = record.height, self._replay.governing
        rows = [row for row in self._replay.decided_at(height) if row.type != PROPOSAL]
        if {(row.type, row.name): sha256(row.record).digest() for row in rows} != self._decided:
            raise SnapshotRefused(f"what governs was altered: block {height} decided something else")
        self._decided = {}
        if record.validators_hash != before.validators.hash:
            raise SnapshotRefused(f"what governs was altered: others decided block {height}")
        self._replay.advance(height)
        if self._replay.records.root != record.governance_root:
            raise SnapshotRefused(
                f"what governs was altered: it does not lead to the root in the record of block {height}"
            )
        if self._replay.governing.validators != before.validators:
            self._adoption.validators(height + 1, self._replay.governing.validators)

    def end(self) -> BlockEntry:
        """The record of the last block, once all is read."""
        if not self._last_leaf:
            raise SnapshotRefused("the snapshot holds no entries")
        self._close()
        if self._height != self._blocks:
            raise SnapshotRefused(f"the snapshot holds no entries of block {self._height + 1}")
        record = parse_entry(self._last_leaf)
        assert isinstance(record, BlockEntry), "checked when the block was closed"
        if record.config_digest != self._known.genesis.config_digest:
            raise SnapshotRefused("the snapshot was made under another configuration")
        return record
