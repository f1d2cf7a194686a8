"""CPU of executing a block, per attestation: signatures, accreditation, who speaks, rules, records, app hash.

Six blocks of an import: produced, published, exported, presented, released, placed; none seen before.
"""

import time

from credentials.ledger.parties import Limits
from credentials.ledger.registry import Registry
from tests.harness.ledger import (
    CN_AUTHORITY,
    CUSTOMS,
    IMPORTER,
    MAKER,
    Ledger,
    battery,
    make_genesis,
    set_list,
)


def steps_of(ledger: Ledger, count: int, first: int = 0, namespace: str = "ZZ1") -> list[list[bytes]]:
    """What is signed beforehand: six blocks of `count` attestations each, of batteries from `first` on."""
    subjects = [battery(number, namespace) for number in range(first, first + count)]
    return [
        [ledger.attest(MAKER, "battery.produced", s) for s in subjects],
        [
            ledger.attest(MAKER, "passport.published", s, set_list=set_list(n))
            for n, s in enumerate(subjects, first)
        ],
        [ledger.attest(CN_AUTHORITY, "battery.exported", s, parties=(IMPORTER,)) for s in subjects],
        [ledger.attest(IMPORTER, "battery.presented", s) for s in subjects],
        [ledger.attest(CUSTOMS, "customs.released", s) for s in subjects],
        [ledger.attest(IMPORTER, "market.placed", s) for s in subjects],
    ]


def _round(count: int) -> float:
    """Microseconds of CPU per attestation, in a node that has seen none of them."""
    ledger = Ledger(make_genesis(limits=Limits(block_bytes_max=1 << 20)))
    steps = steps_of(ledger, count)
    ledger.now += 100
    total_s = 0.0
    for txs in steps:
        block = ledger.block(ledger.propose(txs))
        assert len(block.attestations) == count
        follower = Registry(
            ledger.genesis,
            ledger.reader,
            ledger.registry.app_hash,
            ledger.registry.standings_map,
            ledger.genesis.history(ledger.height),
        )
        started = time.process_time()
        follower.process_proposal(block)
        total_s += time.process_time() - started
        ledger.execute(block)
    return total_s / (count * len(steps)) * 1e6


def measure(*, count: int, rounds: int) -> str:
    """Return the row: the best of some rounds, and their range."""
    found = sorted(_round(count) for _ in range(rounds))
    return f"{found[0]:,.0f} us per attestation (to {found[-1]:,.0f} over {rounds} rounds of 6 x {count})"
