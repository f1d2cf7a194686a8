"""What the ledger makes of every event is pinned: who may say it, what stops it, and what it changes.

`tests/vectors/standings.txt` has a line for every situation and event (what becomes of it for each party),
for every way to spoil a lawful event, and for every step of seeded histories: the outcome, and the digest of
its sentence and of all records that it changes. To write it anew, and see in `git diff` what changed:

    python -m tests.credentials.test_pinned_standings
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Any

import pytest

from consensus.application import Execution, NotYet, Refusal
from consensus.cose import SeedSigner
from credentials.documents.identifiers import Subject
from credentials.ledger.admission import Judge
from credentials.ledger.attestation import (
    Attestation,
    Countersignature,
    Criteria,
    StatusUpdate,
    countersign,
    draft_attestation,
    make_attestation,
    parse_attestation,
    status_subject,
)
from credentials.ledger.descendants import children_root
from credentials.ledger.lifecycle import Event
from credentials.ledger.parties import Limits
from credentials.ledger.recalls import recall_subject
from credentials.ledger.registry import block_order, genesis_app_hash
from credentials.ledger.rules import RuleConflict
from credentials.ledger.speaking import Silent
from credentials.ledger.standing import Standing
from tests.credentials import test_registry as paths
from tests.credentials.test_registry import CAR, COUNTERSIGNERS, EVENTS, LIST_URL, PASSPORT, RECALL
from tests.harness.ledger import (
    CN_AUTHORITY,
    CN_CUSTOMS,
    CREATED,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    OUTSIDER,
    PARTIES,
    RECYCLER,
    SECOND_LIFE,
    WORKSHOP,
    Ledger,
    battery,
    day_of,
    make_genesis,
    participant,
    set_list,
    set_list_digest,
    signer,
    vehicle,
)
from tests.harness.pinned import SHARES, require_kept, require_some_kept, write

PINNED = "standings.txt"
LISTS = ("parties", "references")  # fields whose absence is an empty tuple
EORI = "eori:DE1"  # of the importer
CHILDREN = (battery(11, "ZZ6"), battery(12, "ZZ6"))
SUCCESSOR = battery(21, "ZZ5")
LEAF = 1_000
RECORDED = ("admitted", "claim", "alert")  # outcomes for which the file says whose they are
NICK = {did: did.removeprefix("did:web:").removesuffix(".example") for did in PARTIES}
Members = dict[str, Any]


def founded() -> Ledger:
    """A ledger whose importer is known by its EORI too, with a second battery on record.

    Its network id is not that of its genesis: a word changed in the table would change every digest.
    """
    return ledger_of()


def ledger_of(**limits: int) -> Ledger:
    parties = [participant(did) for did in PARTIES]
    parties = [replace(p, identifiers=(EORI,)) if p.did == IMPORTER else p for p in parties]
    genesis = make_genesis(participants=parties, limits=Limits(**limits))
    ledger = Ledger(replace(genesis, network_id=bytes(32), config_digest=b"c" * 32))
    ledger.happen(MAKER, "battery.produced", battery(2))
    return ledger


# -- situations ---------------------------------------------------------------------------------------


def then(
    before: Callable[[Ledger], Subject], by: str, kind: str, **members: Any
) -> Callable[[Ledger], Subject]:
    def build(ledger: Ledger) -> Subject:
        subject = before(ledger)
        ledger.run(ledger.countersigned(by, kind, subject, COUNTERSIGNERS.get(kind, ()), **members))
        return subject

    return build


def child(ledger: Ledger) -> Subject:
    ledger.happen(RECYCLER, "battery.dismantled", paths.waste(ledger), references=CHILDREN)
    return CHILDREN[0]


def committed_child(ledger: Ledger) -> Subject:
    """A module of the maker's own, committed to when the pack was produced, and taken out of it."""
    module, pack = battery(31), battery(1)
    ledger.happen(MAKER, "battery.produced", module)
    ledger.happen(MAKER, "battery.produced", pack, children_root=children_root([module]))
    ledger.happen(MAKER, "market.placed", pack, parties=(RECYCLER,))
    ledger.happen(MAKER, "battery.declared_waste", pack)
    ledger.happen(RECYCLER, "battery.dismantled", pack, references=(module,))
    return module


def consumed(ledger: Ledger) -> Subject:
    subject = paths.waste(ledger)
    ledger.run(paths.step(ledger, "second_life.prepared_for_reuse", subject, SECOND_LIFE))
    return subject


