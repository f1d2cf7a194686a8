"""What every message, note, receipt and policy is read as, or refused with, is pinned.

`tests/vectors/forms.txt`: each member of a message left out, of another type, a byte longer or shorter; each
line of a text left out, twice, changed at its ends. To write it anew, and see in `git diff` what changed:

    python -m tests.consensus.test_pinned_forms
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any

import pytest

from consensus.checkpoint import Checkpoint, NoteKey, SignedNote, cosign_line, sign_log_line, verify_note
from consensus.cose import SeedSigner
from consensus.encoding import decode, encode
from consensus.evidence import FaultEvidence
from consensus.log_policy import LogPolicy, make_policy
from consensus.merkle import Frontier, leaf_hash
from consensus.receipt import Receipt, verify_receipt
from consensus.types import Block, CommitCertificate, decode_message
from consensus.validators import ValidatorSet
from consensus.wal import read_message, read_record
from tests.consensus.test_checkpoint import CHECKPOINT, LOG, LOG_KEY, ORIGIN, TIME, WITNESS, WITNESS_KEY, note
from tests.consensus.test_encoding import TYPES
from tests.harness.pinned import Cases, lines, require_kept, write
from tests.harness.spoiled import spoiled

PINNED = "forms.txt"


def messages() -> Iterator[tuple[str, Callable[[], Any]]]:
    readers: dict[str, Callable[[bytes], Any]] = {
        "block": Block.decode,
        "proposal": lambda data: decode_message(decode(data)),
        "vote": lambda data: decode_message(decode(data)),
        "certificate": CommitCertificate.decode,
        "evidence": FaultEvidence.decode,
        "validators": ValidatorSet.decode,
        "wal-record": read_record,
    }
    for name, read in readers.items():
        for seed in range(2 if name in ("vote", "proposal", "wal-record") else 1):
            data = TYPES[name](Random(seed))
            yield f"{name} {seed}", partial(read, data)
            for size in (0, 1, len(data) - 1):
                yield f"{name} {seed} cut to {size - len(data)}", partial(read, data[:size])
            yield f"{name} {seed} and more", partial(read, data + b"\0")
            for way, value in spoiled(decode(data), every=name != "block"):
                yield f"{name} {seed} {way}", partial(_read, read, value)
    for seed in range(3):
        for name in ("vote", "proposal"):
            yield f"{name} of a log {seed}", partial(read_message, TYPES[name](Random(seed)))
    frontier = Frontier().append([leaf_hash(bytes([n])) for n in range(5)])
    data = frontier.encode()
    for size in (*range(len(data) + 1), len(data) + 1, len(data) + 32):
        yield f"frontier of {size} bytes", partial(Frontier.decode, (data + bytes(32))[:size])


def _read(read: Callable[[bytes], Any], value: Any) -> Any:
    return read(encode(value))


def texts() -> Iterator[tuple[str, Callable[[], Any]]]:
    policy = make_policy(
        ORIGIN, [LOG_KEY], [(WITNESS_KEY.name, WITNESS_KEY), ("w", _key(2)), ("x", _key(3))], 2
    )
    grouped = policy + "group g any w x\ngroup h 2 g w\n"
    told = policy + "#jurisdiction CN w\n#jurisdiction EU x\n"
    forms: dict[str, tuple[str, Callable[[str], Any]]] = {
        "checkpoint": (CHECKPOINT.body(), Checkpoint.parse),
        "note": (note().text(), SignedNote.parse),
        "log key": (LOG_KEY.vkey(), NoteKey.parse),
        "witness key": (WITNESS_KEY.vkey(), NoteKey.parse),
        "receipt": (TYPES["receipt"](Random(1)).decode(), Receipt.parse),
        "policy": (policy, LogPolicy.parse),
        "policy with groups": (grouped, LogPolicy.parse),
        "policy with jurisdictions": (told, LogPolicy.parse),
    }
    for name, (text, read) in forms.items():
        for way, other in changed_lines(text):
            yield f"{name} {way}", partial(read, other)
    for size in (0, 1, (1 << 53) - 1, 1 << 53):
        yield (
            f"checkpoint of {size}",
            partial(Checkpoint.parse, CHECKPOINT.body().replace("20852163", str(size))),
        )


def changed_lines(text: str) -> Iterator[tuple[str, str]]:
    """Each line left out, twice, with a blank around it, cut, in capitals, its words turned round."""
    yield "as it is", text
    yield "in CR LF", text.replace("\n", "\r\n")
    yield "after a byte order mark", "\ufeff" + text
    yield "without its last character", text[:-1]
    yield "with a blank line", text + "\n"
    rows = text.split("\n")
    for place, row in enumerate(rows):
        words = row.split(" ")
        for way, other in {
            "left out": [],
            "twice": [row, row],
            "blank before": [f" {row}"],
            "blank after": [f"{row} "],
            "cut": [row[:-1]],
            "longer": [f"{row}A"],
            "upper": [row.upper()],
            "a word less": [" ".join(words[:-1])],
            "a word twice": [" ".join([*words, words[-1]])],
            "turned round": [" ".join(words[::-1])],
            "another word": [" ".join([*words[:-1], "0"])],
            "a control": [f"{row}\x01"],
        }.items():
            yield f"{place} {way}", "\n".join([*rows[:place], *other, *rows[place + 1 :]])


def _key(seed: int) -> NoteKey:
    return NoteKey(f"w{seed}", 4, SeedSigner("any", bytes([seed]) * 32).public_key)


def quorums() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Notes cosigned by some of three witnesses under quorums of one to three, with their times."""
    witnesses = {f"w{n}": SeedSigner("any", bytes([n]) * 32) for n in (2, 3, 4)}
    named = [(name, NoteKey(name, 4, signer.public_key)) for name, signer in witnesses.items()]
    for most in (1, 2, 3):
        policy = LogPolicy.parse(make_policy(ORIGIN, [LOG_KEY], named, most))
        for chosen in range(8):
            signed = [name for place, name in enumerate(witnesses) if chosen >> place & 1]
            cosigned = [cosign_line(CHECKPOINT, n, TIME + 10 * int(n[1]), witnesses[n]) for n in signed]
            log = sign_log_line(CHECKPOINT, ORIGIN, LOG)
            whole = SignedNote(CHECKPOINT.body(), (log, *cosigned))
            name = f"{most} of 3, by {' '.join(signed)}"
            yield f"cosigned {name}", partial(policy.cosigned, whole)
            yield f"reduced {name}", partial(policy.reduce, whole)
            yield f"verified {name}", partial(verify_note, whole, (LOG_KEY,))
            times = {n: TIME + 10 * int(n[1]) for n in signed}
            if times:
                yield f"before {name}", partial(policy.before, times)
            if cosigned:
                unlogged = SignedNote(CHECKPOINT.body(), tuple(cosigned))
                yield f"no log line {name}", partial(policy.cosigned, unlogged)
    other = Checkpoint("log.other.example", CHECKPOINT.size, CHECKPOINT.root)
    policy = LogPolicy.parse(make_policy(ORIGIN, [LOG_KEY], named, 1))
    lines_of_other = (sign_log_line(other, ORIGIN, LOG), cosign_line(other, "w2", TIME, witnesses["w2"]))
    yield "of another log", partial(policy.cosigned, SignedNote(other.body(), lines_of_other))
    forged = cosign_line(CHECKPOINT, "w2", TIME, WITNESS)
    yield (
        "forged",
        partial(
            policy.cosigned, SignedNote(CHECKPOINT.body(), (sign_log_line(CHECKPOINT, ORIGIN, LOG), forged))
        ),
    )
    yield "a receipt", partial(verify_receipt, TYPES["receipt"](Random(1)).decode(), policy)


SECTIONS: dict[str, Callable[[], Cases]] = {"messages": messages, "texts": texts, "quorums": quorums}


@pytest.mark.parametrize("section", SECTIONS)
def test_forms_are_read_as_pinned(section: str) -> None:
    """
    Every message and text with one thing changed: what it is read as, or the sentence it is refused with.
    """
    require_kept(lines(SECTIONS[section]()), PINNED, section)


if __name__ == "__main__":
    write(PINNED, "tests.consensus.test_pinned_forms", {n: partial(lines, m()) for n, m in SECTIONS.items()})
