"""The file of log epochs: written and read alike, and one that was cut off or changed is none."""

from __future__ import annotations

import pytest

from credentials.ledger.log_epochs import EpochStep, Head
from node.errors import SetupError
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
        *(f"link {'9' * 5_000} gA==", "step gA== gA==", "link 3 oA=="),
    ],
)
def test_a_line_that_is_none_is_told_by_its_number(line: str) -> None:
    """
    Whatever stands there, the line is named, and nothing is raised but that sentence.
    """
    with pytest.raises(SetupError, match="line 2 of the file cannot be read"):
        EpochFile.parse(f"{OPENING}\n{line}\nend 2\n", "the file")
