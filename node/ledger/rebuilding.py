"""ledger.db made again: its projections from its own blocks, each certified and executed as when it was new.

Blocks that CometBFT decided have no certificate of ours: what its next header carried is held to the result.

Of a pruned block nobody shows who agreed to it: it is named by the blocks after it.

Entries and standings are what executing the blocks gives; nothing of the old tables is read
but blocks, certificates and notes. Each block names the state before it, so the replay is held to what a
quorum agreed on; the last state is held to the cosigned checkpoint over it, where one is kept.
"""

from __future__ import annotations

import os
from pathlib import Path

from consensus.application import Execution
from consensus.checkpoint import Checkpoint, SignedNote
from consensus.errors import ConsensusError
from consensus.log_policy import LogPolicy
from consensus.merkle import Frontier
from consensus.standings_map import StandingsMap
from consensus.types import Block, CommitCertificate, verify_certificate
from consensus.validators import ValidatorSet
from credentials.errors import CredentialError
from credentials.ledger.constitution import Constitution
from credentials.ledger.engine_terms import EMBEDDED
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import GovernanceHistory
from credentials.ledger.governance_records import RuleFiles, RulesNotHere
from credentials.ledger.registry import Registry
from node.errors import SetupError
from node.ledger.chain import tip_of
from node.ledger.comet.decided import by_cometbft, carried_by
from node.ledger.incoming import remove
from node.ledger.log_policies import LogPolicies
from node.named_files import put_whole
from node.storage.database import SIDE_FILES, NotRead, StorageError
from node.storage.entries import LedgerTip, row_of
from node.storage.ledger import LedgerStore, SqliteStandingReader

BLOCKS_AT_ONCE, BLOCKS_BYTES_MAX = 64, 8 << 20


def rebuild(
    path: Path, genesis: Genesis, policy: LogPolicy, rule_files: RuleFiles, *, certified: bool = True
) -> int:
    """Replace ledger.db by what its blocks say; its height. SetupError, and the old file stays, otherwise.

    `certified`: a quorum signed each block for everybody to see; not so where CometBFT ordered first. Once
    the network was moved its ledger says so of each block.
    """
    scratch = path.with_name("ledger.db.new")
    remove(scratch)
    old, new = LedgerStore(path), LedgerStore(scratch)
    try:
        height, root = _replay(old, new, genesis, rule_files, certified=certified)
        keep_notes(old, new, policy, root)
    except RulesNotHere as error:
        raise SetupError(f"{path} is not rebuilt yet: {error}. Then rebuild it again") from error
    except (ConsensusError, CredentialError, StorageError, NotRead, AssertionError) as error:
        remedy = (
            "rebuild it from a peer (--from URL), or move it away, and the node fetches every block when it "
            "starts"
            if certified
            else "move it away, and start the node: CometBFT gives it every block again"
        )
        raise SetupError(f"{path} cannot be rebuilt from its own blocks ({error}): {remedy}") from error
    else:
        old.close()
        new.close()
        put_in_place(scratch, path)
        return height
    finally:
        old.close()
        new.close()
        remove(scratch)


def set_aside(path: Path, moment: int) -> Path:
    """Move a database, closed and whole, out of the way; where it is now."""
    aside = _free_name(path, moment)
    for suffix in ("", *SIDE_FILES):
        file = path.with_name(path.name + suffix)
        if file.exists():
            put_whole(file, aside.with_name(aside.name + suffix))
    return aside


def keep_aside(path: Path, moment: int) -> Path:
    """Give a database, closed and whole, a second name beside its own; the second one.

    Where the disk has no second names it is moved, as by `set_aside`.
    """
    aside = _free_name(path, moment)
    try:
        os.link(path, aside)
    except OSError:
        return set_aside(path, moment)
    return aside


def _free_name(path: Path, moment: int) -> Path:
    """`path` with the moment added: a name that nothing has yet."""
    while (aside := path.with_name(f"{path.name}.before-{moment}")).exists():
        moment += 1
    return aside


