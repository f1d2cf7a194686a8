"""Notes, checkpoints and cosignatures: vectors of other implementations, then strictness."""

from base64 import b64decode, b64encode
from hashlib import sha256

import nacl.bindings
import pytest

from consensus.checkpoint import (
    COSIGNATURE_KIND,
    LOG_KIND,
    NOTE_BYTES_MAX,
    Checkpoint,
    NoteError,
    NoteKey,
    NoteSignature,
    SignedNote,
    cosign_line,
    sign_log_line,
    verify_note,
    verify_signature,
)
from consensus.cose import SeedSigner

ORIGIN = "log.comity.example"
CHECKPOINT = Checkpoint(ORIGIN, 20852163, sha256(b"root").digest())
LOG = SeedSigner("did:web:maker.example#log", bytes(32))
WITNESS = SeedSigner("did:web:customs.example#cosign", bytes([1]) * 32)
LOG_KEY = NoteKey(ORIGIN, LOG_KIND, LOG.public_key)
WITNESS_KEY = NoteKey("did:web:customs.example", COSIGNATURE_KIND, WITNESS.public_key)
TIME = 1_803_800_000

# The reference vector of golang.org/x/mod, sumdb/note (note_test.go).
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# The example of C2SP tlog-cosignature; its keys are not published, its form is.
C2SP_NOTE = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 "
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)


def note() -> SignedNote:
    lines = (
        sign_log_line(CHECKPOINT, ORIGIN, LOG),
        cosign_line(CHECKPOINT, WITNESS_KEY.name, TIME, WITNESS),
    )
    return SignedNote(CHECKPOINT.body(), lines)


def test_note_of_the_go_implementation_verifies() -> None:
    """
    The reference note of sumdb/note verifies under its published key, and reads and writes back unchanged.
    """
    read = SignedNote.parse(GO_NOTE)

    verified = verify_note(read, [NoteKey.parse(GO_KEY)])

    assert verified == {NoteKey.parse(GO_KEY): None}
    assert read.text() == GO_NOTE


@pytest.mark.parametrize(
    "vkey,kind",
    [
        (GO_KEY, 0x01),
        ("EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop", 0x01),
        ("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", 0x01),
        ("TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6", 0x01),
        ("remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2", 0x04),
    ],
    ids=["go", "go second", "C2SP", "plus in base64", "cosignature key"],
)
def test_verifier_keys_of_other_implementations(vkey: str, kind: int) -> None:
    """
    Keys published by C2SP, Go and transparency-dev are read, with the key id they state.
    """
    key = NoteKey.parse(vkey)

    assert key.kind == kind
    assert key.vkey() == vkey


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "example.com/foo",
        "example.com/foo+530d903a",
        "example.com/foo+530d903a+",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/bar+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2l!",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3Q==",
        "rekor.sigstore.dev+12345678+AwEB",
        " example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ],
    ids=[
        *["empty", "no key", "no base64", "empty base64", "wrong id", "uppercase id", "other name", "cut"],
        *["not base64", "short key", "unknown kind", "leading space"],
    ],
)
def test_malformed_verifier_keys_are_refused(vkey: str) -> None:
    """
    A verifier key that its bytes would not be written as is refused.
    """
    with pytest.raises(NoteError):
        NoteKey.parse(vkey)


def test_example_of_the_specification_is_read() -> None:
    """
    The checkpoint of C2SP tlog-cosignature has the size, root and cosignature time its text states.
    """
    read = SignedNote.parse(C2SP_NOTE)
    checkpoint, (log, witness) = Checkpoint.parse(read.body), read.signatures

    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert read.text() == C2SP_NOTE
    assert (log.name, log.key_id.hex(), len(log.signature)) == ("example.com/behind-the-sofa", "033de0ae", 64)
    assert int.from_bytes(witness.signature[:8], "big") == 1_679_315_147


def test_cosignature_signs_the_message_of_the_specification() -> None:
    """
    A cosignature is over "cosignature/v1", the time line and the note text, written out here byte by byte.
    """
    line = cosign_line(CHECKPOINT, "did:web:customs.example", 1_679_315_147, WITNESS)
    blob = b64decode(line.split(" ")[2])
    message = b"cosignature/v1\ntime 1679315147\n" + CHECKPOINT.body().encode()
    key_id = sha256(b"did:web:customs.example\n\x04" + WITNESS.public_key).digest()[:4]

    assert blob[:12] == key_id + (1_679_315_147).to_bytes(8, "big")
    assert nacl.bindings.crypto_sign_open(blob[12:] + message, WITNESS.public_key) == message


def test_a_signed_checkpoint_verifies() -> None:
    """
    What we sign reads back and verifies, with the cosignature's time; unknown keys are ignored.
    """
    read = SignedNote.parse(note().text())

    assert Checkpoint.parse(read.body) == CHECKPOINT
    assert verify_note(read, [LOG_KEY, WITNESS_KEY]) == {LOG_KEY: None, WITNESS_KEY: TIME}
    assert verify_note(read, [LOG_KEY]) == {LOG_KEY: None}


def test_a_wrong_signature_of_a_known_key_fails_the_note() -> None:
    """
    One bad line of a known key is enough to refuse the note, however good the others are.
    """
    log, witness = note().signatures
    broken = bytes([witness.signature[0] ^ 1]) + witness.signature[1:]
    changed = SignedNote(
        CHECKPOINT.body(), (log.line(), NoteSignature(witness.name, witness.key_id, broken).line())
    )

    with pytest.raises(NoteError, match="customs"):
        verify_note(changed, [LOG_KEY, WITNESS_KEY])
    assert verify_note(changed, [LOG_KEY]) == {LOG_KEY: None}


