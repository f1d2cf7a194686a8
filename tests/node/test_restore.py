"""Old files put back: nothing is given away twice, nothing revoked reads 0 (ledger_follower.py)."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest

from credentials.documents.status import read_list
from credentials.ledger.attestation import StatusUpdate, status_subject
from credentials.ledger.governance import Governance
from node.errors import ProblemError, SetupError
from node.issuing import ledger_follower, remaking
from node.issuing.goal import Goal
from node.issuing.ledger_follower import Told
from node.issuing.remaking import WITHHELD, Clues, Remaking
from node.issuing.statements import Batch
from node.issuing.status_lists import OwnStatusLists
from node.storage.findings import Finding
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from tests.harness.restarts import FILES, Given, Maker, maker
from tests.harness.support_service import DID


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Maker]:
    with maker(tmp_path) as made:
        yield made


def agree(node: Maker, *, lost: frozenset[str] = frozenset()) -> None:
    """Ledger and served lists say the same of every passport, and no two passports share a place."""
    places = [place for given in node.given for place in given.entries.items()]
    assert len(places) == len(set(places)), "two passports share a place"
    for given in node.given:
        status = node.on_ledger(given)
        if status is None:
            continue  # it never came to the ledger
        bits = node.listed(given)
        assert bits["revocation"] == (status == "revoked"), (given, status, bits)
        if status != "revoked":
            assert bits["suspension"] == (status == "suspended"), (given, status, bits)


def test_an_old_office_gives_no_place_away_twice_and_lowers_no_bit(node: Maker) -> None:
    """
    office.db put back by hand: what was revoked since stays revoked in the list, also a passport that was
    issued after the copy; the next passport has a place of its own; what is lost is said.
    """
    node.start()
    first, second = node.issue(1), node.issue(2)
    node.wait_quiet()
    node.stop()
    copy = node.keep("copy", "office.db")
    node.start()
    third = node.issue(3)
    node.wait_quiet()
    for given in (first, third):
        node.act(given, "revoked")
    node.act(second, "suspended")
    node.wait_quiet()
    before = {name: node.up.vc_api.status_list(name) for name, _ in first.entries.values()}
    node.stop()
    node.put_back(copy, "office.db")

    node.start()
    node.wait_open()
    after = {name: node.up.vc_api.status_list(name) for name in before}
    fourth = node.issue(4)
    node.wait_quiet()

    assert after == before
    assert [node.on_ledger(g) for g in (first, second, third)] == ["revoked", "suspended", "revoked"]
    assert fourth.entries["revocation"][0] == node.list_name("revocation", 2)
    agree(node)
    # Five of its documents: passport, production, and three events.
    told = node.up.overview.readiness()
    assert [(c.code, c.parameters["count"]) for c in told.conditions] == [("document_lost", 5)] and told.ready


def test_nothing_is_signed_or_served_before_the_comparison(
    node: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    While the node has not caught up, issuing, attesting, status changes and status lists are 503 with the
    reason, and /readyz says so.
    """
    node.start()
    given = node.issue(1)
    node.wait_quiet()
    node.stop()
    copy = node.keep("copy", "office.db")
    node.start()
    node.issue(2)
    node.wait_quiet()
    node.stop()
    node.put_back(copy, "office.db")
    monkeypatch.setattr("node.verdicts.lag.Lag.quorum_silence_s", lambda self: None)

    node.start()
    refused = []
    for attempt in (
        lambda: node.issue(3),
        lambda: node.up.passports.attest(
            "passport.revoked", given.code, {"passport_digest": given.digest, "reason": "x"}
        ),
        lambda: node.up.vc_api.status_list(node.list_name("revocation")),
        lambda: node.up.passports.revoke(given.digest, "x"),
    ):
        with pytest.raises(ProblemError) as problem:
            attempt()
        refused.append((problem.value.status, problem.value.code))
    conditions = [c.code for c in node.up.overview.readiness().conditions if c.stops]
    monkeypatch.undo()
    node.wait_open()

    assert refused == [(503, "comparing_with_ledger")] * 4
    assert "comparing_records" in conditions
    assert node.listed(given) == {"revocation": False, "suspension": False}


