"""Pinned files: a line a case under `tests/vectors`, made, written and compared here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from consensus.errors import ConsensusError
from credentials.errors import CredentialError

VECTORS = Path(__file__).parents[1] / "vectors"
_SET = re.compile(r"frozenset\(\{([^{}]*)\}\)")  # whose order is that of hashes
# Of what takes longest a share is made in `make test`, another one of each kind; all of it in `make check`.
SHARES = (pytest.param(5, id="a fifth"), pytest.param(1, id="all", marks=pytest.mark.check))
Cases = Iterable[tuple[str, Callable[[], Any]]]


def said(read: Callable[[], Any]) -> str:
    """What a reader says of what it refuses, or what it read: whole if that is short, else its digest."""
    try:
        found = _SET.sub(_sorted, repr(read()))
    except CredentialError as error:
        return f"{error.code}: {error.message}"
    except ConsensusError as error:
        return f"{type(error).__name__}: {error}"
    return f"read: {found if len(found) < 60 else sha256(found.encode()).hexdigest()[:12]}"


def _sorted(match: re.Match[str]) -> str:
    return f"frozenset({', '.join(sorted(match[1].split(', ')))})"


def lines(cases: Cases) -> Iterator[str]:
    """A line a case: its name, and what the reader says."""
    for name, read in cases:
        yield _line(name, read)


def making_lines(cases: Cases) -> Cases:
    """How the line of each case begins, and what makes it."""
    for name, read in cases:
        yield f"{_flat(name)} | ", partial(_line, name, read)


def _line(name: str, read: Callable[[], Any]) -> str:
    return _flat(f"{name} | {said(read)}")


_IF_MEANT = (
    "if that is meant: `python -m` the module that the first line of the file names, and read the diff"
)


def _flat(text: str) -> str:
    return text.replace("\n", " ").replace("\r", " ")


def kept(file: str, section: str) -> list[str]:
    """The lines of a section of a pinned file."""
    text = (VECTORS / file).read_text().partition(f"## {section}\n")[2]
    return text.partition("\n## ")[0].split("\n") if "\n## " in text else text.split("\n")[:-1]


def require_kept(made: Iterable[str], file: str, section: str) -> None:
    """Each line is the pinned one; the first that is not ends the test, the others are not made."""
    for found, pinned in zip_longest(made, kept(file, section)):
        assert found == pinned, f"made {found!r}, pinned is {pinned!r}; {_IF_MEANT}"


def require_some_kept(made: Cases, file: str, section: str, one_in: int) -> None:
    """Of these lines (how one begins, what makes it) one in so many is made; all others begin as pinned."""
    for number, (case, pinned) in enumerate(zip_longest(made, kept(file, section))):
        assert case is not None and pinned is not None, f"made {case and case[0]!r}, pinned is {pinned!r}"
        found = case[1]() if number % one_in == 0 else pinned
        assert pinned.startswith(case[0]) and found == pinned, (
            f"made {found!r}, pinned is {pinned!r}; {_IF_MEANT}"
        )


def write(file: str, module: str, sections: Mapping[str, Callable[[], Iterable[str]]]) -> None:
    """Write a pinned file anew."""
    text = f"# Pinned: see the module `{module}`, which writes this file anew.\n"
    for name, made in sections.items():
        text += f"## {name}\n" + "".join(f"{line}\n" for line in made())
    (VECTORS / file).write_text(text)
