"""No theft that is stated makes a word milder: whatever the key signed, documents or any kind of event."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle
from typing import Any

import pytest

from consensus.application import Execution
from consensus.types import Block
from credentials.ledger.entries import AdmittedEntry, ClaimEntry, parse_entry
from credentials.verdicts.evidence import At, Evidence, LedgerEntry
from credentials.verdicts.record import Inquiry, Record
from credentials.verdicts.severity import ORDER
from credentials.verdicts.thefts import had_nobody_been_robbed
from credentials.verdicts.verdict_record import ItemRecord
from credentials.verdicts.verifier import verify
from tests.credentials.test_issuers import govern, stolen
from tests.credentials.test_pinned_verdicts import DECLARED, POLICIES, SITUATIONS, told
from tests.credentials.test_registry import EVENTS, FROM_NOTHING, step
from tests.harness import border
from tests.harness.border import LAW_DATE, World, code, subject_of
from tests.harness.ledger import IMPORTER, MAKER, WORKSHOP, Ledger, battery

LONG_AGO = 1  # before everything on record
ROLES = ("attest", "credential")


def ranks(w: World, text: str, ways: list[tuple[str, str]]) -> list[int]:
    """How severe each verdict is, by policy and what is declared."""
    return [ORDER.index(told(w, text, policy, DECLARED[name])["verdict"]) for policy, name in ways]


def speakers(w: World) -> list[str]:
    """Whoever said something, and who agreed to it."""
    parsed = (parse_entry(leaf.entry) for leaf in w.leaves)
    said = [entry.attestation for entry in parsed if isinstance(entry, AdmittedEntry | ClaimEntry)]
    agreed = {c.kid.partition("#")[0] for a in said for c in a.countersignatures}
    return sorted({a.issuer for a in said} | agreed)


def require_no_milder(build: str, ways: list[tuple[str, str]]) -> int:
    """Each key under a situation is stolen in turn; how many verdicts were compared."""
    count = 0
    first = World()
    text = SITUATIONS[build](first)
    before = ranks(first, text, ways)
    for did in speakers(first):
        for role in ROLES:
            w = World()
            assert SITUATIONS[build](w) == text
            govern(w, stolen(did, LONG_AGO, role))
            after = ranks(w, text, ways)
            milder = [way for way, b, a in zip(ways, before, after, strict=True) if a < b]
            assert not milder, (build, did, role, milder, before, after)
            count += len(ways)
    return count


EIGHTHS = [
    pytest.param(situation, marks=pytest.mark.check) if number % 8 else situation
    for number, situation in enumerate(SITUATIONS)
]


@pytest.mark.parametrize("situation", EIGHTHS)
def test_no_document_or_statement_is_judged_milder_once_its_key_was_stolen(situation: str) -> None:
    """
    In each pinned situation the attest or the credential key of each that spoke in turn: one of eight
    in `make test`, all with those of `make check`.
    """
    ways = list(zip(POLICIES, cycle(DECLARED), strict=False))

    assert require_no_milder(situation, ways) >= len(ways)


@pytest.mark.check
@pytest.mark.parametrize("situation", sorted(SITUATIONS)[::3])
def test_none_is_under_any_policy_as_anything_declared(situation: str) -> None:
    """
    The same with every policy and everything that it can be declared as: a third of the situations.
    """
    count = require_no_milder(situation, [(policy, name) for policy in POLICIES for name in DECLARED])

    print(f"{situation}: {count} verdicts, none milder")


@pytest.mark.long
@pytest.mark.parametrize("situation", SITUATIONS)
def test_none_is_in_any_situation(situation: str) -> None:
    """
    All of them.
    """
    count = require_no_milder(situation, [(policy, name) for policy in POLICIES for name in DECLARED])

    print(f"{situation}: {count} verdicts, none milder")


class Kept(Ledger):
    """A ledger that says what each block wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.leaves: list[LedgerEntry] = []

    def execute(self, block: Block) -> Execution:
        first = self.log.size
        execution = super().execute(block)
        places = enumerate(execution.entries, first)
        self.leaves += [LedgerEntry(i, execution.height, block.time, entry) for i, entry in places]
        return execution


class Walked(World):
    """A battery whose record is one lawful path of `EVENTS`; none of its documents is in hand."""

    def __post_init__(self) -> None:
        self.ledger = kept = Kept()
        self.leaves = kept.leaves
        super().__post_init__()

    def run(self, *txs: bytes) -> None:
        self.ledger.run(*txs)

    def evidence(self, text: str, **changes: Any) -> Evidence:
        return super().evidence(text, **(changes | {"points": ()}))

    def walk(self, kind: str) -> None:
        history, by, _, _ = EVENTS[kind]
        if kind in FROM_NOTHING - {"battery.produced", "battery.enrolled"}:
            self.ledger.produced(1, published=True)
        if kind != "status.published":  # the world has attested lists of its own
            subject = history(self.ledger)
            self.run(step(self.ledger, kind, subject, by))


