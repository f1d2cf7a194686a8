"""Survivors that are argued away: one by one (`tests/mutants/argued.txt`), or by what they change."""

from __future__ import annotations

import re

from tests.harness.mutations import Mutant


def argued(text: str) -> dict[tuple[str, str, str], str]:
    """(function, old, new) -> why of each argued survivor; raises ValueError for a row without why."""
    found = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            function, *changed, why = (cell.strip() for cell in line.split(" | "))
            half = len(changed) // 2  # what was changed may have bars of its own, as many as what it became
            if half == 0 or len(changed) != 2 * half or not all((function, *changed, why)):
                raise ValueError(f"not `function | old | new | why`: {line}")
            found[function, " | ".join(changed[:half]), " | ".join(changed[half:])] = why
    return found


def message_of_an_assert(mutant: Mutant) -> bool:
    """True if it changes nothing but what an assert says: it is read only if the code itself is wrong."""
    old, new = (re.match(r"(assert .+?), f?(?:\".*\"|None)$", text) for text in (mutant.old, mutant.new))
    return old is not None and new is not None and old[1] == new[1]


def type_of_a_cast(mutant: Mutant) -> bool:
    """True if it changes nothing but the type of a `cast`: that is for who checks types."""
    typed = r"(?<![\w.])cast\((?:\"[^\"]*\"|[\w.]+(?:\[[\w., |\[\]]+\])?), "
    old, new = (re.sub(typed, "cast(", text) for text in (mutant.old, mutant.new))
    return old == new and old != mutant.old


def strictness_of_a_zip(mutant: Mutant) -> bool:
    """True if it changes nothing but that a `zip` asserts both to be of one length: an assert by itself."""
    loose = re.sub(r", strict=True\)", ")", mutant.old)
    return loose != mutant.old and loose == re.sub(r", (strict=(False|None))?\)", ")", mutant.new)


def words_of_a_log(mutant: Mutant) -> bool:
    """True if it changes no more than a text of a line of the log: whoever waits for one is a test."""
    literal = r"f?\"[^\"]*\"|None"
    return mutant.old.startswith("log.moment(") and re.sub(literal, "", mutant.old) == re.sub(
        literal, "", mutant.new
    )


def case_of_sql(mutant: Mutant) -> bool:
    """True if it changes nothing but the case of words or names of SQL, which have none."""
    words = r"\b(SELECT|INSERT|UPDATE|DELETE|FROM|WHERE|SET|AND|ORDER|ON|AS|CASE|CREATE|PRAGMA)\b"
    quoted = re.findall(r"\"([^\"]*)\"", mutant.old)
    changed = [text for text in quoted if f'"{text}"' not in mutant.new]
    of_a_schema = mutant.path.endswith("_steps.py")  # names of tables and columns, and nothing else
    return (
        mutant.path.startswith("node/storage/")
        and mutant.old.lower() == mutant.new.lower()
        and bool(changed)
        and all("'" not in text and (of_a_schema or re.search(words, text)) for text in changed)
    )


def case_of_a_column(mutant: Mutant) -> bool:
    """True if it changes nothing but the case of a column that a row is asked for: sqlite3.Row has none.

    Of `row` in the rooms that read databases alone: there it is what SQLite gave.
    """
    columns = r"(?<![\w.])row\[\"\w+\"\]"
    old, new = (re.sub(columns, lambda found: found[0].lower(), text) for text in (mutant.old, mutant.new))
    of_a_schema = mutant.path.endswith("_steps.py")
    return mutant.path.startswith("node/storage/") and not of_a_schema and old == new != mutant.new


def order_of_bytes(mutant: Mutant) -> bool:
    """True if it leaves out nothing but that bytes are in big order: Python takes that since 3.11."""
    named, left = r"(_bytes\(.+), \"big\"\)", r"(_bytes\(.+), \)"
    said, unsaid = re.fullmatch(rf"(.*){named}(.*)", mutant.old), re.fullmatch(rf"(.*){left}(.*)", mutant.new)
    return said is not None and unsaid is not None and said.groups() == unsaid.groups()


# Argued, whatever the line, and never tried: no behaviour is changed.
BY_RULE = (
    message_of_an_assert,
    type_of_a_cast,
    strictness_of_a_zip,
    words_of_a_log,
    case_of_sql,
    case_of_a_column,
    order_of_bytes,
)


def by_rule(mutant: Mutant) -> bool:
    """True if it is argued by what it changes."""
    return any(rule(mutant) for rule in BY_RULE)