def successor(ledger: Ledger) -> Subject:
    consumed(ledger)
    ledger.happen(SECOND_LIFE, "battery.produced", SUCCESSOR, references=(battery(1),))
    return SUCCESSOR


def undone(how: str, by: str, *who: str) -> Callable[[Ledger], Subject]:
    def build(ledger: Ledger) -> Subject:
        subject = paths.installed(ledger)
        last = paths.last_of(ledger, subject)
        ledger.run(ledger.countersigned(by, how, subject, who, **last))
        return subject

    return build


def corrected_after_a_refusal(ledger: Ledger) -> Subject:
    """What was refused between stays on the record when the act before it is taken back."""
    subject = paths.installed(ledger)
    ledger.happen(MAKER, "passport.published", subject, set_list=set_list(2))
    ledger.happen(MAKER, "attestation.corrected", subject, **paths.last_of(ledger, subject))
    return subject


def contested_enrolment(ledger: Ledger) -> Subject:
    ledger.happen(CN_AUTHORITY, "battery.enrolled", battery(1))
    ledger.happen(MAKER, "battery.produced", battery(1))
    return battery(1)


exported = then(paths.published, CN_AUTHORITY, "battery.exported", parties=(EORI,))
released = then(paths.presented, CUSTOMS, "customs.released")
placed = then(released, IMPORTER, "market.placed", parties=(WORKSHOP,))
SITUATIONS: dict[str, Callable[[Ledger], Subject]] = {
    "nothing": lambda _: battery(1),
    "produced": lambda ledger: ledger.produced(1),
    "published": paths.published,
    "sold": paths.sold,
    "exported": exported,
    "presented": paths.presented,
    "held by customs": then(paths.presented, CUSTOMS, "customs.suspended"),
    "released": released,
    "refused": paths.refused_goods,
    "placed": placed,
    "installed": paths.installed,
    "installed after placing": then(placed, WORKSHOP, "battery.installed", bound_asset=CAR),
    "sold with its car": then(paths.installed, MAKER, "vehicle.sold", bound_asset=CAR),
    "removed": paths.removed,
    "waste": paths.waste,
    "in recycling": paths.in_recycling,
    "recycled": paths.recycled,
    "dismantled": then(paths.waste, RECYCLER, "battery.dismantled", references=CHILDREN),
    "child": child,
    "child of its maker": committed_child,
    "consumed": consumed,
    "successor": successor,
    "lost": paths.lost,
    "recalled": paths.recalled,
    "banned": paths.banned,
    "revoked": then(paths.published, MAKER, "passport.revoked", references=PASSPORT),
    "suspended": paths.suspended_passport,
    "suspended by an authority": then(
        paths.published, CN_AUTHORITY, "passport.suspended", references=PASSPORT
    ),
    "superseded": then(
        paths.published, MAKER, "passport.superseded", references=PASSPORT, set_list=set_list(1, 2)
    ),
    "transferred": then(paths.published, MAKER, "responsibility.transferred", parties=(IMPORTER,)),
    "handed over": then(paths.sold, MAKER, "battery.handed_over", parties=(IMPORTER,)),
    "assigned": then(paths.published, CN_AUTHORITY, "custody.assigned", parties=(RECYCLER,)),
    "enrolled": then(lambda _: battery(1), WORKSHOP, "battery.enrolled", parties=(IMPORTER,)),
    "enrolled by an authority": then(lambda _: battery(1), CN_AUTHORITY, "battery.enrolled"),
    "contested enrolment": contested_enrolment,
    "contested": undone("record.contested", MAKER),
    "corrected": undone("attestation.corrected", MAKER),
    "corrected after a refusal": corrected_after_a_refusal,
    "withdrawn": undone("record.withdrawn", CN_AUTHORITY),
    "voided": undone("attestation.voided", EU_AUTHORITY, CN_AUTHORITY),
}


# -- one judgment -------------------------------------------------------------------------------------


def members_of(ledger: Ledger, kind: str, subject: Subject) -> Members:
    """What EVENTS says with it, in this situation."""
    if kind == "battery.replaced":
        return {"bound_asset": CAR, "references": (battery(2),)}
    members = EVENTS[kind][2]
    found = dict(members) if isinstance(members, dict) else members(ledger, subject)
    passport = standing_of(ledger, subject).passport
    if found.get("references") == PASSPORT and passport is not None:
        found["references"] = (passport.digest,)
    return found


