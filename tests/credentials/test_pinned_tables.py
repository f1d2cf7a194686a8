"""What is said of every rule file that is spoiled in one member is pinned.

`tests/vectors/tables.txt`: for each file the sentences by which it is refused, with how often, and the digest
of which way to spoil it is refused by which. To write it anew, and see in `git diff` what changed:

    python -m tests.credentials.test_pinned_tables
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from credentials.errors import CredentialError
from credentials.verdicts.crosswalk import crosswalks
from credentials.verdicts.rule_tables import require_table
from tests.harness.border import CONFIG
from tests.harness.pinned import require_kept, write
from tests.harness.spoiled import few, spoiled

PINNED = "tables.txt"
INDIA = Path(__file__).parents[1] / "harness" / "india" / "crosswalk-in.json"
# How many members and elements of each object and list in them are spoiled: the others are like these.
FEW = {"passport-paths.json": 4, "crosswalk-evidence.json": 4}


def read(path: Path) -> Any:
    data = path.read_bytes()
    return json.loads(data) if path.suffix == ".json" else tomllib.loads(data.decode())


REASONS = read(CONFIG / "reasons.toml")
FILES = (
    "annex-xiii-access.json",
    "commodity.toml",
    "crosswalk-eu-cn.json",
    "crosswalk-evidence.json",
    "eu-datapoints-v2.json",
    "gbt34014.json",
    "passport-paths.json",
    "shown-as.toml",
    "verdicts.json",
)


def refusals(table: Any, require: Callable[[Any], object]) -> Iterator[str]:
    """The sentences by which what is spoiled of it is refused, and the digest of which by which."""
    said, all_of_them = Counter[str](), sha256()
    for name, other in spoiled(table):
        try:
            require(other)
            text = "read"
        except CredentialError as error:
            text = f"{error.code}: {error.message}"
        said[text] += 1
        all_of_them.update(f"{name} | {text}\n".encode())
    for text, count in sorted(said.items()):
        yield f"{count} times {text}".replace("\n", " ")
    yield f"all {said.total()}: {all_of_them.hexdigest()[:16]}"


def fewer(table: Any, most: int) -> Any:
    return {member: few(value, most) for member, value in table.items()}


def shipped(name: str) -> Iterator[str]:
    table = read(CONFIG / "rules" / name)
    yield from refusals(fewer(table, FEW.get(name, 1_000)), lambda other: require_table(name, other, REASONS))


def further() -> Iterator[str]:
    """The requirements of a further jurisdiction."""
    yield from refusals(fewer(read(INDIA), 4), lambda other: crosswalks({INDIA.name: other}))


SECTIONS: dict[str, Callable[[], Iterator[str]]] = {
    **{name: partial(shipped, name) for name in FILES},
    "a further crosswalk": further,
}


@pytest.mark.parametrize("section", SECTIONS)
def test_what_is_said_of_a_spoiled_rule_file_is_pinned(section: str) -> None:
    """
    Each member left out, of another type, one more or twice: read, or refused with this sentence.
    """
    require_kept(SECTIONS[section](), PINNED, section)


if __name__ == "__main__":
    write(PINNED, "tests.credentials.test_pinned_tables", SECTIONS)
