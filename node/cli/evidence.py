"""`comity evidence list | export | verify`: what validators did wrong, and the proof of it for anyone.

`list` and `export` work on the data directory, running or not; so does `verify`, or on genesis and files that
any node gives, without one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.client import DataFolder, read_json, write_out
from node.cli.setup import DATA, PASSPHRASE
from node.cli.terminal import say
from node.config import DataDirectory, passphrase
from node.errors import ProblemError, SetupError
from node.node_client import Client

if TYPE_CHECKING:
    from node.answers import FaultRecord
    from node.issuing.accused import KnownThen
    from node.setup.network import Network
    from node.storage.ledger import LedgerStore


@contextmanager
def _ledger(directory: DataDirectory) -> Iterator[LedgerStore]:
    from node.storage.ledger import LedgerStore  # noqa: PLC0415

    if not directory.ledger.exists():
        raise SetupError(f"{directory.root} holds no ledger: start its node once")
    ledger = LedgerStore(directory.ledger)
    try:
        yield ledger
    finally:
        ledger.close()


@click.group()
def evidence() -> None:
    """Faults of validators on the record."""


@evidence.command("list")
@DATA
def list_evidence(*, data: Path) -> None:
    """The faults on the record, oldest first.

    Then what the running node knows and no block records yet.
    """
    from node.catalogues import fault_words  # noqa: PLC0415
    from node.issuing.faults import all_shown  # noqa: PLC0415

    with _ledger(DataDirectory(data)) as ledger:
        faults = with_heard(all_shown((), ledger.leaves.evidence()), _heard(data))
        if not faults:
            say("no fault of a validator is on record")
        for fault in faults:
            place = (
                f"size {fault['height']}" if fault["kind"] == "checkpoints" else f"height {fault['height']}"
            )
            pending = ", not on record yet" if fault["leaf_index"] is None else ""
            say(f"{fault['digest']}  {fault['validator']}  {fault_words(fault['kind'])}, {place}{pending}")


def with_heard(recorded: list[FaultRecord], heard: list[FaultRecord]) -> list[FaultRecord]:
    """Those on record, then what the node has heard besides: it may have answered before its last block."""
    known = {fault["digest"] for fault in recorded}
    return recorded + [
        fault for fault in heard if fault["leaf_index"] is None and fault["digest"] not in known
    ]


def _heard(data: Path) -> list[FaultRecord]:
    """What the node of this directory knows, if it runs: two blocks at one height stop the record."""
    directory = DataDirectory(data)
    try:
        node = Client(directory.url(), directory.operator(), directory.certificate)
        return list(node.get("/status")["evidence"])
    except (ProblemError, SetupError):
        return []


@evidence.command()
@DATA
@click.argument("digest")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File; otherwise standard output.")
@PASSPHRASE
def export(*, data: Path, digest: str, output: Path | None, passphrase_file: Path | None) -> None:
    """Write a recorded fault as a credential.

    Anyone verifies it with genesis alone.
    """
    from consensus.evidence import FaultEvidence  # noqa: PLC0415
    from node.issuing.faults import make_credential  # noqa: PLC0415
    from node.ledger.chain import history_of  # noqa: PLC0415
    from node.setup.current_keys import HeldKeys  # noqa: PLC0415
    from node.setup.keystore import Keys  # noqa: PLC0415
    from node.setup.network import read_card  # noqa: PLC0415
    from node.setup.network import verify as verify_network  # noqa: PLC0415
    from node.use_cases.digests import read_digest  # noqa: PLC0415

    directory = DataDirectory(data)
    keys = Keys.load(directory.root, read_card(directory.card).did, passphrase(passphrase_file))
    found = verify_network(directory.network)
    genesis = found.genesis
    held = HeldKeys(keys, history_of(directory.ledger, genesis, found.rule_files))
    with _ledger(directory) as ledger:
        wanted = read_digest(digest)
        row = next((row for row in ledger.leaves.evidence() if row.digest == wanted), None)
    if row is None:
        raise SetupError("no fault with that digest is on the record: see `comity evidence list`")
    made = make_credential(
        FaultEvidence.decode(row.entry),
        row,
        genesis=genesis,
        issuer=keys.did,
        signer=held.signer("credential"),
        now=int(time.time()),
    )
    text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    write_out(text, output)
    say(
        f"whoever has no node verifies it with what any node gives: {_needed(made['credentialSubject'])}",
        err=True,
    )


def _needed(subject: Mapping[str, Any]) -> str:
    """What shows who spoke then, and what is known of the keys now."""
    height = subject["height"] - 1
    then = "log epochs" if subject["kind"] == "checkpoints" else f"governance prove {height}"
    files = [f"`comity {then}`"] if height else []  # who decided block 1 stands in genesis
    return " and ".join([*files, f"`comity governance prove {subject['recorded_at']}` or of a later height"])


FILE = click.Path(path_type=Path)


@evidence.command()
@click.argument("file", type=FILE)
@click.option(
    "--data", type=DataFolder(), help="Data directory of a node: its ledger says who had which key."
)
@click.option("--genesis", "network", type=FILE, help="Network directory, where there is no node.")
@click.option(
    "--governance", "proofs", type=FILE, multiple=True,
    help="`comity governance prove HEIGHT`: of the height before the fault, and of the newest (repeatable).",
)  # fmt: skip
@click.option(
    "--epochs", type=FILE, help="`comity log epochs`: whose checkpoints counted, later than genesis."
)
@click.option("--receipt", type=FILE, help="Of the fault: `comity receipt get DIGEST`.")
def verify(*, file: Path, data: Path | None, network: Path | None, **shown: Any) -> int:
    """Verify an exported fault.

    By the keys that the accused had then, and what is known of them since.

    With --data, or offline with --genesis and --governance. Exit 0: proven; 1: not, with the reason.
    """
    from consensus.errors import ConsensusError  # noqa: PLC0415
    from credentials.errors import CredentialError  # noqa: PLC0415
    from node.catalogues import fault_words  # noqa: PLC0415
    from node.issuing.accused import FaultInvalid  # noqa: PLC0415
    from node.issuing.faults import verify_credential  # noqa: PLC0415
    from node.setup.network import verify as verify_network  # noqa: PLC0415
    from node.words import when  # noqa: PLC0415

    if (data is None) == (network is None) or (network is None) == bool(shown["proofs"]):
        raise click.UsageError("give --data DIR, or --genesis DIR with at least one --governance FILE")
    found = verify_network(DataDirectory(data).network if data is not None else Path(str(network)))
    genesis, document = found.genesis, read_json(str(file))
    try:
        if not isinstance(document, dict):
            raise FaultInvalid("it is not a JSON object")
        with _by_ledger(found, data) if data is not None else _by_files(found, **shown) as (known, last):
            proven = verify_credential(document, genesis, known)
    except (FaultInvalid, CredentialError, ConsensusError) as error:
        say(f"not proven: {error}")
        return 1
    place = f"log size {proven.height}" if proven.kind == "checkpoints" else f"height {proven.height}"
    say(f"proven: {proven.validator} signed {fault_words(proven.kind)}, {place}, round {proven.round}")
    say(f"network {genesis.name}, id {genesis.network_id.hex()}; shown by {document['issuer']}")
    say(f"as known after height {last[0]}, of {when(last[1])}; what was said of its keys since is not seen")
    return 0


@contextmanager
def _by_ledger(found: Network, data: Path) -> Iterator[tuple[KnownThen, tuple[int, int]]]:
    """What the ledger of a node says, and the height and time up to which it does."""
    from node.issuing.accused import ByLedger  # noqa: PLC0415
    from node.ledger.chain import constitution_of, tip_of  # noqa: PLC0415
    from node.ledger.log_policies import LogPolicies  # noqa: PLC0415

    with _ledger(DataDirectory(data)) as ledger, ledger.reading():
        history = constitution_of(ledger, found.genesis, found.rule_files).history
        policies = LogPolicies(found.policy, found.policy_text, ledger.leaves)
        tip = tip_of(ledger, found.genesis)
        yield ByLedger(history, policies, ledger), (tip.height, tip.time)


@contextmanager
def _by_files(
    found: Network, proofs: tuple[Path, ...], epochs: Path | None, receipt: Path | None
) -> Iterator[tuple[KnownThen, tuple[int, int]]]:
    """The same of files that any node gives, each verified under log.policy or what it leads to."""
    from credentials.ledger.governance_proof import verify_governance  # noqa: PLC0415
    from credentials.ledger.log_epochs import verify_under  # noqa: PLC0415
    from node.issuing.accused import ByFiles  # noqa: PLC0415
    from node.receipts.checker import read_receipt  # noqa: PLC0415
    from node.receipts.epochs import EpochFile  # noqa: PLC0415

    log = found.policy if epochs is None else EpochFile.read(epochs).walk(found.policy_text)
    proven = [verify_governance(read_json(str(path)), log) for path in proofs]
    recorded = None if receipt is None else verify_under(log, read_receipt(receipt))
    known = ByFiles(found.genesis, {one.height: one for one in proven}, log, recorded)
    yield known, (known.newest.height, known.newest.time)
