"""Mutation testing as a gate: how many small changes of the code the tests notice.

    python -m tests.harness.mutants --since tests/mutants/since.txt    the lines changed since a commit
    python -m tests.harness.mutants --room verdicts                    a whole room
    python -m tests.harness.mutants --elsewhere --sample 1000 --seed 7 a seeded sample of what is not gated

`tests.harness.mutations` writes the mutants into a copy of the clone; `tests.harness.trials` runs for each
the tests of its room that reach its function. A mutant that survives is printed with its file, its line and
what it changes there; one that is argued away stands in `tests/mutants/argued.txt` as
`module.function | old line | new line | why`, and is counted apart, as is one of which nothing is known (it
loops, or it was stopped), or that changes no behaviour (`BY_RULE`, never tried). Exit code: 0 if the score of
the others reaches --least (per cent), else 1; with --chance also if it misses it by no more than a draw may,
see `by_chance`.

With --keep FOLDER the draw, what its tests run, and each result as it comes are kept there: the same command
on the same tree goes on where it was cut. Results come in the order of the draw, so that those of a run that
was cut are a draw themselves.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from tests.harness import alone
from tests.harness.argued import argued, by_rule
from tests.harness.mutations import Lines, Mutant, draw
from tests.harness.trials import DECIDED, FAILED, SURVIVED, UNREACHED

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "mutants"
SOURCES = ("consensus", "credentials", "node")
# Code whose mutants the running network shows (processes, browser), not the tests that a mutant can be run
# against in one process.
NOT_MUTATED = ("node/demo/*", "node/cli/*", "node/web/*", "node/__main__.py", "*/__init__.py")


@dataclass(frozen=True, slots=True)
class Room:
    """What is mutated, and the tests that are run: in this folder, importing this and not that."""

    mutated: str | tuple[str, ...]
    tests: str
    importing: str = ""
    not_importing: str = "nothing"

    def holds(self, path: str) -> bool:
        """True if a file is of this room."""
        patterns = (self.mutated,) if isinstance(self.mutated, str) else self.mutated
        return any(fnmatch(path, pattern) for pattern in patterns)

    def tests_of(self, root: Path = ROOT) -> list[str]:
        """The test files of the room."""
        texts = {file: file.read_text() for file in sorted((root / self.tests).rglob("test_*.py"))}
        return [
            str(file.relative_to(root))
            for file, text in texts.items()
            if re.search(rf"^from {self.importing}", text, re.M)
            and not re.search(rf"^from {self.not_importing}", text, re.M)
        ]


ROOMS = {
    "verdicts": Room("credentials/verdicts/*", "tests/credentials", "(credentials.verdicts|tests.harness)"),
    "ledger": Room("credentials/ledger/*", "tests/credentials", "credentials.ledger", "credentials.verdicts"),
    "status": Room(
        "credentials/documents/status.py",
        "tests/credentials",
        "credentials.documents",
        "credentials.verdicts",
    ),
    # What reads it in the replica: values, signatures, kinds of message, and why one is dropped.
    "reception": Room(
        tuple(f"consensus/{name}.py" for name in ("cose", "encoding", "reception", "refusals", "types")),
        "tests/consensus",
    ),
    "consensus": Room("consensus/*", "tests/consensus"),
    "documents": Room("credentials/*", "tests/credentials", not_importing="credentials.verdicts"),
    # What reads a peer's message before the replica does.
    "edge": Room(
        (
            "node/peers/*",
            "node/use_cases/peers.py",
            "node/ledger/inbox.py",
            "node/ledger/incoming.py",
            "node/ledger/intake.py",
        ),
        "tests/node",
        r"node\.(peers|use_cases\.peers|ledger\.(inbox|incoming|intake|engine))",
    ),
    "node": Room("node/*", "tests/node"),
}
GATED = ("verdicts", "ledger", "status")  # what `--since` looks at
# By themselves alone (`edge` in `make long`, `reception` by hand): their tests run nodes and clusters, for
# which the gate of changed lines has no time.
GATED_ALONE = ("edge", "reception")
ELSEWHERE = tuple(name for name in ROOMS if name not in GATED + GATED_ALONE)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a trial may cost. Seconds are of the processor; what only other tests would notice survives."""

    of_tests_s: float = 60  # of all tests of one mutant
    of_test_s: float = 20  # of one test
    cases_s: float = 600  # of the cases of a test of which every one is run to see what it runs
    red: int = 50  # one in so many tests may fail without a mutant, and is left out; 0: none may
    least: int = 0  # so many mutants are decided however long it takes
    at_once: int = 2  # tests of the survey, then mutants