def test_a_place_that_nobody_knows_withholds_the_list(node: Maker) -> None:
    """
    A passport whose record was lost is revoked afterwards: its bit cannot be raised, so the list it is in is
    served no more, rather than one that calls it good; the finding is shown, and new lists go on.
    """
    node.start()
    node.issue(1)
    node.wait_quiet()
    node.stop()
    copy = node.keep("copy", "office.db")
    node.start()
    lost = node.issue(2)
    node.wait_quiet()
    node.stop()
    node.put_back(copy, "office.db")
    node.start()
    node.wait_open()
    assert node.listed(lost) == {"revocation": False, "suspension": False}

    node.act(lost, "revoked")
    node.wait("the revocation", lambda: node.on_ledger(lost) == "revoked")
    node.wait("the finding", lambda: "status_list_withheld" in node.up.following.told().lost)
    with pytest.raises(ProblemError) as withheld:
        node.up.vc_api.status_list(node.list_name("revocation"))
    third = node.issue(3)
    node.wait_quiet()

    assert (withheld.value.status, withheld.value.code) == (503, "status_list_withheld")
    found = [
        (f.about, f.parameters) for f in node.up.following.findings() if f.code == "status_list_withheld"
    ]
    assert found == [(node.list_name("revocation"), {"unplaced": 1})]
    assert node.up.vc_api.status_list(node.list_name("suspension"))
    assert node.listed(third) == {"revocation": False, "suspension": False}
    codes = {c.code: c.stops for c in node.up.overview.readiness().conditions}
    assert codes["status_list_withheld"] is False


@pytest.mark.parametrize("lost", ["office.db", "signing.db"])
def test_a_file_that_is_gone_is_like_one_that_is_old(node: Maker, lost: str) -> None:
    """
    Without office.db every list is made again from its first version; without signing.db nothing is lost, and
    the node does not take that for granted.
    """
    node.start()
    given = [node.issue(serial) for serial in (1, 2, 3)]
    node.wait_quiet()
    for event in ("suspended", "reinstated", "revoked"):
        node.act(given[1], event)
        node.wait_quiet()
    versions = node.up.vc_api.status_versions(node.list_name("suspension"))
    node.stop()
    for path in node.data.glob(f"{lost}*"):
        path.unlink()

    node.start()
    node.wait_open()
    if lost == "signing.db":
        node.wait("the reason", lambda: node.up.overview.status()["withheld"] is not None)
        told = {c.code: c.stops for c in node.up.overview.readiness().conditions}
        assert told["vote_withheld"]
        node.stop()
        node.allow_vote()
        node.start()
    node.issue(4)
    node.wait_quiet()

    agree(node)
    assert [v["digest"] for v in node.up.vc_api.status_versions(node.list_name("suspension"))] == [
        v["digest"] for v in versions
    ]
    assert [v["state"] for v in node.up.vc_api.status_versions(node.list_name("suspension"))] == [
        "admitted"
    ] * 3


def test_an_ordinary_restart_compares_nothing(node: Maker) -> None:
    """
    Files that belong together go on in the same lists, at once.
    """
    node.start()
    given = node.issue(1)
    node.wait_quiet()
    node.stop()
    node.start()

    assert node.up.following.told() == Told(None, {})
    assert node.issue(2).entries["revocation"][0] == given.entries["revocation"][0]


def test_a_foreign_office_is_refused(node: Maker, tmp_path: Path) -> None:
    """
    office.db and ledger.db of another network: one sentence, and nothing is written.
    """
    (tmp_path / "other").mkdir()
    with maker(tmp_path / "other") as other:
        for file in ("office.db", "ledger.db"):
            node.put_back(other.data, file)
            before = (node.data / file).read_bytes()

            with pytest.raises(SetupError, match=rf"{file} is of another network"):
                node.start()

            assert (node.data / file).read_bytes() == before
            for path in node.data.glob(f"{file}*"):
                path.unlink()