def put_in_place(made: Path, path: Path) -> None:
    """`made`, a whole database, instead of the one at `path`, which is closed: at no moment is there none."""
    for suffix in SIDE_FILES:  # of the old one, whose log was taken in when it was closed
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    put_whole(made, path)


def _validators_after(history: GovernanceHistory, execution: Execution) -> ValidatorSet | None:
    """Who decides the second block from here, if that changes."""
    if not execution.validator_updates:
        return None
    return history.at(execution.height + 1).validators.updated(execution.validator_updates)


def _replay(
    old: LedgerStore, new: LedgerStore, genesis: Genesis, rule_files: RuleFiles, *, certified: bool = True
) -> tuple[int, bytes]:
    """(height, root of the log)."""
    start = tip_of(new, genesis)
    constitution = Constitution.restored(genesis, (), 0, rule_files)
    history = constitution.history
    reader = SqliteStandingReader(new)
    standings = StandingsMap.over(new.standings.hashes(), new.standings.bucket)
    registry = Registry(genesis, reader, start.app_hash, standings, constitution=constitution)
    log, before, height = Frontier(), genesis.network_id, 0
    while pairs := old.blocks(height + 1, BLOCKS_AT_ONCE, BLOCKS_BYTES_MAX):
        for data, certificate in pairs:
            block = Block.decode(data)
            stated = (block.height, block.previous_id, block.app_hash, block.log_size, block.log_root)
            if stated != (height + 1, before, registry.app_hash, log.size, log.root):
                raise SetupError(
                    f"block {block.height} does not follow from the blocks before it, by the rules of this "
                    "version: if they were changed, rebuild from a peer (--from URL); if an earlier version "
                    "decided them, keep this file, or take a snapshot"
                )
            term = history.term(block.height)
            by_votes = term.engine == EMBEDDED if term.epoch else certified
            if by_votes and (certificate or block.height > old.pruned.height):
                decoded = CommitCertificate.decode(certificate)
                verify_certificate(decoded, block, history.at(block.height).validators, genesis.network_id)
            execution = registry.finalize_block(block)
            rows = [row_of(entry) for entry in execution.entries]
            log = log.append([row.leaf_hash for row in rows])
            if not by_votes:
                _require_carried(certificate, block.height, execution.app_hash, log)
            new.commit_block(
                LedgerTip(block.height, block.id, block.time, execution.app_hash, log.encode()),
                block=data,
                certificate=certificate,
                entries=rows,
                standings=execution.standings,
                governance=execution.governance,
                validators=_validators_after(history, execution),
                durable=False,
            )
            registry.commit(execution)
            before, height = block.id, block.height
    while new.pruned.height < old.pruned.height:
        new.pruned.prune(old.pruned.height, by_cometbft)
    return height, log.root


def _require_carried(kept: bytes, height: int, app_hash: bytes, log: Frontier) -> None:
    """What CometBFT's header carried of this block, if it carried anything of it, is what it leads to now."""
    carried = carried_by(kept)
    led_to = app_hash, log.size, log.root
    if carried.height == height and (carried.app_hash, carried.log_size, carried.log_root) != led_to:
        raise ConsensusError(f"block {height} leads to another state than the one that CometBFT agreed on")


def keep_notes(old: LedgerStore, new: LedgerStore, policy: LogPolicy, root: bytes) -> None:
    """Notes that still cover what there is; of the last size, they hold the result to what was cosigned.

    Each by the policy that the log itself names for its size: who cosigned later is not who founded.
    """
    size, policies = new.log_size(), LogPolicies(policy, leaves=new.leaves)
    for kept, at, first, newest in old.notes():
        if kept > size:
            continue
        for text in (first, newest):
            note = SignedNote.parse(text)
            policies.at(kept).policy.cosigned(note)
            checkpoint = Checkpoint.parse(note.body)
            if kept == size and checkpoint.root != root:
                raise SetupError(
                    "the blocks lead to another log than the one that was cosigned",
                    step="Rebuild it from a peer (--from URL).",
                )
            new.put_checkpoint(kept, at, text)
