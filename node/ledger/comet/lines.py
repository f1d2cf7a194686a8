"""The lines of CometBFT that this node speaks with: a network has one of them (node 0657, consensus 0127).

Two lines may date one block differently: 0.38 counts precommits for nil, and 0.40 leaves them out. So whose
CometBFT is of another line than those that it is connected with stops it, and says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence

# By what a version begins with: v0.40.0 says of itself that it is 0.39.0.
LINES = {"0.38.": "0.38", "0.40.": "0.40", "0.39.0": "0.40"}


def line_of(version: str) -> str | None:
    """The line of a version as CometBFT tells it; None of one with which this node does not speak."""
    told = version.strip().removeprefix("v")
    return next((line for start, line in LINES.items() if told.startswith(start)), None)


def apart(own: str, others: Sequence[str]) -> str | None:
    """Why this CometBFT does not go on beside those; None where it may.

    One of another line is its own fault while no more are of that than of the own line, this one among them.
    """
    line = line_of(own)
    strange = [other for other in others if line_of(other) != line]
    if line is None or len(strange) <= len(others) - len(strange) + 1:
        return None
    named = ", ".join(sorted({line_of(other) or other[:40] for other in strange}))
    return (
        f"this node's CometBFT is of the line {line}, and {len(strange)} of the {len(others)} that it is "
        f"connected with are of {named}: all of a network run one line. Name such a program in node.toml, as "
        "binary below [cometbft], and start the node again"
    )
