"""What this participant may attest about a battery in its state, what an act does, and what waits (D598)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import orjson

from credentials.documents.canonical import b64u, b64u_decode
from credentials.ledger.attestation import parse_attestation
from credentials.ledger.governance import GovernanceHistory
from credentials.ledger.lifecycle import ANY, Event
from node.answers import Progress
from node.errors import ProblemError, bad_request
from node.issuing.events import TriedEvent
from node.issuing.issuing import Issuing
from node.issuing.members import wrong_members
from node.storage.office import OfficeStore
from node.use_cases.batteries import Batteries
from node.use_cases.progress import ProgressReport

PASSPORT_MEMBERS = ("sets",)  # types of members that only a passport's own form can give
WAITING_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Offered:
    """A battery in its state, and the events that the life cycle allows then to this participant."""

    battery: str
    state: str
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class ForeseenAct:
    """What an act would say and do; `digest` is of exactly this."""

    digest: str
    event: Event
    battery: str
    before: str
    after: str
    members: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class WaitingAct:
    """An own statement that is not recorded yet, and when it says itself that it is over."""

    progress: Progress
    expires: int | None


class ActDesk:
    """Reads the life cycle as it governs now; the ledger's rules are asked by trying."""

    def __init__(  # noqa: PLR0917  (its parts)
        self,
        history: GovernanceHistory,
        did: str,
        issuing: Issuing,
        batteries: Batteries,
        office: OfficeStore,
        progress: ProgressReport,
    ) -> None:
        self._history = history
        self._did = did
        self._issuing = issuing
        self._batteries = batteries
        self._office = office
        self._progress = progress

    def offered(self, battery: str) -> Offered:
        """What may be attested now; a right over the battery is asked when the act is tried."""
        known = self._batteries.battery(battery)
        life, standing = self._history.latest.lifecycle, known["standing"]
        state = (standing["item_state"] if standing else None) or life.initial
        marks = () if standing is None or standing["bound"] else tuple(standing["marks"])
        settings = standing["settings"] if standing is not None else {}
        own = self._history.latest.participants.get(self._did)
        roles = {ANY, *(own.roles if own is not None else ())}
        events = [
            event
            for event in life.events.values()
            if event.battery_event
            and not roles.isdisjoint(event.attesters)
            and life.allows(event, state, marks)
            and (event.lifts is None or event.lifts in settings)
            and all(member.type not in PASSPORT_MEMBERS for member in event.members.values())
        ]
        return Offered(known["battery"], state, events)

    def event(self, offered: Offered, kind: str) -> Event:
        """One of those that are offered; 409 where it is none."""
        found = next((event for event in offered.events if event.type == kind), None)
        if found is None:
            raise ProblemError(
                409,
                "act_not_offered",
                "Not possible",
                "this cannot be attested by this participant while the battery is {state}",
                state=offered.state.replace("_", " "),
            )
        return found

    def wrong(self, event: Event, members: dict[str, str]) -> dict[str, ProblemError]:
        """What is wrong with the fields of a form, each by its name."""
        return wrong_members(event, members, self._issuing.signing.identifier)

    def foresee(self, offered: Offered, event: Event, members: dict[str, str]) -> ForeseenAct:
        """What it would do now; raises what the ledger would refuse it for. Nothing of it is kept."""
        if event.countersigned_by is not None:
            told = "a second party countersigns this first: `comity attest --draft` makes what it is given"
            raise bad_request("countersignature_missing", told)
        made = self._issuing.events.attest(event.type, offered.battery, members, only_try=True)
        assert isinstance(made, TriedEvent), "it was only tried"
        standing = self._batteries.battery(offered.battery)["standing"]
        in_vehicle = standing is not None and standing["bound"] and event.to_in_vehicle is not None
        after = (event.to_in_vehicle if in_vehicle else event.to) or offered.state
        said = [event.type, offered.battery, offered.state, after, made.members]
        digest = sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).digest()
        return ForeseenAct(b64u(digest), event, offered.battery, offered.state, after, made.members)

    def waiting(self) -> list[WaitingAct]:
        """Own statements that no block has, oldest first, each with what it waits for."""
        items = self._office.outbox.waiting("outbox", WAITING_SHOWN)
        return [
            WaitingAct(self._progress.explained(one), parse_attestation(one.data).expires) for one in items
        ]

    def expires(self, progress: Progress) -> int | None:
        """When one of them says itself that it is over."""
        item = self._office.outbox.get(b64u_decode(progress["digest"]))
        return parse_attestation(item.data).expires if item is not None and item.state == "outbox" else None
