"""Bugs in the table, the rules, the right to speak and the verdict; the second opinion catches each.

Chosen by the names of events and functions alone. A bug in the table is a table with one member changed; a
bug in the code replaces one function while a test runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

from credentials.ledger import admission, descendants, namings, passports, speaking, standing, undo
from credentials.verdicts import cell, content, manifest, named, used

from .stage import ledger_of

Bug = Callable[[], AbstractContextManager[None]]


@contextmanager
def patched(owner: Any, name: str, changed: Any) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, changed)
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextmanager
def _changed(mapping: dict[str, Any], key: str, value: Any) -> Iterator[None]:
    original = mapping[key]
    mapping[key] = value
    try:
        yield
    finally:
        mapping[key] = original


def table_changed(event: str, member: str, value: Any) -> AbstractContextManager[None]:
    """The table of events with one member of one event changed; None takes the member away."""
    table = ledger_of.lifecycle_table()
    found = next(e for e in table["events"] if e["type"] == event)
    if value is None:
        del found[member]
    else:
        found[member] = value
    files = {"lifecycle.json": json.dumps(table).encode()}
    return patched(ledger_of, "rule_files", lambda: files)


def installing_leaves_no_mark() -> AbstractContextManager[None]:
    """Table: a battery that is installed gets no mark of use."""
    return table_changed("battery.installed", "marks", None)


def waste_can_be_corrected() -> AbstractContextManager[None]:
    """Table: a declaration of waste is not irreversible."""
    return table_changed("battery.declared_waste", "irreversible", None)


def revoking_sets_no_ban() -> AbstractContextManager[None]:
    """Table: an authority's revocation forbids nothing."""
    return table_changed("passport.revoked", "sets", None)


def every_licence_speaks() -> AbstractContextManager[None]:
    """Right to speak: whoever is accredited for a trade is taken for the holder."""
    table: Any = speaking._DECIDES
    return _changed(table, "holder", lambda s, a, c, voice: voice)


def release_leaves_the_declaration_open() -> AbstractContextManager[None]:
    """Table: released by customs, a battery still stands under its declaration."""
    return table_changed("customs.released", "effects", {"fact": "released"})


def any_customs_decides() -> AbstractContextManager[None]:
    """Right to speak: customs decide on what is open before the other side's customs."""
    table: Any = speaking._DECIDES
    return _changed(table, "customs", lambda s, a, c, voice: voice)


def any_operator_speaks() -> AbstractContextManager[None]:
    """Right to speak: whoever may publish passports, or stop them, does so of every battery."""
    table: Any = speaking._DECIDES
    return _changed(table, "operator", lambda s, a, c, voice: voice)


def a_stopped_passport_is_free() -> AbstractContextManager[None]:
    """Rule: publishing, superseding and revoking do not ask what an authority stopped."""
    return patched(passports, "_require_free", lambda *_: None)


def corrections_shed_marks() -> AbstractContextManager[None]:
    """Rule: a correction restores the record as it was, marks and all."""
    original = undo.taken_back

    def taken_back(*about: Any, **known: Any) -> standing.Standing:
        return replace(original(*about, **known), marks=())

    return patched(admission, "taken_back", taken_back)


def recalls_are_not_read() -> AbstractContextManager[None]:
    """Verdict: no recall is seen."""
    return patched(cell, "recalls", lambda *_: {})


def parts_of_the_used_are_new() -> AbstractContextManager[None]:
    """Verdict: of a part that a repair names nobody asks whether the other battery was in use."""
    return patched(named, "was_used", lambda *_: False)


def what_did_not_count_is_forgotten() -> AbstractContextManager[None]:
    """Rule: what a second life that is no state says of its successor is kept nowhere."""
    owner: Any = admission
    original = owner.namings

    def namings(*about: Any, **known: Any) -> Iterator[Any]:
        return (told for told in original(*about, **known) if told[1].kind == "battery.maintained")

    return patched(owner, "namings", namings)


def any_mass_is_that_of_the_record() -> AbstractContextManager[None]:
    """Verdict: the mass of the record is not compared with the passport's."""
    return patched(content, "_mass_of_production", lambda *_: None)


def one_registration_is_enough() -> AbstractContextManager[None]:
    """Verdict: lines are not compared by their registration."""
    return patched(manifest.ManifestContext, "registered_as", lambda *_: ())


def a_test_anywhere_ends_waste() -> AbstractContextManager[None]:
    """Verdict: what the act says that made a second life of waste is not read."""
    return patched(used, "_lacking_of_change", lambda *_: [])


class _EqualsAll:
    """A root that is every root."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def any_root_is_the_packs() -> AbstractContextManager[None]:
    """Rule: what a pack's maker gave into it is not compared with what is said to have come out."""
    return patched(descendants, "children_root", lambda _: _EqualsAll())


def a_trade_names_what_it_likes() -> AbstractContextManager[None]:
    """Right to speak: who repairs a pack is believed of every part that it names (not for the decks: I5)."""
    return patched(namings, "_could_know", lambda *_, **__: True)


BUGS: dict[str, Bug] = {
    bug.__name__: bug
    for bug in (
        installing_leaves_no_mark, waste_can_be_corrected, revoking_sets_no_ban, every_licence_speaks,
        release_leaves_the_declaration_open, any_customs_decides, any_operator_speaks,
        a_stopped_passport_is_free, corrections_shed_marks, recalls_are_not_read,
        parts_of_the_used_are_new, what_did_not_count_is_forgotten, any_mass_is_that_of_the_record,
        one_registration_is_enough, a_test_anywhere_ends_waste, any_root_is_the_packs,
    )
}  # fmt: skip
# The deck that is made for a bug, or small and catches it, comes first; each is tried in all until one does.
MADE_FOR = {
    waste_can_be_corrected.__name__: "end",
    revoking_sets_no_ban.__name__: "passport",
    release_leaves_the_declaration_open.__name__: "border",
    any_customs_decides.__name__: "border",
    a_stopped_passport_is_free.__name__: "passport",
    recalls_are_not_read.__name__: "end",
    parts_of_the_used_are_new.__name__: "repaired",
    what_did_not_count_is_forgotten.__name__: "made of another",
    any_mass_is_that_of_the_record.__name__: "made",
    one_registration_is_enough.__name__: "made",
    a_test_anywhere_ends_waste.__name__: "out of waste",
    any_root_is_the_packs.__name__: "not given",
}