def standing_of(ledger: Ledger, subject: Subject) -> Standing:
    """The standing of a battery; what is no battery has none."""
    return ledger.standing(subject) if subject.scheme == "gbt34014" else Standing(subject)


def drafted(
    by: str, kind: str, subject: Subject, now: int, who: Sequence[str] = (), **members: Any
) -> Attestation:
    """An attestation as the judge gets it: its signatures were looked at before."""
    sets = members.get("set_list")
    status = members.get("status")
    members.setdefault("event_time", now)
    members.setdefault("iat", now)
    members.setdefault(
        "document_digest",
        set_list_digest(sets) if sets else status.list_digest if status else sha256(kind.encode()).digest(),
    )
    draft = draft_attestation(issuer=by, kind=kind, subject=subject, network_id=bytes(32), **members)
    signatures = tuple(Countersignature(f"{did}#attest-1", bytes(64)) for did in who)
    said = f"{by} {kind} {subject} {now} {who} {sorted(members.items(), key=str)}".encode()
    return replace(draft, digest=sha256(said).digest(), countersignatures=signatures)


def outcome(judge: Judge, attestation: Attestation, leaf_index: int) -> tuple[str, str]:
    """(its word, all that is told): admitted, lost to a rule, a claim, or refused with a sentence."""
    who = frozenset(c.signatory for c in attestation.countersignatures)
    try:
        judgment = judge.judge(attestation, who, leaf_index)
    except Refusal as refusal:
        waits = "waits " if isinstance(refusal, NotYet) else ""
        return f"{waits}{refusal.code}", f"{waits}{refusal.code}: {refusal}"
    if isinstance(judgment, RuleConflict):
        return f"lost {judgment.rule}", f"{judgment}"
    if isinstance(judgment, Silent):
        return "alert" if judgment.alert else "claim", f"{judgment}"
    return "admitted", "admitted"


def judge_after(ledger: Ledger, read: Judge | None = None, at: int | None = None) -> Judge:
    """A judge of what follows the ledger; what another one read need not be read again."""
    judge = ledger.registry.judge_at(ledger.now if at is None else at, ledger.history.latest)
    judge.committed_height = ledger.height  # which a walk moves on without blocks
    if read is not None:
        judge.records, judge.cores = dict(read.records), dict(read.cores)
        judge.fetched = dict(read.fetched)
    return judge


def told(judge: Judge, attestation: Attestation) -> tuple[str, str, str]:
    """(word, sentence, what it changes in hex) of an attestation."""
    word, sentence = outcome(judge, attestation, LEAF)
    return word, sentence, "".join(key.hex() + data.hex() for key, data in judge.changes().items())


def digest(*texts: str) -> str:
    return sha256("\n".join(texts).encode()).hexdigest()[:16]


def subject_of(kind: str, subject: Subject) -> Subject:
    if kind.startswith("recall."):
        return RECALL
    return status_subject(MAKER, LIST_URL) if kind == "status.published" else subject


# -- who may say it, in every situation ---------------------------------------------------------------


def by_whom() -> Iterator[str]:
    """situation | event | word: parties; ... (X9: those not named) | digest of all sentences and changes"""
    for _, made in situations_by_event():
        yield made()


def situations_by_event() -> Iterator[tuple[str, Callable[[], str]]]:
    """How each of these lines begins, and what makes it."""
    for name, build in SITUATIONS.items():
        ledger = founded()
        subject = build(ledger)
        for kind in EVENTS:
            head = f"{name} | {kind} | "
            yield head, partial(said_by_each, head, ledger, kind, subject)


def said_by_each(head: str, ledger: Ledger, kind: str, subject: Subject) -> str:
    """The line of one situation and event."""
    about, members = subject_of(kind, subject), members_of(ledger, kind, subject)
    read = judge_after(ledger)
    words: dict[str, list[str]] = {}
    everything = []
    for did in PARTIES:
        attestation = drafted(did, kind, about, ledger.now, COUNTERSIGNERS.get(kind, ()), **members)
        read.prefetch([attestation])
        read.standing(about)
        word, *more = told(judge_after(ledger, read), attestation)
        words.setdefault(word, []).append(NICK[did])
        everything.extend(more)
    words.pop("X9", None)
    shown = "; ".join(
        f"{word}: {', '.join(who)}" if word in RECORDED or word.startswith("lost") else word
        for word, who in words.items()
    )
    return f"{head}{shown} | {digest(*everything)}"


