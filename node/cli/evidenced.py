"""`comity check FILE --evidence`: the evidence file of a consignment, checked offline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from node.cli.client import show
from node.cli.terminal import say
from node.errors import SetupError, Unreadable
from node.words import when

if TYPE_CHECKING:
    from node.receipts.evidence_check import CheckedEvidence

LINE_BYTES_MAX = 64 << 20
SHOWN_MAX = 20  # of what does not hold, and of what was not checked: the rest is counted
CODES = {"holds": 0, "does not hold": 1, "not checked": 2}


def check_file(path: Path, policy_file: Path, epochs_file: Path | None, *, as_json: bool) -> int:
    """Check, and print what was found; the exit code."""
    from consensus.errors import ConsensusError  # noqa: PLC0415
    from node.receipts.checker import read_log  # noqa: PLC0415
    from node.receipts.evidence_check import NoEvidenceFile, check_evidence  # noqa: PLC0415

    try:
        made = check_evidence(_lines(path), read_log(policy_file, epochs_file))
    except NoEvidenceFile as error:
        raise SetupError(
            f"{path} is no evidence file: {error}",
            step="Save it anew from the page of the consignment, whole.",
        ) from error
    except ConsensusError as error:  # epochs that do not follow each other
        say(f"not valid: {error}")
        return CODES["does not hold"]
    answer = "holds" if made.whole else "not checked" if made.holds else "does not hold"
    if as_json:
        _show(made, answer)
    else:
        _print(made, answer)
    return CODES[answer]


def _lines(path: Path) -> Iterator[bytes]:
    """The file line by line, none longer than is read."""
    try:
        with path.open("rb") as file:
            while line := file.readline(LINE_BYTES_MAX):
                yield line
    except OSError as error:
        raise Unreadable(f"the evidence file {path} cannot be read: {error.strerror}") from error


def _show(made: CheckedEvidence, answer: str) -> None:
    from node.receipts.evidence_check import NEVER_CHECKED  # noqa: PLC0415

    show(
        {
            "answer": answer,
            "consignment": made.head["consignment"],
            "verdicts_sha256": made.verdicts,
            "lines": [asdict(one) for one in made.lines],
            "found": [asdict(one) for one in made.found],
            "never_checked": NEVER_CHECKED,
        }
    )


def _print(made: CheckedEvidence, answer: str) -> None:
    from node.receipts.evidence_check import NEVER_CHECKED  # noqa: PLC0415

    head = made.head["consignment"]
    say(f"{answer}: {len(made.lines)} lines of consignment {head['declaration'] or head['id']}")
    say(f"judged by {made.head['judged_by']}, saved {when(made.head['made_at'])}")
    say(f"SHA-256 of the verdicts, as a record of the consignment names it: {made.verdicts}")
    for one in made.lines:
        again = one.again or "not checked"
        told = f"{one.verdict:<19} again: {again:<19} {one.records} statements proven  {one.battery}"
        say(f"  line {one.line:>5}  {told}")
    steps = Counter((one.step, one.outcome) for one in made.found)
    for (step, outcome), count in sorted(steps.items()):
        say(f"  {outcome:<12} {step}: {count}")
    for outcome, words in (("fail", "does not hold"), ("not_checked", "not checked")):
        whys = Counter(
            f"{one.step}: {one.why}" if one.line is None else f"line {one.line}: {one.why}"
            for one in made.found
            if one.outcome == outcome
        )
        for why, count in list(whys.items())[:SHOWN_MAX]:
            say(f"  {words}: {why}" + (f" ({count} times)" if count > 1 else ""))
        if len(whys) > SHOWN_MAX:
            say(f"  {words}: {len(whys) - SHOWN_MAX} more, with --json")
    for never in NEVER_CHECKED:
        say(f"  no file shows {never}")