def test_a_note_of_unknown_keys_only_is_refused() -> None:
    """
    A note that no known key has signed is not a signed note.
    """
    with pytest.raises(NoteError, match="no known key"):
        verify_note(note(), [])
    with pytest.raises(NoteError, match="no known key"):
        verify_note(note(), [NoteKey(ORIGIN, LOG_KIND, WITNESS.public_key)])


def test_two_lines_of_one_known_key_are_refused() -> None:
    """
    A witness cannot give one checkpoint two times.
    """
    first, second = (cosign_line(CHECKPOINT, WITNESS_KEY.name, TIME + later, WITNESS) for later in (0, 1))

    with pytest.raises(NoteError, match="twice"):
        verify_note(SignedNote(CHECKPOINT.body(), (first, second)), [WITNESS_KEY])


def test_kinds_are_not_interchangeable() -> None:
    """
    A log line does not count as a cosignature of the same key, nor the other way round.
    """
    as_log = NoteKey(WITNESS_KEY.name, LOG_KIND, WITNESS.public_key)
    line = NoteSignature.parse(cosign_line(CHECKPOINT, WITNESS_KEY.name, TIME, WITNESS))

    with pytest.raises(NoteError):
        verify_signature(CHECKPOINT.body(), as_log, line)
    with pytest.raises(NoteError):
        verify_signature(CHECKPOINT.body(), as_log, NoteSignature(as_log.name, as_log.key_id, line.signature))


@pytest.mark.parametrize("time", [0, -1, 1 << 53], ids=["zero", "negative", "beyond 2^53"])
def test_times_outside_the_range_are_refused(time: int) -> None:
    """
    A cosignature has a time the ledger can hold.
    """
    with pytest.raises(NoteError):
        cosign_line(CHECKPOINT, WITNESS_KEY.name, time, WITNESS)


ROOT = b64encode(CHECKPOINT.root).decode()


@pytest.mark.parametrize(
    "body",
    [
        "",
        f"\n1\n{ROOT}\n",
        f"log example\n1\n{ROOT}\n",
        f"log+example\n1\n{ROOT}\n",
        f"log.example\n01\n{ROOT}\n",
        f"log.example\n+1\n{ROOT}\n",
        f"log.example\n-1\n{ROOT}\n",
        f"log.example\n１\n{ROOT}\n",
        f"log.example\n{1 << 53}\n{ROOT}\n",
        f"log.example\n1\n{ROOT[:-1]}\n",
        f"log.example\n1\n{ROOT}=\n",
        f"log.example\n1\n{b64encode(bytes(31)).decode()}\n",
        f"log.example\n1\n{ROOT}",
        f"log.example\n1\n{ROOT}\nextension\n",
        f"log.example\n1\n{ROOT}\n\n",
        f"log.example\r\n1\r\n{ROOT}\r\n",
    ],
    ids=[
        *[
            "empty",
            "no origin",
            "space",
            "plus",
            "leading zero",
            "sign",
            "negative",
            "fullwidth digit",
            "too large",
        ],
        *["cut base64", "padding", "short root", "no newline", "extension", "empty extension", "CRLF"],
    ],
)
def test_malformed_checkpoints_are_refused(body: str) -> None:
    """
    A text that is not exactly three well-formed lines is not a checkpoint.
    """
    with pytest.raises(NoteError):
        Checkpoint.parse(body)


BODY = CHECKPOINT.body()
LINE = sign_log_line(CHECKPOINT, ORIGIN, LOG)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        BODY,
        BODY + "\n",
        BODY + LINE + "\n",
        BODY + "\n" + LINE,
        BODY + "\n" + LINE + "\n\n",
        BODY + "\n" + LINE + "\nmore\n",
        BODY + "\n" + LINE.replace("—", "-") + "\n",
        BODY + "\n" + LINE.replace(" ", "  ", 1) + "\n",
        BODY + "\n" + LINE + " \n",
        BODY + "\n" + LINE.replace("=", "") + "\n",
        BODY + "\n" + f"— {ORIGIN} AAAAAA==\n",
        BODY + "\n" + f"— {ORIGIN} AAAAAB==\n",
        BODY + "\n" + f"— log\u2003{ORIGIN} {LINE.split(' ')[2]}\n",
        BODY.replace("\n", "\t\n", 1) + "\n" + LINE + "\n",
        BODY.replace("log", "l\ud800g", 1) + "\n" + LINE + "\n",
        BODY + "\n" + (LINE + "\n") * 17,
        "x" * NOTE_BYTES_MAX + "\n\n" + LINE + "\n",
    ],
    ids=[
        *[
            "empty",
            "newlines",
            "no signature",
            "only separator",
            "no separator",
            "not ended",
            "empty line at the end",
        ],
        *[
            "other line",
            "hyphen",
            "two spaces",
            "trailing space",
            "padding cut",
            "empty signature",
            "spare bits",
        ],
        *["em space in the name", "tab", "surrogate", "17 signatures", "too large"],
    ],
)
def test_malformed_notes_are_refused(text: str) -> None:
    """
    A text that `text()` would not have written is not a signed note.
    """
    with pytest.raises(NoteError):
        SignedNote.parse(text)


def test_sixteen_signatures_are_read() -> None:
    """
    The number of signatures every verifier must accept is accepted.
    """
    lines = (LINE, *(cosign_line(CHECKPOINT, f"w{number}.example", TIME, WITNESS) for number in range(15)))

    assert len(SignedNote.parse(SignedNote(BODY, lines).text()).lines) == 16
