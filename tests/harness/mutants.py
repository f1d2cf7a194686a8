"""Mutation testing as a gate: how many small changes of the code the tests notice.

    python -m tests.harness.mutants --since tests/mutants/since.txt    the lines changed since a commit
    python -m tests.harness.mutants --room verdicts                    a whole room
    python -m tests.harness.mutants --sample 1000 --seed 7             a seeded sample of what is not gated

mutmut makes the mutants in a copy of the clone; `tests.harness.trials` runs for each the tests that reach its
function. A mutant that survives is printed as the line it replaced and the line it put there; one that is
argued away stands in `tests/mutants/argued.txt` as `module.function | old line | new line | why`, and is
counted apart. Exit code: 0 if the score of the others reaches --least (per cent), else 1.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from tests.harness.trials import SURVIVED, UNREACHED

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "mutants"
SOURCES = ("consensus", "credentials", "node")
# Code whose mutants the running network shows (processes, browser), not the tests that a mutant can be run
# against in one process.
NOT_MUTATED = ("node/demo/*", "node/cli/*", "node/web/*", "node/__main__.py", "*/__init__.py")


@dataclass(frozen=True, slots=True)
class Room:
    """What is mutated, and the tests that are run: in this folder, importing this and not that."""

    mutated: str
    tests: str
    importing: str
    not_importing: str = "nothing"

    def tests_of(self) -> list[str]:
        """The test files of the room."""
        texts = {file: file.read_text() for file in sorted(ROOT.glob(f"{self.tests}/test_*.py"))}
        return [
            str(file.relative_to(ROOT))
            for file, text in texts.items()
            if re.search(rf"^from {self.importing}", text, re.M)
            and not re.search(rf"^from {self.not_importing}", text, re.M)
        ]


ROOMS = {
    "verdicts": Room(
        "credentials/verdicts/*.py", "tests/credentials", "(credentials.verdicts|tests.harness)"
    ),
    "ledger": Room(
        "credentials/ledger/*.py", "tests/credentials", "credentials.ledger", "credentials.verdicts"
    ),
    "status": Room(
        "credentials/documents/status.py",
        "tests/credentials",
        "credentials.documents",
        "credentials.verdicts",
    ),
    "consensus": Room("consensus/*.py", "tests/consensus", "consensus"),
    "documents": Room(
        "credentials/documents/*.py", "tests/credentials", "credentials", "credentials.verdicts"
    ),
    "peers": Room("node/peers/*.py", "tests/node", "node.peers"),
    "storage": Room("node/storage/*.py", "tests/node", "node.storage"),
}
ELSEWHERE = Room("*", "tests/[cn]*", "(consensus|credentials|node|tests)")  # consensus, credentials, node
CHILDREN = "2"  # mutants tried at once
GATED = ("verdicts", "ledger", "status")  # what `--since` looks at

# Run in the copy with a seed and a number: so many mutants (0: all), {name: [file, unified diff]}. A diff
# takes 20 ms, a room has thousands of mutants: only what is drawn is compared.
_GENERATE = """
import json, random, sys
from pathlib import Path
from mutmut import __main__ as m
from mutmut.mutation.diff_apply import get_diff_for_mutant
m.set_mutant_under_test("mutant_generation")
Path("mutants").mkdir(exist_ok=True)
m.copy_src_dir(); m.copy_also_copy_files(); m.setup_source_paths(); m.store_lines_covered_by_tests()
m.create_mutants(2)
paths = {}
for path in m.walk_mutatable_files():
    data = m.SourceFileMutationData(path=path)
    data.load()
    for name in data.exit_code_by_key:
        paths[name] = path