@pytest.mark.parametrize("one_in", SHARES)
def test_who_may_say_what_in_every_situation_is_pinned(one_in: int) -> None:
    """
    In each situation each party attests each event: admitted, claim, lost or refused as it was pinned, with
    the same sentence and the same bytes of every record.
    """
    require_some_kept(situations_by_event(), PINNED, "by whom", one_in)


# -- every way to spoil a lawful event ----------------------------------------------------------------

OTHER_FIELDS: Members = {
    "bound_asset": CAR,
    "parties": (IMPORTER,),
    "references": (battery(2),),
    "quantities": {"colour": 1},
    "children_root": bytes(32),
    "set_list": set_list(1),
    "status": StatusUpdate(bytes(32), "revocation", 1, None),
    "criteria": Criteria(("ZZ1PE75",)),
    "produced_on": day_of(CREATED),
}
INSTEAD: dict[str, dict[str, Any]] = {
    "parties": {
        "its EORI": (EORI,),
        "a party without a node": ("eori:FR9",),
        "a DID of nobody": ("did:web:nobody.example",),
        "two": (IMPORTER, CUSTOMS),
        "an authority": (CN_AUTHORITY,),
        "customs of the other side": (CN_CUSTOMS,),
        "an outsider": (OUTSIDER,),
        "nine": tuple(f"eori:FR{n}" for n in range(9)),
    },
    "references": {
        "an unknown digest": (bytes(32),),
        "two digests": (bytes(32), b"1" * 32),
        "an unborn battery": (battery(9),),
        "a battery of another": (battery(9, "ZZ3"),),
        "an unborn one of its own": (battery(9, "ZZ5"), battery(9, "ZZ6")),
        "a battery and a digest": (battery(2), bytes(32)),
        "two batteries": (battery(2), battery(3)),
        "a vehicle": (CAR,),
    },
    "bound_asset": {"another vehicle": vehicle(2), "a battery as its vehicle": battery(2)},
    "set_list": {"the second version": set_list(1, 2), "another list": set_list(3, 1)},
    "status": {
        "of another document": StatusUpdate(b"1" * 32, "revocation", 1, None),
        "the second": StatusUpdate(bytes(32), "revocation", 2, bytes(32)),
        "the third": StatusUpdate(bytes(32), "revocation", 3, bytes(32)),
        "of another purpose": StatusUpdate(bytes(32), "suspension", 1, None),
    },
    "criteria": {"days": Criteria((), 1, 2), "no code": Criteria(("ZZ2",))},
    "produced_on": {"a day ahead": day_of(CREATED) + 2 * 86_400},
}


def sold_on(ledger: Ledger) -> Subject:
    """A battery of SECOND_LIFE's own code that the importer holds."""
    other = battery(40, "ZZ5")
    ledger.happen(SECOND_LIFE, "battery.produced", other)
    ledger.hand_over(SECOND_LIFE, other, IMPORTER)
    return other


def of_time(ledger: Ledger, subject: Subject) -> Iterator[tuple[str, Members]]:
    """Both sides of every limit in time."""
    limits, at, standing = ledger.history.latest.limits, ledger.now, standing_of(ledger, subject)
    skew, age = limits.clock_skew_s, limits.attestation_age_s_max
    for name, member, edge, beyond in (
        ("happens ahead", "event_time", at + skew, 1),
        ("signed ahead", "iat", at + skew, 1),
        ("signed long ago", "iat", at - age, -1),
        ("expires", "expires", at, -1),
        ("before production", "event_time", (standing.production_time or at) - skew, -1),
        ("before the last change", "event_time", (standing.last_event_time or at) - skew, -1),
        ("before the day of passports", "event_time", 1_802_908_800, -1),
    ):
        yield f"{name}, just", {member: edge}
        yield f"{name}, too far", {member: edge + beyond}


