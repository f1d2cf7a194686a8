"""The real registry and the real verdict, of whatever commit's code is on the path.

Only public entrances are used: the tests' ledger and border, `check_tx`, `prepare_proposal`,
`process_proposal`, `clear_item`. Signatures are real; an act is signed once and kept.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import import_module
from typing import Any

from .acts import Act
from .bounds import WORDS, Shown
from .names import LINK
from .parties import CN_AUTHORITY, EU_AUTHORITY, HOLDER, MAKER, PARTIES, RIVAL, WITH_A_THIRD, Party
from .statements import MADE_ON, members_of


def _module(*names: str) -> Any:
    """The first of these modules that this commit has: rooms were built after d5dbf19."""
    for name in names:
        try:
            return import_module(name)
        except ModuleNotFoundError:
            continue
    raise ModuleNotFoundError(f"none of {names}: is a tree of the project on the path?")


ledger_of = _module("tests.harness.ledger", "tests.ledger")
border = _module("tests.harness.border", "tests.border")
attestations = _module("credentials.ledger.attestation", "credentials.attestation")
canonical = _module("credentials.documents.canonical", "credentials.canonical")
entries = _module("credentials.ledger.entries", "credentials.entries")
genesis = _module("credentials.ledger.genesis", "credentials.genesis")
identifiers = _module("credentials.documents.identifiers", "credentials.identifiers")
issuer = _module("credentials.documents.issuer", "credentials.issuer")
standing_class = _module("credentials.ledger.standing", "credentials.standing").Standing
manifest = _module("credentials.verdicts.manifest", "credentials.clearance")
application = _module("consensus.application")
_payload = _module("credentials.ledger.delta", "credentials.ledger.payload", "credentials.attestation")
Criteria: Any = getattr(_payload, "Criteria", None)
# Before the rooms there was no history of governance, and recognitions had another form.
try:
    recognition: Any = _module("credentials.ledger.recognition")
    GovernanceHistory: Any = _module("credentials.ledger.governance").GovernanceHistory
except ModuleNotFoundError:
    recognition, GovernanceHistory = None, tuple

GTIN, COMPANY_DIGITS = "9521001000000", 7  # of the maker's links
ANOTHER = "Z"  # a battery of which nothing is asked
HOUR_S = 3_600  # beyond the skew of clocks
STATE, CLAIM, REFUSED, INADMISSIBLE, WAITS = "state", "claim", "refused", "inadmissible", "waits"
_LEAF = set(inspect.signature(border.LedgerEntry).parameters)
_LINE = set(inspect.signature(manifest.Line).parameters)
_PUBLISHERS: dict[str, Any] = {}
if "publishers" in inspect.signature(border.World).parameters:
    _PUBLISHERS["publishers"] = (MAKER, RIVAL, HOLDER)  # everybody who may publish a passport


def _genesis(parties: Mapping[str, Party]) -> Any:
    """The parties of the second opinion, accredited for any battery, and for the codes that are their own."""
    saved = dict(ledger_of.PARTIES)
    ledger_of.PARTIES.update({did: (p.jurisdiction, p.roles, p.namespaces) for did, p in parties.items()})
    try:
        return _founded(parties)
    finally:
        ledger_of.PARTIES.clear()
        ledger_of.PARTIES.update(saved)


def _founded(parties: Mapping[str, Party]) -> Any:
    named = [ledger_of.participant(did) for did in parties]
    any_battery = ledger_of.ANY_BATTERY
    accredited = [ledger_of.accreditation(did) for did in parties]
    for did, party in parties.items():
        if party.namespaces:
            roles = tuple(r for r in party.roles)
            accredited.append(
                ledger_of.accreditation(did, schemes=any_battery, roles=roles, licence="acting")
            )
    links = (("gs1", GTIN[:COMPANY_DIGITS]),)
    accredited.append(ledger_of.accreditation(MAKER, schemes=links, licence="links"))
    validators = ledger_of.VALIDATORS
    limits = genesis.Limits(**{name: 1_000_000 for name in _quotas()})
    return ledger_of.make_genesis(
        participants=named, accreditations=accredited, validators=validators, limits=limits, **_recognised()
    )


def _recognised() -> dict[str, Any]:
    """What each side's authority accepts of the other's record of a used battery (Annex XIV): all of it."""
    if recognition is None:
        return {}
    sides = ((CN_AUTHORITY, "EU"), (EU_AUTHORITY, "CN"))
    return {
        "recognitions": [
            recognition.Recognition(
                authority=authority,
                jurisdiction=PARTIES[authority].jurisdiction,
                issuer="*",
                issuer_jurisdiction=other,
                rows=("EXP-02",),
                effect=recognition.Effect.ACCEPTED_BY_LAW,
                legal_basis="demonstration",
                valid_from=ledger_of.CREATED,
            )
            for authority, other in sides
        ]
    }


def _quotas() -> list[str]:
    """The limits that long histories would meet: how many acts an issuer may make in a day and a block."""
    return [f.name for f in dataclasses.fields(genesis.Limits) if "day" in f.name and "issuer" in f.name]


Pause = tuple[int, int | None]  # suspended from, until before; None: still


def _paused(before: tuple[Pause, ...], suspended: bool, now: int) -> tuple[Pause, ...]:
    """The pauses of a licence that is, or is not, suspended from now on; what took no time was none.

    All of an hour happens in one second: what was said in it before is not said without a licence.
    """
    goes_on = bool(before) and before[-1][1] is None
    if goes_on == suspended:
        return before
    if suspended:
        return (*before, (now, None))
    began = before[-1][0] + 1
    return (*before[:-1], *([(began, now)] if began < now else []))


@dataclass
class Book:
    """What was signed once and is kept: acts, their documents, passports."""

    world: Any
    time: int
    transactions: dict[tuple[Act, int, int, bytes | None], bytes] = field(default_factory=dict)
    passports: dict[tuple[str, int, str, tuple[str, ...]], Any] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    attesters: dict[str, tuple[str, ...]] = field(default_factory=dict)
    table: dict[str, Any] = field(default_factory=dict)
    # By whose licences are suspended, and were when.
    governed: dict[frozenset[tuple[str, tuple[Pause, ...]]], Any] = field(default_factory=dict)

    def code(self, battery: str) -> str:
        """The code of a battery; its letter's place in the alphabet is its serial number."""
        if battery.startswith(LINK):
            return f"https://id.gs1.org/01/0{GTIN}/21/{battery}"
        if battery not in self.codes:
            maker = {"S": "ZZ1", "R": "ZZ3"}.get(battery[0], "ZZ1")
            self.codes[battery] = border.code(ord(battery[0]) * 100 + int(battery[1:] or 0), maker)
        return self.codes[battery]

    def subject(self, battery: str) -> Any:
        return border.subject_of(self.code(battery))

    def key(self, battery: str) -> bytes:
        """The key of its record on the ledger."""
        found: bytes = attestations.standing_key(self.subject(battery))
        return found

    def passport(self, battery: str, version: int, by: str, names: tuple[str, ...] = ()) -> Any:
        key = (battery, version, by, names)
        if key not in self.passports:
            named = names or ((battery,) if battery.startswith(LINK) else ())
            claims = self._naming(*named) if named else None
            self.passports[key] = self.world.issue(self.code(battery), by=by, version=version, claims=claims)
        return self.passports[key]

    def _naming(self, code: str) -> Any:
        """What a passport says that names its battery so."""
        claims = border.claims_of(1)
        claims["GeneralProductInformation"]["productIdentifier"] = self.code(code)
        return claims

    def transaction(self, act: Act, nth: int, time: int, undone: bytes | None = None) -> bytes:
        """The signed attestation of an act, made the nth time, at this time; `undone` is its other act."""
        key = act, nth, time, undone
        if key not in self.transactions:
            self.transactions[key] = self._sign(act, nth, time, undone)
        return self.transactions[key]

    def _sign(self, act: Act, nth: int, time: int, undone: bytes | None) -> bytes:
        ledger = self.world.ledger
        happened = time - act.ago * HOUR_S
        digest, delta = self._document(act, nth, happened)
        if act.lapsed:
            delta = delta | {"expires": time - 1}
        if undone is not None:
            delta = delta | {"references": (sha256(undone).digest(),)}
        statement = {
            "kind": act.event,
            "subject": self._about(act),
            "network_id": ledger.genesis.network_id,
            "event_time": happened,
            "document_digest": digest,
            "issuer": act.by,
        } | delta
        if act.countersigned:
            draft = attestations.draft_attestation(**statement)
            signers = [ledger_of.signer(did) for did in act.countersigned]
            statement["countersignatures"] = [attestations.countersign(draft, key) for key in signers]
        data: bytes = attestations.make_attestation(signer=ledger_of.signer(act.by), iat=time, **statement)
        return data

    def _about(self, act: Act) -> Any:
        if act.event.startswith("recall."):
            return border.recall_subject("gbt34014", self.subject(act.battery).namespace)
        return self.subject(act.battery)

    def _document(self, act: Act, nth: int, happened: int) -> tuple[bytes, dict[str, Any]]:
        if act.event.startswith("recall."):
            return sha256(repr((act, nth, happened)).encode()).digest(), self._covered(act)
        members, delta = members_of(act, self)
        if act.version:
            issued = self.passport(act.battery, act.version, act.by, act.names)
            digests = {p: canonical.digest_document(dict(d)) for p, d in issued.credentials.items()}
            return issued.digest, delta | {"set_list": attestations.SetList(act.version, digests)}
        number = sha256(repr((act, nth, happened)).encode()).hexdigest()[:12]
        made = issuer.issue_event(
            act.event,
            border.identifier_of(self.code(act.battery)),
            members,
            event_id=f"urn:uuid:00000000-0000-4000-9000-{number}",
            event_time=border.stamp(happened),
            issuer_did=act.by,
            signer=ledger_of.signer(act.by, "credential"),
            valid_from=border.stamp(ledger_of.CREATED),
            created=border.stamp(ledger_of.CREATED),
        )
        document = made[0] if isinstance(made, tuple) else made  # the code of d5dbf19 gives no digest
        digest: bytes = canonical.digest_document(document)
        self.world.documents[digest] = document
        return digest, delta

    def _covered(self, act: Act) -> dict[str, Any]:
        """What a recall covers, as its members say it: codes that begin so, days of production, items."""
        code, day = self.code(act.battery), 86_400
        match act.scope:
            case "item":
                return {
                    "references": tuple(self.subject(b) for b in dict.fromkeys((act.battery, *act.others)))
                }
            case "batch":
                return {"criteria": Criteria((code[:-2],))}
            case "model":
                return {"criteria": Criteria((code[:7],))}
            case "days":
                return {"criteria": Criteria((), MADE_ON - day, MADE_ON + day)}
            case "other_days":
                return {"criteria": Criteria((), MADE_ON - 9 * day, MADE_ON - 8 * day)}
            case _:
                return {}


