"""What must be true of every run, restated without the code under test and in its own arithmetic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from hashlib import sha256

from consensus.encoding import decode
from consensus.evidence import FaultEvidence
from consensus.receipt import make_receipt, verify_receipt
from tests.harness.sim.cluster import Cluster, Node, log_root
from tests.harness.sim.world import sim_genesis

PROPOSED, PREVOTED, PRECOMMITTED = 0, 1, 2
SKEW_MS_MAX = 1_500
RECEIPTS_PER_NODE = 3


def block_id(block: bytes) -> bytes:
    """The id of an encoded block."""
    return sha256(b"comity/block-id/v1" + block).digest()


def weight(cluster: Cluster, names: Iterable[str]) -> int:
    """The weight of distinct validators."""
    return sum(v.weight for v in cluster.chain.validators.validators if v.name in set(names))


def total(cluster: Cluster) -> int:
    """The weight of all validators."""
    return sum(v.weight for v in cluster.chain.validators.validators)


def decided(cluster: Cluster) -> dict[int, set[bytes]]:
    """The blocks that correct nodes decided, by height."""
    found: dict[int, set[bytes]] = {}
    for node in cluster.honest:
        for commit in node.commits:
            found.setdefault(commit.block.height, set()).add(block_id(commit.block.encode()))
    return found


def check_agreement(cluster: Cluster) -> None:
    """No two correct nodes decide different blocks at one height."""
    for height, blocks in decided(cluster).items():
        assert len(blocks) == 1, f"agreement: two blocks at height {height}"


def check_certificates(cluster: Cluster) -> None:
    """Each decided block has precommits and prevotes of more than two thirds, cast by those it names."""
    for node in cluster.honest:
        for commit in node.commits:
            value = block_id(commit.block.encode())
            certificate = commit.certificate
            for kind, votes in ((PRECOMMITTED, certificate.precommits), (PREVOTED, certificate.polka)):
                voters = set()
                for vote in votes:
                    step = (vote.validator, commit.block.height, certificate.round, kind)
                    said = {value for _, value in cluster.said.get(step, ())}
                    assert value in said, f"certificate: {step} never voted for the block"
                    voters.add(vote.validator)
                enough = 3 * weight(cluster, voters) > 2 * total(cluster)
                assert enough, "certificate: a block without its votes"


def check_signatures(cluster: Cluster) -> None:
    """No correct validator says two things for one height, round and kind."""
    for step, said in cluster.said.items():
        assert step[0] in cluster.faulty or len(said) == 1, f"signatures: {step} was signed {len(said)} times"


def double_signers(cluster: Cluster) -> set[str]:
    """Who said two things in one step."""
    return {step[0] for step, said in cluster.said.items() if len(said) > 1}


def lock_breakers(cluster: Cluster) -> set[str]:
    """Who precommitted a value and later prevoted another one without a later polka for it."""
    found = set()
    locks = [
        (name, height, round_, value)
        for (name, height, round_, kind), said in cluster.said.items()
        for _, value in said
        if kind == PRECOMMITTED and value is not None
    ]
    prevotes: dict[tuple[str, int], list[tuple[int, int, bytes]]] = {}
    for (name, height, round_, kind), said in cluster.said.items():
        for valid_round, value in said:
            if kind == PREVOTED and value is not None:
                vr = -1 if valid_round is None else valid_round
                prevotes.setdefault((name, height), []).append((round_, vr, value))
    for name, height, locked_round, locked in locks:
        for round_, valid_round, value in prevotes.get((name, height), ()):
            if round_ > locked_round and value != locked and valid_round < locked_round:
                found.add(name)
    return found


def check_locks(cluster: Cluster) -> None:
    """No correct validator prevotes against its lock."""
    broken = lock_breakers(cluster) - cluster.faulty
    assert not broken, f"locks: {sorted(broken)} prevoted against a lock"


def check_logs(cluster: Cluster) -> None:
    """Every correct node's log is a prefix of the longest, and its root is that of its entries."""
    longest = max((node.entries for node in cluster.honest), key=len)
    for node in cluster.honest:
        assert node.entries == longest[: len(node.entries)], "log: not a prefix of the longest"
        if node.commits:
            assert node.commits[-1].log.size == len(node.entries), "log: another size than its entries"
            assert node.commits[-1].log.root == log_root(node.entries), "log: another root than its entries"


