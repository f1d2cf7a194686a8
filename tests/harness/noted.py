"""Every verdict and report that the tests of credentials/ make is noted, and compared with what is kept.

A test looks at what it is about: a word, a reason, one parameter. Kept beside it is the whole of what was
judged on the way: every check with its code and parameters, the places of statements, and the moments at
which it turns. `tests/vectors/noted.txt` has a line for each: test | what | word | reason | digest. What a
test makes must be one of the kept; a test that is not in the file is new, and not compared before it is
written:

    python -m tests.harness.noted

writes the file anew, and `git diff` shows what changed, and which tests made it. A test that makes more than
MOST is left out: it draws, and has a model beside it or a file of its own.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

KEPT = Path(__file__).parents[1] / "vectors" / "noted.txt"
MOST = 120
HEAD = "# What the tests of credentials/ judge, written by `python -m tests.harness.noted`: see its module."
_now: list[list[str]] = []  # of the test that runs, if it is noted
_DIGEST = re.compile(r'"([A-Za-z0-9_-]{43}|[0-9a-f]{64})"')
WRITER = "writer of noted.txt"  # the plugin that is there while the file is written


def _without_details(value: Any) -> Any:
    kind = type(value)  # exact: `isinstance` of each word would be half of the time this takes
    if kind is dict:
        return {k: _without_details(v) for k, v in value.items() if k != "detail"}
    return [_without_details(item) for item in value] if kind is list or kind is tuple else value


def line(what: str, found: Any) -> str:
    """A verdict or a report as it is kept: what others wrote in sentences is left out.

    Of digests it is kept which are the same: one word more in a table of rules would change every one.
    """
    told = found.as_dict() if hasattr(found, "as_dict") else found
    digests: dict[str, str] = {}
    text = json.dumps(_without_details(told), sort_keys=True)
    text = _DIGEST.sub(lambda match: f'"{digests.setdefault(match[1], f"digest {len(digests)}")}"', text)
    digest = sha256(text.encode()).hexdigest()[:16]
    return f"{what} | {told.get('verdict', '-')} | {told.get('reason', '-')} | {digest}"


def noting(module: ModuleType, name: str) -> None:
    """From now on whoever calls this function has what it returns noted, also who imported it before.

    The second worker of `make test` imports the tests from the other end, before it comes to this folder.
    """
    judge: Callable[..., Any] = getattr(module, name)

    @wraps(judge)
    def noted(*args: Any, **kwargs: Any) -> Any:
        found = judge(*args, **kwargs)
        if _now and len(_now[-1]) <= MOST:
            _now[-1].append(line(name, found))
        return found

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
            found[test].add(said)
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
    lines: list[str] = []
    _now.append(lines)
    try:
        yield
    finally:
        _now.pop()
    if (writer := _writer(item)) is not None:
        writer.made[test_of(item)].update(lines)
        return
    require_kept(lines)


def require_kept(lines: Sequence[str]) -> None:
    """Fail unless each was kept, for whichever test: what one finds in a cache another may have computed."""
    strange = [] if len(lines) > MOST else [text for text in lines if text not in _all()]
    assert not strange, f"not as it is kept: {strange[:3]}; if that is meant: `python -m {__name__}`"


class Writer:
    """Takes what each test judges."""

    def __init__(self) -> None:
        self.made: dict[str, set[str]] = defaultdict(set)

    def rows(self) -> list[str]:
        """The lines of the file."""
        return sorted(
            f"{test} | {text}" for test, made in self.made.items() if len(made) <= MOST for text in made
        )


def main(options: Sequence[str]) -> int:
    """Run the tests, and write what they judge unless one fails."""
    writer = Writer()
    where = ["--tier=test", "-q", "-p", "no:cacheprovider", *(options or ["tests/credentials"])]
    code = int(pytest.main(where, plugins=[_Named(writer)]))
    if code == 0:
        KEPT.write_text("\n".join([HEAD, *writer.rows()]) + "\n")
    return code


class _Named:
    """Registers the writer under its name."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.register(self.writer, WRITER)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