DECIDED_LEAST = 20  # a gate that decided fewer, though more were drawn, has not looked
# Files of results beside the copy: of the run, and of second looks.
TRIED, LOOKS = ".tried", (".again-test", ".again-check", ".alone")
WHOLE = Limits()
# A second look: of the tests of `make check` more are red where thousands of mutants stand beside the code.
AGAIN = Limits(red=3)
GATE = Limits(8, 1.5, 0.1, 0, DECIDED_LEAST)
# What is drawn from one or more rooms: else most of the time would go into survivors.
SAMPLE = Limits(20, 6, 0.5)


def room_of(path: str) -> str | None:
    """The first room that a file belongs to; None if it is not mutated."""
    if not path.endswith(".py") or any(fnmatch(path, pattern) for pattern in NOT_MUTATED):
        return None
    return next((name for name, room in ROOMS.items() if room.holds(path)), None)


def changed_lines(commit: str, root: Path = ROOT) -> dict[str, Lines]:
    """The numbers of the lines added since a commit in the code, by file, whatever git is told to by default.

    A file that was moved counts as a whole.
    """
    diff = subprocess.run(
        [
            "git", "-c", "core.quotePath=false", "diff", "--unified=0", "--no-color", "--no-ext-diff",
            "--no-textconv", "--diff-algorithm=myers", "--no-renames", "--src-prefix=a/", "--dst-prefix=b/",
            commit, "--", *SOURCES,
        ],
        cwd=root, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    found: dict[str, set[int]] = {}
    path = ""
    for line in diff.splitlines():
        if line.startswith("+++ "):
            path = line.removeprefix("+++ b/")
        elif hunk := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line):
            first, count = int(hunk[1]), int(hunk[2] or 1)
            found.setdefault(path, set()).update(range(first, first + count))
    return {path: frozenset(lines) for path, lines in found.items() if lines}


def tracked() -> list[str]:
    """The files of the clone that git tracks or would."""
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    return [name for name in names if name and (ROOT / name).is_file()]


def make_copy(target: Path) -> None:
    """A copy of the clone."""
    for name in tracked():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)
    # Tests that name the place of a clone look for .git.
    subprocess.run(["git", "init", "-q"], cwd=target, check=True)


def readers(file: Path, root: Path) -> set[str]:
    """The functions of a test file that read the text of the code, by whatever function of tests they use."""
    body = ast.parse(file.read_text()).body
    known = set[str]()
    for one in body:
        if isinstance(one, ast.ImportFrom) and (one.module or "").startswith("tests."):
            other = root / f"{str(one.module).replace('.', '/')}.py"
            if other.is_file():
                known |= {name.name for name in one.names} & readers(other, root)
    texts = {one.name: ast.unparse(one) for one in body if isinstance(one, ast.FunctionDef)}
    known |= {name for name, text in texts.items() if re.search(r"ast\.parse|getsource", text)}
    found = known
    while found:
        using = re.compile(rf"\b({'|'.join(found)})\(")
        found = {name for name, text in texts.items() if name not in known and using.search(text)}
        known |= found
    return known


def reading_code(file: str, root: Path = ROOT) -> list[str]:
    """Ids of the tests that read the text of the code: in the copy it holds all mutants at once."""
    return [f"{file}::{name}" for name in sorted(readers(root / file, root)) if name.startswith("test_")]


def run(
    copy: Path,
    mutants: Sequence[Mutant],
    tests: Sequence[str],
    seconds: float,
    limits: Limits = WHOLE,
    *,
    results: str = TRIED,
    options: Sequence[str] = (),
) -> dict[str, int]:
    """Exit code of the tests of each mutant that was tried within the time: see `tests.harness.trials`.

    What was tried before stands in the file of results beside the copy; `options` are for pytest. Raises
    SystemExit if the tests are red without a mutant.
    """
    asked, tried = copy.with_suffix(".asked"), copy.with_suffix(results)
    asked.write_text(json.dumps([(mutant.name, mutant.path, mutant.lines) for mutant in mutants]))
    tried.touch()
    deselected = [f"--deselect={test}" for file in tests for test in reading_code(file, copy)]
    ended = subprocess.run(
        [
            sys.executable, "-m", "tests.harness.trials", str(asked), str(tried),
            str(seconds), str(limits.least), str(limits.at_once),
            str(limits.of_tests_s), str(limits.of_test_s), str(limits.red), str(limits.cases_s),
            "--rootdir=.", "--hypothesis-profile=mutants", *options, *deselected, *tests,
        ],
        cwd=copy, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONHASHSEED": "0"},  # the cases of a test come in one order
    )  # fmt: skip
    if ended.returncode:
        raise SystemExit(f"No mutant was tried. {(ended.stdout + ended.stderr)[-3_000:]}")
    for test in tried.with_name(f"{tried.name}.left").read_text().splitlines():
        print(f"left out, as it failed without any mutant: {test}")
    kept = FOLDER.parent / "artifacts"
    kept.mkdir(exist_ok=True)
    shutil.copy(tried, kept / f"mutants-{time.strftime('%H%M%S')}.tried")
    return codes_in(tried)


