"""Acts beside the verdict: what the life cycle allows, its effect before, its proof after, what waits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from werkzeug.test import TestResponse

from credentials.ledger.lifecycle import ANY, Event, Lifecycle
from node.use_cases.act_desk import PASSPORT_MEMBERS
from tests.harness.support_service import ROLES, LiveNode, live_node
from tests.node.test_pages import BROWSER, Reader
from tests.node.test_watching import code_of, issue

OWN = (*ROLES, "workshop", "recycler")
SERIAL = 95


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("acts"), OWN) as running:
        issue(running, SERIAL)
        yield running


def life(node: LiveNode) -> Lifecycle:
    return node.service.overview.history.latest.lifecycle


def asked(node: LiveNode, event: str = "") -> str:
    answer = node.person.get(f"/acts?battery={code_of(SERIAL)}&event={event}", headers=BROWSER)
    assert answer.status_code == 200, answer.text[:400]
    return answer.text


def sent(node: LiveNode, event: str, shown: str | None = None, **members: str) -> TestResponse:
    form = {"battery": code_of(SERIAL), "event": event, **{f"m-{n}": v for n, v in members.items()}}
    return node.person.post("/acts", data=form | ({} if shown is None else {"shown": shown}), headers=BROWSER)


def digest_in(text: str) -> str:
    found = re.search(r'name="shown" value="([^"]+)"', text)
    assert found is not None
    return found[1]


def measured(node: LiveNode) -> Event:
    """An act with a number in its bounds and a day, that changes nothing that another test needs."""
    (found,) = (
        event for event in node.service.acts.offered(code_of(SERIAL)).events
        if {"integer", "date"} <= {member.type for member in event.members.values()}
        and event.to is None and ANY not in event.attesters and event.battery_event
    )  # fmt: skip
    return found


def test_what_is_offered_is_what_the_life_cycle_allows_to_these_roles_in_this_state(node: LiveNode) -> None:
    """
    In each state, by the table alone: an event is offered where its `from` has the state and its attesters
    one of the roles, and nowhere else; those that publish a passport have a form of their own.
    """
    table = life(node)
    acts = node.service.acts
    known = node.service.batteries.battery(code_of(SERIAL))
    settings = known["standing"]["settings"] if known["standing"] else {}
    roles = {ANY, *OWN}
    states = {table.initial, *(s for event in table.events.values() for s in event.from_states if s != ANY)}
    counts = set()
    for state in sorted(states):
        with pytest.MonkeyPatch.context() as patch:
            standing = {**(known["standing"] or {}), "item_state": state, "marks": [], "bound": False}
            patch.setattr(acts._batteries, "battery", lambda _, told=standing: {**known, "standing": told})
            offered = {event.type for event in acts.offered(code_of(SERIAL)).events}
        anywhere = state != table.initial and state not in table.terminal
        lawful = {
            event.type for event in table.events.values()
            if event.battery_event and roles & {*event.attesters}
            and (state in event.from_states or (anywhere and ANY in event.from_states))
            and (event.lifts is None or event.lifts in settings)
            and not {m.type for m in event.members.values()} & {*PASSPORT_MEMBERS}
        }  # fmt: skip
        assert offered == lawful, state
        counts.add(len(offered))
    assert len(counts) > 3, "states differ in what they allow"

    page = Reader(asked(node))
    links = {link.rpartition("event=")[2] for link in page.links if "event=" in link}
    assert links == {event.type for event in acts.offered(code_of(SERIAL)).events}


def test_a_form_has_the_bounds_and_units_of_its_event_and_says_each_mistake_beside_its_field(
    node: LiveNode,
) -> None:
    event = measured(node)
    text = asked(node, event.type)
    for member in event.members.values():
        assert f'name="m-{member.name}"' in text
        if member.type == "integer" and member.maximum is not None:
            assert f'min="{member.minimum}" max="{member.maximum}"' in text
    assert "(\u2030)" in text and 'type="date" max="' in text

    too_much = {m.name: str((m.maximum or 0) + 1) for m in event.members.values() if m.type == "integer"}
    answer = sent(node, event.type, **too_much)
    assert answer.status_code == 400
    wrong = set(re.findall(r'id="m-(\w+)-problem"', answer.text))
    required = {m.name for m in event.members.values() if m.required}
    assert wrong == required | {m.name for m in event.members.values() if m.name in too_much}
    assert all(f'value="{value}"' in answer.text for value in too_much.values()), "what was typed is kept"
    assert node.service.acts.waiting() == []


def test_nothing_is_signed_before_exactly_its_effect_was_shown(node: LiveNode) -> None:
    """
    Sent without what was shown, or with what was shown of other values, nothing is stored and the effect is
    there to be looked at; sent with it, the act is on record and its page has the proof.
    """
    event = measured(node)
    day = "2026-11-01"
    text = next(m for m in event.members.values() if m.type == "text")
    values = {m.name: day for m in event.members.values() if m.type == "date"} | {text.name: "by hand"}
    values |= {m.name: "990" for m in event.members.values() if m.type == "integer" and m.required}
    outbox = node.service.stores.office.outbox
    before = sum(outbox.counts().values())

    first = sent(node, event.type, **values)
    assert first.status_code == 200 and "What it does" in first.text
    assert "990 \u2030" in " ".join(Reader(first.text).text.split())
    other = sent(node, event.type, shown=digest_in(first.text), **values | {text.name: "by another hand"})
    assert other.status_code == 409 and "Nothing was signed." in other.text
    assert sum(outbox.counts().values()) == before

    made = sent(node, event.type, shown=digest_in(first.text), **values)
    assert made.status_code == 303, Reader(made.text).text
    path = str(made.headers["Location"])
    node.wait(lambda: node.get_json(path)["receipted_at"] is not None, "the receipt")
    page = Reader(node.person.get(path, headers=BROWSER).text)
    assert f"/receipts/{path.rpartition('/')[2]}" in page.links


def test_what_the_life_cycle_does_not_allow_is_refused_whoever_asks(node: LiveNode) -> None:
    offered = {event.type for event in node.service.acts.offered(code_of(SERIAL)).events}
    for kind in (next(e for e in life(node).events if e not in offered), "no.such"):
        assert sent(node, kind).status_code == 409
        address = f"/acts?battery={code_of(SERIAL)}&event={kind}"
        assert node.person.get(address, headers=BROWSER).status_code == 409
    assert node.client.get(f"/acts?battery={code_of(SERIAL)}", headers=BROWSER).status_code == 401


def test_what_the_ledger_would_refuse_is_said_before_anything_is_signed(node: LiveNode) -> None:
    """Each act that is offered is tried with nothing filled in, or only what it must have: no page fails."""
    for event in node.service.acts.offered(code_of(SERIAL)).events:
        page = asked(node, event.type)
        assert all(f'name="m-{name}"' in page for name in event.members), event.type
        answer = sent(node, event.type)
        assert answer.status_code in (200, 400, 409, 422), (event.type, answer.status_code)
        if answer.status_code == 200:
            assert (
                "What it does" in answer.text and ("It cannot be undone" in answer.text) == event.irreversible
            )
    assert node.service.acts.waiting() == []


def test_what_waits_is_told_with_its_reason_and_end_and_can_be_held_back(node: LiveNode) -> None:
    """A statement that cannot be recorded yet: why, until when; once cancelled it is sent no more."""
    table = life(node)
    state = node.service.acts.offered(code_of(SERIAL)).state
    event = next(
        e for e in table.events.values()
        if not table.allows(e, state) and e.battery_event and {*OWN} & {*e.attesters}
        and {m.type for m in e.members.values() if m.required} <= {"text"}
        and table.first_steps(e, state)
    )  # fmt: skip
    members: dict[str, Any] = {
        m.name: next(iter(m.values), "x") for m in event.members.values() if m.required
    }
    order = {"event": event.type, "battery": code_of(SERIAL), "members": {**members, "queue": True}}
    made = node.post_json("/attestations", order)
    assert made.status_code == 201, made.text
    digest = made.get_json()["digest"]

    (waiting,) = node.service.acts.waiting()
    queue = unescape(node.person.get("/acts", headers=BROWSER).text)
    reason = made.get_json()["progress"]["waiting"]["detail"]
    assert reason in queue and f"/attestations/{digest}" in queue and waiting.expires is not None
    page = node.person.get(f"/attestations/{digest}", headers=BROWSER).text
    assert "no block may hold it then" in page and "Send it no more" in page

    assert (
        node.person.post(f"/attestations/{digest}/cancel", data={"sure": "1"}, headers=BROWSER).status_code
        == 303
    )
    again = node.client.delete(f"/attestations/{digest}", headers=node.bearer)
    assert (again.status_code, again.get_json()["code"]) == (409, "final")
    assert "Nothing waits" in node.person.get("/acts", headers=BROWSER).text
    assert "not sent any more" in node.person.get(f"/attestations/{digest}", headers=BROWSER).text


# -- may I take it? -------------------------------------------------------------------------------------


def offered(node: LiveNode, code: str, **fields: str) -> TestResponse:
    form = {"battery": code, "condition": "new", "mass_kg": "", **fields}
    return node.person.post("/clearance", data=form, headers=BROWSER)


def test_what_is_offered_is_judged_on_one_page_with_the_acts_beside_it(node: LiveNode) -> None:
    """
    The word, what the passport says beside what is declared, and what may be recorded now; nothing is kept.
    """
    before = node.service.consignments.listing(20, None)
    page = Reader(offered(node, code_of(SERIAL)).text)
    held = Reader(offered(node, code_of(SERIAL), condition="used", mass_kg="1,5").text)

    assert any(f"battery={code_of(SERIAL)}" in link and "event=" in link for link in page.links)
    assert f"/parts/{code_of(SERIAL)}" in page.links and "Nothing of this answer is kept" in page.text
    assert "1.5 kg" in held.text and "What you may do." in held.text
    assert node.service.consignments.listing(20, None) == before


def test_what_nobody_knows_may_not_be_taken_as_passed(node: LiveNode) -> None:
    """
    A code without a record is undecided and offers no act; a mass that is none keeps what was typed.
    """
    unknown = offered(node, code_of(999)).text
    wrong = offered(node, code_of(SERIAL), mass_kg="heavy")

    assert "Do not read this as passed." in unknown and "event=" not in unknown
    assert wrong.status_code == 400 and 'value="heavy"' in wrong.text and 'role="alert"' in wrong.text
    for mass in ("1,000", "1_0", "nan", "１２x"):  # thousands or decimals: asked, not guessed
        odd = offered(node, code_of(SERIAL), mass_kg=mass)
        assert odd.status_code == 400 and f'value="{mass}"' in odd.text, mass
    assert offered(node, "", mass_kg="").status_code == 400
    assert offered(node, code_of(SERIAL), condition="shiny").status_code == 400


@pytest.mark.parametrize(
    ("field", "form"),
    [
        ("battery", {"code": ""}),
        ("condition", {"condition": ""}),
        ("condition", {"condition": "shiny"}),
        ("mass_kg", {"mass_kg": "heavy"}),
        ("mass_kg", {"mass_kg": "-1"}),
    ],
)
def test_a_mistake_at_the_counter_is_told_beside_its_field(
    node: LiveNode, field: str, form: dict[str, str]
) -> None:
    """
    What lacks or cannot be read is a 400, said at that field and at no other; the rest stays filled in.
    """
    answer = offered(node, **{"code": code_of(SERIAL), **form})
    marked = re.findall(r'id="(\w+)"[^>]* aria-invalid="true" aria-describedby="(\w+)-problem"', answer.text)

    assert answer.status_code == 400
    assert marked == [(field, field)]
    assert len(re.findall(rf'id="{field}-problem" role="alert"', answer.text)) == 1
    assert 'role="alert"' not in answer.text.replace(f'id="{field}-problem" role="alert"', "")
    if field != "battery":
        assert f'value="{code_of(SERIAL)}"' in answer.text