def of_members(event: Event, members: Members) -> Iterator[tuple[str, Members]]:
    """Without each member, with each that is not its own, with others in its place, over each bound."""
    fields = {member.ledger for member in event.ledger_members}
    for field, value in OTHER_FIELDS.items():
        if field not in fields:
            yield f"with {field}", {field: value}
        elif members.get(field):
            yield (
                f"without {field}",
                {field: {} if field == "quantities" else None if field not in LISTS else ()},
            )
        for name, other in INSTEAD.get(field, {}).items() if field in fields else ():
            yield f"{field}: {name}", {field: other}
    for member in event.ledger_members:
        if member.ledger == "quantities":
            assert member.minimum is not None and member.maximum is not None
            said = members.get("quantities", {})
            for amount in (member.minimum - 1, member.minimum, member.maximum, member.maximum + 1):
                yield f"{member.name} {amount}", {"quantities": {**said, member.name: amount}}
            if member.at_most in said:
                above = {**said, member.name: said[member.at_most] + 1}
                yield f"{member.name} above {member.at_most}", {"quantities": above}
            if member.name in said:
                yield f"no {member.name}", {"quantities": {n: v for n, v in said.items() if n != member.name}}


def ways() -> Iterator[str]:
    """event | way | sentence, and if it changes anything | digest of that"""
    for kind, (build, by, _, _) in EVENTS.items():
        ledger = founded()
        subject = build(ledger)
        about, members = subject_of(kind, subject), members_of(ledger, kind, subject)
        event, who = ledger.history.latest.lifecycle.events[kind], COUNTERSIGNERS.get(kind, ())
        standing = standing_of(ledger, subject)
        last = standing.undo.attestation if standing.undo else bytes(32)

        def line(
            way: str, changed: Members, who: Sequence[str] = who, about: Subject = about, by: str = by
        ) -> str:
            said = drafted(by, kind, about, ledger.now, who, **{**members, **changed})  # noqa: B023
            _, sentence, changes = told(judge_after(ledger), said)  # noqa: B023
            return f"{kind} | {way} | {sentence}{f' | {digest(changes)}' if changes else ''}"  # noqa: B023

        yield line("as it is", {})
        if who:
            yield line("countersigned by nobody", {}, ())
        yield line("countersigned by customs too", {}, (*who, CUSTOMS))
        yield line("countersigned by its author too", {}, (*who, by))
        yield line("follows its last record", {"predecessors": (last,)})
        yield line("follows what is not there", {"predecessors": (last, b"1" * 32)})
        yield line("about it by its secret", {}, about=replace(about, blind=bytes(16)))
        yield line("about a vehicle", {}, about=CAR)
        yield line("about another maker's battery", {}, about=battery(1, "ZZ3"))
        yield line("about the battery it names", {"references": (about,)})
        if kind.startswith("second_life."):
            yield line("into what another holds", {"references": (sold_on(ledger),)})
        if kind.startswith("recall."):
            yield line("about codes of a URI", {}, about=recall_subject("uri", MAKER))
            yield line("so, by an authority", {}, about=recall_subject("uri", MAKER), by=CN_AUTHORITY)
            yield line("about codes of no scheme", {}, about=recall_subject("x", "ZZ1"))
            yield line("about no namespace", {}, about=replace(about, namespace="ZZ1"))
        for way, changed in (*of_time(ledger, subject), *of_members(event, members)):
            yield line(way, changed)


def test_every_way_to_spoil_an_event_is_pinned() -> None:
    """
    Each event after its lawful history, just inside and just beyond every limit, with a member too few, too
    many or another one: what becomes of it, in its sentence, and which bytes it changes.
    """
    require_kept(ways(), PINNED, "ways")


# -- seeded histories ---------------------------------------------------------------------------------

SUBJECTS = (*(battery(n) for n in range(1, 5)), *CHILDREN, SUCCESSOR, battery(22, "ZZ5"))
KINDS = tuple(kind for kind in EVENTS if kind != "status.published")
CARS = (CAR, vehicle(2))
WALKS, STEPS, STEPS_PER_BLOCK = 6, 260, 20