@pytest.mark.parametrize("file", FILES)
def test_a_file_of_another_participant_of_the_same_network_is_refused(node: Maker, file: str) -> None:
    """
    Each database as another participant of this network left it: one sentence, with what to do.
    """
    node.start()
    node.wait_quiet()
    node.stop()
    with closing(sqlite3.connect(node.data / file)) as db, db:
        db.execute("UPDATE meta SET value = ? WHERE name = 'participant'", (b"did:web:another.example",))

    with pytest.raises(SetupError, match=rf"{file} is of another participant than {DID}") as refused:
        node.start()

    assert "put back its own file from a backup" in str(refused.value.step)


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.check) for n in range(1, 7))])
def test_api_ledger_and_list_agree_after_every_sequence(node: Maker, seed: int) -> None:
    """
    Issue, revoke, suspend, reinstate, correct, by event and by the status API, and files put back, in any
    order: after each step the ledger and the list served say the same, and no place is given away twice.
    """
    random = Random(seed)
    node.start()
    serial = 0
    done: list[str] = []
    copies: list[Path] = []
    statements: list[tuple[Given, str]] = []
    for number in range(24):
        choice = random.choice(
            ("issue", "revoked", "suspended", "reinstated", "api", "correct", "copy", "restore")
        )
        if choice == "issue" or not node.given:
            serial += 1
            node.issue(serial)
        elif choice in ("revoked", "suspended", "reinstated"):
            known = [g for g in node.given if node.knows(g)]
            if not known:
                continue
            given = random.choice(known)
            statements.append((given, node.act(given, choice)))
        elif choice == "api":
            given = random.choice(node.given)
            done.append(by_api(node, given, random))
        elif choice == "correct" and statements:
            given, digest = random.choice(statements)
            members = {"attestation_digest": digest, "reason": "a test"}
            try:
                node.up.passports.attest("attestation.corrected", given.code, members)
            except ProblemError as refused:
                assert refused.status in (400, 422), refused.detail
        elif choice == "copy":
            node.wait_quiet()
            node.stop()
            copies.append(node.keep(f"copy-{number}", "office.db"))
            node.start()
        elif copies:
            node.wait_quiet()
            node.stop()
            node.put_back(random.choice(copies), "office.db")
            node.start()
            node.wait_open()
        done.append(choice)
        node.wait_quiet()
        agree(node)
    print(f"seed {seed}: {len(done)} steps, {serial} passports, {len(copies)} copies")


STEPS = ("revoked", "suspended", "reinstated", "corrected", "restored")
DEPTH = 3


@pytest.mark.check
@pytest.mark.parametrize(
    "restores",
    list(product((False, True), repeat=DEPTH)),
    ids=lambda places: "-".join("restore" if p else "act" for p in places),
)
def test_ledger_api_and_list_agree_after_each_sequence_of_three(
    node: Maker, restores: tuple[bool, ...]
) -> None:
    """
    Exhaustive to depth three: each sequence of revoke, suspend, reinstate, correct and restore from backup, a
    passport for each sequence; after each step ledger, status API and the list served say the same.
    """
    sequences = list(
        product(*[("restored",) if restored else STEPS[:-1] for restored in restores])
    )  # those that restore at these places
    node.start()
    given = [node.issue(serial) for serial in range(1, len(sequences) + 1)]
    node.wait_quiet()
    node.stop()
    backup = node.keep("backup", "office.db")
    node.start()
    last: dict[str, str] = {}

    for place, restored in enumerate(restores):
        if restored:
            node.stop()
            node.put_back(backup, "office.db")
            node.start()
            node.wait_open()
        else:
            for passport, sequence in zip(given, sequences, strict=True):
                one_step(node, passport, sequence[place], last)
        node.wait_quiet()
        agree(node)
        for passport in given:
            status = node.on_ledger(passport)
            assert node.verified(passport) == {status} - {"live", None}, (passport, status)
    print(f"{len(sequences)} sequences with restores at {restores}")


