"""Pinned files: a line a case under `tests/vectors`, made, written and compared here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from typing import Any

from consensus.errors import ConsensusError
from credentials.errors import CredentialError

VECTORS = Path(__file__).parents[1] / "vectors"
_SET = re.compile(r"frozenset\(\{([^{}]*)\}\)")  # whose order is that of hashes
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
        yield f"{name} | {said(read)}".replace("\n", " ").replace("\r", " ")


def kept(file: str, section: str) -> list[str]:
    """The lines of a section of a pinned file."""
    text = (VECTORS / file).read_text().partition(f"## {section}\n")[2]
    return text.partition("\n## ")[0].split("\n") if "\n## " in text else text.split("\n")[:-1]


def require_kept(made: Iterable[str], file: str, section: str) -> None:
    """Each line is the pinned one; the first that is not ends the test, the others are not made."""
    for found, pinned in zip_longest(made, kept(file, section)):
        assert found == pinned, f"made {found!r}, pinned is {pinned!r}"


def write(file: str, module: str, sections: Mapping[str, Callable[[], Iterable[str]]]) -> None:
    """Write a pinned file anew."""
    text = f"# Pinned: see the module `{module}`, which writes this file anew.\n"
    for name, made in sections.items():
        text += f"## {name}\n" + "".join(f"{line}\n" for line in made())
    (VECTORS / file).write_text(text)