@pytest.mark.parametrize("kind", EVENTS)
def test_no_event_is_judged_milder_once_a_key_under_it_was_stolen(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Each event of the lifecycle after a lawful history, by the ledger alone: the attest key of each that spoke
    or agreed, stolen before all of it. What it said leaves no clear word, and nothing milder than before; the
    battery stands as it stood: no state, mark or hand-over is undone.
    """
    text = code(1)
    monkeypatch.setattr(
        border, "subject_of", lambda t, *issuer: battery(1) if t == text else subject_of(t, *issuer)
    )
    ways = list(zip(POLICIES, cycle(DECLARED), strict=False))

    def walked(*robbed: str) -> tuple[World, list[int]]:
        w = Walked()
        w.walk(kind)
        for did in robbed:
            govern(w, stolen(did, LONG_AGO))
        return w, ranks(w, text, ways)

    w, before = walked()
    stands = w.view(text).standing
    assert stands is not None
    for did in speakers(w):
        robbed, after = walked(did)
        assert robbed.view(text).standing == stands, (did, "state, marks and hands are what they were")
        assert all(b <= a for b, a in zip(before, after, strict=True)), (did, before, after)


def importer_robbed() -> tuple[World, str]:
    """Goods that are not as their importer declared them on the ledger; then its credential key is stolen."""
    w = World()
    text = w.new(1)
    assert judged(w, text)["reason"] == "presentation_differs"
    govern(w, stolen(IMPORTER, LONG_AGO, "credential"))
    return w, text


def judged(w: World, text: str) -> ItemRecord:
    return told(w, text, "customs-eu", DECLARED["in its car"])


def test_nobody_is_rid_of_what_it_declared_by_losing_its_key() -> None:
    """
    The declaration counts against its goods as before; beside it stands that nothing in it is relied on.
    """
    w, text = importer_robbed()

    found = judged(w, text)

    assert (found["verdict"], found["reason"]) == ("hold", "presentation_differs")
    said = [(c["outcome"], c["reason"]) for c in found["checks"] if c["name"] == "standing.presentation"]
    assert said == [("indeterminate", "not_held"), ("fail", "presentation_differs")]
    names = [(c["name"], c["outcome"], c["reason"]) for c in found["checks"]]
    assert len(names) == len(set(names))


def test_a_verdict_that_is_no_milder_is_as_it_was_made() -> None:
    """
    Where the theft alone decides, nothing is told twice: undecided for the statement, and no check beside.
    """
    w = World()
    text = w.new(1)
    before = told(w, text, "customs-eu", DECLARED["new"])
    govern(w, stolen(MAKER, LONG_AGO, "attest"))

    found = told(w, text, "customs-eu", DECLARED["new"])

    assert ORDER.index(found["verdict"]) > ORDER.index(before["verdict"])
    named = [dict.fromkeys(c["name"] for c in verdict["checks"]) for verdict in (found, before)]
    assert named[0].keys() == named[1].keys()


@pytest.mark.parametrize(
    "build",
    ["presented", "code and passport contradict", "revoked", "revoked on the list alone", "lost"],
)
def test_one_document_is_judged_no_milder_either(build: str) -> None:
    """
    A set shown alone, and each key under it stolen: also that under a list which alone says it is revoked.
    """
    first = World()
    text = SITUATIONS[build](first)
    for did in speakers(first):
        for role in ROLES:
            w = World()
            SITUATIONS[build](w)
            words = []
            for _ in range(2):
                document = dict(w.passports[text].credentials[1])
                evidence = w.evidence(text, shown=[document])
                at = At(LAW_DATE, w.now)
                words.append(verify(document, evidence, border.policy(), at).conclusion.verdict)
                govern(w, stolen(did, LONG_AGO, role))
            assert ORDER.index(words[0]) <= ORDER.index(words[1]), (did, role, words)


def test_a_theft_touches_those_who_spoke_and_whatever_is_shown() -> None:
    """
    A verdict is judged twice only where a theft may touch it: of who spoke about the battery, or agreed; of
    documents shown, further codes and kin it is not asked whose they are. The second time no key was stolen.
    """

    def asked(w: World, text: str, **changes: Any) -> Evidence | None:
        evidence = replace(w.evidence(text), **{"aliases": {}} | changes)
        record = Record.read(evidence.ledger, evidence.network.governance)
        return had_nobody_been_robbed(Inquiry(evidence, record, border.policy(), At(LAW_DATE, w.now)))

    w = World()
    text = w.new(1)
    shown = (dict(w.passports[text].credentials[1]),)
    assert asked(w, text, presented=shown) is None
    govern(w, stolen(WORKSHOP, LONG_AGO))
    assert asked(w, text) is None
    view = w.view(text)
    assert view.standing is not None
    kin = replace(view, relatives={b"k": view.standing})
    for changes in ({"presented": shown}, {"aliases": {"x": view}}, {"ledger": kin}):
        assert asked(w, text, **changes) is not None
    assert asked(w, text, ledger=None) is None
    assert asked(w, text, network=replace(w.network(), governance=None)) is None
    govern(w, stolen(IMPORTER, LONG_AGO))
    believing = asked(w, text)
    assert believing is not None and believing.network.governance is not None
    assert w.governance.robbed == {WORKSHOP, IMPORTER} and not believing.network.governance.robbed


def test_a_theft_of_who_agreed_touches_a_verdict() -> None:
    """
    Who countersigned spoke as well.
    """
    w = World()
    text = SITUATIONS["in the factory"](w)
    w.happen(MAKER, "battery.handed_over", text, {}, cosign=(IMPORTER,), parties=(IMPORTER,))
    govern(w, stolen(IMPORTER, LONG_AGO))
    evidence = replace(w.evidence(text), aliases={})
    record = Record.read(evidence.ledger, evidence.network.governance)

    assert had_nobody_been_robbed(Inquiry(evidence, record, border.policy(), At(LAW_DATE, w.now))) is not None
