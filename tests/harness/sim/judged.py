"""What governs, judged block by block by the restated rules of approval (`tests/harness/constitution`)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from consensus.encoding import decode
from consensus.events import Commit
from credentials.ledger.entries import GovernanceEntry, parse_entry
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import Governance
from credentials.ledger.governance_records import records_of
from credentials.ledger.registry import Registry
from tests.harness.constitution.acts import Signed
from tests.harness.constitution.model import ADMITTED, Act, Model
from tests.harness.constitution.parties import records_of_genesis
from tests.harness.constitution.tables import VALIDATORS, State, dead_ends
from tests.harness.sim.cluster import Cluster, Node, log_root


@dataclass
class Judge:
    """Follows the chain with the first node that decides a height, and holds every other node against it."""

    model: Model
    acts: dict[bytes, Act] = field(default_factory=dict)  # by SHA-256 of their bytes
    states: dict[int, State] = field(default_factory=dict)  # what governs each height
    roots: dict[int, bytes] = field(default_factory=dict)  # the governance root after it
    final: set[bytes] = field(default_factory=set)  # what some honest node called final
    sealed: dict[int, bytes] = field(default_factory=dict)  # root of the log by size, where a quorum cosigned
    outcomes: Counter[str] = field(default_factory=Counter)
    began: dict[bytes, int] = field(default_factory=dict)  # first height of each decided proposal
    governed: dict[int, Governance] = field(default_factory=dict)  # what the first node has of each height
    _seen: dict[str, Governance] = field(default_factory=dict)  # the last that each node was asked for

    @classmethod
    def of(cls, genesis: Genesis) -> Judge:
        """Before the first block."""
        return cls(Model.founded(records_of_genesis(genesis.data)))

    def heard(self, signed: Signed) -> None:
        """Somebody signed this; whether a block holds it is seen later."""
        self.acts[signed.act.name] = signed.act

    def committed(self, node: Node, commit: Commit) -> None:
        """A node decides a block: after each of them the rules hold."""
        if not node.honest:
            return
        height = commit.block.height
        if height > self.model.height:
            self._judge(commit)
        root = commit.execution.governance_root
        assert root == self.roots[height], f"governance: {node.id} has another root after height {height}"
        self._require_state(node, height)
        self._require_quorum(commit)
        self.final.update(commit.execution.finals)
        if node.note is not None:
            size = int(node.note.body.split("\n")[1])
            if size not in self.sealed:
                self.sealed[size] = log_root(node.entries[:size])

    def _judge(self, commit: Commit) -> None:
        """The restatement takes the block: it admits all that is in it, and decides the same."""
        block, model = commit.block, self.model
        self.states[block.height] = model.current
        self.roots[block.height] = commit.execution.governance_root
        table, acts = model.table(), list[Act]()
        for name, data in ((digest, data) for data, digest in _named(commit)):
            if name not in self.acts:
                assert b"governance." not in data, "governance: an act that nobody of this run signed"
                continue
            act = self.acts[name]
            answer = model.answer(act, block.time, table)
            assert answer == ADMITTED, f"governance: a block holds {act.kind} of {act.by}: {model.reason}"
            acts.append(act)
        found = model.close(acts, table, block.time)
        entries = [e for e in map(parse_entry, commit.execution.entries) if isinstance(e, GovernanceEntry)]
        got = {e.proposal: (e.outcome, e.in_force) for e in entries}
        said = {digest: (o.outcome, o.in_force) for digest, o in found.items()}
        assert got == said, f"governance: height {block.height} decides {got}, the rules {said}"
        self.outcomes.update(o.outcome for o in found.values())
        self.began |= {digest: o.in_force for digest, o in found.items() if o.in_force}
        for state in (model.current, model.future):
            ends = dead_ends(state, block.time)
            assert not ends, f"governance: after height {block.height} nothing can be changed: {ends}"

    def _require_state(self, node: Node, height: int) -> None:
        """What governs the height on this node is what the restatement has; looked at when it is another."""
        governance = registry_of(node).history.at(height)
        first = self.governed.setdefault(height, governance)
        if governance is self._seen.get(node.id):
            return
        self._seen[node.id] = governance
        if governance is first:
            got = {record: decode(data) for record, data in records_of(governance).items()}
            assert got == self.states[height], f"governance: height {height} is governed otherwise"
        assert governance == first, f"governance: {node.id} is governed otherwise at height {height}"

    def _require_quorum(self, commit: Commit) -> None:
        """More than two thirds of those who vote at this height, by the restatement, decided it."""
        voters = set(self.states[commit.block.height][VALIDATORS]["participants"])
        for votes in (commit.certificate.precommits, commit.certificate.polka):
            cast = {vote.validator for vote in votes}
            assert cast <= voters and 3 * len(cast) > 2 * len(voters), "certificate: not of those who vote"

    def require_nothing_lost(self, cluster: Cluster) -> None:
        """Once the faults are over: what anybody called final, or put under a receipt, is everywhere."""
        for node in cluster.honest:
            assert self.final <= node.final, f"lost: {node.id} lacks {len(self.final - node.final)}"
            for size, root in self.sealed.items():
                assert log_root(node.entries[:size]) == root, f"lost: {node.id} has another log of {size}"
            if node.replica is not None:
                root = registry_of(node).constitution.records.root
                assert root == self.roots[len(node.commits)], f"governance: {node.id} kept another root"


def registry_of(node: Node) -> Registry:
    """The rules of a node that is up."""
    assert node.replica is not None
    registry = node.replica._application
    assert isinstance(registry, Registry)
    return registry


def _named(commit: Commit) -> list[tuple[bytes, bytes]]:
    """The attestations of a block, each with its digest."""
    return list(zip(commit.block.attestations, commit.execution.finals, strict=True))
