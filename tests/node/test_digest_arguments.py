"""A digest on the command line is taken as it was printed, also the one in 64 that begins with a hyphen."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.cli import digests_last
from tests.harness.net.harness import comity

DIGEST = "-FVZoOBHj70Cey5rjA9ByeddxAWZQ9RHePZvM9Csauk"


def test_a_digest_that_begins_with_a_hyphen_is_no_option() -> None:
    """
    Before and after options that stand alone; where an option asks for a value it is left.
    """
    assert digests_last(["approve", DIGEST, "--yes"]) == ["approve", "--yes", "--", DIGEST]
    assert digests_last(["get", "--json", DIGEST]) == ["get", "--json", "--", DIGEST]
    for args in (
        ["get", DIGEST[1:] + "A"],
        ["revoke", "--", DIGEST],
        ["get", "x", "--output", DIGEST],
        ["get", DIGEST[:-1]],
    ):
        assert digests_last(args) == args


@pytest.mark.parametrize(
    "command",
    [
        ("network", "approve", DIGEST),
        ("network", "withdraw", DIGEST),
        ("network", "object", DIGEST),
        ("network", "show", DIGEST),
        ("receipt", "get", DIGEST),
        ("evidence", "export", DIGEST),
        ("revoke", DIGEST, "--reason", "x"),
    ],
    ids=" ".join,
)
def test_every_command_that_takes_a_digest_takes_this_one(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    What is said is about the node that is not there, never about an option that is not known.
    """
    code = comity(*command, "--data", tmp_path / "none")

    told = capsys.readouterr().err
    assert code not in (0, 64)
    assert "option" not in told
