"""Mutation testing as a gate: the lines changed since a commit in what a verdict rests on.

The whole rooms and a seeded sample elsewhere are run by hand (`make long`); their scores stand in RESULTS.md.
"""

import subprocess
from pathlib import Path

import pytest

from tests.harness import mutants
from tests.harness.trials import FAILED, SURVIVED, UNREACHED

SMALL = """
from functools import cache
def large(number):
    return number > 3
def kept():
    return large(9)
@cache
def remembered():
    return kept()
def unasked():
    return 1
"""
SMALL_TESTS = """
from consensus.small import large, remembered
def test_first(): remembered()
def test_second(): assert remembered()
def test_large(): assert large(5) and not large(1) and large(4)
"""
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


def test_only_the_message_of_an_assert_is_argued_by_rule() -> None:
    """
    A mutant of what an assert says is argued away; one of what it asserts, or of any other text, is not.
    """

    def argued(old: str, new: str) -> bool:
        return mutants.message_of_an_assert(mutants.Mutant("m", "p", "f", old, new))

    assert argued('assert a == b, "why not"', 'assert a == b, "XXwhy notXX"')
    assert argued('assert a == b, f"why {a}"', "assert a == b, None")
    assert not argued('assert a == b, "why not"', 'assert a != b, "why not"')
    assert not argued('assert a == b, "why not"', 'assert a == None, "WHY NOT"')
    assert not argued('raise E("why not")', 'raise E("XXwhy notXX")')


@pytest.mark.check
def test_mutants_are_tried_each_in_a_fork_of_its_own(tmp_path: Path) -> None:
    """
    A mutant that a test notices is killed by that test, one that no test notices survives, one that no test
    reaches is told apart; what one test keeps in a cache hides nothing from the next.
    """
    files = {
        "consensus/small.py": SMALL,
        "tests/__init__.py": "",
        "tests/conftest.py": "from hypothesis import settings\nsettings.register_profile('mutants')\n",
        "tests/test_small.py": SMALL_TESTS,
        "tests/harness/__init__.py": "",
        "tests/harness/trials.py": (mutants.ROOT / "tests/harness/trials.py").read_text(),
        "pyproject.toml": (
            "[tool.mutmut]\nsource_paths = ['consensus']\nonly_mutate = ['consensus/*']\n"
            "do_not_mutate = []\nalso_copy = ['tests']\n"
        ),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = mutants.generate(tmp_path, 1, 0)

    codes = mutants.run(tmp_path, [m.name for m in found], ["tests/test_small.py"], 60)

    by_change = {(m.function.rpartition(".")[2], m.new): codes[m.name] for m in found}
    assert by_change["large", "return number >= 3"] == SURVIVED
    assert by_change["large", "return number > 4"] == FAILED
    assert by_change["kept", "return large(None)"] == FAILED
    assert by_change["unasked", "return 2"] == UNREACHED


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
