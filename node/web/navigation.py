"""Pages of the navigation and the start page, from config/desks.toml: those that whoever asks may open."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from node.config import read_table, shipped


@dataclass(frozen=True, slots=True)
class PageEntry:
    """One page. `of`: roles of a participant that has it; empty: every participant."""

    route: str
    of: frozenset[str]
    under: tuple[str, ...]  # where the addresses begin that belong to it
    title: Mapping[str, str]  # by language
    does: Mapping[str, str]


@cache
def page_entries() -> tuple[PageEntry, ...]:
    """In the order of the table."""
    return tuple(
        PageEntry(
            row["route"],
            frozenset(row.get("of", ())),
            tuple(row["under"]),
            {language: row[language] for language in row["does"]},
            row["does"],
        )
        for row in read_table("desks.toml", shipped("desks.toml"))["page"]
    )


def pages_for(
    scopes: Mapping[str, Collection[str]], roles: Iterable[str], held: Collection[str] | None
) -> list[PageEntry]:
    """The pages of a participant with these roles that are open to who holds these scopes.

    `scopes`: of each route by its name, any of which is enough. `held` is None for a stranger, who is shown
    the doors of the participant as well: they lead to signing in.
    """
    own = set(roles)
    return [
        entry
        for entry in page_entries()
        if (not entry.of or entry.of & own)
        and (
            not scopes[entry.route]
            or (bool(entry.of) if held is None else not set(scopes[entry.route]).isdisjoint(held))
        )
    ]
