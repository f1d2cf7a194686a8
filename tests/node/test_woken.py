"""A verdict does not rot, whatever it rests on (I9): what a line was judged without wakes it once it is had.

Generated: each situation of the pinned verdicts, as each thing that it can be declared as, and each piece of
what is known of it taken away, one at a time. Judged without that piece, a line is kept as the node keeps it;
then the piece comes as it comes to a node. Where a fresh look gives another word, another main reason or
another check, the line must have been woken.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from credentials.ledger.attestation import standing_key
from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.verdicts.evidence import Evidence, LedgerView, Missing, MissingReason
from node.storage.consignments import ItemRow
from node.storage.documents import StoredDocument
from node.storage.entries import row_of as leaf_row
from node.storage.office import OfficeStore
from node.storage.rests_on import KIN
from node.verdicts.resting import rests_of
from node.verdicts.watching import ASK_AGAIN_S, CLAIMS_S, Watching, claimed_of
from tests.credentials.test_pinned_verdicts import DECLARED, SITUATIONS
from tests.harness.border import World, policy, subject_if_readable
from tests.harness.border import code as code_of
from tests.harness.ledger import CUSTOMS, MAKER
from tests.harness.pinned import SHARES

POLICY = "customs-eu"
GONE = Missing(MissingReason.UNREACHABLE)
AS = ("new", "used", "waste", "a return", "in its car")


class Gathering:
    """What the watch asks of a node's gathering, of a world in memory."""

    def subject_of(self, text: str, issuer: str = "-") -> Any:
        return subject_if_readable(text)

    def reads_documents_of(self, kind: str) -> bool:
        return True


@dataclass(frozen=True)
class Piece:
    """A piece of what is known: the evidence without it, and how it comes to the node afterwards."""

    name: str
    without: Evidence
    comes: Callable[[OfficeStore, Any, int], None]


def as_gathered(view: LedgerView) -> LedgerView:
    """With each leaf parsed, as a node reads it."""
    entries = [replace(leaf, parsed=parse_entry(leaf.entry)) for leaf in view.entries]
    return replace(view, entries=entries)


def gathered(build: Callable[[World], str]) -> tuple[World, str, Evidence]:
    """A situation, its battery, and its evidence as a node gathers it."""
    w = World()
    text = build(w)
    whole = w.evidence(text)
    assert whole.ledger is not None
    return w, text, replace(whole, ledger=as_gathered(whole.ledger))


def had(digest: bytes) -> Callable[[OfficeStore, Any, int], None]:
    def comes(office: OfficeStore, db: Any, now: int) -> None:
        office.documents.put(db, [StoredDocument(digest, "fetched", b"{}", MAKER, fetched_at=now)])

    return comes


def recorded(*keys: bytes) -> Callable[[OfficeStore, Any, int], None]:
    """What the watch makes of a leaf about these."""

    def comes(office: OfficeStore, db: Any, now: int) -> None:
        office.overtaken.mark_stale(db, about={"subject": keys, KIN: keys}, created_after=0)

    return comes


def claimed(view: LedgerView, leaves: Sequence[bytes]) -> Callable[[OfficeStore, Any, int], None]:
    claims = view.claims
    assert claims is not None
    rows = [leaf_row(leaves[one.leaf_index]) for one in claims.first]

    def comes(office: OfficeStore, db: Any, now: int) -> None:
        office.overtaken.hasten_about(db, claimed_of(rows), now + CLAIMS_S)

    return comes


def pieces(w: World, text: str, whole: Evidence) -> Iterator[Piece]:
    yield from documents(whole)
    yield from records(w, whole)
    for name, source in whole.network.status_lists.items():
        rest = dict(whole.network.status_lists)
        assert source.digest_on_ledger is not None
        for what, changed in (
            ("a list", replace(source, credential=None, fetched_at=None)),
            ("a list again", replace(source, fetched_at=w.now - 10 * 86_400)),
        ):
            network = replace(whole.network, status_lists={**rest, name: changed})
            yield Piece(what, replace(whole, network=network), had(source.digest_on_ledger))
    network = replace(whole.network, lag_heights=10**6)
    yield Piece("the lag", replace(whole, network=network), lambda office, db, now: None)


def documents(whole: Evidence) -> Iterator[Piece]:
    view = whole.ledger
    assert view is not None
    passport = view.standing.passport if view.standing is not None else None
    for leaf in view.entries:
        if passport is not None and leaf.leaf_index == passport.leaf_index:
            assert isinstance(leaf.parsed, AdmittedEntry)
            assert leaf.parsed.attestation.set_list is not None
            for point in whole.documents:
                digest = leaf.parsed.attestation.set_list.points[point]
                yield Piece("a set", replace(whole, documents={**whole.documents, point: GONE}), had(digest))
    for digest in whole.events:
        yield Piece(
            "the document of an event", replace(whole, events={**whole.events, digest: GONE}), had(digest)
        )
    for digest in whole.earlier:
        yield Piece("an earlier set", replace(whole, earlier={**whole.earlier, digest: GONE}), had(digest))


