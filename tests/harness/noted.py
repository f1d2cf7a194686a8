"""Every verdict and report that the tests of credentials/ make is noted, and compared with what is kept.

A test looks at what it is about: a word, a reason, one parameter. Kept beside it is the whole of what was
judged on the way: every check with its code, parameters and sentence and what the row of a table makes of it,
the places of statements, every moment at which something may turn, and the names that a battery has. What a
test asks for by itself (one step about one document, a manifest) is kept as well, also where it is refused;
and of the ledger what it refused, in which words. `tests/vectors/noted.txt` has lines
test | what | word | reason | digest of each that was judged so. What a test makes must be one of the kept; a
test that is not in the file is new, and not compared before it is written:

    python -m tests.harness.noted [FILE ...]

writes the file anew (of these files of tests alone), and `git diff` shows what changed, and which tests made
it. A test that makes more than MOST is left out: it draws, and has a model beside it or a file of its own.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import cache, wraps
from hashlib import sha256
from pathlib import Path
from types import MethodType, ModuleType
from typing import Any

import pytest

from consensus.application import Refusal
from credentials.documents.canonical import b64u
from credentials.errors import CredentialError
from credentials.verdicts.record import Inquiry
from credentials.verdicts.verdict import Findings

KEPT = Path(__file__).parents[1] / "vectors" / "noted.txt"
MOST = 400
HEAD = "# What the tests of credentials/ judge, written by `python -m tests.harness.noted`: see its module."
_now: list[set[str]] = []  # of the test that runs, if it is noted
_within: list[str] = []  # what is noted and runs
_DIGEST = re.compile(r"(?<![\w-])([A-Za-z0-9_-]{43}|[0-9a-f]{64})(?![\w-])")
WRITER = "writer of noted.txt"  # the plugin that is there while the file is written


def _plain(value: Any) -> Any:
    """What JSON has no form for: sets in order, bytes as the text of a digest, values by their members."""
    if isinstance(value, Set):
        return sorted(value, key=str)
    if isinstance(value, bytes):
        return b64u(value)
    if is_dataclass(value):
        return {member.name: getattr(value, member.name) for member in fields(value)}
    return dict(value)


def judged(found: Any, *_: Any) -> Any:
    """A verdict or a report, and for each check the word and the ground that its row gives it."""
    if (report := getattr(found, "as_dict", None)) is None:
        return found
    checks = getattr(getattr(found, "verdict", found), "checks", ())
    return {**report(), "rows": [[check.word, check.ground] for check in checks]}


def steps(made: Any, found: Findings, *_: Any) -> Any:
    """What one step found, and whether it took the document for proven."""
    checks = [[check.as_dict(), check.word, check.ground] for check in found.checks]
    proven = [getattr(made, name, None) for name in ("proven", "unreadable", "controllers", "methods")]
    return {"checks": checks, "moments": found.moments, "proven": proven}


def moments(until: int | None, inquiry: Inquiry, found: Findings) -> Any:
    """All moments that were compared with the time: a verdict has the next of them."""
    return {"next": until, "all": inquiry.moments | found.moments}


def nothing(*_: Any) -> None:
    """Only how it was refused is kept."""


def line(what: str, told: Any) -> str:
    """What was found as it is kept.

    Of digests it is kept which are the same: one word more in a table of rules would change every one.
    """
    digests: dict[str, str] = {}
    text = json.dumps(told, sort_keys=True, default=_plain)
    text = _DIGEST.sub(lambda match: digests.setdefault(match[0], f"digest {len(digests)}"), text)
    digest = sha256(text.encode()).hexdigest()[:16]
    word, reason = (told.get("verdict"), told.get("reason")) if isinstance(told, dict) else (None, None)
    return f"{what} | {word or '-'} | {reason or '-'} | {digest}"


def noting(
    owner: ModuleType | type, name: str, say: Callable[..., Any] = judged, *, alone: bool = False
) -> None:
    """From now on whoever calls this function has what it returns noted, also who imported it before.

    `say` makes what is kept of the result and the arguments; `alone`: not where what is noted calls it.
    The second worker of `make test` imports the tests from the other end, before it comes to this folder.
    """
    judge: Callable[..., Any] = getattr(owner, name)

    @wraps(judge)
    def noted(*args: Any, **kwargs: Any) -> Any:
        lines = _now[-1] if _now and len(_now[-1]) <= MOST and not (alone and _within) else None
        _within.append(name)
        try:
            found = judge(*args, **kwargs)
        except (CredentialError, Refusal) as error:
            if lines is not None:
                lines.add(line(name, {"verdict": "refused", "reason": error.code, "why": str(error)}))
            raise
        finally:
            _within.pop()
        if lines is not None and say is not nothing:
            lines.add(line(name, say(found, *args)))
        return found

    if isinstance(owner, type):
        setattr(owner, name, staticmethod(noted) if isinstance(judge, MethodType) else noted)
        return
    for holder in list(sys.modules.values()):
        if getattr(holder, "__dict__", {}).get(name) is judge:
            setattr(holder, name, noted)


@cache
def kept() -> Mapping[str, frozenset[str]]:
    """The lines of each test."""
    found: dict[str, set[str]] = defaultdict(set)
    for text in KEPT.read_text().splitlines() if KEPT.exists() else ():
        if not text.startswith("#"):
            test, _, said = text.partition(" | ")
            told, _, digests = said.rpartition(" | ")
            found[test].update(f"{told} | {digest}" for digest in digests.split())
    return {test: frozenset(lines) for test, lines in found.items()}


@cache
def _all() -> frozenset[str]:
    return frozenset[str]().union(*kept().values())


def test_of(item: pytest.Item) -> str:
    """The file and the function of a case."""
    return item.nodeid.partition("[")[0].removeprefix("tests/credentials/")


def is_noted(item: pytest.Item) -> bool:
    """True of what runs in `make test` with the same examples each time."""
    drawn = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    marked = item.get_closest_marker("check") or item.get_closest_marker("long")
    return not drawn and not marked and (_writer(item) is not None or test_of(item) in kept())


def _writer(item: pytest.Item) -> Any:
    return item.config.pluginmanager.get_plugin(WRITER)


@contextmanager
def noted(item: pytest.Item) -> Generator[None]:
    """What is judged meanwhile is compared with what is kept, once it has ended well."""
    lines = set[str]()
    _now.append(lines)
    try:
        yield
    finally:
        _now.pop()
    if (writer := _writer(item)) is not None:
        writer.made[test_of(item)].update(lines)
        return
    require_kept(lines)


def require_kept(lines: Collection[str]) -> None:
    """Fail unless each was kept, for whichever test: what one finds in a cache another may have computed."""
    strange = [] if len(lines) > MOST else [text for text in lines if text not in _all()]
    assert not strange, f"not as it is kept: {strange[:3]}; if that is meant: `python -m {__name__}`"


class Writer:
    """Takes what each test judges."""

    def __init__(self) -> None:
        self.made: dict[str, set[str]] = defaultdict(set)

    def rows(self) -> list[str]:
        """The lines of the file."""
        return [row for test, made in self.made.items() if len(made) <= MOST for row in rows_of(test, made)]


def rows_of(test: str, made: Collection[str]) -> list[str]:
    """A line for each word and reason, with the digests of all that had it."""
    digests: dict[str, list[str]] = defaultdict(list)
    for text in sorted(made):
        told, _, digest = text.rpartition(" | ")
        digests[told].append(digest)
    return [f"{test} | {told} | {' '.join(found)}" for told, found in digests.items()]


def main(options: Sequence[str]) -> int:
    """Run the tests, and write what they judge unless one fails."""
    writer = Writer()
    where = ["--tier=test", "-q", "-p", "no:cacheprovider", *(options or ["tests/credentials"])]
    where.append("--deselect=tests/credentials/test_noted.py")  # it is about the file that is written
    code = int(pytest.main(where, plugins=[_Named(writer)]))
    if code == 0:
        # Of the others nothing was made.
        others = {test: texts for test, texts in kept().items() if options and test not in writer.made}
        rows = [*writer.rows(), *(row for test, texts in others.items() for row in rows_of(test, texts))]
        KEPT.write_text("\n".join([HEAD, *sorted(rows)]) + "\n")
    return code


class _Named:
    """Registers the writer under its name."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.register(self.writer, WRITER)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