@dataclass(frozen=True, slots=True)
class _Step:
    """A block that would be executed, and the records that it would leave."""

    block: Any
    standings: Mapping[bytes, bytes]


@dataclass
class Stage:
    """One real ledger at one moment, with what a node keeps beside it."""

    book: Book
    world: Any
    made: Mapping[Act, int] = field(default_factory=dict)  # how often each act was recorded
    sent: Mapping[Act, tuple[bytes, ...]] = field(default_factory=dict)  # those of them that stand, in order
    pauses: Mapping[str, tuple[Pause, ...]] = field(
        default_factory=dict
    )  # of whose licences, from when until

    @classmethod
    def new(cls, parties: Mapping[str, Party] = PARTIES) -> Stage:
        world = border.World(ledger_of.Ledger(_genesis(parties)), **_PUBLISHERS)
        world.ledger.registry.standings_map = _FewRecords()
        table = ledger_of.lifecycle_table()
        book = Book(world, world.now, table=table)
        kinds = [*table["events"], *table.get("kinds", ())]
        book.attesters = {e["type"]: tuple(e["attesters"]) for e in kinds if "attesters" in e}
        return cls(book, world)

    def fork(self) -> Stage:
        """The same ledger, to go another way; documents and signed acts are shared."""
        world = copy.copy(self.world)
        ledger = world.ledger = copy.copy(world.ledger)
        ledger.reader = _twin(ledger.reader)
        ledger.registry = _twin(ledger.registry)
        ledger.registry.reader = ledger.reader
        world.leaves, world.refused = list(world.leaves), dict(world.refused)
        return Stage(self.book, world, self.made, self.sent, self.pauses)

    def hour(self) -> None:
        """An hour passes; until then all happens in one second."""
        self.world.ledger.now += HOUR_S

    def accredited(self, act: Act) -> bool:
        """Whether the role tables let this party make this kind of act at all, on any battery."""
        attesters = self.book.attesters.get(act.event)
        if attesters is None or act.by not in WITH_A_THIRD:
            return False
        return "*" in attesters or bool(set(attesters) & set(WITH_A_THIRD[act.by].roles))

    def transaction(self, act: Act) -> bytes:
        told, now = act.undoes or act.replaces, self.world.ledger.now
        told = told and told.as_said
        undone = None if told is None else self._standing_last(told) or self.book.transaction(told, 0, now)
        return self.book.transaction(act, self.made.get(act, 0), now, undone)

    def would(self, act: Act) -> tuple[str, Any]:
        """What becomes of an act now, and the execution of the block that it would make; nothing is kept."""
        ledger, data = self.world.ledger, self.transaction(act)
        try:
            ledger.registry.check_tx(data, ledger.now)
        except application.NotYet:
            return WAITS, None
        except application.Refusal:
            return INADMISSIBLE, None
        chosen = ledger.propose([data])
        if not chosen:
            return WAITS, None
        block = ledger.block(chosen)
        execution = ledger.registry.process_proposal(block)
        return _kind(execution), _Step(block, execution.standings)

    def take(self, act: Act, step: _Step) -> None:
        """Execute and keep a block that `would` made of an act."""
        ledger, data = self.world.ledger, self.transaction(act)
        time, first = ledger.now, ledger.log.size
        execution = ledger.execute(step.block)
        for offset, entry in enumerate(execution.entries):
            parsed = _parsed(entry)
            told = {"parsed": parsed} if "parsed" in _LEAF else {}
            self.world.leaves.append(
                border.LedgerEntry(first + offset, execution.height, time, entry, **told)
            )
            if isinstance(parsed, entries.RefusedEntry):
                self.world.refused[parsed.digest] = data
        ledger.now = time
        self.made = {**self.made, act: self.made.get(act, 0) + 1}
        sent = {**self.sent, act: (*self.sent.get(act, ()), data)}
        if act.undoes is not None and act.event != "record.contested":
            undone = act.undoes.as_said
            sent[undone] = sent.get(undone, ())[:-1] or sent.get(undone, ())[:1]
        self.sent = sent

    def _standing_last(self, act: Act) -> bytes | None:
        """The last of several alike that was not taken back; of one alone, that one."""
        return next(reversed(self.sent.get(act, ())), None)

    def license(self, unlicensed: frozenset[str]) -> None:
        """From now on these parties' licences are suspended, and no others; what was suspended stays known.

        In force from the next block on, which is made.
        """
        ledger, now = self.world.ledger, self.world.ledger.now
        history = ledger.history = ledger.registry.history
        everybody = sorted({*self.pauses, *unlicensed})
        paused = {did: _paused(self.pauses.get(did, ()), did in unlicensed, now) for did in everybody}
        self.pauses = {did: pauses for did, pauses in paused.items() if pauses}
        kept, known = self.book.governed, frozenset(self.pauses.items())
        if known not in kept:
            founded = history.at(0)
            kept[known] = dataclasses.replace(
                founded,
                accreditations=tuple(
                    dataclasses.replace(a, suspended=self.pauses.get(a.participant, ()))
                    for a in founded.accreditations
                ),
            )
        history.enact(history.height + 1, kept[known])
        self.world.run()
        self.world.ledger.now = now

    def standing(self, battery: str) -> Any:
        return self.world.ledger.standing(self.book.subject(battery))

    def told_late(self, act: Act, step: _Step) -> bool:
        """Whether the public record says of this act that it was told late, and so moved nothing."""
        record = step.standings.get(self.book.key(act.battery))
        if record is None or not hasattr(standing_class, "past"):
            return False
        before, after = self.standing(act.battery).past, standing_class.decode(record).past
        return len(after.late_leaves) > len(before.late_leaves)

    def shape(self, battery: str, step: _Step | None = None) -> Any:
        """What the public standing shows (after `step`), without leaf numbers, times and digests."""
        record = None
        if step is not None:
            record = step.standings.get(attestations.standing_key(self.book.subject(battery)))
        return shape_of(standing_class.decode(record) if record else self.standing(battery))

    def judged(self, battery: str, shown: Shown, vin: str | None = None) -> Any:
        """The real verdict on a battery shown so."""
        line: dict[str, Any] = {"goods": shown.goods}
        if "condition" in _LINE and shown.condition is not None:
            line["condition"] = shown.condition
        if shown.goods == "in_vehicle":
            line |= {"commodity_code": "8703800000", "vin": vin, "mass_kg": None}
        elif shown.goods == "in_other":
            line |= {"commodity_code": "8509400000", "mass_kg": None}
        if shown.jurisdiction != "EU":
            line["policy_name"] = f"authority-{shown.jurisdiction.lower()}"
        if shown.direction != "import":
            line["direction"] = shown.direction
        if shown.declaration != border.DECLARATION:
            line["head"] = {"declaration": shown.declaration}
        if shown.registered is not None:
            line["registration_id"] = shown.registered
        if shown.beside is not None:
            other = border.line_of(2, self.book.code(ANOTHER), registration_id=shown.beside)
            line["others"] = [other]
        return self.world.judge(self.book.code(battery), **line)

    def word(self, battery: str, shown: Shown, vin: str | None = None) -> str:
        """The word of that verdict."""
        word = str(self.judged(battery, shown, vin).verdict.conclusion.verdict)
        assert word in WORDS, word
        return word