def chosen(judge: Judge, chance: random.Random, step: int) -> Attestation:
    """Some event about some battery, by whom it befits more often than not."""
    lifecycle, subject = judge.governance.lifecycle, chance.choice(SUBJECTS)
    standing = judge.standing(subject)
    lawful = [e.type for e in lifecycle.events.values() if lifecycle.allows(e, standing.item_state)]
    if standing.presentation is not None and chance.random() < 0.4:
        lawful = [kind for kind in lawful if kind.startswith("customs.")]
    kind = chance.choice(lawful if chance.random() < 0.9 else list(KINDS))
    if chance.random() < 0.05:
        kind = chance.choice(("recall.published", "recall.lifted"))
    event, subject = lifecycle.events[kind], subject_of(kind, subject)
    standing = state_of(judge, subject)
    fields = {member.ledger: member for member in event.ledger_members}
    members: Members = {}
    if "bound_asset" in fields:
        members["bound_asset"] = standing.bound_asset or chance.choice(CARS)
    if "parties" in fields and (fields["parties"].required or chance.random() < 0.6):
        members["parties"] = (
            chance.choice((IMPORTER, WORKSHOP, RECYCLER, SECOND_LIFE, CUSTOMS, "eori:FR9")),
        )
    if "references" in fields and (fields["references"].required or chance.random() < 0.3):
        members["references"] = named(
            judge, standing, fields["references"].type, event.effects.passport, chance
        )
    if "set_list" in fields:
        version = standing.passport.version + chance.choice((0, 1)) if standing.passport else 1
        members["set_list"] = set_list(step, version)
    if "criteria" in fields:
        members["criteria"] = Criteria((f"ZZ1PE{step}",))
    if "produced_on" in fields:
        members["produced_on"] = day_of(judge.at)
    if "quantities" in fields:
        members["quantities"] = {
            m.name: 1 if m.type == "boolean" else chance.choice((m.minimum, m.maximum, 900)) or 1
            for m in event.ledger_members
            if m.ledger == "quantities" and (m.required or m.type != "boolean")
        }
        for m in event.ledger_members:
            if m.part_of is not None:
                members["quantities"][m.name] = min(members["quantities"][m.name], 100)
            if m.at_most is not None:
                most = members["quantities"][m.at_most]
                members["quantities"][m.name] = min(members["quantities"][m.name], most)
    right = licensed(judge, event, standing)
    by = chance.choice(right if right and chance.random() < 0.85 else list(PARTIES))
    who = [*COUNTERSIGNERS.get(kind, ()), *(p for p in members.get("parties", ()) if p in PARTIES)]
    who = who if chance.random() < 0.9 else []
    return drafted(by, kind, subject, judge.at, tuple(dict.fromkeys(who)), **members)


def licensed(judge: Judge, event: Event, standing: Standing) -> list[str]:
    """Who may attest it, and its holder's side, its operator or an authority of the place in front."""
    subject, governance = standing.subject, judge.governance
    near = [
        did
        for did in (standing.holder, standing.responsible, standing.producer, *standing.named)
        if did in PARTIES
        and governance.accredited(did, event.type, subject.scheme, subject.namespace, judge.at)
    ]
    there = [
        did
        for did in PARTIES
        if PARTIES[did][0] == standing.place
        and governance.accredited(did, event.type, subject.scheme, subject.namespace, judge.at)
    ]
    return near or there or [EVENTS[event.type][1]]


def state_of(judge: Judge, subject: Subject) -> Standing:
    """The standing of a battery as the judge has it; what is no battery has none."""
    return judge.standing(subject) if subject.scheme == "gbt34014" else Standing(subject)


def named(
    judge: Judge, standing: Standing, kind: str, passport: str | None, chance: random.Random
) -> tuple[bytes | Subject, ...]:
    """What an event may name: the passport or the last record, codes of the dismantler, a battery."""
    if kind == "digest" and passport is not None and standing.passport is not None:
        return (standing.passport.digest,)
    if kind == "digest":
        return (standing.undo.attestation,) if standing.undo else (bytes(32),)
    if kind == "identifier":
        return (chance.choice(SUBJECTS),)
    return tuple(chance.sample(SUBJECTS[4:] if chance.random() < 0.7 else SUBJECTS, chance.choice((1, 2))))


def walks() -> Iterator[str]:
    """seed.step | author event battery | word | digest of the sentence, the standing and the vehicle"""
    for seed in range(WALKS):
        ledger, chance = founded(), random.Random(seed)
        judge = judge_after(ledger)
        for step in range(STEPS):
            if step % STEPS_PER_BLOCK == STEPS_PER_BLOCK - 1:
                ledger.reader.records.update(judge.changes())
                ledger.reader.finals.update(judge.ordered)
                ledger.now += 10
                ledger.height += 1
                judge = judge_after(ledger)
            said = chosen(judge, chance, step)
            word, sentence = outcome(judge, said, LEAF + step)
            state = [state_of(judge, said.subject).encode().hex()]
            if said.bound_asset is not None:
                state.append(judge.asset(said.bound_asset).encode().hex())
            yield (
                f"{seed}.{step} | {NICK[said.issuer]} {said.kind} {said.subject.namespace}"
                f"{SUBJECTS.index(said.subject) if said.subject in SUBJECTS else ''} | "
                f"{word} | {digest(sentence, *state)}"
            )
        yield f"{seed} | all records | | {digest(*(v.hex() for v in judge.changes().values()))}"