def check_once(cluster: Cluster) -> None:
    """No attestation is final twice."""
    for node in cluster.honest:
        finals = [digest for commit in node.commits for digest in commit.execution.finals]
        assert len(set(finals)) == len(finals), "log: an attestation was doubled"


def check_time(cluster: Cluster) -> None:
    """Block time never falls."""
    for node in cluster.honest:
        times = [commit.block.time for commit in node.commits]
        assert times == sorted(times), "time: a block is older than the one before"


def named_by(node: Node) -> set[str]:
    """The validators against whom a node holds evidence."""
    if node.replica is None:
        return set()
    recorded = [FaultEvidence.decode(data) for commit in node.commits for data in commit.block.evidence]
    return {evidence.validator for evidence in (*node.replica.evidence, *recorded)}


def check_evidence(cluster: Cluster) -> None:
    """Evidence in the hands of correct nodes names only validators that broke a rule."""
    guilty = double_signers(cluster) | lock_breakers(cluster)
    for node in cluster.honest:
        named = named_by(node)
        assert named <= guilty, f"evidence: it names {sorted(named - guilty)}, who did nothing"
        assert named <= cluster.faulty, f"evidence: it names the honest {sorted(named - cluster.faulty)}"


def check_evidence_once(cluster: Cluster) -> None:
    """A fault is recorded once; of rival checkpoints the signer is faulty."""
    for node in cluster.honest:
        faults = [
            tuple(decode(data)[1:5])  # type: ignore[index]  # kind, validator, height, round
            for commit in node.commits
            for data in commit.block.evidence
        ]
        assert len(set(faults)) == len(faults), "evidence: a fault is recorded twice"
        of_kind = Counter((validator, kind) for kind, validator, _, _ in faults)
        assert all(count <= 16 for count in of_kind.values()), "evidence: one validator fills the log"
        for rivals in node.cosigning.rivals if node.cosigning is not None else ():
            assert rivals.key not in _honest_keys(cluster), "evidence: rival checkpoints of an honest key"


def _honest_keys(cluster: Cluster) -> set[tuple[str, bytes]]:
    """Name and id of the log and cosign keys of correct validators."""
    genesis = sim_genesis(len(cluster.chain.validators.validators))
    honest = [v.name for v in cluster.chain.validators.validators if v.name not in cluster.faulty]
    known = genesis.governance.note_keys(genesis.origin)
    keys = [key for name in honest for key in known[name]]
    return {(key.name, key.key_id) for key in keys}


def check_receipts(cluster: Cluster) -> None:
    """Receipts of agreed entries verify, and "before" is never earlier than the truth."""
    policy = cluster.world.policy
    if policy is None:
        return
    agreed = max((node.entries for node in cluster.honest), key=len)
    decided_at = {
        entry: cluster.decided_ms[block_id(commit.block.encode())]
        for node in cluster.honest
        for commit in node.commits
        for entry in commit.execution.entries
    }
    for node in cluster.honest:
        if node.note is None:
            continue
        size = int(node.note.body.split("\n")[1])
        for index in sorted({node.random.randrange(size) for _ in range(RECEIPTS_PER_NODE)}):
            receipt = make_receipt(node.entries[index], None, index, node.tree, node.note, policy=policy)
            verified = verify_receipt(receipt.text(), policy)
            assert verified.entry == agreed[index], "receipt: for an entry that was not agreed"
            cosigners = {f"did:web:{name}" for name in verified.cosigned_by} | set(verified.cosigned_by)
            assert 3 * weight(cluster, cosigners) > 2 * total(cluster), "receipt: too few cosigned"
            truth_s = (decided_at[verified.entry] - SKEW_MS_MAX) // 1000
            assert verified.before >= truth_s, "receipt: it claims to be older than the entry"


SAFETY = (
    check_agreement,
    check_certificates,
    check_signatures,
    check_locks,
    check_logs,
    check_once,
    check_time,
    check_evidence,
    check_evidence_once,
    check_receipts,
)


def check_all(cluster: Cluster) -> None:
    """Every safety rule."""
    for check in SAFETY:
        check(cluster)