def records(w: World, whole: Evidence) -> Iterator[Piece]:
    view = whole.ledger
    assert view is not None
    own = standing_key(next(iter(whole.subjects.values())))
    for place in range(len(view.entries)):
        entries = [leaf for at, leaf in enumerate(view.entries) if at != place]
        yield Piece("a leaf", replace(whole, ledger=replace(view, entries=entries)), recorded(own))
    if view.claims is not None:
        comes = claimed(view, [leaf.entry for leaf in w.leaves])
        yield Piece("claims", replace(whole, ledger=replace(view, claims=None)), comes)
    if view.vehicle is not None:
        yield Piece("its vehicle", replace(whole, ledger=replace(view, vehicle=None)), recorded(own))
    for key in view.relatives:
        rest = {other: one for other, one in view.relatives.items() if other != key}
        yield Piece("a relative", replace(whole, ledger=replace(view, relatives=rest)), recorded(key))
    for alias in whole.aliases:
        about = subject_if_readable(alias)
        if about is not None:
            aliases = {**whole.aliases, alias: LedgerView(None)}
            yield Piece("a further code", replace(whole, aliases=aliases), recorded(standing_key(about)))


def said(verdict: Mapping[str, Any]) -> tuple[Any, ...]:
    """The word, the main reason, and each check with its reason."""
    checks = sorted((c["name"], c["outcome"], c["reason"]) for c in verdict["checks"])
    return verdict["verdict"], verdict["reason"], checks


def told(name: str, verdict: tuple[Any, ...]) -> tuple[Any, ...]:
    """Of what the item has no part in, nothing comes to the node afterwards: the word and its reason."""
    return verdict[:2] if name == "the lag" else verdict


def open_line(office: OfficeStore, watching: Watching, verdict: Any, read: Any) -> None:
    with office.writing() as db:
        for table in ("items", "rests_on", "documents"):
            db.execute(f"DELETE FROM {table}")
        office.consignments.put_items(db, "c", [watching.row_of(verdict, 1, read)])


def woken(office: OfficeStore) -> int | None:
    """By when the line is judged again; None: never."""
    row = office._db.connection.execute("SELECT stale, due FROM items").fetchone()
    return 1 if row["stale"] else row["due"]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[OfficeStore]:
    made = OfficeStore(tmp_path / "office.db")
    with made.writing() as db:
        db.execute(
            "INSERT INTO consignments (id, declaration, manifest_digest, direction, law_date, created, lines,"
            " client) VALUES ('c', '', x'00', 'import', '2027-03-01', 1, 1, '')"
        )
    yield made
    made.close()


@pytest.mark.parametrize("one_in", SHARES)
def test_whatever_was_missing_wakes_the_line_that_was_judged_without(
    one_in: int, office: OfficeStore
) -> None:
    """
    A document at once, a record at once, claims within ten minutes, this node's own lag within the hour.
    """
    watching = Watching(*[cast(Any, one) for one in (office, None, Gathering(), policy(POLICY))])
    within = {"claims": CLAIMS_S, "the lag": ASK_AGAIN_S}
    tried, changed = 0, Counter[str]()
    for situation, build in SITUATIONS.items():
        w, text, whole = gathered(build)
        for declared in AS:
            fresh = said(w.judge(text, evidence=whole, **DECLARED[declared]).as_dict())
            for piece in pieces(w, text, whole):
                tried += 1
                if tried % one_in:
                    continue
                verdict = w.judge(text, evidence=piece.without, **DECLARED[declared]).as_dict()
                if told(piece.name, said(verdict)) == told(piece.name, fresh):
                    continue
                changed[piece.name] += 1
                read = rests_of(piece.without, CUSTOMS, policy(POLICY).status_list_age_s_max, w.now)
                open_line(office, watching, verdict, read)
                with office.writing() as db:
                    piece.comes(office, db, w.now)
                at = woken(office)
                by = w.now + within[piece.name] if piece.name in within else 1
                assert at is not None and at <= by, (situation, declared, piece.name)

    print(f"{tried // one_in} pieces taken away, {changed.total()} changed what a line says: {dict(changed)}")
    assert changed.total() > 500 // one_in
    assert one_in > 1 or {"a set", "claims", "a list", "a list again", "the lag", "a leaf"} <= changed.keys()


