"""The file of log epochs: written and read alike, and one that was cut off or changed is none."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from credentials.ledger.log_epochs import EpochStep, Head
from node.cli.in_parts import fetch_epochs, fetch_proof
from node.errors import ProblemError, SetupError
from node.node_client import Client
from node.receipts.epochs import OPENING, EpochFile

STEPS = EpochStep("a receipt", (bytes(32),)), EpochStep("another", ())
WHOLE = EpochFile(STEPS, Head("a note", (b"x" * 32,)), {7: (bytes(32),)})


def test_a_file_is_read_as_it_was_written() -> None:
    """
    Steps, head and links; one without head and links as well.
    """
    assert EpochFile.parse(WHOLE.text()) == WHOLE
    bare = EpochFile((), None, {})
    assert EpochFile.parse(bare.text()) == bare


def test_a_file_that_is_cut_off_anywhere_is_none() -> None:
    """
    Every beginning of it is refused, and it with one line less or twice: it says how many it has.
    """
    text = WHOLE.text()
    lines = text.splitlines(keepends=True)
    broken = [text[:size] for size in range(len(text))]
    broken += ["".join(lines[:n] + lines[n + 1 :]) for n in range(1, len(lines))]
    broken += ["".join(lines[: n + 1] + lines[n:]) for n in range(len(lines))]

    for one in broken:
        with pytest.raises(SetupError):
            EpochFile.parse(one)


@pytest.mark.parametrize(
    "line",
    [
        *("", "step", "step x", "head AA==", "link x AA==", "link ٣ gA==", "other gA=="),
        *(f"link {'9' * 5_000} gA==", "step gA== gA==", "link 3 oA==", "more", "more -1", "more 1 2"),
    ],
)
def test_a_line_that_is_none_is_told_by_its_number(line: str) -> None:
    """
    Whatever stands there, the line is named, and nothing is raised but that sentence.
    """
    with pytest.raises(SetupError, match="line 2 of the file cannot be read"):
        EpochFile.parse(f"{OPENING}\n{line}\nend 2\n", "the file")


@pytest.mark.parametrize("line", ["more 7", WHOLE.text().split("\n")[3], "link 7 gA=="])
def test_a_line_that_stands_there_twice_is_told(line: str) -> None:
    """
    A file has one head, one end, and one link of a size: no second one takes its place.
    """
    with pytest.raises(SetupError, match=r"line 3 of the file cannot be read: .* or stands there twice"):
        EpochFile.parse(f"{OPENING}\n{line}\n{line}\nend 3\n", "the file")


def test_a_file_of_nothing_but_lines_is_none() -> None:
    """
    What is no file of epochs costs no more memory than its text, however many lines it has.
    """
    with pytest.raises(
        SetupError, match=r"^the epochs is no file of log epochs: it has more than 20000 lines"
    ):
        EpochFile.parse(OPENING + "\n" * 20_001)


class Hostile(Client):
    """What answers at an address that somebody calls a node's."""

    def __init__(self, steps: int, ahead: int, records: object = None) -> None:
        super().__init__("http://127.0.0.1:1", None)
        object.__setattr__(self, "answer", (steps, ahead, records))

    def text(self, path: str) -> str:
        steps, ahead, _ = self.answer  # type: ignore[attr-defined]
        after = parse_qs(urlsplit(path).query).get("after")
        if after is None:
            raise ProblemError(400, "in_parts", "In parts", "ask for it in parts")
        return EpochFile(STEPS[:1] * steps, None, {}, int(after[0]) + ahead).text()

    def get(self, path: str) -> dict[str, Any]:
        _, ahead, records = self.answer  # type: ignore[attr-defined]
        start = parse_qs(urlsplit(path).query).get("from")
        if start is None:
            raise ProblemError(400, "in_parts", "In parts", "ask for it in parts")
        return {"records": records, "next": int(start[0]) + ahead}


@pytest.mark.parametrize(
    ("client", "says"),
    [
        (Hostile(4, 0, [["a"]]), "do not follow each other"),
        (Hostile(4, 1, [["a"]] * 4), "hold more than any node has"),
        (Hostile(1, 1, [["a" * 40]]), "hold more than any node has"),
        (Hostile(0, 1, []), "a part of the answer holds nothing"),
        (Hostile(0, 1, 7), "a part of the answer holds nothing"),
    ],
    ids=["the same again", "without end", "large", "empty", "no list"],
)
def test_parts_without_end_come_to_one(client: Hostile, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whatever answers in parts: what is taken of it is bounded, and the sentence says that it is no node.
    """
    monkeypatch.setattr("credentials.ledger.log_epochs.EPOCHS_MAX", 30)
    monkeypatch.setattr("credentials.ledger.governance_proof.RECORDS_MAX", 30)
    monkeypatch.setattr("node.cli.in_parts.TOGETHER_BYTES_MAX", 1_000)

    for fetch in (fetch_epochs, fetch_proof):
        with pytest.raises(ProblemError, match=f"{says}: what answers there is no node"):
            fetch(client, 3)
