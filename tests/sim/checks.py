"""What must be true of every run, restated without the code under test."""

from hashlib import sha256

from tests.sim.cluster import Cluster, log_root


def check_agreement(cluster: Cluster) -> None:
    """No two nodes decide different blocks at one height, and each block has its votes."""
    decided: dict[int, bytes] = {}
    total = len(cluster.chain.validators.validators)
    for node in cluster.nodes.values():
        for commit in node.commits:
            encoded = commit.block.encode()
            block_id = sha256(b"comity/block-id/v1" + encoded).digest()
            assert decided.setdefault(commit.block.height, block_id) == block_id, "two blocks at one height"
            for votes in (commit.certificate.precommits, commit.certificate.polka):
                voters = {vote.validator for vote in votes if vote.value_id == block_id}
                assert 3 * len(voters) > 2 * total, "a block without its votes"


def check_signatures(cluster: Cluster) -> None:
    """No validator says two things for one height, round and kind."""
    for step, said in cluster.votes.items():
        assert len(said) == 1, f"{step} was signed {len(said)} times"


def check_logs(cluster: Cluster) -> None:
    """Every log is a prefix of the longest, and its root is that of its entries."""
    longest = max((node.entries for node in cluster.nodes.values()), key=len)
    for node in cluster.nodes.values():
        assert node.entries == longest[: len(node.entries)], "a log is not a prefix of the longest"
        if node.commits:
            assert node.commits[-1].log.size == len(node.entries)
            assert node.commits[-1].log.root == log_root(node.entries)


def check_once(cluster: Cluster) -> None:
    """No attestation is final twice."""
    for node in cluster.nodes.values():
        finals = [digest for commit in node.commits for digest in commit.execution.finals]
        assert len(set(finals)) == len(finals), "an attestation was doubled"


def check_time(cluster: Cluster) -> None:
    """Block time never falls."""
    for node in cluster.nodes.values():
        times = [commit.block.time for commit in node.commits]
        assert times == sorted(times)


def check_all(cluster: Cluster) -> None:
    """Every safety rule."""
    for check in (check_agreement, check_signatures, check_logs, check_once, check_time):
        check(cluster)
