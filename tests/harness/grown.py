"""A ledger of any size on disk, without the signatures that it would take: for what opening and reading cost.

Entries, records, tiles and hashes are written by the store as for any block, and lead to what the last block
names; only blocks and certificates are empty, and nobody signed anything.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from consensus.chain import Tip
from consensus.merkle import Frontier, leaf_hash
from consensus.standings_map import StandingsMap
from consensus.types import PRECOMMIT, PREVOTE, Block, CommitCertificate, Vote
from credentials.ledger.entries import BlockEntry
from credentials.ledger.genesis import Genesis
from node.ledger.chain import tip_of
from node.storage.entries import EntryRow, LedgerTip, row_of
from node.storage.ledger import Adoption, LedgerStore
from node.storage.standings import make_hashes, put_all_hashes
from node.storage.tiles import fill

PER_BLOCK = 2_000
PER_TRANSACTION = 100_000  # of what is loaded at once
ISSUER, KIND = "did:web:filler.example", "battery.produced"


def filler(number: int, kind: str = KIND) -> EntryRow:
    """An entry about a battery of its own."""
    document = sha256(b"document %d" % number).digest()
    entry = b" ".join((kind.encode(), ISSUER.encode(), document, b"%d" % number, bytes(120)))
    return EntryRow(
        entry,
        leaf_hash(entry),
        "admitted",
        kind=kind,
        issuer=ISSUER,
        subject=sha256(b"battery %d" % number).digest(),
        digest=sha256(entry).digest(),
        document_digest=document,
    )


def records_of(first: int, last: int) -> Iterator[tuple[bytes, bytes]]:
    """Records of batteries by their numbers."""
    for number in range(first, last):
        yield sha256(b"battery %d" % number).digest(), b"record %d " % number + bytes(150)


def certificate_of(height: int, block_id: bytes) -> bytes:
    """In the form of one, of nobody's votes."""
    precommits, prevotes = (
        (Vote(kind, height, 0, -1, block_id, "filler", bytes(64)),) for kind in (PRECOMMIT, PREVOTE)
    )
    return CommitCertificate(height, 0, block_id, precommits, prevotes).encode()


def grow(path: Path, genesis: Genesis, *, entries: int, records: int, kind: str = KIND) -> Tip:
    """Add blocks to a ledger until it has so many entries, with so many records among them; its tip."""
    store = LedgerStore(path)
    try:
        tip = tip_of(store, genesis)
        made = 0
        while tip.log.size < entries:
            count = min(PER_BLOCK, entries - tip.log.size)
            rows = [filler(tip.log.size + offset, kind) for offset in range(count - 1)]
            until = records if tip.log.size + count == entries else min(records, made + count)
            changed, made = dict(records_of(made, until)), until
            tip = _commit(store, genesis, tip, rows, changed)
        return tip
    finally:
        store.close()


def load(path: Path, genesis: Genesis, entries: int) -> Tip:
    """The same with a record for each entry, in one block and without its indexes: many at once; its tip."""
    store = LedgerStore(path)
    try:
        tip = tip_of(store, genesis)
        first, last, log = tip.log.size, entries - 1, tip.log
        with _without_indexes(path):
            for start in range(first, last, PER_TRANSACTION):
                end = min(last, start + PER_TRANSACTION)
                rows = [filler(number) for number in range(start, end)]
                with store._db.writing(durable=False) as db:
                    adoption = Adoption(db)
                    for number, row in enumerate(rows, start):
                        adoption.entry(number, tip.height + 1, row)
                    for record in records_of(start, end):
                        adoption.standing(*record)
                    fill(db, start, end)
                log = log.append(row.leaf_hash for row in rows)
        with store._db.writing() as db:
            put_all_hashes(db, make_hashes(db))
        return _commit(store, genesis, replace(tip, log=log), [], {})
    finally:
        store.close()


@contextmanager
def _without_indexes(path: Path) -> Iterator[None]:
    """Those of what every block adds to are made again at the end, of what is there by then."""
    many = ("entries", "standings")
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN"
    with closing(sqlite3.connect(path)) as db, db:
        indexes = db.execute(f"{query} (?, ?)", many).fetchall()
        for name, _ in indexes:
            db.execute(f"DROP INDEX {name}")
    yield
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA cache_size=-200000")
        for _, statement in indexes:
            db.execute(statement)


def _commit(
    store: LedgerStore, genesis: Genesis, tip: Tip, rows: list[EntryRow], changed: dict[bytes, bytes]
) -> Tip:
    standings = StandingsMap.over(store.standings.hashes(), store.standings.bucket)
    root, height, time = standings.root_with(changed), tip.height + 1, tip.time + 1
    block = Block(
        height=height,
        time=time,
        previous_id=tip.block_id,
        proposer="filler",
        app_hash=tip.app_hash,
        log_size=tip.log.size,
        log_root=tip.log.root,
        config_digest=genesis.config_digest,
        app_version=genesis.governance.app_version,
        attestations=(),
    )
    app_hash = sha256(block.id).digest()
    validators = genesis.governance.validators.hash
    last = BlockEntry(height, time, app_hash, root, bytes(32), validators, genesis.config_digest)
    rows = [*rows, row_of(last.encode())]
    log: Frontier = tip.log.append(row.leaf_hash for row in rows)
    store.commit_block(
        LedgerTip(height, block.id, time, app_hash, log.encode()),
        block=block.encode(),
        certificate=certificate_of(height, block.id),
        entries=rows,
        standings=changed,
        buckets=standings.buckets_with(changed),
        durable=False,
    )
    return Tip(height, block.id, time, app_hash, log)