def one_step(node: Maker, given: Given, step: str, last: dict[str, str]) -> None:
    """One act about a passport; correcting takes back its last one, or its publication."""
    if step != "corrected":
        last[given.code] = node.act(given, step)
        return
    digest = last.get(given.code, given.digest)
    try:
        node.up.passports.attest(
            "attestation.corrected", given.code, {"attestation_digest": digest, "reason": "a test"}
        )
    except ProblemError as refused:
        assert refused.status in (400, 409, 422), refused.detail


def by_api(node: Maker, given: Given, random: Random) -> str:
    """One change by POST /credentials/status: what cannot be is refused, and says so."""
    purpose, raised = random.choice((("revocation", True), ("suspension", True), ("suspension", False)))
    if not node.knows(given):
        return "lost"
    try:
        node.up.vc_api.set_status(given.credential_id, purpose, raised)
    except ProblemError as refused:
        assert refused.status in (409, 422), refused.detail
        return refused.code
    return purpose


def test_a_revocation_is_never_taken_back(node: Maker) -> None:
    """
    Status false for the purpose revocation is 409, raised or not, for a passport as for a credential of a
    profile; and what was revoked stays so in ledger, list and API.
    """
    node.start()
    given = node.issue(1)
    node.wait_quiet()

    for raise_first in (False, True):
        if raise_first:
            node.up.vc_api.set_status(given.credential_id, "revocation", True)
        with pytest.raises(ProblemError) as refused:
            node.up.vc_api.set_status(given.credential_id, "revocation", False)
        assert (refused.value.status, refused.value.code) == (409, "revocation_final")
    node.act(given, "reinstated")
    node.wait_quiet()

    assert node.on_ledger(given) == "revoked"
    assert node.listed(given)["revocation"] is True


@pytest.mark.check
def test_a_version_that_a_thief_puts_on_record_lowers_nothing_here(node: Maker) -> None:
    """
    With the attest key alone the first version of the list of suspensions is put on record once more: the
    node follows it with one that says what it means, of credentials that no ledger knows as well.
    """
    node.start()
    node.issue(1)
    node.wait_quiet()
    issuing, office, place = node.up.passports._issuing, node.up.stores.office, 4_000
    batch = Batch(int(time.time()))
    with issuing.lock, office.writing() as db:  # as for a credential of a profile
        issuing.lists.set_bit(db, "suspension", place, raised=True, batch=batch)
        batch.store(db)
    node.wait_quiet()
    first, last = (issuing.lists.versions(node.list_name("suspension"))[at] for at in (0, -1))
    about = status_subject(DID, issuing.lists.url(node.list_name("suspension")))
    update = StatusUpdate(first.digest, "suspension", last.seq + 1, last.digest)
    thiefs = issuing.signing.list_statement(about, int(time.time()), update)
    node.up.engine.submit(thiefs.attestation.data)
    node.wait(
        "the version after it",
        lambda: issuing.lists.versions(node.list_name("suspension"))[-1].seq == last.seq + 2,
    )
    node.wait_quiet()

    served = node.up.vc_api.status_list(node.list_name("suspension"))

    assert issuing.lists.bit("suspension", place)
    assert read_list(served).places == [place]