class _FewRecords:
    """A map of standings as the registry uses it, without its 4 MiB tree: thousands of stages are kept."""

    def __init__(self) -> None:
        self.digests: dict[bytes, bytes] = {}

    def root_with(self, changes: Mapping[bytes, bytes]) -> bytes:
        digests = self.digests | {key: sha256(value).digest() for key, value in changes.items()}
        return sha256(b"".join(key + digests[key] for key in sorted(digests))).digest()

    def buckets_with(self, changes: Mapping[bytes, bytes]) -> dict[int, bytes]:
        return {}

    def apply(self, changes: Mapping[bytes, bytes]) -> None:
        self.digests = self.digests | {key: sha256(value).digest() for key, value in changes.items()}


MOVING = (dict, list, set, _FewRecords, GovernanceHistory)
CONDITIONS = ("new", "used", "second_life", "return", "repair", "waste") if "condition" in _LINE else ("new",)


def _twin(thing: Any) -> Any:
    """A copy that shares what never changes: containers are copied, and so is what moves with the height.

    The signatures found good are shared as they are: an attestation that is authentic is so in every history.
    """
    twin = copy.copy(thing)
    for name, value in vars(thing).items():
        if name != "_verified" and isinstance(value, MOVING):
            setattr(twin, name, copy.copy(value))
    return twin