def test_seeded_histories_are_pinned() -> None:
    """
    Every step of seeded histories over several batteries and vehicles, most of it lawful: what becomes of it
    and the bytes of the standings that it leaves.
    """
    require_kept(walks(), PINNED, "walks")


# -- keys, blocks and quotas --------------------------------------------------------------------------


def attempts() -> Iterator[tuple[str, bytes, int]]:
    """(what, attestation, when it is asked about): every key and signature that could be wrong, and edges."""
    ledger, made = founded(), "battery.produced"
    now, begins = ledger.now, CREATED - 86_400  # when the keys begin
    keys: dict[str, Members] = {
        "as it is": {},
        "a vote key": {"key": signer(MAKER, "vote")},
        "a key that nobody has": {"key": SeedSigner(f"{MAKER}#attest-9", b"9" * 32)},
        "another key of that name": {"key": SeedSigner(f"{MAKER}#attest-1", b"9" * 32)},
        "as its key begins": {"event_time": begins},
        "before its key begins": {"event_time": begins - 1},
        "of another network": {"network_id": b"o" * 32},
    }
    for name, members in keys.items():
        yield name, ledger.attest(MAKER, made, battery(1), **members), now
    yield "of no such kind", ledger.attest(MAKER, "battery.blessed", battery(1)), now
    nobody = "did:web:nobody.example"
    key = SeedSigner(f"{nobody}#attest-1", b"9" * 32)
    yield "of nobody", ledger.attest(nobody, made, battery(1), key=key), now
    yield "no attestation", b"x", now
    handed = ("battery.handed_over", battery(2), (IMPORTER,))
    yield "countersigned", ledger.countersigned(MAKER, *handed, parties=(IMPORTER,)), now
    yield (
        "countersigned by another",
        ledger.countersigned(MAKER, *handed[:2], (RECYCLER,), parties=(IMPORTER,)),
        now,
    )
    statement = ledger.statement("battery.handed_over", battery(2), parties=(IMPORTER,))
    draft = draft_attestation(issuer=MAKER, **{**statement, "event_time": now + 1})
    for name, agreed in {
        "countersigned for another time": countersign(draft, signer(IMPORTER)),
        "countersigned by a vote key": countersign(draft, signer(IMPORTER, "vote")),
        "countersigned by nobody's key": countersign(draft, SeedSigner(f"{IMPORTER}#attest-7", b"7" * 32)),
    }.items():
        said = {**statement, "countersignatures": [agreed]}
        yield name, make_attestation(signer=signer(MAKER), iat=now, issuer=MAKER, **said), now
    yield "asked before its key began", ledger.attest(MAKER, made, battery(1), iat=begins - 1), begins - 1


def spoken(ask: Callable[[], object]) -> str:
    """What the registry answers, or its refusal."""
    try:
        answer = ask()
    except Refusal as refusal:
        return f"{'waits ' if isinstance(refusal, NotYet) else ''}{refusal.code}: {refusal}"
    if isinstance(answer, Execution):
        parts = (
            answer.app_hash,
            answer.standings_root,
            answer.governance_root,
            *answer.entries,
            *answer.finals,
        )
        return f"executed {digest(*(part.hex() for part in parts), str(sorted(answer.standings)))}"
    if isinstance(answer, tuple):
        return f"{len(answer)} chosen {digest(*(tx.hex() for tx in answer))}"
    return answer.hex() if isinstance(answer, bytes) else f"{answer}"