def test_a_list_that_can_be_made_again_is_withheld_no_more(node: Maker) -> None:
    """
    Withheld at an earlier start for want of a place; once every place of it is known again, it is served, and
    the finding is gone.
    """
    node.start()
    given = node.issue(1)
    node.wait_quiet()
    node.stop()
    copy = node.keep("copy", "office.db")
    node.start()
    node.act(given, "revoked")
    node.wait_quiet()
    node.stop()
    node.put_back(copy, "office.db")
    office = OfficeStore(node.data / "office.db")
    with office.writing() as db:
        office.status.withhold(db, given.entries["revocation"][0], WITHHELD)
        office.findings.put(db, Finding(WITHHELD, given.entries["revocation"][0], 1, {"version": 2, "of": 2}))
    office.close()

    node.start()
    node.wait_open()

    assert node.listed(given)["revocation"] is True
    assert WITHHELD not in node.up.following.told().lost


def revoked_after_a_copy(node: Maker, *files: str) -> tuple[Given, Path]:
    """A passport that was revoked after these files were copied, and the copy; the node is stopped."""
    node.start()
    given = node.issue(1)
    node.wait_quiet()
    node.stop()
    copy = node.keep("copy", *files)
    node.start()
    node.act(given, "revoked")
    node.wait_quiet()
    node.stop()
    return given, copy


def test_an_old_ledger_alone_keeps_the_gate_closed(node: Maker) -> None:
    """
    ledger.db put back where no peer has what it lacks: office.db knows of entries that this ledger does not
    hold, so nothing is compared, signed or served by it.
    """
    first, copy = revoked_after_a_copy(node, "ledger.db", "signing.db")
    node.put_back(copy, "ledger.db", "signing.db")

    node.start()
    for _ in range(5):
        assert node.up.following.turn() == []
        assert node.up.following.told().comparing is not None
        with pytest.raises(ProblemError, match="does not sign yet"):
            node.listed(first)


def test_the_goal_is_what_was_said_and_what_a_quorum_has(node: Maker) -> None:
    """
    Reached: once a quorum was heard, the ledger has its height and every leaf that office.db knows of, and,
    where asked, a checkpoint over as much.
    """
    _, old = revoked_after_a_copy(node, "office.db", "ledger.db")
    offices = {"old": OfficeStore(old / "office.db"), "new": OfficeStore(node.data / "office.db")}
    ledgers = {"old": LedgerStore(old / "ledger.db"), "new": LedgerStore(node.data / "ledger.db")}
    heights = {name: tip.height for name, ledger in ledgers.items() if (tip := ledger.tip()) is not None}
    assert heights["old"] < heights["new"]

    def reached(office: str, ledger: str, height: int | None, *, cosigned: bool = True) -> bool:
        return Goal(offices[office], ledgers[ledger], lambda: height).reached(cosigned=cosigned)

    assert not reached("new", "new", None)  # nobody was heard
    assert reached("old", "old", heights["old"])
    assert not reached("old", "old", heights["old"] + 1)
    assert not reached("new", "old", heights["old"])
    assert reached("old", "new", heights["new"])
    assert reached("new", "new", 0)
    with closing(sqlite3.connect(node.data / "ledger.db")) as db, db:
        db.execute("DELETE FROM checkpoints")
    assert reached("new", "new", 0, cosigned=False)
    assert not reached("new", "new", 0)

    goal = Goal(offices["old"], ledgers["old"], iter((heights["old"], heights["new"])).__next__)
    assert all(goal.reached(cosigned=True) for _ in range(3))  # the network goes on: the goal stays
    goal.renew()
    assert not goal.asked
    assert not goal.reached(cosigned=True)


def test_a_version_is_made_again_once_its_statement_was_followed(node: Maker) -> None:
    """A block that comes while the lists are compared waits for the next turn: no version without both."""
    node.start()
    node.issue(1)
    node.wait_quiet()
    node.stop()
    old = node.keep("old", "office.db")
    node.start()
    for serial in (2, 3):
        node.act(node.issue(serial), "revoked")
    node.wait_quiet()
    lists, ledger = node.up.passports._issuing.lists, node.up.stores.ledger
    office = OfficeStore(old / "office.db")

    before = office.status.versions(node.list_name("revocation"))
    with office.writing() as db:
        of_any_key = Clues(lambda kid, at: True, (), set())
        Remaking(office, ledger, lists, DID, office.followed(), clues=of_any_key).run(db, Batch(1))
    assert office.status.versions(node.list_name("revocation")) == before
    assert len(node.up.stores.office.status.versions(node.list_name("revocation"))) > len(before)