def named(code: str, by: str = MAKER) -> dict[str, Any]:
    """A verdict on the first battery whose passport names it by this code too."""
    checks = [{"name": "alias", "evidence": {"identifier": code}}] if code else []
    return {"battery": FIRST, "passport": {"issuer": by}, "checks": checks}


FIRST, SECOND = code_of(1), code_of(2)


@pytest.mark.parametrize(
    ("before", "now", "wakes"),
    [
        ({}, named(SECOND), True),
        (named(SECOND), named(SECOND), False),
        (named(SECOND), named(""), True),
        (named(SECOND), named(SECOND, CUSTOMS), True),
        ({}, named(""), False),
    ],
)
def test_a_name_that_comes_or_goes_wakes_the_lines_of_what_it_names(
    before: dict[str, Any], now: dict[str, Any], wakes: bool, office: OfficeStore
) -> None:
    """
    Named so no more, or by another publisher: the line of what was named is judged again as well.
    """
    watching = Watching(*[cast(Any, one) for one in (office, None, Gathering(), policy(POLICY))])
    about = subject_if_readable(SECOND)
    assert about is not None
    with office.writing() as db:
        office.consignments.put_items(db, "c", [ItemRow(1, 1, "clear", subject=standing_key(about))])
        watching.mark_named(db, now, before)

    assert (woken(office) is not None) == wakes


def test_another_policy_of_the_node_wakes_every_open_line(office: OfficeStore) -> None:
    """
    What it judges by is read at its start: the same again wakes nothing, whatever is new wakes all.
    """
    watching = Watching(*[cast(Any, one) for one in (office, None, Gathering(), policy(POLICY))])
    with office.writing() as db:
        office.consignments.put_items(db, "c", [ItemRow(1, 1, "clear")])
        db.execute("UPDATE consignments SET created = ?", (int(time.time()),))

    def wakes(digest: bytes) -> bool:
        watching.go_by(digest)
        found = woken(office) is not None
        with office.writing() as db:
            db.execute("UPDATE items SET stale = 0")
        return found

    assert [wakes(one) for one in (b"a", b"a", b"b", b"b", b"a")] == [True, False, True, False, True]


def test_what_is_had_while_a_line_is_judged_without_wakes_it_once(office: OfficeStore) -> None:
    """
    Another thread had the document between the evidence and the verdict; judged with it, the line rests.
    """
    row = ItemRow(1, 1, "undecided", rests=(("document", b"d"),), judged_at=1_000)
    with office.writing() as db:
        had(b"d")(office, db, 999)
        office.consignments.put_items(db, "c", [row])
    assert woken(office) is not None
    with office.writing() as db:
        office.overtaken.put_again(db, "c", replace(row, rests=(), judged_at=1_001))
    assert woken(office) is None


def test_however_much_is_claimed_a_line_is_judged_once_in_a_while(office: OfficeStore) -> None:
    """
    The first claim says when; what is claimed until then puts off and hastens nothing. A settled line rests.
    """
    key = b"k" * 32
    rows = [ItemRow(line, line, "clear", subject=key) for line in (1, 2)]
    with office.writing() as db:
        office.consignments.put_items(db, "c", rows)
        office.overtaken.settle(db, "c", 2)
        for at in (700, 701, 900):
            office.overtaken.hasten_about(db, [key], at)
        found = [tuple(row) for row in db.execute("SELECT line, due FROM items ORDER BY line")]

    assert found == [(1, 700), (2, None)]


def test_a_line_that_has_done_its_work_wakes_what_stands_on_another_declaration(office: OfficeStore) -> None:
    """
    Two uploads name one battery: with the first one's release it is declared once, and the other's line told.
    """
    watching = Watching(*[cast(Any, one) for one in (office, None, Gathering(), policy(POLICY))])
    now = int(time.time())
    with office.writing() as db:
        db.execute("UPDATE consignments SET created = ?", (now,))
        db.execute(
            "INSERT INTO consignments (id, declaration, manifest_digest, direction, law_date, created, lines,"
            " client) VALUES ('d', 'D', x'00', 'import', '2027-03-01', ?, 1, '')",
            (now,),
        )
        for number, made in ((1, "c"), (2, "d")):
            office.declared.put(db, number, made, [(1, FIRST)])
            office.consignments.put_items(db, made, [ItemRow(1, 1, "undecided")])
        watching._settle(db, "c", 1, FIRST)
        found = [tuple(row) for row in db.execute("SELECT consignment, stale, settled FROM items ORDER BY 1")]

    assert found == [("c", 0, 1), ("d", 1, 0)]