def blocks() -> Iterator[str]:
    """what | answer"""
    ledger = founded()
    for name, tx, now in attempts():
        yield f"check {name} | {spoken(lambda: ledger.registry.check_tx(tx, now))}"  # noqa: B023
        yield f"foresee {name} | {spoken(lambda: ledger.registry.foresee(tx, now))}"  # noqa: B023
        yield f"block of {name} | {spoken(lambda: ledger.registry.process_proposal(ledger.block([tx])))}"  # noqa: B023
    yield f"app hash of genesis | {genesis_app_hash(ledger.genesis).hex()}"
    txs = [ledger.attest(MAKER, "battery.produced", battery(n)) for n in range(10, 16)]
    chosen = list(ledger.propose(txs))
    whole = 3 * (len(chosen[0]) + 5)
    for limits in (
        {"attestations_per_block_max": 5}, {"attestations_per_block_max": 6}, {"per_issuer_per_block_max": 5},
        {"per_issuer_per_day_max": 6}, {"per_issuer_per_day_max": 7}, {"block_bytes_max": whole},
        {"block_bytes_max": whole + 1}, {"block_bytes_max": whole - 1},
    ):  # fmt: skip
        small = ledger_of(**limits)
        # Blocks of one network are another's with other limits: what governs is in the app hash.
        chosen = [a.data for a in block_order([parse_attestation(tx) for tx in txs], small.previous_id)]
        yield f"proposed under {limits} | {spoken(lambda: small.propose(txs))}"  # noqa: B023
        yield f"block under {limits} | {spoken(lambda: small.registry.process_proposal(small.block(chosen)))}"  # noqa: B023
        three = small.block(chosen[:3])
        yield f"three under {limits} | {spoken(lambda: small.registry.process_proposal(three))}"  # noqa: B023
        checked = spoken(lambda: small.registry.check_tx(txs[-1], small.now))  # noqa: B023
        yield f"checked under {limits} | {checked}"
    for most in (whole - 1, whole, whole + 1, 0):
        prepared = spoken(
            lambda: ledger.registry.prepare_proposal(txs, ledger.height + 1, ledger.now, bytes(32), most)  # noqa: B023
        )
        yield f"proposed within {most - whole} bytes | {prepared}"
    for name, block in {
        "the block": ledger.block(chosen),
        "in another order": ledger.block(chosen[::-1]),
        "one of it twice": ledger.block([*chosen, chosen[0]]),
        "a height too high": ledger.block(chosen, height=ledger.height + 2),
        "a height too low": ledger.block(chosen, height=ledger.height),
        "of another state": ledger.block(chosen, app_hash=b"x" * 32),
        "under another configuration": ledger.block(chosen, config_digest=b"x" * 32),
        "under another version": ledger.block(chosen, app_version=2),
        "further on in the log": ledger.block(chosen, log_size=77),
        "at another time": ledger.block(chosen, time=ledger.now + 5),
        "empty": ledger.block([]),
    }.items():
        yield f"{name} | {spoken(lambda: ledger.registry.process_proposal(block))}"  # noqa: B023
    ledger.execute(ledger.block(ledger.propose(chosen[:2])))  # in their order, whatever genesis there is
    yield f"what is final checked | {spoken(lambda: ledger.registry.check_tx(chosen[0], ledger.now))}"
    yield f"what is final proposed | {spoken(lambda: ledger.propose(chosen))}"
    again = ledger.block(chosen[:1])
    yield f"what is final in a block | {spoken(lambda: ledger.registry.process_proposal(again))}"
    yield from quotas()


def quotas() -> Iterator[str]:
    """Two a day: both sides of midnight, and a clock that goes back."""
    ledger = ledger_of(per_issuer_per_day_max=3)
    midnight = (ledger.now // 86_400 + 1) * 86_400
    ledger.produced(1)
    ledger.produced(3)
    for name, at in {
        "before": midnight - 1,
        "at": midnight,
        "after": midnight + 1,
        "a day before": midnight - 86_401,
    }.items():
        tx = ledger.attest(MAKER, "battery.produced", battery(4), iat=at, event_time=at)
        yield f"quota {name} midnight | {spoken(lambda: ledger.registry.check_tx(tx, at))}"  # noqa: B023


def test_keys_blocks_and_quotas_are_pinned() -> None:
    """
    Every key and signature that could be wrong, every limit of a block from both sides, and what a block
    becomes: the same bytes, or the same sentence.
    """
    require_kept(blocks(), PINNED, "blocks")


# -- the file -----------------------------------------------------------------------------------------


SECTIONS: dict[str, Callable[[], Iterator[str]]] = {
    "by whom": by_whom,
    "ways": ways,
    "walks": walks,
    "blocks": blocks,
}

if __name__ == "__main__":
    write(PINNED, "tests.credentials.test_pinned_standings", SECTIONS)