def codes_in(tried: Path) -> dict[str, int]:
    """Exit codes by name, as trials wrote them."""
    rows = [line.split() for line in tried.read_text().splitlines()]
    return {row[0]: int(row[1]) for row in rows}


def _commit(file: str) -> str:
    return (ROOT / file).read_text().split()[0]


@dataclass(frozen=True, slots=True)
class Count:
    """Mutants that tests decided: killed, and judged in all (killed, or survived and not argued)."""

    killed: int
    judged: int

    @property
    def score(self) -> float:
        """In per cent."""
        return 100.0 * self.killed / self.judged if self.judged else 100.0


def report(mutants: Sequence[Mutant], codes: dict[str, int], why: dict[tuple[str, str, str], str]) -> Count:
    """Print survivors and the score of what is neither argued away nor unknown."""
    by_name = {mutant.name: mutant for mutant in mutants}
    survivors = [by_name[name] for name, code in codes.items() if code in (SURVIVED, UNREACHED)]
    open_ones = [m for m in survivors if (m.function, m.old, m.new) not in why and not by_rule(m)]
    for mutant in open_ones:
        reached = "" if codes[mutant.name] == SURVIVED else "  (no test reaches it)"
        print(f"survived  {mutant.told}{reached}")
        print(f"    {mutant.path}:{mutant.at}\n    - {mutant.old}\n    + {mutant.new}")
    unknown = [by_name[name] for name, code in codes.items() if code not in DECIDED]
    for mutant in unknown:
        print(f"not known (ended with {codes[mutant.name]})  {mutant.told}")
    argued_away = len(survivors) - len(open_ones)
    judged = len(codes) - len(unknown) - argued_away
    count = Count(judged - len(open_ones), judged)
    print(
        f"{len(codes)} of {len(mutants)} mutants run: {count.killed} killed, {len(open_ones)} survived, "
        f"{argued_away} argued, {len(unknown)} not known; score {count.score:.1f} %"
    )
    return count


def by_chance(count: Count, least: float) -> float:
    """How often so few or fewer of so many are killed where `least` per cent of all are.

    Binomial. Drawn without replacement as they are it is rarer still, however mutants of one function cling
    together: which are drawn does not depend on that.
    """
    p, n = least / 100, count.judged
    return math.fsum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(count.killed + 1))


def passes(count: Count, least: float, chance: float | None) -> bool:
    """True if the score reaches the least, or misses it as draws do more often than `chance`; says that."""
    if count.score >= least:
        return True
    if chance is None:
        return False
    found = by_chance(count, least)
    print(f"with {least:g} % killed of all, {count.killed} or fewer of {count.judged}: {found:.1e} of draws")
    return found >= chance


def tests_about(copy: Path, mutants: Sequence[Mutant]) -> list[str]:
    """The test files of all of their rooms."""
    rooms = {room_of(mutant.path) for mutant in mutants}
    return sorted({test for name, room in ROOMS.items() if name in rooms for test in room.tests_of(copy)})


def look_again(copy: Path, mutants: Sequence[Mutant], seconds: float, limits: Limits, tier: str) -> None:
    """Try what survived by tests that the run had no time for, or could not ask; the files say what died.

    With `tier` *test*: by all tests of their rooms, with all the time; then by those that read the text of
    the code, which say nothing of one mutant where all are in it. With *check*: by those of `make check`.
    """
    tests = tests_about(copy, mutants)
    left = surviving(copy, mutants)
    run(copy, left, tests, seconds, limits, results=f".again-{tier}", options=[f"--tier={tier}"])
    if tier == "test":
        reading = [test for file in tests for test in reading_code(file, copy)]
        with tempfile.TemporaryDirectory(prefix="alone-") as folder:
            make_copy(Path(folder))
            alone.try_each(Path(folder), surviving(copy, mutants), reading, copy.with_suffix(".alone"))


