"""Until when a verdict is good (I9): the first moment at which time alone may change it, by its checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import cycle
from typing import Any

import pytest

from credentials.documents.suites import jose
from credentials.ledger.recognition import Effect
from credentials.verdicts.evidence import At, Evidence
from credentials.verdicts.examination import examine_document
from credentials.verdicts.manifest import DeclaredHere, canonical_name
from credentials.verdicts.means import Demands, Means
from credentials.verdicts.record import Record
from credentials.verdicts.verdict import Findings
from credentials.verdicts.verifier import verify
from tests.credentials.test_examination import ENTRY, LIST, a_list, by_suite, credential, having, jwt
from tests.credentials.test_pinned_limits import recognised
from tests.credentials.test_pinned_verdicts import DECLARED, POLICIES, SITUATIONS
from tests.credentials.test_shown import exported
from tests.harness.border import LAW_DATE, World, code, first_second, policy, tables, used_pack, world
from tests.harness.ledger import MAKER, PARTIES, accreditation, participant

DAY_S, HOUR_S = 86_400, 3_600
STEPS_MAX = 8
Judge = Callable[[int], Mapping[str, Any]]


def said(found: Mapping[str, Any]) -> Any:
    """All that a verdict says, but for ages."""
    checks = [(c["name"], c["outcome"], c["reason"]) for c in found["checks"]]
    return found["verdict"], found["reason"], found["gaps"], found["recognition"], checks


def outcomes(found: Mapping[str, Any], name: str) -> set[tuple[str, str]]:
    return {(c["outcome"], c["reason"]) for c in found["checks"] if c["name"] == name}


def require_edge(judge: Judge, moment: int, name: str) -> None:
    """A second before, the verdict is good until this moment; from it on the check comes out otherwise."""
    before, then = judge(moment - 1), judge(moment)

    assert before["good_until"] == moment
    assert outcomes(before, name) != outcomes(then, name)


@pytest.mark.check
@pytest.mark.parametrize("declared", [*DECLARED])
def test_nothing_changes_before_the_moment_that_a_verdict_names(declared: str) -> None:
    """
    In every situation, under every policy in turn: a second before its moment a verdict says what it said,
    moment after moment, until there is none; each is later than the one before.
    """
    moments = 0
    for (_, build), policy_name in zip(SITUATIONS.items(), cycle(POLICIES), strict=False):
        w = World()
        text = build(w)
        line = {k: v for k, v in DECLARED[declared].items() if k != "others"}
        evidence, at = w.evidence(text, vin=line.get("vin")), w.now
        for _ in range(STEPS_MAX):
            now = w.judge(text, policy_name=policy_name, evidence=evidence, at=at, **line).as_dict()
            until = now["good_until"]
            far = until - 1 if until is not None else at + 3_000 * DAY_S
            later = w.judge(text, policy_name=policy_name, evidence=evidence, at=far, **line).as_dict()
            assert said(later) == said(now) and later["good_until"] == until
            if until is None:
                break
            assert until > at
            at, moments = until, moments + 1

    print(f"{declared}: {moments} moments")
    assert moments


def test_a_verdict_without_anything_that_time_changes_says_so() -> None:
    """
    Once the day of the law is over everywhere and the lists are too old, nothing is left to change.
    """
    w = World()
    text = exported(w, 1)
    evidence = w.evidence(text)

    found = w.judge(text, evidence=evidence, at=w.now + 3_000 * DAY_S).as_dict()

    assert found["good_until"] is None


# -- each of what is compared with the time --------------------------------------------------------------


@pytest.fixture(scope="module")
def border() -> tuple[World, str, Evidence]:
    w = World()
    text = exported(w, 1)
    return w, text, w.evidence(text)


def test_a_status_list_is_good_for_the_age_that_the_policy_lets_it_have(
    border: tuple[World, str, Evidence],
) -> None:
    """
    From the second after it is too old.
    """
    w, text, evidence = border
    (fetched,) = {s.fetched_at for s in evidence.network.status_lists.values()}
    assert fetched is not None

    def judge(at: int) -> Mapping[str, Any]:
        return w.judge(text, evidence=evidence, at=at).as_dict()

    require_edge(judge, fetched + policy().status_list_age_s_max + 1, "status")


@pytest.mark.parametrize("hours", [-14, 24 + 12])
def test_a_day_of_the_law_begins_and_ends_somewhere_on_earth(
    border: tuple[World, str, Evidence], hours: int
) -> None:
    """
    Fourteen hours before it does in UTC, and twelve after.
    """
    w, text, evidence = border

    def judge(at: int) -> Mapping[str, Any]:
        return w.judge(text, evidence=evidence, at=at).as_dict()

    require_edge(judge, first_second(LAW_DATE) + hours * HOUR_S, "law_date")


def test_a_law_date_that_is_no_day_has_no_moment(border: tuple[World, str, Evidence]) -> None:
    """
    What reads it as a day says what is wrong with it.
    """
    w, text, evidence = border
    at = w.now + 3_000 * DAY_S

    assert w.judge(text, evidence=evidence, law_date="soon", at=at).as_dict()["good_until"] is None


def test_a_clock_that_is_behind_catches_up(border: tuple[World, str, Evidence]) -> None:
    """
    By the skew that the policy forgives.
    """
    w, text, evidence = border
    ahead = replace(evidence, network=replace(evidence.network, block_time=w.now + 7_000))

    def judge(at: int) -> Mapping[str, Any]:
        return w.judge(text, evidence=ahead, at=at).as_dict()

    require_edge(judge, w.now + 7_000 - policy().clock_skew_s, "fresh")


@pytest.mark.parametrize(("member", "after_s"), [("validFrom", 0), ("validUntil", 1)])
def test_the_validity_of_a_document_ends_and_begins(
    border: tuple[World, str, Evidence], member: str, after_s: int
) -> None:
    """
    With the skew that the policy forgives; in its last second it is valid.
    """
    w, text, _ = border
    day, skew_s = "2027-02-20", policy().clock_skew_s
    document = {**w.passports[text].credentials[1], member: f"{day}T00:00:00Z"}
    evidence = w.evidence(text, shown=[document])

    def judge(at: int) -> Mapping[str, Any]:
        return w.judge(text, shown=[document], evidence=evidence, at=at).as_dict()

    require_edge(judge, first_second(day) + (skew_s + 1 if after_s else -skew_s), "validity")


def test_a_health_test_grows_old() -> None:
    """
    In the second after the last day that the policy lets it have.
    """
    w = world(recognitions=[recognised(Effect.ACCEPTED_BY_LAW)])
    text = used_pack(w, 1)
    evidence, days = w.evidence(text), policy("authority-cn").soh_age_days_max
    assert days is not None

    def judge(at: int) -> Mapping[str, Any]:
        found = w.judge(text, policy_name="authority-cn", condition="used", evidence=evidence, at=at)
        return found.as_dict()

    require_edge(judge, first_second("2027-01-15") + days * DAY_S + 1, "soh")


@pytest.mark.parametrize(
    ("changes", "moment"),
    [
        ({"valid_until": 2_000_000_000}, 2_000_000_000),
        ({"valid_from": 2_000_000_000}, 2_000_000_000),
    ],
    ids=["ends", "begins"],
)
def test_a_recognition_begins_and_ends(changes: dict[str, Any], moment: int) -> None:
    """
    Whoever's statements count today may not count tomorrow, and the other way round.
    """
    w = world(recognitions=[recognised(Effect.ACCEPTED_BY_LAW)])
    text = used_pack(w, 1)
    evidence = w.evidence(text)
    given = tuple(replace(r, **changes) for r in evidence.network.recognitions or ())
    evidence = replace(evidence, network=replace(evidence.network, recognitions=given))

    def judge(at: int) -> Mapping[str, Any]:
        found = w.judge(text, policy_name="authority-cn", condition="used", evidence=evidence, at=at)
        return found.as_dict()

    assert judge(moment - 1)["good_until"] == moment


def test_a_recognition_of_young_statements_ends_for_each() -> None:
    """
    In the second after the age that it asks for.
    """
    w = world(recognitions=[recognised(Effect.ACCEPTED_BY_LAW)])
    text = used_pack(w, 1)
    evidence = w.evidence(text)
    days = {"attestation_age_days_max": 90}
    given = tuple(replace(r, conditions=days) for r in evidence.network.recognitions or ())
    evidence = replace(evidence, network=replace(evidence.network, recognitions=given))
    (told,) = Record.read(evidence.ledger, None).of_kinds(["used.exported"])

    def judge(at: int) -> Mapping[str, Any]:
        found = w.judge(text, policy_name="authority-cn", condition="used", evidence=evidence, at=at)
        return found.as_dict()

    require_edge(judge, told.attestation.event_time + 90 * DAY_S + 1, "recognised")


@pytest.mark.parametrize("what", ["key", "licence"])
def test_a_document_that_nobody_recorded_is_judged_by_what_is_in_force_today(what: str) -> None:
    """
    The key of its issuer and its accreditation: each ends when it ends.
    """
    ends = 1_830_000_000
    parties = [participant(did) for did in PARTIES]
    licences = [accreditation(did) for did in PARTIES]
    if what == "key":
        parties = [
            replace(
                p, keys=tuple(replace(k, valid_until=ends) if k.role == "credential" else k for k in p.keys)
            )
            if p.did == MAKER
            else p
            for p in parties
        ]
    else:
        licences = [replace(a, valid_until=ends) if a.participant == MAKER else a for a in licences]
    w = world(participants=parties, accreditations=licences)
    text = code(1)
    document = dict(w.issue(text).credentials[1])
    evidence = w.evidence(text, shown=[document])

    def judge(at: int) -> Mapping[str, Any]:
        return verify(document, evidence, policy(), At(LAW_DATE, at)).as_dict()

    require_edge(judge, ends, "issuer_key" if what == "key" else "accredited")


def test_an_earlier_declaration_is_open_for_as_long_as_it_is_watched(
    border: tuple[World, str, Evidence],
) -> None:
    """
    The moment is the node's, and handed on.
    """
    w, text, evidence = border
    name = canonical_name(text, tables().identifiers)
    beside = replace(
        evidence, declared=(DeclaredHere("26NLX", "c", {name: 1}, frozenset([name]), w.now + 50),)
    )

    assert w.judge(text, evidence=beside).as_dict()["good_until"] == w.now + 50


# -- documents by themselves ------------------------------------------------------------------------------


def _examined(shown: object, at: int, means: Means | None = None) -> Findings:
    found = Findings(tables())
    examine_document(found, shown, means or having(), Demands(skew_s=100, schema_expected=False), at)
    return found


@pytest.mark.parametrize(("claim", "skew_s"), [("nbf", -100), ("exp", 100)])
def test_a_jwt_is_good_between_its_times(claim: str, skew_s: int) -> None:
    """
    RFC 7519, 4.1.4 and 4.1.5, with the skew that the verifier forgives.
    """
    named = 1_900_000_000
    shown = jose.envelop(jwt({}, {**credential(), claim: named}))
    moment = named + skew_s
    before, then = _examined(shown, moment - 1), _examined(shown, moment)

    assert moment in before.moments
    assert before.outcomes("proof") != then.outcomes("proof")


@pytest.mark.parametrize(("member", "after_s"), [("validFrom", 0), ("validUntil", 1)])
def test_a_status_list_is_good_between_its_times(member: str, after_s: int) -> None:
    """
    To the last second that it names.
    """
    changes: dict[str, Any] = {member: "2030-01-01T00:00:00Z"}
    listed = a_list(**changes)
    means = having({LIST: listed})
    shown = by_suite("eddsa-jcs-2022")(credential(credentialStatus=ENTRY))
    moment = first_second("2030-01-01") + after_s
    before, then = _examined(shown, moment - 1, means), _examined(shown, moment, means)

    assert moment in before.moments
    assert before.outcomes("status") != then.outcomes("status")
