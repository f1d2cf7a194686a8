"""Mutation testing as a gate: the lines changed since a commit in what a verdict rests on.

The whole rooms and a seeded sample elsewhere are run by hand (`make long`); their scores stand in RESULTS.md.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import mutants

SECONDS = 360
LEAST = {"verdicts": 90, "ledger": 90}  # per cent, whole rooms
SAMPLE, SAMPLE_LEAST = 1_000, 80


def test_a_mutant_is_named_by_its_function_and_its_two_lines() -> None:
    """
    What mutmut prints is read as function, old line and new line, for functions and methods.
    """
    diff = "--- a.py\n+++ a.py\n@@ -1,2 +1,2 @@\n def f():\n-    return 1\n+    return 2"

    plain = mutants.Mutant.of("room.module.x__small__mutmut_3", "room/module.py", diff)
    method = mutants.Mutant.of("room.module.xǁClassǁmethod__mutmut_12", "room/module.py", diff)

    assert (plain.function, plain.old, plain.new) == ("room.module._small", "return 1", "return 2")
    assert method.function == "room.module.Class.method"


def test_an_argued_survivor_says_why() -> None:
    """
    A survivor is argued away by a row with function, both lines and a reason, and by nothing shorter.
    """
    assert mutants.argued("# a comment\na.f | x | y | no reader can tell\n") == {
        ("a.f", "x", "y"): "no reader can tell"
    }
    with pytest.raises(ValueError, match="not `function"):
        mutants.argued("a.f | x | y\n")


def test_the_commit_of_the_gate_is_one_of_this_history() -> None:
    """
    `tests/mutants/since.txt` names a commit whose changes can be told.
    """
    commit = (mutants.FOLDER / "since.txt").read_text().split()[0]

    assert (
        subprocess.run(
            ["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=mutants.ROOT, check=False
        ).returncode
        == 0
    )


def test_a_gate_that_ran_nothing_is_no_pass(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Survivors and mutants no test reaches count against the score; argued ones do not count.
    """
    found = [mutants.Mutant(f"m{n}", "p", "f", "old", f"new {n}") for n in range(4)]

    score = mutants.report(found, {"m0": 1, "m1": 0, "m2": 33, "m3": 0}, {("f", "old", "new 3"): "why"})

    assert round(score, 1) == 33.3
    assert "1 killed, 2 survived, 1 argued" in capsys.readouterr().out


def test_a_test_has_one_id_however_often_it_is_collected(tmp_path: Path) -> None:
    """
    A test whose id needs an escape is found by that id when one process collects it again, as mutmut does.
    """
    (tmp_path / "test_small.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('text', ['a\\nb'], ids=lambda text: text)\n"
        "def test_small(text): assert text\n"
    )
    twice = (
        "import pytest, sys\n"
        "asked = ['-q', '-p', 'tests.harness.mutants', f'--rootdir={sys.argv[1]}']\n"
        "name = f'{sys.argv[1]}/test_small.py::test_small[a\\\\nb]'\n"
        "sys.exit(max(pytest.main([*asked, name]) for _ in range(3)))\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", twice, str(tmp_path)],
        cwd=mutants.ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_mutant_in_a_statement_of_several_lines_belongs_to_each_of_them() -> None:
    """
    A mutant that replaces several lines is one of a change that touched any of them.
    """
    diff = "--- a.py\n+++ a.py\n@@ -1,3 +1,2 @@\n def f():\n-    return (\n-        1 + 2\n+    return None"

    assert mutants.Mutant.of("room.module.x_f__mutmut_1", "room/module.py", diff).replaced == (
        "return (",
        "1 + 2",
    )


@pytest.mark.check
def test_mutants_of_changed_lines_are_killed() -> None:
    """
    Of the lines changed since the named commit in the gated rooms, nine mutants of ten are killed.
    """
    assert mutants.main(["--since", "tests/mutants/since.txt", "--seconds", str(SECONDS)]) == 0


@pytest.mark.long
@pytest.mark.parametrize("room", LEAST)
def test_mutants_of_a_whole_room_are_killed(room: str) -> None:
    """
    Of all mutants of a room that a verdict rests on, nine of ten are killed; survivors are printed.
    """
    assert mutants.main(["--room", room, "--least", str(LEAST[room])]) == 0


@pytest.mark.long
def test_a_seeded_sample_of_the_other_rooms_is_killed() -> None:
    """
    Of 1,000 seeded mutants elsewhere four of five are killed; survivors are printed.
    """
    assert mutants.main(["--sample", str(SAMPLE), "--seed", "20261126", "--least", str(SAMPLE_LEAST)]) == 0