@contextmanager
def signed_lists(lists: OwnStatusLists) -> Iterator[list[int]]:
    """When the versions were made that these lists sign meanwhile."""
    made, signed = lists.made, list[int]()

    def counted(name: str, purpose: str, bits: Iterable[int], at: int) -> tuple[bytes, dict[str, Any]]:
        signed.append(at)
        return made(name, purpose, bits, at)

    lists.made = counted  # type: ignore[method-assign]
    yield signed
    lists.made = made  # type: ignore[method-assign]


@pytest.mark.check
def test_a_digest_that_is_no_list_is_searched_for_once_and_within_a_bound(
    node: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whoever stole the attest key puts digests of nothing on record: the office signs so many lists in search
    of the first and no more, withholds the list and says so; for the next the search is not begun anew.
    """
    monkeypatch.setattr(remaking, "TRIES_MAX", 40)
    node.start()
    node.issue(1)
    node.wait_quiet()
    issuing, name = node.up.passports._issuing, node.list_name("suspension")
    about, last = status_subject(DID, issuing.lists.url(name)), issuing.lists.versions(name)[-1]

    before, numbers = last.digest, (last.seq + 1, last.seq + 2)
    with signed_lists(issuing.lists) as signed:
        for seq in numbers:
            update = StatusUpdate(bytes([seq]) * 32, "suspension", seq, before)
            thiefs = issuing.signing.list_statement(about, int(time.time()), update)
            node.up.engine.submit(thiefs.attestation.data)
            node.wait("the finding", partial(found, node, name, (numbers[0], seq)))
            before = update.list_digest
    assert 0 < len(signed) <= 40


def found(node: Maker, name: str, version_of: tuple[int, int]) -> bool:
    """Whether a list is withheld for want of this version of so many."""
    told = {"version": version_of[0], "of": version_of[1]}
    return (WITHHELD, name, told) in [(f.code, f.about, f.parameters) for f in node.up.following.findings()]


def test_no_list_is_signed_for_a_version_of_another_key(node: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The credential key was replaced after the version that was lost: the list is withheld at once, no place of
    it is tried.
    """
    given, copy = revoked_after_a_copy(node, "office.db")
    node.put_back(copy, "office.db")
    tried: list[int] = []

    def of_another(governance: Governance, kid: str, at: int) -> bool:
        tried.append(at)
        return False

    def unasked(*_: object) -> Iterator[int]:
        raise AssertionError("a place was tried")

    monkeypatch.setattr(ledger_follower, "_could_sign", of_another)
    monkeypatch.setattr(remaking, "_once", unasked)
    node.start()
    node.wait_open()

    assert tried and found(node, given.entries["revocation"][0], (2, 2))


def test_a_key_signs_from_its_beginning_to_its_end(node: Maker) -> None:
    """
    Which versions a key can have signed; of a key that no ledger knows that is not ruled out.
    """
    node.start()
    kid, governance = node.up.passports._issuing.lists.key_id, node.up.following._history.latest
    key, party = governance.key_by_id(kid), governance.participants[DID]
    assert key is not None
    begin, end = key.valid_from, key.valid_from + 9
    keys = tuple(replace(one, valid_until=end) if one == key else one for one in party.keys)
    left = replace(governance, participants={**governance.participants, DID: replace(party, keys=keys)})

    could = [ledger_follower._could_sign(left, kid, at) for at in (begin - 1, begin, end - 1, end)]

    assert could == [False, True, True, False]
    assert ledger_follower._could_sign(governance, kid, end)
    assert ledger_follower._could_sign(left, "did:key:z6Mk#of-a-profile", begin - 1)