seed, number = map(int, sys.argv[1:])
names = sorted(paths)
random.Random(seed).shuffle(names)
found = {n: [str(paths[n]), get_diff_for_mutant(n, path=paths[n])] for n in names[: number or None]}
Path("generated.json").write_text(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: `function` is dotted, `old` and `new` are the lines without indentation."""

    name: str
    path: str
    function: str
    old: str
    new: str
    replaced: tuple[str, ...] = ()  # the lines of `old`

    @classmethod
    def of(cls, name: str, path: str, diff: str) -> Mutant:
        """Read what mutmut prints of a mutant."""
        lines = diff.splitlines()
        replaced = tuple(x[1:].strip() for x in lines if x.startswith("-") and not x.startswith("---"))
        new = " ".join(x[1:].strip() for x in lines if x.startswith("+") and not x.startswith("+++"))
        function = re.sub(r"__mutmut_\d+$", "", name).replace("ǁ", ".")
        function = re.sub(r"\.x_?\.?(?=[^.]+(\.[^.]+)?$)", ".", function)
        return cls(name, path, function, " ".join(replaced), new, replaced)


def argued(text: str) -> dict[tuple[str, str, str], str]:
    """(function, old, new) -> why of each argued survivor; raises ValueError for a row without why."""
    found = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            cells = [cell.strip() for cell in line.split(" | ")]
            if len(cells) != 4 or not all(cells):
                raise ValueError(f"not `function | old | new | why`: {line}")
            found[cells[0], cells[1], cells[2]] = cells[3]
    return found


def changed_lines(commit: str, root: Path = ROOT) -> dict[str, set[str]]:
    """The lines added since a commit in what is mutated, without indentation, by file."""
    diff = subprocess.run(
        ["git", "diff", "--unified=0", commit, "--", *SOURCES],
        cwd=root, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    found: dict[str, set[str]] = {}
    path = ""
    for line in diff.splitlines():
        if line.startswith("+++ "):
            path = line.removeprefix("+++ b/")
        elif line.startswith("+") and line[1:].strip():
            found.setdefault(path, set()).add(line[1:].strip())
    return found


def make_copy(target: Path, only: Sequence[str], never: Sequence[str]) -> None:
    """A copy of the clone (what git tracks or would), with mutmut told what to mutate."""
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    top = sorted({name.split("/")[0] for name in names if name} - {*SOURCES, "pyproject.toml"})
    settings = {
        "source_paths": list(SOURCES),
        "only_mutate": list(only),
        "do_not_mutate": [*NOT_MUTATED, *never],
        "also_copy": top,
    }
    table = "\n".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
    with (target / "pyproject.toml").open("a") as file:
        file.write(f"\n[tool.mutmut]\n{table}\n")
    # Tests that name the place of a clone look for .git.
    subprocess.run(["git", "init", "-q"], cwd=target, check=True)


def reading_code(file: str, root: Path = ROOT) -> list[str]:
    """Ids of the tests that read the text of the code: in the copy it holds all mutants at once."""
    functions = [n for n in ast.parse((root / file).read_text()).body if isinstance(n, ast.FunctionDef)]
    reading = {f.name for f in functions if re.search(r"ast\.parse|getsource", ast.unparse(f))}
    used = {f.name for f in functions if re.search(rf"\b({'|'.join(reading)})\(", ast.unparse(f)) and reading}
    return [f"{file}::{name}" for name in sorted(reading | used) if name.startswith("test_")]


def generate(copy: Path, seed: int, number: int) -> list[Mutant]:
    """So many mutants of the copy (0: all), drawn by the seed."""
    subprocess.run(
        [sys.executable, "-c", _GENERATE, str(seed), str(number)],
        cwd=copy, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    found = json.loads((copy / "generated.json").read_text())
    return [Mutant.of(name, path, diff) for name, (path, diff) in found.items()]


def run(copy: Path, names: Sequence[str], tests: Sequence[str], seconds: float) -> dict[str, int]:
    """Exit code of the tests of each mutant that was tried within the time: see `tests.harness.trials`."""
    (copy / "asked.txt").write_text("\n".join(names))
    deselected = [f"--deselect={test}" for file in tests for test in reading_code(file, copy)]
    ended = subprocess.run(
        [
            sys.executable, "-m", "tests.harness.trials", "../asked.txt", "../tried.txt",
            str(seconds), CHILDREN, "--rootdir=.", "--hypothesis-profile=mutants", *deselected, *tests,
        ],
        cwd=copy / "mutants", capture_output=True, text=True, check=False,
    )  # fmt: skip
    tried, kept = copy / "tried.txt", FOLDER.parent / "artifacts"
    kept.mkdir(exist_ok=True)
    for file in copy.glob("tried.*"):
        shutil.copy(file, kept / f"mutants-{os.getpid()}{file.suffix}")
    if ended.returncode or not tried.exists():
        raise SystemExit(f"no mutant was tried:\n{(ended.stdout + ended.stderr)[-3_000:]}")
    for test in tried.with_suffix(".failed").read_text().splitlines():
        print(f"left out, as it fails without any mutant: {test}")
    rows = [line.split() for line in tried.read_text().splitlines()]
    return {row[0]: int(row[1]) for row in rows}


def _commit(file: str) -> str:
    return (ROOT / file).read_text().split()[0]


def message_of_an_assert(mutant: Mutant) -> bool:
    """True if it changes nothing but what an assert says: it is read only if the code itself is wrong."""
    old, new = (re.match(r"(assert .+?), f?(?:\".*\"|None)$", text) for text in (mutant.old, mutant.new))
    return old is not None and new is not None and old[1] == new[1]


def report(mutants: Sequence[Mutant], codes: dict[str, int], why: dict[tuple[str, str, str], str]) -> float:
    """Print survivors and the score; the score in per cent of what is not argued away."""
    by_name = {mutant.name: mutant for mutant in mutants}
    survivors = [by_name[name] for name, code in codes.items() if code in (SURVIVED, UNREACHED)]
    open_ones = [
        m for m in survivors if (m.function, m.old, m.new) not in why and not message_of_an_assert(m)
    ]
    for mutant in open_ones:
        reached = "" if codes[mutant.name] == SURVIVED else "  (no test reaches it)"
        print(f"survived  {mutant.function} | {mutant.old} | {mutant.new}{reached}")
    judged = len(codes) - (len(survivors) - len(open_ones))
    killed = judged - len(open_ones)
    score = 100.0 * killed / judged if judged else 100.0
    print(
        f"{len(codes)} of {len(mutants)} mutants run: {killed} killed, {len(open_ones)} survived, "
        f"{len(survivors) - len(open_ones)} argued; score {score:.1f} %"
    )
    return score


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the gate; see the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.harness.mutants")
    parser.add_argument("--since", help="a file whose first word is a commit: only lines changed since")
    parser.add_argument("--room", choices=sorted(ROOMS), action="append", help="a whole room")
    parser.add_argument("--sample", type=int, default=0, help="at most so many, drawn by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--seconds", type=float, default=86_400, help="stop after so long; what ran is counted"
    )
    parser.add_argument("--least", type=float, default=90.0, help="score in per cent")
    options = parser.parse_args(arguments)
    changed = changed_lines(_commit(options.since)) if options.since else {}
    if options.since:
        options.room = [name for name in GATED if any(fnmatch(path, ROOMS[name].mutated) for path in changed)]
        if not options.room:
            print(f"no line of {', '.join(GATED)} changed since {_commit(options.since)}")
            return 0
    rooms = [ROOMS[name] for name in options.room or ()]
    only = [room.mutated for room in rooms] or [f"{source}/*" for source in SOURCES]
    if options.since:
        only = [path for path in changed if any(fnmatch(path, room.mutated) for room in rooms)]
    tests = sorted({test for room in rooms or [ELSEWHERE] for test in room.tests_of()})
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder)
        make_copy(copy, only, () if rooms else [ROOMS[name].mutated for name in GATED])
        chosen = generate(copy, options.seed, 0 if options.since else options.sample)
        if options.since:
            chosen = [m for m in chosen if changed[m.path].intersection(m.replaced)]
        print(f"{len(chosen)} mutants in {len({m.path for m in chosen})} modules chosen")
        if not chosen:
            return 0
        codes = run(copy, [m.name for m in chosen], tests, options.seconds - (time.monotonic() - started))
        score = report(chosen, codes, argued((FOLDER / "argued.txt").read_text()))
    return 0 if score >= options.least else 1


if __name__ == "__main__":
    sys.exit(main())
