"""The invariants that the public record of a battery must hold after every act."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .acts import File
from .parties import WITH_A_THIRD, name

# The law's marks by the names that the public record gives them; the rest of the law's are not recorded.
RECORDED = {"installed", "removed", "measured_in_use", "repaired_in_use", "transferred_after_use", "waste",
            "consumed", "child_of_dismantled", "second_life", "used_part"}  # fmt: skip


def _party(did: str | None) -> str:
    return name(did) if did in WITH_A_THIRD else "nobody with a node"


JUST_MADE = ("produced", "enrolled")


def broken(file: File, standing: Any) -> Iterator[tuple[str, str]]:
    """What the record of a battery lacks or has against the law: what it is about, and how it stands."""
    on_record = set(getattr(standing, "marks", RECORDED))
    if standing.eu_status == "waste":  # what comes out of a waste pack has no mark of its own
        on_record.add("waste")
    if not file.disputed and (shed := (file.used & RECORDED) - on_record):  # I1
        yield "marks " + ", ".join(sorted(shed)), "not on record"
    if file.out_of_pack and not file.disputed and standing.item_state in JUST_MADE:  # I1
        yield "state", f"{standing.item_state}, and taken out of a pack"
    recorded, told = (_party(did) for did in (getattr(standing, "holder", file.holder), file.holder))
    if file.exists and not file.disputed and recorded != told:  # I5
        yield "holder", f"{recorded} on the ledger, {told} by the law"
    passport = getattr(standing, "passport", None)
    if passport is not None and passport.status == "live" and not file.disputed:  # I2, I4
        held = not file.live or file.paused_by_operator or bool(file.stops)
        if held or passport.version != file.passport:
            yield "passport", f"v{passport.version} live on the ledger, not by the law"
    opened = standing.open_presentation is not None
    if opened and file.declaration is None:  # I4
        yield "declaration", "open on the ledger, closed by the law"
    if not opened and file.declaration is not None:
        yield "declaration", "closed on the ledger, open by the law"
