"""Roles of people at a node, from config/desks.toml: a name, and the scopes that it stands for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from node.config import read_table, shipped
from node.use_cases.access import SCOPES

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class PersonRole:
    """`of`: roles of a participant that has such people; empty: every participant."""

    name: str
    scopes: tuple[str, ...]
    of: frozenset[str]
    title: Mapping[str, str]  # by language
    does: Mapping[str, str]

    def fits(self, roles: Iterable[str]) -> bool:
        """Whether a participant with these roles has such people."""
        return not self.of or not self.of.isdisjoint(roles)


@cache
def person_roles() -> Mapping[str, PersonRole]:
    """By name, in the order of the table."""
    rows = read_table("desks.toml", shipped("desks.toml"))["role"]
    return {
        name: PersonRole(
            name,
            tuple(scope for scope in SCOPES if scope in row["scopes"]),
            frozenset(row.get("of", ())),
            {language: row[language] for language in row["does"]},
            row["does"],
        )
        for name, row in rows.items()
    }


def scopes_of(roles: Iterable[str]) -> tuple[str, ...]:
    """What these roles open together."""
    found = {scope for name in roles for scope in person_roles()[name].scopes}
    return tuple(scope for scope in SCOPES if scope in found)
