"""What an event changes in a standing has the types of the standing."""

from __future__ import annotations

from dataclasses import fields

from credentials.ledger.changes import Change
from credentials.ledger.standing import Standing

# What no event gives a new value by name: the battery itself, what is counted, what taking back restores,
# and how it stood before.
OTHERWISE = {
    "subject", "predecessors", "parent", "voided", "taken_back", "past", "refusals", "refusals_count"
}  # fmt: skip


def test_a_change_is_of_members_that_a_standing_has() -> None:
    """
    Every member of a change is a field of the standing, of the same type; every other field is listed.
    """
    of_standing = {field.name: field.type for field in fields(Standing)}
    of_change = {name: made.__forward_arg__ for name, made in Change.__annotations__.items()}

    assert of_change == {name: of_standing[name] for name in of_change}
    assert of_standing.keys() - of_change.keys() == OTHERWISE
