"""Mutation testing as a gate: the lines changed since a commit in what a verdict rests on.

The whole rooms and a seeded sample elsewhere are run by hand (`make long`); their scores stand in RESULTS.md.
"""

import subprocess
from pathlib import Path

import pytest

from tests.harness import mutants
from tests.harness.mutations import Mutant, draw, whole_statements
from tests.harness.trials import FAILED, SURVIVED, UNREACHED

SMALL = """
from functools import cache
def large(number):
    return number > 3
def kept():
    return 2 + 2
@cache
def remembered():
    return kept()
def unasked():
    return 1
class Plain:
    @classmethod
    def made(cls):
        return cls, 5
    @staticmethod
    def counted():
        yield from range(2)
    def told(self, word="none"):
        return self, word
"""
SMALL_TESTS = """
from consensus.small import Plain, large, remembered
class Special(Plain): pass
def test_first(): remembered()
def test_second(): assert remembered() == 4
def test_large(): assert large(5) and not large(1) and large(4)
def test_made(): assert Special.made() == (Special, 5) and Special().made() == (Special, 5)
def test_counted(): assert list(Plain.counted()) == [0, 1]
def test_told(): assert Plain().told()[1] == "none"
"""
SECONDS = 360
LEAST = {"verdicts": 90, "ledger": 90}  # per cent, whole rooms
AT_MOST = 400  # drawn by the seed of the gate: more are not tried within its time
SAMPLE, SAMPLE_LEAST = 1_000, 80


def small_copy(folder: Path, number: int = 0) -> list[Mutant]:
    """So many mutants (0: all) of a package of one module, written into a folder with its tests."""
    files = {
        "consensus/small.py": SMALL,
        "tests/__init__.py": "",
        "tests/conftest.py": "from hypothesis import settings\nsettings.register_profile('mutants')\n",
        "tests/test_small.py": SMALL_TESTS,
        "tests/harness/__init__.py": "",
        "tests/harness/trials.py": (mutants.ROOT / "tests/harness/trials.py").read_text(),
        "tests/harness/trampoline.py": (mutants.ROOT / "tests/harness/trampoline.py").read_text(),
        "pyproject.toml": "",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return draw(folder, ["consensus/small.py"], None, 1, number)[0]


def test_a_mutant_is_named_by_its_function_and_its_two_lines() -> None:
    """
    What mutmut prints is read as function, old line and new line, for functions and methods.
    """
    lines = ["def f():", "    return 1"], ["def f():", "    return 2"]

    plain = Mutant.of("room.module.x__small__mutmut_3", "room/module.py", *lines)
    method = Mutant.of("room.module.xǁClassǁmethod__mutmut_12", "room/module.py", *lines)

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
    found = [Mutant(f"m{n}", "p", "f", "old", f"new {n}") for n in range(4)]

    score = mutants.report(found, {"m0": 1, "m1": 0, "m2": 33, "m3": 0}, {("f", "old", "new 3"): "why"})

    assert round(score, 1) == 33.3
    assert "1 killed, 2 survived, 1 argued" in capsys.readouterr().out


def test_where_no_line_changed_the_gate_has_nothing_to_say(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Without a changed line of a gated room nothing is tried, and that is said.
    """
    monkeypatch.setattr(mutants, "changed_lines", lambda commit: {"node/words.py": frozenset({1})})

    assert mutants.main(["--since", "tests/mutants/since.txt"]) == 0
    assert "no line of verdicts, ledger, status changed since" in capsys.readouterr().out


def test_only_the_message_of_an_assert_is_argued_by_rule() -> None:
    """
    A mutant of what an assert says is argued away; one of what it asserts, or of any other text, is not.
    """

    def argued(old: str, new: str) -> bool:
        return mutants.message_of_an_assert(Mutant("m", "p", "f", old, new))

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
    found = small_copy(tmp_path)

    codes = mutants.run(tmp_path, found, ["tests/test_small.py"], 60)

    by_change = {(m.function.rpartition(".")[2], m.new): codes[m.name] for m in found}
    assert by_change["large", "return number >= 3"] == SURVIVED
    assert by_change["large", "return number > 4"] == FAILED
    assert by_change["kept", "return 2 - 2"] == FAILED
    assert by_change["unasked", "return 2"] == UNREACHED
    assert by_change["made", "return cls, 6"] == FAILED
    assert by_change["counted", "yield from range(3)"] == FAILED
    assert by_change["told", 'def told(self, word="XXnoneXX"):'] == FAILED


@pytest.mark.check
def test_what_is_drawn_is_the_same_for_a_seed_and_nothing_else_is_written(tmp_path: Path) -> None:
    """
    A draw by a seed gives the same changes in the same order, and only those are in the copy.
    """
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()

    drawn = small_copy(tmp_path / "one", number=3)
    again = small_copy(tmp_path / "other", number=3)

    assert [m.told for m in drawn] == [m.told for m in again]
    assert len({m.told for m in drawn}) == 3
    assert (tmp_path / "one/consensus/small.py").read_text().count("_mutmut_orig'] = ") == len(
        {m.function for m in drawn}
    )


def test_a_changed_line_stands_for_its_statement() -> None:
    """
    A change of one line of a statement is one of all its lines; of a statement with a body only of its head.
    """
    code = "def f(\n    a):\n    return (\n        a + 2\n    )\nx = 1\n"

    assert whole_statements(code, frozenset({4})) == {3, 4, 5}
    assert whole_statements(code, frozenset({2})) == {1, 2}
    assert whole_statements(code, frozenset({6})) == {6}


def test_every_module_that_is_mutated_has_a_room_with_tests() -> None:
    """
    No package is left out of the rooms but those that are named, and each room has tests.
    """
    code = [path for path in mutants.tracked() if path.endswith(".py") and path.startswith(mutants.SOURCES)]
    left_out = {path for path in code if mutants.room_of(path) is None}

    assert {path for path in left_out if not path.endswith("__init__.py")} == {
        path
        for path in code
        if path.startswith(("node/demo/", "node/cli/", "node/web/", "node/__main__.py"))
        and not path.endswith("__init__.py")
    }
    assert all(room.tests_of() for room in mutants.ROOMS.values())


@pytest.mark.long
def test_mutants_of_changed_lines_are_killed() -> None:
    """
    Of the lines changed since the named commit in the gated rooms, nine mutants of ten are killed.

    By hand for now: to see which test reaches which line takes the six minutes that it has, so that in
    `make check` no mutant was tried at all, which fails.
    """
    options = ["--sample", str(AT_MOST), "--seconds", str(SECONDS)]

    assert mutants.main(["--since", "tests/mutants/since.txt", *options]) == 0


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
    options = ["--sample", str(SAMPLE), "--seed", "20261126", "--least", str(SAMPLE_LEAST)]

    assert mutants.main(["--elsewhere", *options]) == 0
