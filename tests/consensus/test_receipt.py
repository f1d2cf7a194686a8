"""Receipts: they verify offline, say what they prove, and no changed byte passes."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

import pytest

from consensus.checkpoint import (
    COSIGNATURE_KIND,
    LOG_KIND,
    Checkpoint,
    NoteKey,
    SignedNote,
    cosign_line,
    sign_log_line,
)
from consensus.cose import SeedSigner
from consensus.encoding import encode
from consensus.log_policy import LogPolicy, make_policy
from consensus.merkle import Tree, leaf_hash
from consensus.receipt import (
    ENTRY_BYTES_MAX,
    RECEIPT_BYTES_MAX,
    Receipt,
    ReceiptError,
    make_receipt,
    verify_receipt,
)

ORIGIN = "log.comity.example"
NAMES = [f"did:web:{name}.example" for name in ("maker", "authority-cn", "authority-eu", "customs")]
TIME = 1_803_800_000
ENTRIES = [b"entry %d " % number + bytes(40) for number in range(13)]
BLIND = bytes(range(16))


def signer(name: str, role: str) -> SeedSigner:
    return SeedSigner(f"{name}#{role}", sha256(f"{name}#{role}".encode()).digest())


POLICY = LogPolicy.parse(
    make_policy(
        ORIGIN,
        [NoteKey(ORIGIN, LOG_KIND, signer(name, "log").public_key) for name in NAMES],
        [(name, NoteKey(name, COSIGNATURE_KIND, signer(name, "cosign").public_key)) for name in NAMES],
        3,
    )
)


def log(entries: list[bytes]) -> tuple[Tree, SignedNote]:
    """A log of these entries, its checkpoint signed by two log keys and cosigned by all four."""
    tree = Tree(leaf_hash(entry) for entry in entries)
    checkpoint = Checkpoint(ORIGIN, tree.size, tree.root())
    lines = [sign_log_line(checkpoint, ORIGIN, signer(name, "log")) for name in NAMES[:2]]
    lines += [
        cosign_line(checkpoint, name, TIME + number, signer(name, "cosign"))
        for number, name in enumerate(NAMES)
    ]
    return tree, SignedNote(checkpoint.body(), tuple(lines))


def receipt(index: int = 5, blind: bytes | None = BLIND) -> Receipt:
    tree, note = log(ENTRIES)
    return make_receipt(ENTRIES[index], blind, index, tree, note, policy=POLICY)


@pytest.mark.parametrize("index", range(len(ENTRIES)))
@pytest.mark.parametrize("blind", [BLIND, None], ids=["blind", "no blind"])
def test_a_receipt_says_what_it_proves(index: int, blind: bytes | None) -> None:
    """
    For every entry the receipt's text verifies and gives back entry, blind, index, tree, cosigners and time.
    """
    proven = verify_receipt(receipt(index, blind).text(), POLICY)

    assert (proven.entry, proven.blind, proven.index, proven.size) == (ENTRIES[index], blind, index, 13)
    assert (proven.origin, proven.root) == (ORIGIN, log(ENTRIES)[0].root())
    assert proven.cosigned_by == {name: TIME + number for number, name in enumerate(NAMES[:3])}
    assert proven.before == TIME + 1


def test_a_receipt_says_of_which_jurisdictions_its_signatures_are() -> None:
    """
    Told are the cosigners that are there, and the jurisdictions without which none is ever enough.
    """
    homes = dict(zip(NAMES, ("CN", "EU", "IN", "CN"), strict=True))
    policy = replace(POLICY, jurisdictions=homes)

    proven = verify_receipt(receipt(), policy)

    assert proven.by_jurisdiction == {"CN": (NAMES[0],), "EU": (NAMES[1],), "IN": (NAMES[2],)}
    assert proven.never_without == ("CN",)
    assert verify_receipt(receipt(), POLICY).by_jurisdiction == {"": tuple(sorted(NAMES[:3]))}


def test_text_bytes_and_value_are_one() -> None:
    """
    A receipt verifies as value, text and bytes, and reads back as itself.
    """
    made = receipt()

    assert Receipt.parse(made.text()) == Receipt.parse(made.text().encode()) == made
    assert verify_receipt(made, POLICY) == verify_receipt(made.text().encode(), POLICY)
    assert made.text().startswith("c2sp.org/tlog-proof@v1\nextra ")


def test_a_log_of_one_entry() -> None:
    """
    The first entry has a receipt with an empty proof.
    """
    tree, note = log(ENTRIES[:1])

    made = make_receipt(ENTRIES[0], BLIND, 0, tree, note, policy=POLICY)

    assert made.proof == ()
    assert verify_receipt(made.text(), POLICY).size == 1


def test_a_receipt_of_an_older_checkpoint() -> None:
    """
    A tree that has grown still makes receipts under the checkpoint that was cosigned.
    """
    tree, note = log(ENTRIES[:9])
    tree.extend(leaf_hash(entry) for entry in ENTRIES[9:])

    assert verify_receipt(make_receipt(ENTRIES[4], BLIND, 4, tree, note, policy=POLICY), POLICY).size == 9


@pytest.mark.parametrize(
    "step", [pytest.param(7, id="a seventh"), pytest.param(1, id="all", marks=pytest.mark.check)]
)
def test_every_flipped_byte_is_found(step: int, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Of a receipt, each bit of each byte flipped, and each byte set to others that read alike, none verifies.
    """
    data = receipt().text().encode()
    reasons, accepted, tried = Counter[str](), list[tuple[int, int]](), 0

    for at in range(0, len(data), step):
        byte = data[at]
        others = {byte ^ 1 << bit for bit in range(8)} | {*b"\n\r\t \x00A/+=0189\xa0\xff"}
        for other in others - {byte}:
            tried += 1
            try:
                verify_receipt(data[:at] + bytes([other]) + data[at + 1 :], POLICY)
            except ReceiptError as error:
                assert str(error)
                reasons[str(error).split(":")[0][:60]] += 1
            else:
                accepted.append((at, other))

    with capsys.disabled():
        print(f"\n{tried} changes to {len(data)} bytes of a receipt: {len(accepted)} accepted")
    assert accepted == []
    assert tried > 20 * (len(data) // step)
    assert len(reasons) > 8


def variants(text: str) -> Iterator[tuple[str, str]]:
    """Cut, extended and reordered receipts, each named."""
    for size in range(len(text)):
        yield f"cut to {size}", text[:size]
    for piece in ("\n", "x", " ", "\x00", "=", "\n\n", text):
        yield f"extended by {piece[:5]!r}", text + piece
        yield f"preceded by {piece[:5]!r}", piece + text
    lines = text.split("\n")
    for at in range(len(lines) - 1):
        yield f"without line {at}", "\n".join(lines[:at] + lines[at + 1 :])
        yield f"line {at} twice", "\n".join([*lines[: at + 1], *lines[at:]])
    separator = lines.index("")
    for first in range(len(lines) - 1):
        for second in range(first + 1, len(lines) - 1):
            if lines[first] == lines[second] or first > separator + 4:
                continue  # nothing changes, or signature lines, whose order has no meaning
            swapped = list(lines)
            swapped[first], swapped[second] = lines[second], lines[first]
            yield f"lines {first} and {second} swapped", "\n".join(swapped)
    for at in range(0, len(text) - 1):
        if text[at] != text[at + 1]:
            yield f"characters at {at} swapped", text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        yield f"character {at} dropped", text[:at] + text[at + 1 :]
        yield f"character {at} doubled", text[: at + 1] + text[at:]


def test_cut_extended_and_reordered_receipts_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """
    No truncation, extension, dropped, doubled or swapped line or character verifies.
    """
    text, accepted, tried = receipt().text(), list[str](), 0

    for name, variant in variants(text):
        tried += 1
        try:
            verify_receipt(variant, POLICY)
        except ReceiptError as error:
            assert str(error)
        else:
            accepted.append(name)

    with capsys.disabled():
        print(f"\n{tried} cut, extended and reordered receipts: {len(accepted)} accepted")
    assert accepted == []


def test_lines_of_unknown_keys_and_their_order_change_nothing() -> None:
    """
    As the specification demands, further lines of unknown keys and another order of lines prove the same.
    """
    made = receipt()
    stranger = sign_log_line(Checkpoint.parse(made.note.body), "x.example", signer("x", "log"))
    more = Receipt(
        made.extra, made.index, made.proof, SignedNote(made.note.body, (*made.note.lines, stranger))
    )
    turned = Receipt(made.extra, made.index, made.proof, SignedNote(made.note.body, made.note.lines[::-1]))

    assert verify_receipt(more.text(), POLICY) == verify_receipt(made, POLICY)
    assert verify_receipt(turned.text(), POLICY) == verify_receipt(made, POLICY)


def test_parts_of_different_receipts_do_not_mix() -> None:
    """
    Entry, index, proof and note of two valid receipts, mixed, verify only where they are the same.
    """
    first, second = receipt(5), receipt(6)
    tree, note = log(ENTRIES[:9])
    older = make_receipt(ENTRIES[5], BLIND, 5, tree, note, policy=POLICY)

    for mixed in (
        Receipt(first.extra, second.index, first.proof, first.note),
        Receipt(second.extra, first.index, first.proof, first.note),
        Receipt(first.extra, first.index, second.proof, first.note),
        Receipt(first.extra, first.index, first.proof, older.note),
        Receipt(first.extra, first.index, older.proof, first.note),
        Receipt(b"", first.index, first.proof, first.note),
    ):
        with pytest.raises(ReceiptError):
            verify_receipt(mixed, POLICY)


@pytest.mark.parametrize(
    "value",
    [
        encode([ENTRIES[5], BLIND]),
        encode([ENTRIES[5], BLIND, bytes(8)]),
        encode(
            [ENTRIES[5], bytes(16), sha256(encode(["comity/receipt/v1", ENTRIES[5], BLIND])).digest()[:8]]
        ),
        encode({0: ENTRIES[5]}),
        encode(5),
        b"\xff",
        b"",
    ],
    ids=["no check", "wrong check", "another blind", "map", "number", "not CBOR", "nothing"],
)
def test_extra_data_of_another_form_is_refused(value: bytes) -> None:
    """
    The extra data is [entry, blind, check], and the check belongs to entry and blind.
    """
    made = receipt()

    with pytest.raises(ReceiptError):
        verify_receipt(Receipt(value, made.index, made.proof, made.note), POLICY)


def test_a_receipt_is_not_made_without_a_quorum() -> None:
    """
    Two cosignatures of four do not make a receipt, and none is made for an entry that is not the leaf.
    """
    tree, note = log(ENTRIES)
    two = SignedNote(note.body, note.lines[:4])

    with pytest.raises(ReceiptError, match="too few"):
        make_receipt(ENTRIES[5], BLIND, 5, tree, two, policy=POLICY)
    with pytest.raises(ReceiptError, match="another root"):
        make_receipt(b"something else", BLIND, 5, tree, note, policy=POLICY)
    with pytest.raises(ReceiptError, match="not in a tree"):
        make_receipt(ENTRIES[5], BLIND, 13, tree, note, policy=POLICY)
    with pytest.raises(ReceiptError, match="at most"):
        make_receipt(bytes(ENTRY_BYTES_MAX + 1), BLIND, 5, tree, note, policy=POLICY)


def test_another_network_does_not_accept_it() -> None:
    """
    Under a policy with other keys the receipt proves nothing.
    """
    strangers = [f"did:web:{name}.example" for name in ("a", "b", "c", "d")]
    other = LogPolicy.parse(
        make_policy(
            ORIGIN,
            [NoteKey(ORIGIN, LOG_KIND, signer(strangers[0], "log").public_key)],
            [
                (name, NoteKey(name, COSIGNATURE_KIND, signer(name, "cosign").public_key))
                for name in strangers
            ],
            3,
        )
    )

    with pytest.raises(ReceiptError, match="no known key"):
        verify_receipt(receipt().text(), other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "x" * (RECEIPT_BYTES_MAX + 1),
        b"\xff\xfe",
        "c2sp.org/tlog-proof@v1\n\n",
        "{}",
        "\ud800\n\n\n",
    ],
    ids=["empty", "newline", "too large", "not UTF-8", "header only", "JSON", "surrogate"],
)
def test_anything_else_is_refused_with_a_sentence(text: str | bytes) -> None:
    """
    Whatever is given instead of a receipt is answered with ReceiptError, never with another exception.
    """
    with pytest.raises(ReceiptError):
        verify_receipt(text, POLICY)
