"""The pages of governance: who, licences, proposals with what is missing; a button only under the effect."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from html import unescape

import pytest
import tomli_w
from markupsafe import escape

from credentials.ledger.genesis import write_card
from credentials.ledger.genesis_table import participant_table
from credentials.ledger.parties import Accreditation
from credentials.ledger.possession_file import proofs_table
from credentials.ledger.proposals import prove_possession
from credentials.ledger.recognition import Effect, Recognition
from node.api.governance_routes import GOVERN, GOVERNANCE
from node.cli.proposing import propose
from node.config import rule_files
from node.use_cases.drafted import called, every_of
from node.use_cases.drafting import FORMS
from node.web.labels import governed, member_word, moment
from node.words import when
from tests.harness.governed_node import (
    CN_AUTHORITY,
    DID,
    EU_AUTHORITY,
    MAKER,
    GovernedNode,
    governed_node,
    proposal_of,
)
from tests.harness.governing import recovery_of
from tests.harness.ledger import WORKSHOP, make_genesis, participant, signer
from tests.node.test_pages import BROWSER, Reader, page


@pytest.fixture(scope="module")
def g(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GovernedNode]:
    with governed_node(tmp_path_factory.mktemp("governed")) as found:
        yield found


def test_who_governs_is_one_step_from_every_page(g: GovernedNode) -> None:
    """
    The navigation leads to participants, and from there to licences, recognitions, proposals and history;
    each says as of which height.
    """
    assert "/governance" in page(g.node, "/").links
    shown = page(g.node, "/governance")
    for address in ("accreditations", "recognitions", "proposals", "history"):
        assert f"/governance/{address}" in shown.links
        page(g.node, f"/governance/{address}")

    assert "maker.example" in shown.text and "may approve" in shown.text
    assert re.search(r"What governs block \d+; unchanged since block 0", shown.text)
    assert "2 approvals, one of each of CN, EU" in shown.text
    assert "a voting node of each of EU" in shown.text or "a voting node of each of CN" in shown.text
    assert "eu-authority.example" in page(g.node, "/governance/accreditations").text
    assert not [a for a in page(g.node, "/governance/accreditations").links if "propose?" in a]
    assert "None: no side gives effect" in page(g.node, "/governance/recognitions").text


def test_what_cannot_be_shown_is_said_on_the_page(g: GovernedNode) -> None:
    """
    A rule file that this node lacks: what it would do to open lines is not known, which is not nothing.
    """
    digest = proposal_of(g, CN_AUTHORITY, changes={("rule", "lifecycle.json"): {"sha256": "07" * 32}})

    text = page(g.node, f"/governance/proposals/{digest}").text

    assert "not shown: this node lacks a rule file of it" in text
    assert "No open line of this node rests" not in text


def test_a_proposal_shows_its_effect_and_only_then_a_button(g: GovernedNode) -> None:
    """
    Member, before, after, whose approval, what is missing by name and the height: all of it stands above the
    button, which sends the digest of what was shown; who may not sign sees none.
    """
    digest = proposal_of(g, CN_AUTHORITY, 333)
    path = f"/governance/proposals/{digest}"
    text = g.node.person.get(path, headers=BROWSER).text
    read = Reader(text)
    assert "per_issuer_per_day_max" in read.text and "333" in read.text
    assert "changes limits that every node enforces (approved by authorities of the whole" in read.text
    assert "1 approval more, including EU" in read.text
    assert "Approve exactly this" not in read.text and "comity keys link --scope govern" in read.text

    link = g.node.post_json("/links", {"scopes": ["govern", "read"], "name": "the signer"}).get_json()
    g.node.person.get(link["path"])
    text = g.node.person.get(path, headers=BROWSER).text
    effect = g.proposal(digest)["effect"]["digest"]
    assert f'name="effect" value="{effect}"' in text
    (change,) = g.proposal(digest)["effect"]["changes"]
    button = text.index("Approve exactly this")
    above = ("333", "1 approval more", "it would govern from block", "it lapses", "Then nothing is missing")
    digests = change["before_digest"][:12], change["after_digest"][:12]
    assert max(text.index(said) for said in (*above, *digests)) < button
    assert "Approved so far by cn-authority.example" in Reader(text).text
    listed = page(g.node, "/governance/proposals").text
    assert "changes limits that every node enforces" in listed and "1 approval more" in listed

    stale = g.node.person.post(f"{path}/approve", data={"effect": "A" * 43}, headers=BROWSER)
    assert stale.status_code == 409 and "Nothing was signed." in stale.text
    assert f'name="effect" value="{effect}"' in stale.text
    sent = g.node.person.post(f"{path}/approve", data={"effect": effect}, headers=BROWSER)
    assert (sent.status_code, sent.headers["Location"]) == (303, path)
    assert g.until_over(digest)["outcome"] == "decided"
    over = page(g.node, path).text
    assert "What it changed" in over and "Approve exactly this" not in over
    history = page(g.node, "/governance/history")
    assert path in history.links and "cn-authority.example" in history.text and "decided" in history.text


def test_each_act_says_what_it_leaves_and_signs_only_what_was_shown(g: GovernedNode) -> None:
    """
    Approve, take back, object: what would be missing then stands above each button, and all name the effect
    that was shown. Another one, or none: 409, the page as it is now, and nothing is signed.
    """
    sign_in(g)
    own = g.node.service.proposing.governance.state.future.participants[DID]
    table = participant_table(replace(own, recovery=b"\x07" * 32))
    digest = proposal_of(g, EU_AUTHORITY, changes={("participant", DID): table})
    path = f"/governance/proposals/{digest}"

    def shown() -> str:
        return g.node.person.get(path, headers=BROWSER).text

    def sent(act: str, **fields: str) -> tuple[int, str]:
        answer = g.node.person.post(f"{path}/{act}", data=fields, headers=BROWSER)
        return answer.status_code, answer.text

    text = shown()
    effect = hidden(text, "effect")
    assert "it is not decided before" in Reader(text).text
    for act, button, then in (
        ("approve", "Approve exactly this", "and still missing: 1 approval more, including CN"),
        ("object", "Object", "still missing: 1 approval more, including CN; those who can give them: cn-"),
    ):
        form = text[text.index(f'action="{path}/{act}"') :].partition("</form>")[0]
        assert then in Reader(form).text and effect in form
        assert form.index(then) < form.index(f">{button}</button>")
        for wrong in ("", "A" * 43):
            status, told = sent(act, effect=wrong)
            assert status in (400, 409) and "Nothing was signed." in told and effect in told
    assert [act["act"] for act in g.proposal(digest)["acts"]] == ["proposed"]

    assert sent("approve", effect=effect)[0] == 303
    g.node.wait(lambda: len(g.proposal(digest)["acts"]) == 2, "the approval")
    text = shown()
    assert "Take the approval back" in text and "can approve again until it is decided" in text
    assert sent("withdraw", effect="A" * 43)[0] == 409
    assert sent("withdraw", effect=hidden(text, "effect"))[0] == 303
    g.node.wait(lambda: len(g.proposal(digest)["acts"]) == 3, "that it is taken back")
    assert sent("object", effect=effect)[0] == 303
    g.node.wait(lambda: len(g.proposal(digest)["acts"]) == 4, "the objection")
    after = shown()
    assert ">Object</button>" not in after and "1 approval more, including CN" in after
    g.act(EU_AUTHORITY, "proposal_withdrawn", digest)
    status, told = sent("approve", effect=hidden(after, "effect"))
    assert status == 409 and "Nothing was signed." in told and "The proposal is over: withdrawn" in told


def test_no_form_signs_without_the_effect_that_was_shown(g: GovernedNode) -> None:
    """
    Whatever the route table lets a person sign as one who governs, sent by a form without an effect, with an
    empty one or with another: nothing is signed.
    """
    sign_in(g)
    digest = proposal_of(g, EU_AUTHORITY, 334)

    def signed() -> int:
        return sum(g.node.service.overview.status()["outbox"].values())

    routes = [route for route in GOVERNANCE if route.method == "POST" and route.scopes == GOVERN]
    names = {route.view.__name__ for route in routes}
    assert names >= {"propose", "tried", "approve", "withdraw", "object_to"}
    before = signed()
    for route in routes:
        for fields in ({"reason": "none"}, {"effect": ""}, {"effect": "A" * 43}):
            path = route.rule.replace("<digest>", digest)
            answer = g.node.person.post(path, data=fields, headers=BROWSER)
            assert answer.status_code in (400, 409), (path, fields, answer.status_code)
    assert signed() == before
    assert [act["act"] for act in g.proposal(digest)["acts"]] == ["proposed"]
    g.act(EU_AUTHORITY, "proposal_withdrawn", digest)


def test_what_cannot_be_proposed_any_more_is_shown_as_it_would_be_now(g: GovernedNode) -> None:
    """
    The record has moved on since the form showed the effect: nothing is signed, the page says so, and shows
    what the same form would do now.
    """
    sign_in(g)
    _, text = fill(g, "limit", limit="clock_skew_s", value="77")
    sent = {name: hidden(text, name) for name in ("proposal", "effect", "kind", "limit", "value")}
    digest = proposal_of(g, CN_AUTHORITY, 444)
    g.act(EU_AUTHORITY, "approved", digest)
    assert g.until_over(digest)["outcome"] == "decided"
    before = len(g.node.get_json("/governance/proposals")["open"])

    answer = g.node.person.post("/governance/proposals", data=sent, headers=BROWSER)

    assert answer.status_code == 422 and "Nothing was signed." in answer.text
    assert "is not what this proposal was written for" in Reader(answer.text).text
    assert hidden(answer.text, "proposal") != sent["proposal"] and "Propose exactly this" in answer.text
    assert len(g.node.get_json("/governance/proposals")["open"]) == before
    again = g.node.person.post("/governance/proposals", data={"effect": "A" * 43}, headers=BROWSER)
    assert again.status_code == 400


def test_a_stop_stands_on_the_page_of_who_governs(g: GovernedNode) -> None:
    """
    Who is stopped, by whom and until when; times that only the decision knows are said as that before.
    """
    row = {"target": MAKER, "by": CN_AUTHORITY, "since": 0, "until": 0}
    digest = proposal_of(g, CN_AUTHORITY, changes={("stop", MAKER): row})
    over = page(g.node, f"/governance/proposals/{digest}").text

    assert "decided" in over
    g.node.wait(lambda: bool(g.node.get_json("/governance")["stops"]), "the stop")
    (stop,) = g.node.get_json("/governance")["stops"]
    assert (stop["state"], stop["target"], stop["by"]) == ("in_force", MAKER, CN_AUTHORITY)
    told = page(g.node, "/governance").text
    assert f"maker.example is stopped by cn-authority.example since {when(stop['since'])}" in told
    assert "stopped" in told
    sign_in(g)
    asked = next(a for a in page(g.node, "/governance").links if "kind=confirm" in a)
    assert "selected" in g.node.person.get(asked, headers=BROWSER).text

    status, text = fill(g, "confirm", unconfirmed=MAKER)

    assert status == 200 and "it lasts until it is lifted" in text
    sent = {"proposal": hidden(text, "proposal"), "effect": hidden(text, "effect")}
    made = g.node.person.post("/governance/proposals", data=sent, headers=BROWSER).headers["Location"]
    digest = made.rpartition("made=")[2]
    g.node.wait(lambda: g.known(digest), "the proposal")
    g.act(CN_AUTHORITY, "approved", digest)  # the only authority of its side: all confirm it together
    assert g.until_over(digest)["outcome"] == "decided"
    g.node.wait(lambda: g.node.get_json("/governance")["stops"][0]["until"] is None, "that it is confirmed")
    assert "until that is lifted" in page(g.node, "/governance").text
    assert "kind=confirm" not in str(page(g.node, "/governance").links)


def test_values_of_records_are_told_as_people_read_them() -> None:
    """
    Times as moments, those of the decision as such, lists with commas, what is missing as a dash.
    """
    assert governed(None) == "–"
    assert governed("decided", "since") == "when it is decided"
    assert governed("decided+259200", "until") == "3 days after it is decided"
    assert when(1_800_000_000) in governed(1_800_000_000, "keys[did:web:a#attest-1].valid_until")
    assert governed(1_800_000_000, "per_issuer_per_day_max") == "1800000000"
    assert governed(["a", "b"]) == "a, b"
    assert governed({"a": "<b>", "lifted": True}) == "a: &lt;b&gt;<br>lifted: yes"
    key = {"role": "attest", "valid_from": 1_800_000_000}
    told = f"role: attest<br>valid from: {moment(1_800_000_000)}"
    assert governed([key, key], "keys") == f'<div class="part">{told}</div>' * 2
    assert governed([["gbt34014", "<ZZ1>"]], "schemes") == '<div class="part">gbt34014, &lt;ZZ1&gt;</div>'
    assert governed([], "roles") == "–" and governed(["swap_operator"], "roles") == "swap operator"
    names = {"did:web:a.example": "A & Co"}
    by_name = "A &amp; Co <code>did:web:a.example</code>"
    assert governed("did:web:a.example", "by", lambda did: names.get(did, did)) == by_name
    assert governed(["did:web:a.example", "x"], "", lambda did: names.get(did, did)) == f"{by_name}, x"
    assert member_word("keys[did:web:a.example#attest-1].valid_until") == "valid until"
    assert member_word("actions.stop.set") == "stop set"
    assert str(governed([["decided"]], "suspended")) == "when it is decided"
    assert str(governed([["<b>", 0]], "suspended")).startswith("&lt;b&gt; to <time ")


PROOFS = "format = 'comity/possession/v1'\nnetwork = "
FILLED: dict[str, dict[str, str]] = {
    "recognise": {
        "authority": DID, "issuer": MAKER, "rows": "ID-06, STAT-01", "effect": "information-only",
        "basis": "a network policy (invented)",
    },
    "license": {
        "participant": MAKER, "side": "EU", "roles": "importer", "scheme": "gbt34014", "namespace": "*",
        "licence": "L-9",
    },
    "stop": {"party": EU_AUTHORITY},
    "limit": {"limit": "clock_skew_s", "value": "61"},
}  # fmt: skip


def sign_in(g: GovernedNode) -> None:
    link = g.node.post_json("/links", {"scopes": ["govern", "read"], "name": "the signer"}).get_json()
    g.node.person.get(link["path"])


def fill(g: GovernedNode, kind: str, **fields: str) -> tuple[int, str]:
    """A form that was sent: status and page."""
    answer = g.node.person.post("/governance/propose", data={"kind": kind, **fields}, headers=BROWSER)
    return answer.status_code, answer.text


def hidden(text: str, name: str) -> str:
    found = re.search(f'name="{name}" value="([^"]+)"', text)
    assert found is not None, name
    return found[1]


@pytest.mark.parametrize("kind", [*FILLED])
def test_a_form_shows_the_exact_effect_before_anything_is_signed(g: GovernedNode, kind: str) -> None:
    """
    Each sort of change: its form, what it would do with what is missing and what it reaches here, then a
    button below that; sent, it is the proposal that was shown.
    """
    sign_in(g)
    empty = g.node.person.get(f"/governance/propose?kind={kind}", headers=BROWSER).text
    assert all(f'name="{field}"' in empty for field in FORMS[kind]) and "Propose exactly" not in empty
    everybody = [f'value="{every_of(side)}"' in empty for side in ("CN", "EU")]
    assert everybody == ["issuer" in FORMS[kind]] * 2
    before = len(g.node.get_json("/governance/proposals")["open"])

    status, text = fill(g, kind, **FILLED[kind])
    assert status == 200, text
    order = ("What it does", "What is missing", "open lines here", "Propose exactly this")
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)
    assert len(g.node.get_json("/governance/proposals")["open"]) == before

    sent = {"proposal": hidden(text, "proposal"), "effect": hidden(text, "effect")}
    answer = g.node.person.post("/governance/proposals", data=sent, headers=BROWSER)
    digest = answer.headers["Location"].rpartition("made=")[2]
    assert (answer.status_code, len(digest)) == (303, 43)
    g.node.wait(lambda: g.known(digest), "the proposal")
    moved = g.node.person.get(answer.headers["Location"], headers=BROWSER)
    assert (moved.status_code, moved.headers["Location"]) == (303, f"/governance/proposals/{digest}")
    stale = g.node.person.post("/governance/proposals", data={**sent, "effect": "A" * 43}, headers=BROWSER)
    assert stale.status_code in (409, 422)
    if g.proposal(digest)["outcome"] == "open":
        assert g.node.post_json(f"/governance/proposals/{digest}/withdraw", {}).status_code == 201
    g.until_over(digest)


# Which forms there are for what the command line proposes.
COMMANDS: dict[str, tuple[str, ...]] = {
    "admit": ("admit",), "expel": ("expel",), "rename": ("rename",), "move": ("move",),
    "recovery": ("recovery",), "accredit": ("license",), "recognise": ("recognise",),
    "suspend": ("suspend",), "reinstate": ("reinstate",), "withdraw-licence": ("end",),
    "withdraw-recognition": ("end",), "stop": ("stop",), "confirm-stop": ("confirm",),
    "lift-stop": ("lift",), "validators": ("promote", "retire"), "limits": ("limit",),
    "rules": ("rule",), "engine": ("engine",), "approvals": ("approval", "approver"),
}  # fmt: skip


def newcomer(g: GovernedNode) -> dict[str, str]:
    """The card of somebody new, and the proofs of its keys."""
    party = replace(participant(WORKSHOP, valid_from=1), recovery=recovery_of(WORKSHOP))
    network_id = g.node.service.overview.genesis.network_id
    proofs = {k.id: prove_possession(network_id, k.role, signer(WORKSHOP, k.role)) for k in party.keys}
    table = tomli_w.dumps(proofs_table(proofs, network_id))
    return {"card": write_card(party).decode(), "proofs": table, "address": "https://workshop.example"}


def test_all_that_the_command_line_proposes_has_a_form(g: GovernedNode) -> None:
    """
    Each command has one, and any records by a file; whatever it is, the page says what it would do, whose
    approval that needs and what is learnt or kept by whom, above the button.
    """
    assert COMMANDS.keys() == propose.commands.keys()
    assert {form for forms in COMMANDS.values() for form in forms} | {"records"} == FORMS.keys()
    sign_in(g)
    lifecycle = rule_files()["lifecycle.json"] + b"\n"
    digest = sha256(lifecycle).hexdigest()
    (g.node.data / "network" / "rules" / f"lifecycle.{digest[:16]}.json").write_bytes(lifecycle)
    limits = g.decided()["limits"] | {"clock_skew_s": 99}
    changes = {"changes": [{"type": "limits", "name": "", "table": limits}]}
    lost = write_card(replace(participant(MAKER), recovery=b"\x05" * 32)).decode()
    moved = {"action": "participant.moved", "sort": "authority"}
    tried: list[tuple[str, dict[str, str], tuple[str, ...]]] = [
        ("admit", newcomer(g), ("admits did:web:workshop.example", "network key", "https://workshop.example")),
        ("rename", {"who": MAKER, "name": "Maker & Söhne"}, ("changes how", "Maker & Söhne", "of CN")),
        ("move", {"who": DID, "url": "https://else.example"}, ("changes the address", "no approval")),
        ("expel", {"who": MAKER}, ("expels maker.example", "stays known to it", "not decided before")),
        ("recovery", {"card": lost}, ("replaces the recovery key", "not decided before")),
        ("promote", {"candidate": MAKER}, ("changes who validates", "voting nodes, in turn", MAKER)),
        ("rule", {"rule": f"lifecycle.json {digest}"}, ("changes rules", digest, "hold its rule files")),
        ("engine", {"engine": "cometbft", "after": "5000"}, ("cometbft", "5001")),
        ("approval", {"setting": "stop_s", "content": "7200"}, ("changes who may change what", "7200")),
        ("approver", moved, ("participant moved", "one authority of that")),
        ("records", {"changes": tomli_w.dumps(changes)}, ("changes limits", "how far in the future", "99")),
        ("stop", {"party": f"{DID}#vote-1"}, ("or a key", "ends by itself")),
    ]  # fmt: skip
    for kind, given, told in tried:
        status, text = fill(g, kind, **given)
        assert status == 200, (kind, Reader(text).text)
        shown, button, _ = Reader(text).text.partition("Propose exactly this")
        assert button, kind
        assert [part for part in told if part not in shown] == [], (kind, shown)
    sole = fill(g, "retire", voting=DID)
    assert sole[0] == 422 and "It cannot be proposed." in sole[1]
    # Whom only the authority of another side stops is not offered; an authority is stopped by all together.
    offered = g.node.person.get("/governance/propose?kind=stop", headers=BROWSER).text
    assert f'value="{CN_AUTHORITY}"' in offered and f'value="{DID}#attest-1"' in offered
    assert f'value="{MAKER}"' not in offered and f'value="{MAKER}#attest-1"' not in offered
    refused = fill(g, "stop", party=MAKER)
    assert refused[0] == 400 and "Choose one from the list" in refused[1]
    empty = g.node.person.get("/governance/propose?kind=confirm", headers=BROWSER).text
    assert "No stop waits to be confirmed." in empty and "Show what it would do" not in empty


def test_a_newcomer_is_admitted_by_the_page(g: GovernedNode) -> None:
    """
    Card and proofs are files; what was shown is proposed, and once it is decided the newcomer takes part.
    """
    sign_in(g)
    given = newcomer(g)
    files = {name: (io.BytesIO(given[name].encode()), f"{name}.toml") for name in ("card", "proofs")}
    sent = {"kind": "admit", "address": "", **files}
    text = g.node.person.post("/governance/propose", data=sent, headers=BROWSER).text
    names = ("proposal", "effect", "kind", "card", "proofs")
    again = {name: unescape(hidden(text, name)) for name in names}
    assert again["card"] == given["card"].strip()

    made = g.node.person.post("/governance/proposals", data=again, headers=BROWSER)

    digest = made.headers["Location"].rpartition("made=")[2]
    g.node.wait(lambda: g.known(digest), "the proposal")
    assert g.until_over(digest)["outcome"] == "decided"
    assert WORKSHOP in {party["did"] for party in g.decided()["participants"]}


def test_what_is_in_force_is_suspended_put_back_and_ended_by_the_form(g: GovernedNode) -> None:
    """
    Chosen from a list by what it says; twice suspended, or put back without a pause, is said beside it.
    """
    sign_in(g)
    given = Recognition(DID, "EU", EU_AUTHORITY, ("ID-05",), Effect.INFORMATION_ONLY, "policy", 1_600_000_000)
    g.until_over(g.propose([{"type": "recognition", "name": given.id, "table": given.as_table()}]))
    assert "It is not suspended." in fill(g, "reinstate", record=given.id)[1]
    for kind, state in (("suspend", "suspended"), ("reinstate", "in_force"), ("end", "ended")):
        assert (
            f"/governance/propose?kind={kind}&record={given.id}"
            in page(g.node, "/governance/recognitions").links
        )
        status, text = fill(g, kind, record=given.id)
        assert status == 200, text
        sent = {"proposal": hidden(text, "proposal"), "effect": hidden(text, "effect")}
        made = g.node.person.post("/governance/proposals", data=sent, headers=BROWSER).headers["Location"]
        digest = made.rpartition("made=")[2]
        g.node.wait(lambda digest=digest: g.known(digest), "the proposal")  # type: ignore[misc]
        assert g.until_over(digest)["outcome"] == "decided"
        now = [one["state"] for one in g.decided()["recognitions"] if one["id"] == given.id]
        assert now == [state]
        if kind == "suspend":
            assert "It is suspended already." in fill(g, kind, record=given.id)[1]


def test_a_mistake_is_said_beside_its_field(g: GovernedNode) -> None:
    """
    Left out, not in the list, no number, no row, no role: in plain words, in the page's form with what was
    filled in; what the network would refuse stands above it.
    """
    sign_in(g)
    filled = FILLED | {"admit": newcomer(g), "approval": {"setting": "approvals_min"}}
    for kind, change, field, told in (
        ("limit", {"value": ""}, "value", "Fill this in."),
        ("limit", {"value": "many"}, "value", "This is a whole number, written in digits."),
        ("limit", {"limit": "patience"}, "limit", "Choose one from the list"),
        (
            "recognise",
            {"rows": "ID-06, everything"},
            "rows",
            "No rows: everything. Rows are written",
        ),
        ("recognise", {"rows": ","}, "rows", "Rows are written as ID-06"),
        ("recognise", {"basis": "x" * 300}, "basis", "At most 256 characters."),
        ("license", {"roles": "king"}, "roles", "No role of this network: king. Roles are "),
        ("stop", {"party": "did:web:nobody.example"}, "party", "Choose one from the list"),
        ("recognise", {"ends": "soon"}, "ends", "This is a day, written as 2027-03-31."),
        ("recognise", {"ends": "2020-01-01"}, "ends", "This day is not in the future."),
        ("approval", {"content": "two"}, "content", "This is a whole number"),
        ("records", {"changes": "type ="}, "changes", "It cannot be taken: is not TOML"),
        ("records", {"changes": "[[changes]]\ntype = 'limits'"}, "changes", "Records are written as"),
        ("recovery", {"card": "format = 'x'"}, "card", "It cannot be taken: a participant card has"),
        ("admit", {"proofs": "network = 'x'"}, "proofs", "these are no proofs of possession"),
        ("admit", {"proofs": f"{PROOFS}'00'\n[proofs]"}, "proofs", "made for another network"),
    ):
        kept = {**filled.get(kind, {}), **change}
        status, text = fill(g, kind, **kept)
        assert status == 400 and f'aria-describedby="{field}-problem"' in text, (kind, change)
        assert told in Reader(text).text and "Propose exactly" not in text
        assert all(escape(v.strip()) in text for f, v in kept.items() if f != field and f not in ("party",))
    status, text = fill(g, "limit", limit="clock_skew_s", value="999999999")
    assert status == 422 and "It cannot be proposed." in text and "Propose exactly" not in text
    assert fill(g, "coup")[0] == 400
    assert "Choose what to propose." in g.node.person.get("/governance/propose", headers=BROWSER).text


def test_what_waits_can_still_be_decided(g: GovernedNode) -> None:
    """
    Proposed by the page an expulsion expires after its wait for objections; of a proposal that expires
    before, the page says that it lapses.
    """
    sign_in(g)
    text = fill(g, "expel", who=MAKER)[1]
    assert "it lapses: nothing is changed" in text and "as things stand it lapses" not in text
    party = next(
        p for did, p in g.node.service.proposing.governance.state.future.participants.items() if did == MAKER
    )
    table = participant_table(replace(party, recovery=b"\x03" * 32))
    digest = proposal_of(g, CN_AUTHORITY, changes={("participant", MAKER): table})
    assert "as things stand it lapses" in page(g.node, f"/governance/proposals/{digest}").text


def test_only_who_governs_sees_the_form(g: GovernedNode) -> None:
    """
    A session that reads sees no button and no form.
    """
    reader = g.node.app.test_client()
    link = g.node.post_json("/links", {"scopes": ["read"], "name": "a reader"}).get_json()
    reader.get(link["path"])

    assert "Propose a change" not in reader.get("/governance/proposals", headers=BROWSER).text
    assert reader.get("/governance/propose", headers=BROWSER).status_code == 403
    assert reader.post("/governance/propose", data={"kind": "stop"}, headers=BROWSER).status_code == 403


@pytest.mark.parametrize(
    ("count", "ends"), [(1, "· role0 · L-1"), (3, "role2 · L-1"), (4, "role2, ... · L-1")]
)
def test_a_licence_is_told_with_three_of_its_roles(count: int, ends: str) -> None:
    """
    On one line; that there are more is said where there are.
    """
    licence = Accreditation(
        participant=MAKER, roles=tuple(f"role{n}" for n in range(count)), schemes=(), jurisdiction="CN",
        valid_from=0, licence="L-1",
    )  # fmt: skip

    assert called(make_genesis().governance, licence).endswith(ends)