def surviving(copy: Path, mutants: Sequence[Mutant]) -> list[Mutant]:
    """Those that the run and every second look so far left alive."""
    codes = codes_of_all(copy)
    return [mutant for mutant in mutants if codes.get(mutant.name) in (SURVIVED, UNREACHED)]


def codes_of_all(copy: Path) -> dict[str, int]:
    """Exit codes of a run, and of what died in a second look since."""
    codes = codes_in(copy.with_suffix(TRIED))
    for again in map(copy.with_suffix, LOOKS):
        found = codes_in(again) if again.is_file() else {}
        codes |= {name: code for name, code in found.items() if code == FAILED}
    return codes


@contextlib.contextmanager
def drawn(
    options: argparse.Namespace, paths: Sequence[str], lines: dict[str, Lines] | None
) -> Iterator[tuple[Path, list[Mutant], int]]:
    """A copy with the mutants that were drawn, and of how many: made now, or kept from a run that was cut."""
    with contextlib.ExitStack() as stack:
        if options.keep is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mutants-")))
        else:
            folder = options.keep.resolve()
        copy, kept = folder / "copy", folder / "drawn.json"
        contents = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in tracked()))
        of = [contents.hexdigest(), sorted(paths), options.seed, options.sample]
        if kept.is_file() and (found := json.loads(kept.read_text()))["of"] == of:
            chosen = [Mutant(**{**row, "lines": tuple(row["lines"])}) for row in found["chosen"]]
            yield copy, chosen, found["number"]
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make_copy(copy)
        chosen, number = draw(copy, paths, lines, options.seed, options.sample)
        kept.write_text(json.dumps({"of": of, "number": number, "chosen": [asdict(m) for m in chosen]}))
        yield copy, chosen, number


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options; see the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.harness.mutants")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--since", help="a file whose first word is a commit: only gated lines changed since")
    what.add_argument("--room", choices=ROOMS, action="append", help="a whole room")
    what.add_argument("--elsewhere", action="store_true", help="all rooms that are not gated")
    parser.add_argument("--sample", type=int, default=0, help="at most so many, drawn by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--again", choices=("test", "check"), help="with --keep: those that survived there, with all the time"
    )
    parser.add_argument(
        "--seconds", type=float, default=86_400, help="stop after so long (--since: and 20 decided)"
    )
    parser.add_argument("--at-once", type=int, default=2, help="mutants tried at once")
    parser.add_argument("--keep", type=Path, help="a folder for what is found, to go on from after a cut")
    parser.add_argument("--least", type=float, default=90.0, help="score in per cent")
    parser.add_argument("--chance", type=float, help="how rare a draw must be to be taken for no chance")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the gate; see the module."""
    options = parsed(arguments)
    started = time.monotonic()
    lines = changed_lines(_commit(options.since)) if options.since else None
    rooms = options.room or (GATED if options.since else ELSEWHERE)
    paths = [path for path in (tracked() if lines is None else lines) if room_of(path) in rooms]
    if not paths:
        print(f"no line of {', '.join(rooms)} changed since {_commit(options.since)}")
        return 0
    with drawn(options, paths, lines) as (copy, chosen, found):
        print(
            f"{len(chosen)} of {found} mutants in {len(paths)} modules drawn, seed {options.seed}", flush=True
        )
        if not chosen:
            return 0  # lines without anything to change: words, names, types
        limits = GATE if options.since else SAMPLE if options.sample else WHOLE
        left = started + options.seconds - time.monotonic()
        codes = {mutant.name: SURVIVED for mutant in chosen if by_rule(mutant)}
        asked = [mutant for mutant in chosen if mutant.name not in codes]
        if options.again:
            look_again(copy, asked, left, replace(AGAIN, at_once=options.at_once), options.again)
            codes |= codes_of_all(copy)
        elif asked:
            limits = replace(limits, at_once=options.at_once)
            codes |= run(copy, asked, tests_about(copy, asked), left, limits)
    count = report(chosen, codes, argued((FOLDER / "argued.txt").read_text()))
    decided = sum(code in DECIDED for code in codes.values())
    if decided < min(DECIDED_LEAST, len(chosen)):
        print(f"{decided} of {len(chosen)} mutants were decided: too few to say anything")
        return 1
    return 0 if passes(count, options.least, options.chance) else 1


if __name__ == "__main__":
    sys.exit(main())