@functools.lru_cache(maxsize=4096)
def _parsed(entry: bytes) -> Any:
    """A leaf that an act would make: read when the act is tried, and again when it is kept."""
    return entries.parse_entry(entry)


def _kind(execution: Any) -> str:
    """State, claim or recorded refusal: by the kind of leaf that the act made."""
    kinds = {type(_parsed(entry)).__name__ for entry in execution.entries}
    if "AdmittedEntry" in kinds:
        return STATE
    return CLAIM if "ClaimEntry" in kinds else REFUSED


# Members of a record that tell when and where in the log, not what.
_MOMENTS = (
    "leaf",
    "height",
    "time",
    "_at",
    "index",
    "refusal",
    "attestation",
    "seq",
    "document",
    "fact_before",
)


def shape_of(value: Any) -> Any:
    """A record without its moments: places in the log, times, and the digests of one history."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [f.name for f in dataclasses.fields(value)]
        kept = [n for n in fields if not any(part in n for part in _MOMENTS)]
        return (type(value).__name__, *((n, shape_of(getattr(value, n))) for n in kept))
    if isinstance(value, Mapping):
        # The values of a mapping by fact are places in the log; its keys are what is known.
        return tuple(
            (str(k), None if isinstance(v, int) else shape_of(v))
            for k, v in sorted(value.items(), key=lambda item: str(item[0]))
        )
    if isinstance(value, (tuple, list, frozenset, set)):
        return tuple(sorted({shape_of(v) for v in value}, key=repr))
    return "bytes" if isinstance(value, bytes) else value
