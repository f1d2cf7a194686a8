"""`comity backup | archive | restore | rebuild | records`: a data directory copied, put back, made again."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from credentials.ledger.engine_terms import EMBEDDED
from node.cli.setup import DATA, PASSPHRASE, say_unchecked, take_snapshot
from node.cli.terminal import say
from node.config import DataDirectory, passphrase
from node.errors import SetupError
from node.ledger import incoming, rebuilding
from node.named_files import make_folder, put_whole
from node.setup import archiving, copies
from node.setup import network as networks
from node.storage.office import OfficeStore
from node.use_cases.access import AT_THE_MACHINE

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@DATA
@click.option("--out", required=True, type=FOLDER, help="New folder for the backup.")
def backup(*, data: Path, out: Path) -> None:
    """Copy what only this participant has; the node may run. The passphrase is not in it: keep it apart."""
    made = copies.backup(DataDirectory(data), out)
    say(f"{out}: {made.files} files, with keys (encrypted) and operator key: keep it as you keep them")
    say("signing.db is not in it and must never be copied back; ledger.db comes from the peers")
    for name in made.outside:
        say(f"not in it: {name}, which node.toml names outside the data directory: keep a copy of it")


@click.command()
@DATA
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="New file.")
def archive(*, data: Path, out: Path) -> None:
    """Move what is older than node.toml keeps it to a file.

    The node must be stopped.

    Acts of the audit, consignments that are judged to the end, with their verdicts, and copies of others'
    documents, which are asked for again where a verdict needs them. Own passports and statements, and the
    ledger, stay for ever.
    """
    directory = DataDirectory(data)
    with directory.lock():
        office, keep = _office(directory), directory.settings().keep
        try:
            done = archiving.archive(office, out, keep, int(time.time()), AT_THE_MACHINE.name)
        finally:
            office.close()
    if not (done.acts or done.consignments or done.documents):
        say("nothing is that old: no file was made")
        return
    rest = f"{done.consignments} consignments, {done.documents} copies of documents"
    say(f"{out}: {done.acts} acts of the audit, {rest}; sha256 {done.digest}")
    say("they are not in office.db any more, nor in the next backup: keep that file as long as you must")


@click.command()
@DATA
@click.option("--from", "source", required=True, type=FOLDER, help="Folder of a backup.")
@click.option("--replace", is_flag=True, help="Move an office.db that is there aside.")
def restore(*, data: Path, source: Path, replace: bool) -> None:
    """Put a backup back; the node must be stopped. It compares itself with the ledger when it starts."""
    make_folder(data)
    directory = DataDirectory(data)
    with directory.lock():
        done = copies.restore(directory, source, replace=replace)
    say(f"restored {', '.join(done.files)}")
    if done.kept:
        say(f"left as they were: {', '.join(done.kept)}")
    if done.aside is not None:
        say(f"the office.db that was here is now {done.aside}")
    if not done.signing:
        say(
            "there is no signing.db: a validator says when it starts whether it may vote, and names "
            "`comity keys allow-vote`"
        )
    say(
        "when the node starts it catches up, compares itself with the ledger and then signs again; "
        f"`comity records --data {data}` says what is lost"
    )


@click.command()
@DATA
@click.option("--from", "source", help="A snapshot: a file, or the URL of a peer in peers.toml.")
@PASSPHRASE
def rebuild(*, data: Path, source: str | None, passphrase_file: Path | None) -> None:
    """Make ledger.db again, from its own blocks or a snapshot.

    The node must be stopped.
    """
    directory = DataDirectory(data)
    with directory.lock():
        found = networks.verify(directory.network)
        if source is None:
            if not directory.ledger.exists():
                raise SetupError(f"{data} holds no ledger.db: give --from, or start the node to fetch it")
            certified = (directory.settings().engine or found.engine) == EMBEDDED
            height = rebuilding.rebuild(
                directory.ledger, found.genesis, found.policy, found.rule_files, certified=certified
            )
            say(f"{directory.ledger}: {height} blocks were verified and executed again")
            say_unchecked(directory.ledger)
            return
        words = passphrase(passphrase_file)
        aside = rebuilding.set_aside(directory.ledger, int(time.time()))
        try:
            height = take_snapshot(directory, found, source, words)
        except BaseException:
            incoming.remove(directory.ledger)
            if aside.exists():
                put_whole(aside, directory.ledger)
            raise
    say(f"{directory.ledger}: the ledger up to block {height}; the one before is {aside}")
    say_unchecked(directory.ledger)


@click.command()
@DATA
def records(*, data: Path) -> int:
    """What of this participant's records is lost or withheld.

    Exit code 1 if anything is.
    """
    office = _office(DataDirectory(data))
    try:
        counts, found = office.findings.counts(), office.findings.page(10_000)
    finally:
        office.close()
    for finding in found:
        day = datetime.fromtimestamp(finding.since, UTC).date().isoformat()
        told = ", ".join(f"{name} {value}" for name, value in sorted(finding.parameters.items()))
        say(f"{finding.code}  {finding.about}  {told}  found {day}")
    say(f"{sum(counts.values())} things are lost or withheld" if counts else "nothing is lost")
    return int(bool(counts))


def _office(directory: DataDirectory) -> OfficeStore:
    if not directory.office.exists():
        raise SetupError(f"{directory.root} holds no office.db: start its node once")
    return OfficeStore(directory.office)
