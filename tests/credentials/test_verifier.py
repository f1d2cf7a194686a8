"""The verifier: numbered steps, "admitted" condition by condition, policies that decide something."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from credentials.documents import suites
from credentials.documents.canonical import digest_document
from credentials.documents.suites import eddsa
from credentials.errors import CredentialError
from credentials.ledger.entries import parse_entry
from credentials.ledger.standing import WASTE, Standing
from credentials.verdicts import shown, verifier
from credentials.verdicts.evidence import (
    At,
    Evidence,
    LedgerEntry,
    LedgerView,
    Missing,
    MissingReason,
    issuer_shown,
    relatives_of,
)
from credentials.verdicts.policy import CHECKS, Policy
from credentials.verdicts.severity import ORDER
from credentials.verdicts.verdict import Findings, Outcome, Verdict
from credentials.verdicts.verifier import verify
from tests.harness.border import (
    CONFIG,
    LAW_DATE,
    World,
    claims_of,
    code,
    first_second,
    identifier_of,
    policy,
    subject_of,
    tables,
)
from tests.harness.ledger import CREATED, MAKER, OTHER_MAKER, OUTSIDER, signer


def judged(w: World, text: str, document: Any, evidence: Evidence | None = None, **at: Any) -> Verdict:
    shown = [document] if isinstance(document, dict) else []
    evidence = evidence or w.evidence(text, shown=shown, documents={})
    return verify(document, evidence, policy("manufacturer"), At(LAW_DATE, at.get("at", w.now)))


def outcome(verdict: Verdict, name: str) -> tuple[str, str]:
    check = next(c for c in verdict.checks if c.name == name)
    return check.outcome.value, check.reason


@pytest.mark.parametrize("ended", ["waste", "recycled"])
def test_what_it_came_of_had_ended_otherwise_whatever_it_is_shown_as(ended: str) -> None:
    """
    Only waste that came of waste has nothing to tell: neither new goods of waste nor waste of what is gone.
    """
    view = LedgerView(None, (), kin_otherwise=ended)

    def told(condition: str) -> bool:
        found = Findings(tables())
        said = shown._tell_kin(found, "standing.state", view, {"condition": condition})
        assert [c.reason for c in found.checks] == [ended] * said
        return said

    assert told("new")
    assert told("waste") == (ended != WASTE)


def test_steps_are_made_in_the_order_of_the_design() -> None:
    """
    Every step is a check in the verdict, in the order parse, structure, proof, ... completeness.
    """
    w = World()
    text = w.new(1)

    verdict = judged(w, text, dict(w.passports[text].credentials[1]))

    (origin,) = (c for c in verdict.checks if c.name == "document")
    assert origin.evidence == {"origin": "shown"}
    names = [c.name for c in verdict.checks]
    steps = [
        "parse",
        "structure",
        "proof",
        "issuer_key",
        "validity",
        "schema",
        "status",
        "admitted.payload",
        "accredited",
        "standing.state",
        "completeness",
    ]
    assert [n for n in names if n in steps] == steps
    assert verdict.conclusion.verdict == "clear"


def test_a_document_in_bytes_is_parsed_strictly() -> None:
    """
    Bytes are parsed with duplicate keys refused; the same document as bytes is judged the same.
    """
    w = World()
    text = w.new(1)
    document = dict(w.passports[text].credentials[1])
    data = json.dumps(document).encode()
    evidence = w.evidence(text, shown=[document], documents={})

    good = judged(w, text, data, evidence)
    doubled = judged(w, text, data.replace(b'{"@context"', b'{"issuer": "x", "@context"', 1), evidence)

    assert good.conclusion.verdict == "clear"
    assert outcome(doubled, "parse") == ("fail", "malformed")
    assert doubled.conclusion.verdict == "hold"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b'"x"', b"[" * 5000])
def test_rubbish_gets_a_verdict_not_an_error(data: bytes) -> None:
    """
    Whatever is shown, the verifier answers with a verdict that is not clear.
    """
    w = World()
    evidence = Evidence(w.network(), LedgerView(None), {})

    verdict = verify(data, evidence, policy("manufacturer"), At(LAW_DATE, w.now))

    assert verdict.conclusion.verdict == "hold"
    assert outcome(verdict, "parse") == ("fail", "malformed")


def attested_as(w: World, text: str, document: dict[str, Any], **changes: Any) -> Evidence:
    """Evidence in which some attestation, not checked by the registry, covers this document."""
    from credentials.ledger.attestation import SetList
    from credentials.verdicts.evidence import LedgerEntry
    from tests.harness.ledger import set_list_digest

    sets = SetList(1, {1: digest_document(document)})
    by = changes.pop("by", MAKER)
    kind = changes.pop("kind", "passport.published")
    about = changes.pop("about", text)
    entry = w.ledger.attest(by, kind, subject_of(about), set_list=sets, document_digest=set_list_digest(sets))
    view = w.view(text)
    leaf = LedgerEntry(10_000, w.ledger.height, w.now, entry)
    evidence = w.evidence(text, shown=[document], documents={})
    network = replace(evidence.network, **changes)
    return replace(evidence, ledger=replace(view, entries=(*view.entries, leaf)), network=network)


def test_each_condition_of_admitted_is_its_own_check() -> None:
    """
    Issuer, subject, kind, network and entry fail one by one, and nothing else of "admitted" with them.
    """
    w = World()
    text, other = w.new(1), w.new(2)
    document = dict(w.issue(text).credentials[1])
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "admitted.issuer": ({"by": OTHER_MAKER}, "wrong_issuer"),
        "admitted.subject": ({"about": other}, "wrong_subject"),
        "admitted.kind": ({"kind": "battery.produced"}, "wrong_kind"),
        "admitted.network": ({"network_id": bytes(32)}, "wrong_network"),
    }
    names = [name for name in CHECKS if name.startswith("admitted.")]

    for failing, (changes, reason) in cases.items():
        verdict = judged(w, text, document, attested_as(w, text, document, **changes))

        assert outcome(verdict, failing) == ("fail", reason)
        for name in names:
            if name != failing:
                assert outcome(verdict, name) == ("pass", "ok"), (failing, name)
    absent = judged(w, text, document)
    assert outcome(absent, "admitted.entry") == ("fail", "not_admitted")
    assert all(outcome(absent, name)[0] == "not_checked" for name in names if name != "admitted.entry")


def test_a_set_recorded_for_another_point_is_the_wrong_kind() -> None:
    """
    A document's Annex XIII point and version are those under which its digest is listed.
    """
    w = World()
    text = w.new(1)
    document = copy.deepcopy(dict(w.issue(text).credentials[1]))
    del document["proof"]
    document["credentialSubject"]["annexXiiiPoint"] = 2
    resigned = eddsa.sign(document, signer(MAKER, "credential"), "2027-01-01T00:00:00Z")

    verdict = judged(w, text, resigned, attested_as(w, text, resigned))

    assert outcome(verdict, "admitted.kind") == ("fail", "wrong_kind")


def test_a_kind_that_the_rules_lack_has_a_reason_of_its_own() -> None:
    """
    Rules that know the event no more are the network's matter; only a node without any lacks its genesis.
    """
    w = World()
    text = w.new(1)
    document = w.passports[text].credentials[1]
    governance = w.governance
    events = {kind: event for kind, event in governance.lifecycle.events.items() if "published" not in kind}
    fewer = copy.copy(governance)
    object.__setattr__(fewer, "lifecycle", replace(governance.lifecycle, events=events))

    for governing, reason in ((fewer, "kind_unknown"), (None, "genesis_unavailable")):
        network = w.network(governance=governing)
        evidence = w.evidence(text, shown=[document], documents={}, network=network)
        assert outcome(judged(w, text, document, evidence), "admitted.kind") == ("indeterminate", reason)


def test_another_partys_key_is_not_the_issuers() -> None:
    """
    A proof that holds but is another participant's fails the binding of key and issuer.
    """
    w = World()
    text = w.new(1)
    document = {k: v for k, v in w.passports[text].credentials[1].items() if k != "proof"}
    signed = eddsa.sign(document, signer(OTHER_MAKER, "credential"), "2027-01-01T00:00:00Z")

    verdict = judged(w, text, signed)

    assert outcome(verdict, "proof") == ("pass", "ok")
    assert outcome(verdict, "issuer_key") == ("fail", "issuer_key_mismatch")
    named = next(check.evidence for check in verdict.checks if check.name == "issuer_key")
    assert (named["issuer"], named["controllers"]) == (MAKER, [OTHER_MAKER])
    assert verdict.conclusion.verdict == "hold"


@pytest.mark.parametrize("role", ["vote", "transport", "cosign", "log"])
def test_only_keys_for_assertions_sign_documents(role: str) -> None:
    """
    A key of another role never signs a document: one key per role.
    """
    w = World()
    text = w.new(1)
    document = {k: v for k, v in w.passports[text].credentials[1].items() if k != "proof"}
    signed = eddsa.sign(document, signer(MAKER, role), "2027-01-01T00:00:00Z")

    assert outcome(judged(w, text, signed), "issuer_key") == ("fail", "key_not_valid")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"valid_until": 1}, ("pass", "ok")),
        ({"compromised_from": 1}, ("pass", "ok")),
        ({"compromised_from": 0}, ("fail", "key_compromised")),
        ({"valid_until": 0}, ("fail", "key_not_valid")),
    ],
    ids=["rotated later", "compromised later", "compromised before", "ended before"],
)
def test_rotation_leaves_attested_documents_and_compromise_reaches_back(
    change: dict[str, int], expected: tuple[str, str]
) -> None:
    """
    A key that was rotated after a passport was admitted leaves it as it was; a compromise takes back what was
    admitted from its stated time on (times here count from the admission).
    """
    w = World()
    text = w.new(1)
    admitted = next(e.block_time for e in w.view(text).entries if b"passport.published" in e.entry)
    maker = w.governance.participants[MAKER]
    moved: dict[str, Any] = {name: admitted + offset for name, offset in change.items()}
    keys = tuple(replace(k, **moved) if k.role == "credential" else k for k in maker.keys)
    participants = {**w.governance.participants, MAKER: replace(maker, keys=keys)}
    evidence = w.evidence(
        text, network=w.network(governance=replace(w.governance, participants=participants))
    )

    told = w.judge(text, evidence=evidence).as_dict()

    made = next(check for check in told["checks"] if check["name"] == "issuer_key")
    assert (made["outcome"], made["reason"]) == expected
    assert (told["verdict"] == "hold") == (expected[0] == "fail")


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (("credential", "vote", "transport"), ("pass", "ok")),
        (("credential", "attest"), ("fail", "issuer_key_mismatch")),
        (("vote", "transport"), ("fail", "issuer_key_mismatch")),
    ],
    ids=["one that signs documents", "two that do", "none that does"],
)
def test_a_did_without_a_fragment_names_the_only_key_that_signs_documents(
    kept: tuple[str, ...], expected: tuple[str, str]
) -> None:
    """
    A JWT whose kid is its issuer's DID is of the one key by which the issuer makes statements, if any.
    """
    from consensus.cose import SeedSigner
    from credentials.documents.suites import jose

    w = World()
    text = code(1)
    named = SeedSigner(OTHER_MAKER, sha256(f"{OTHER_MAKER}/credential".encode()).digest())
    plain = {k: v for k, v in w.issue(text, by=OTHER_MAKER).credentials[1].items() if k != "proof"}
    document = jose.envelop(jose.sign_jwt(plain, named))
    maker = w.governance.participants[OTHER_MAKER]
    changed = replace(maker, keys=tuple(key for key in maker.keys if key.role in kept))
    governance = replace(w.governance, participants={**w.governance.participants, OTHER_MAKER: changed})
    evidence = w.evidence(text, shown=[document], documents={}, network=w.network(governance=governance))

    assert outcome(judged(w, text, document, evidence), "proof") == expected


def test_a_stranger_is_unknown_not_wrong() -> None:
    """
    An issuer that is no participant leaves the document undecided: issuer_unknown.
    """
    from consensus.cose import SeedSigner

    w = World()
    text = w.new(1)
    document = {k: v for k, v in w.passports[text].credentials[1].items() if k != "proof"}
    document["issuer"] = "did:web:stranger.example"
    signed = eddsa.sign(document, SeedSigner("did:web:stranger.example#k", b"s" * 32), "2027-01-01T00:00:00Z")

    assert outcome(judged(w, text, signed), "proof") == ("indeterminate", "issuer_unknown")


def test_every_proof_of_a_document_counts() -> None:
    """
    The issuer has signed if one proof is its own; an unknown or failing one beside it is not overlooked.
    """
    w = World()
    text = w.new(1)
    document = dict(w.issue(text).credentials[1])
    both = suites.sign(document, signer(OTHER_MAKER, "credential"), "2027-01-01T00:00:00Z")
    other_only = {**both, "proof": both["proof"][1]}
    unknown = {**both, "proof": [both["proof"][0], {**both["proof"][1], "cryptosuite": "sm2-2023"}]}
    failing = {**both, "proof": [both["proof"][0], {**both["proof"][1], "nonce": "1"}]}
    wrong_key = suites.sign(document, signer(OTHER_MAKER, "vote"), "2027-01-01T00:00:00Z")

    found = judged(w, text, both)

    assert outcome(found, "proof") == outcome(found, "issuer_key") == ("pass", "ok")
    assert outcome(judged(w, text, other_only), "issuer_key") == ("fail", "issuer_key_mismatch")
    assert outcome(judged(w, text, unknown), "proof") == ("indeterminate", "unsupported_algorithm")
    assert outcome(judged(w, text, failing), "proof") == ("fail", "invalid_signature")
    assert outcome(judged(w, text, wrong_key), "issuer_key") == ("fail", "key_not_valid")


def test_a_proof_that_expired_no_longer_holds() -> None:
    """
    `expires` of a proof is judged now, as the validity of the document is.
    """
    w = World()
    text = w.new(1)
    document = {k: v for k, v in w.issue(text).credentials[1].items() if k != "proof"}
    signed = suites.sign(
        document,
        signer(MAKER, "credential"),
        "2027-01-01T00:00:00Z",
        members={"expires": "2027-02-15T00:00:00Z"},
    )

    assert outcome(judged(w, text, signed, at=CREATED), "proof")[0] == "pass"
    late = judged(w, text, signed, at=CREATED + 5_000_000)
    assert outcome(late, "proof") == ("fail", "expired")
    told = next(check.evidence for check in late.checks if check.name == "proof")
    assert told["verification_method"] == signer(MAKER, "credential").key_id


def test_a_participant_without_accreditation_is_out_of_scope() -> None:
    """
    X9: a participant whose accreditation does not cover the maker code, whatever it signs.
    """
    w = World()
    text = code(1)
    for by in (OUTSIDER, OTHER_MAKER):
        document = dict(w.issue(text, by=by).credentials[1])

        verdict = judged(w, text, document)

        assert outcome(verdict, "accredited") == ("fail", "issuer_out_of_scope")
        told = next(check.evidence for check in verdict.checks if check.name == "accredited")
        assert told == {"issuer": by, "scheme": "gbt34014", "namespace": "ZZ1", "at": w.now}
        assert verdict.conclusion.reason == "issuer_out_of_scope"


@pytest.mark.parametrize(
    ("at", "reason"), [(CREATED + 2_000, "not_yet_valid"), (CREATED + 5_000_000, "expired")]
)
def test_validity_is_judged_now(at: int, reason: str) -> None:
    """
    Validity follows evaluated_at, whatever the law date.
    """
    w = World()
    text = w.new(1)
    document = {k: v for k, v in w.passports[text].credentials[1].items() if k != "proof"}
    document |= {"validFrom": "2027-02-01T00:00:00Z", "validUntil": "2027-02-15T00:00:00Z"}
    signed = eddsa.sign(document, signer(MAKER, "credential"), "2027-01-01T00:00:00Z")

    assert outcome(judged(w, text, signed, at=at), "validity") == ("fail", reason)


def test_a_document_that_breaks_its_schema_holds() -> None:
    """
    A recorded, really signed passport that does not fit the schema it names is held.
    """
    w = World()
    text = code(1)
    w.produce(text)
    claims = claims_of(1)
    claims["GeneralProductInformation"]["batteryMass"] = "heavy"
    w.publish(text, w.issue(text, claims=claims))

    verdict = judged(w, text, dict(w.passports[text].credentials[1]))

    assert outcome(verdict, "schema") == ("fail", "schema_invalid")
    assert verdict.conclusion.verdict == "hold"


def test_an_enveloped_credential_is_undecided() -> None:
    """
    A form of credential this node cannot open is neither proven nor disproven.
    """
    w = World()
    document = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": "EnvelopedVerifiableCredential",
        "id": "data:application/vc+sd-jwt,eyJ~",
    }
    evidence = Evidence(w.network(), LedgerView(None), {})

    verdict = verify(document, evidence, policy("manufacturer"), At(LAW_DATE, w.now))

    assert (verdict.conclusion.verdict, verdict.conclusion.reason) == ("undecided", "unsupported_algorithm")


def test_an_event_document_is_checked_against_its_own_record() -> None:
    """
    An event's document is recorded under its event, and has no passport to complete.
    """
    w = World()
    text = w.new(1)
    document = next(
        d for d in w.documents.values() if d["credentialSubject"].get("event") == "battery.exported"
    )

    verdict = judged(w, text, document)

    assert outcome(verdict, "admitted.kind") == ("pass", "ok")
    assert outcome(verdict, "admitted.entry") == ("pass", "ok")


def test_a_passport_that_is_not_in_hand_is_not_checked_because_of_its_first_set() -> None:
    """
    Beside a document that is no passport, the passport is not checked for the reason of its set 1.
    """
    w = World()
    text = w.new(1)
    document = next(
        d for d in w.documents.values() if d["credentialSubject"].get("event") == "battery.exported"
    )
    missing = {
        1: Missing(MissingReason.WITHHELD, MAKER, w.now),
        2: Missing(MissingReason.NOT_FOUND, MAKER, w.now),
    }

    verdict = judged(w, text, document, w.evidence(text, shown=[document], documents=missing))

    for name in ("standing.publication", "code_matches_passport", "completeness"):
        assert outcome(verdict, name) == ("not_checked", "evidence_withheld"), name


def test_the_timeline_shows_refused_statements_with_their_winner() -> None:
    """
    A refused statement is on the timeline with the rule and the leaf it lost to.
    """
    w = World()
    text = w.new(1)
    w.run(w.attested(text, w.issue(text)))

    step = judged(w, text, dict(w.passports[text].credentials[1])).timeline[-1]

    assert (step["state"], step["rule"], step["kind"]) == ("refused", "X1", "passport.published")
    assert step["winner_leaf_index"] is not None and step["winner_leaf_index"] < step["leaf_index"]


def test_beside_a_leaf_that_cannot_be_read_a_document_is_not_called_unrecorded() -> None:
    """
    The entry that is not found may be the one that cannot be read: the ledger was not available for it.
    """
    w = World()
    text = w.new(1)
    document = dict(w.issue(text, version=2).credentials[1])
    evidence = w.evidence(text, shown=[document], documents={})
    assert evidence.ledger is not None
    entries = (*evidence.ledger.entries, LedgerEntry(10_000, w.ledger.height, w.now, b"rubbish"))

    found = judged(w, text, document, replace(evidence, ledger=replace(evidence.ledger, entries=entries)))

    for name in (name for name in CHECKS if name.startswith("admitted.")):
        assert outcome(found, name) == ("not_checked", "ledger_unavailable"), name


def test_those_behind_a_battery_are_read_to_the_first_of_them() -> None:
    """
    A battery made from one that was made from another has both behind it, the nearest first.
    """
    about = subject_of(code(1))
    first = Standing(about)
    second, third = replace(first, predecessors=(b"1",)), replace(first, predecessors=(b"2",))
    ledger = {b"1": first, b"2": second, b"3": third}

    def read(keys: Any) -> dict[bytes, Standing]:
        return {key: ledger[key] for key in keys}

    assert list(relatives_of(third, read)) == [b"2", b"1"]
    assert relatives_of(None, read) == {}


# -- policies and tables -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("colour = 1\n", ""), "unknown key"),
        (("", "[age]\nfoo = 1\n"), "not TOML"),
        (("direction", "direktion"), "lacks direction"),
        (('"parse"', '"parsing"'), "unknown checks"),
        (("clock_skew_s = 300", "clock_skew_s = -1"), "wrong type"),
        (("clock_skew_s = 300", f"clock_skew_s = {1 << 53}"), "wrong type"),
        (("clock_skew_s = 300", "clock_skew_s = true"), "wrong type"),
        (("clock_skew_s = 300", "clock_skew_s = 300\nmercy = 1"), "unknown key"),
        (('direction = "import"', 'direction = "sideways"'), "direction"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bad_policy_is_refused_when_parsed(change: tuple[str, str], sentence: str) -> None:
    """
    Unknown keys, wrong types and unknown checks are refused at parse time.
    """
    text = (CONFIG / "policies/customs-eu.toml").read_text()
    old, new = change
    changed = text.replace(old, new) if old in text and old else (old + text if old else text + new)

    with pytest.raises(CredentialError, match=sentence) as refused:
        Policy.parse(changed.encode())

    assert refused.value.code == "policy_invalid"


def test_an_empty_policy_is_refused() -> None:
    """
    A policy that requires no check decides nothing, and is no policy.
    """
    table = tomllib.loads((CONFIG / "policies/customs-eu.toml").read_text())
    table["checks"]["required"] = []

    with pytest.raises(CredentialError, match="decides nothing"):
        Policy.from_table(table)


def test_every_reason_in_code_is_in_the_table() -> None:
    """
    The one table of reasons has each code the verifier can give, with both languages and a verdict.
    """
    import ast
    from pathlib import Path

    reasons = tables().reasons
    for row in reasons.values():
        assert row["en"] and row["zh"] and row["verdict"] in ORDER
        assert row["ground"] in ("", "26(a)", "26(b)", "26(c)", "26(d)", "26(e)")
    used: set[str] = set()
    for path in sorted(Path(verifier.__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                told = [a.value for a in node.args[1:2] if isinstance(a, ast.Constant)]
                if node.func.attr in ("failed", "warned", "unknown", "unmade"):
                    used.update(map(str, told))
    assert len(used) > 30 and used <= reasons.keys()


def test_the_precedence_names_every_reason_that_can_decide() -> None:
    """
    Each reason whose verdict is worse than a gap has its place in the precedence, and none is unknown.
    """
    reasons, precedence = tables().reasons, tables().verdicts["precedence"]

    deciding = {code for code, row in reasons.items() if row["verdict"] in ORDER[2:]}

    assert deciding <= set(precedence) <= reasons.keys()
    assert len(set(precedence)) == len(precedence)
    causes = tomllib.loads((CONFIG / "terms.toml").read_text())["undecided"]
    assert {row["because"] for row in reasons.values() if row["verdict"] == "undecided"} <= causes.keys()


def test_pages_have_a_word_for_everything() -> None:
    """
    Every check, verdict and outcome has an English and a Chinese word.
    """
    terms = tomllib.loads((CONFIG / "terms.toml").read_text())

    assert set(terms["check"]) == set(CHECKS)
    assert set(terms["verdict"]) == set(ORDER)
    assert set(terms["outcome"]) == {o.value for o in Outcome}
    for table in ("word", "standing", "verdict", "undecided", "outcome", "check", "label"):
        for row in terms[table].values():
            assert row["en"] and row["zh"]


def test_events_and_states_in_the_tables_exist() -> None:
    """
    The verdict tables and the crosswalk name only events and states of the lifecycle.
    """
    lifecycle = World().governance.lifecycle
    verdicts, crosswalk = tables().verdicts, tables().crosswalk_evidence["rows"]
    states = ("underDeclaration", "underCustoms")
    others = ("$comment", "sohQuantity", "sohRow", *states, "ended", "fates", "inItsVehicle", "changes")
    groups = [v for k, v in verdicts["events"].items() if k not in others]
    named = {event for group in groups for event in group}
    named |= {
        a["event"] for r in crosswalk.values() for p in r["parts"] for a in p["accepts"] if "event" in a
    }

    assert named <= lifecycle.events.keys()
    assert all(set(verdicts["events"][name]) <= lifecycle.states.keys() for name in states)
    fates = lifecycle.events["battery.dismantled"].members["fates"].values
    assert set(verdicts["events"]["fates"]) <= set(fates or ())
    assert verdicts["events"]["sohRow"] in crosswalk
    for kind, member in verdicts["events"]["soh"].items():
        assert lifecycle.events[kind].members[member].type == "date"
    assert {r["id"] for r in tables().crosswalk["rows"]} == set(crosswalk)
    for row in crosswalk.values():
        for part in row["parts"]:
            for accepted in part["accepts"]:
                members = lifecycle.events[accepted["event"]].members if "event" in accepted else {}
                assert set(accepted.get("members", ())) <= set(members)
    assert identifier_of(code(1)).namespace == "ZZ1"


def attested_instead(w: World, text: str, secure: Any, **changes: Any) -> dict[str, Any]:
    """A new version of a passport of one set, altered, secured in another way, and put on the ledger."""
    import copy as copying

    from credentials.ledger.attestation import SetList
    from tests.harness.ledger import set_list_digest

    plain = copying.deepcopy(dict(w.issue(text).credentials[1]))
    del plain["proof"]
    for name, change in changes.items():
        plain[name] = change(plain.get(name))
    document: dict[str, Any] = secure(plain)
    digest = digest_document(document)
    sets = SetList(1, {1: digest})
    about = subject_of(text)
    w.run(w.ledger.attest(MAKER, "battery.produced", about, produced_on=first_second("2026-06-03")))
    w.run(
        w.ledger.attest(
            MAKER, "passport.published", about, set_list=sets, document_digest=set_list_digest(sets)
        )
    )
    w.documents[digest] = document
    return document


def by(suite: str, known: Mapping[str, Any] = {}) -> Any:
    from node.config import contexts

    known = {**contexts(), **known}
    return lambda plain: suites.sign(
        plain, signer(MAKER, "credential"), "2027-01-01T00:00:00Z", cryptosuite=suite, contexts=known
    )


def in_a_jwt(plain: dict[str, Any]) -> dict[str, Any]:
    from credentials.documents.suites import jose

    return jose.envelop(jose.sign_jwt(plain, signer(MAKER, "credential")))


DOCUMENT_STEPS = ("parse", "structure", "proof", "issuer_key", "validity", "schema", "status", "accredited")


@pytest.mark.parametrize("way", ["eddsa-jcs-2022", "eddsa-rdfc-2022", "vc+jwt"])
def test_clearance_reads_every_way_a_node_verifies(way: str) -> None:
    """
    An attested passport is read whatever secures it: one verification for clearance and for the API (L23).
    """
    w = World()
    text = code(1)
    document = attested_instead(w, text, in_a_jwt if way == "vc+jwt" else by(way))

    verdict = judged(w, text, document)

    for name in (*DOCUMENT_STEPS, *(name for name in CHECKS if name.startswith("admitted."))):
        assert outcome(verdict, name) == ("pass", "ok"), name
    assert verdict.conclusion.verdict == "clear_with_gaps"  # of one set: the data points of the others
    altered = {**document, "id": document["id"][:-2] + ("AA" if way == "vc+jwt" else "00")}
    assert judged(w, text, altered).conclusion.verdict == "hold"


@pytest.mark.parametrize("way", ["eddsa-jcs-2022", "vc+jwt"])
@pytest.mark.parametrize(
    ("member", "change", "reason"),
    [
        (
            "credentialSchema",
            lambda schema: {**schema, "digestSRI": "sha256-" + "A" * 43 + "="},
            "schema_other",
        ),
        ("credentialSchema", lambda schema: {**schema, "type": "JsonSchemaCredential"}, "schema_unavailable"),
        (
            "credentialStatus",
            lambda entries: [*entries, {"type": "https://a.example/Status", "id": "https://a.example/l#1"}],
            "status_unsupported",
        ),
        (
            "credentialStatus",
            lambda entries: [{**entries[0], "statusPurpose": "inventory"}, *entries[1:]],
            "status_unsupported",
        ),
        (
            "@context",
            lambda contexts: [*contexts, "https://vocabulary.example/1"],
            "context_unknown",
        ),
    ],
    ids=["schema digest", "schema kind", "status kind", "status purpose", "vocabulary"],
)
def test_nothing_unchecked_looks_passed(way: str, member: str, change: Any, reason: str) -> None:
    """
    What was not evaluated as its specification says is undecided in a verdict, and no ground for a hold (I8).
    """
    w = World()
    text = code(1)
    document = attested_instead(w, text, in_a_jwt if way == "vc+jwt" else by(way), **{member: change})

    verdict = judged(w, text, document)

    assert verdict.conclusion.verdict == "undecided"
    assert reason in {check.reason for check in verdict.checks}
    assert verdict.conclusion.ground is None


def test_what_nobody_can_read_here_is_not_looked_for_on_the_ledger() -> None:
    """
    A proof over terms of a context that is not known here is neither true nor false, and so is whatever the
    ledger says of the document.
    """
    w, text, strange = World(), code(1), "https://vocabulary.example/1"
    known: dict[str, Any] = {strange: {"@context": {}}}
    document = attested_instead(
        w, text, by("eddsa-rdfc-2022", known), **{"@context": lambda listed: [*listed, strange]}
    )

    verdict = judged(w, text, document)

    for name in ("proof", *verifier.ADMITTED_CHECKS):
        assert outcome(verdict, name)[1] == "context_unknown", name
    assert verdict.conclusion.verdict == "undecided"


def test_what_was_read_already_is_not_read_again() -> None:
    """
    A leaf that comes parsed is taken as parsed, and a list that comes with its digest as having it: whoever
    gathered them read these very bytes. Without, both are read here, to the same verdict.
    """
    w = World()
    text = w.new(1)
    document = dict(w.passports[text].credentials[1])
    bare = w.evidence(text, shown=[document], documents={})
    assert bare.ledger is not None
    unreadable = [replace(leaf, entry=b"", parsed=parse_entry(leaf.entry)) for leaf in bare.ledger.entries]
    lists = {
        key: replace(source, digest=source.digest_on_ledger)
        for key, source in bare.network.status_lists.items()
    }
    others = {key: replace(source, digest=b"\1" * 32) for key, source in lists.items()}
    rewritten = {
        key: replace(source, credential={**(source.credential or {}), "name": "another"})
        for key, source in lists.items()
    }

    def with_lists(status_lists: Any, opened: dict[bytes, Any]) -> Evidence:
        network = replace(bare.network, status_lists=status_lists, lists_opened=opened)
        assert bare.ledger is not None
        return replace(bare, network=network, ledger=replace(bare.ledger, entries=unreadable))

    plain = judged(w, text, document, bare)
    read = judged(w, text, document, with_lists(lists, {}))

    assert read.as_dict() == plain.as_dict() and plain.conclusion.verdict == "clear"
    assert len(read.timeline) == len(unreadable) > 0
    assert outcome(judged(w, text, document, with_lists(others, {})), "status") == (
        "indeterminate",
        "status_stale",
    )
    # Another text under that digest is not digested here, and its proof does not hold.
    assert outcome(judged(w, text, document, with_lists(rewritten, {})), "status") == (
        "indeterminate",
        "status_list_invalid",
    )


@pytest.mark.parametrize(
    ("issuer", "who"),
    [
        ("did:web:a.example", "did:web:a.example"),
        ({"id": "did:web:a.example", "name": "A"}, "did:web:a.example"),
        ({"name": "A"}, ""),
        ({"id": 7}, ""),
        (None, ""),
    ],
)
def test_who_issued_a_document_is_read_from_either_form(issuer: object, who: str) -> None:
    """
    An opaque identifier in it is that party's, whether the document names it by its id or by an object.
    """
    assert issuer_shown({"issuer": issuer}) == who
