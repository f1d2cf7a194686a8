"""Places of status lists: nobody reads from them how many were given away, and none is given twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice, pairwise, product
from pathlib import Path
from random import Random
from typing import Any

import pytest

from credentials.documents.status import BITS_MIN, read_list
from node.issuing import remaking
from node.issuing.list_places import ListPlaces
from node.issuing.statements import Batch
from tests.harness.restarts import Maker, maker

SALT = bytes(range(32))
LISTS = ("", "bitstring-")  # of passports, and of a profile
PURPOSES = ("revocation", "suspension")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Maker]:
    with maker(tmp_path) as made:
        yield made


def rises(places: list[int]) -> float:
    """The share of places that are higher than the one before: 1 of those that are given in order."""
    return sum(one < after for one, after in pairwise(places)) / (len(places) - 1)


@pytest.mark.parametrize("lists", LISTS, ids=["passports", "profile"])
def test_places_tell_nothing_of_their_order(lists: str) -> None:
    """
    The first two thousand of a list look like any others: spread over all of it, as often up as down, and no
    step between neighbours comes back as one of a fixed pattern would.
    """
    given = [ListPlaces(SALT, lists).place(number) for number in range(2_000)]

    assert 0.45 < rises(given) < 0.55
    eighths = [sum(place * 8 // BITS_MIN == part for place in given) for part in range(8)]
    assert min(eighths) > 180 and max(eighths) < 320, eighths
    steps = [after - one for one, after in pairwise(given)]
    assert len(set(steps)) > 1_950
    assert abs(sum(given) / len(given) - BITS_MIN / 2) < BITS_MIN / 30


def test_another_office_and_another_list_have_another_order() -> None:
    """
    What one list shows of its order says nothing of the next one, of a profile's, or of another maker's.
    """
    first = [ListPlaces(SALT, "").place(number) for number in range(50)]
    second = [ListPlaces(SALT, "").place(BITS_MIN + number) - BITS_MIN for number in range(50)]
    profiles = [ListPlaces(SALT, "bitstring-").place(number) for number in range(50)]
    others = [ListPlaces(bytes(32), "").place(number) for number in range(50)]

    orders = (first, second, profiles, others)
    assert all(
        sum(a == b for a, b in zip(x, y, strict=True)) <= 2 for x, y in product(orders, orders) if x is not y
    )
    words = {
        ListPlaces(salt, lists).word(n) for salt in (SALT, bytes(32)) for lists in LISTS for n in range(1, 50)
    }
    assert len(words) == 4 * 49
    assert ListPlaces(SALT, "").place(7) == first[7], "a number has its place for good"


@pytest.mark.parametrize(
    "lists", [pytest.param(1, marks=pytest.mark.check), pytest.param(8, marks=pytest.mark.long)]
)
def test_every_place_is_given_once(lists: int) -> None:
    """
    Each number has a place of its own, in the list that it belongs to: of one list, of a million in eight.
    """
    places, seen = ListPlaces(SALT, ""), bytearray(lists * BITS_MIN)
    for number in range(lists * BITS_MIN):
        place = places.place(number)
        assert place // BITS_MIN == number // BITS_MIN
        seen[place] += 1

    assert seen.count(1) == lists * BITS_MIN


def test_passports_do_not_count(node: Maker) -> None:
    """
    Neither the place of a passport nor the name of its list says how many came before it, in passports one
    after the other as after a restart.
    """
    node.start()
    given = [node.issue(serial) for serial in range(1, 11)]
    node.stop()
    node.start()
    given += [node.issue(serial) for serial in range(11, 21)]

    for purpose in PURPOSES:
        names = {one.entries[purpose][0] for one in given}
        places = [one.entries[purpose][1] for one in given]
        assert len(names) == 1 and not names & {f"{purpose}-1"}
        assert len(set(places)) == 20 and places != sorted(places) and max(places) > 1_000
    assert [one.entries["revocation"][1] for one in given] == [one.entries["suspension"][1] for one in given]


def in_order(node: Maker, count: int) -> None:
    """Lists as they were before places were hidden, `count` of them given away; the node is stopped."""
    node.start()
    issuing, office, batch = node.up.passports._issuing, node.up.stores.office, Batch(int(time.time()))
    names = {purpose: f"{purpose}-1" for purpose in PURPOSES}
    with issuing.lock, office.writing() as db:
        issuing.lists.open(db, names, batch)
        office.status.count(db, names.values(), count)
        batch.store(db)
    node.wait_quiet()
    node.stop()


@pytest.mark.parametrize(
    "count", [1, *(pytest.param(n, marks=pytest.mark.check) for n in (BITS_MIN - 1, BITS_MIN))]
)
def test_a_list_that_was_begun_in_order_is_left(node: Maker, count: int) -> None:
    """
    An office of before: no place of its list is given away again, the next passport begins a list whose order
    is hidden, and the ones after it go on there, restarted or not.
    """
    in_order(node, count)
    node.start()
    first, second = node.issue(1), node.issue(2)
    node.wait_quiet()
    node.stop()
    node.start()
    third = node.issue(3)

    lists = node.up.passports._issuing.lists
    assert lists.numbered("revocation", 1) == "revocation-1", "its passports are found where they were"
    assert {one.entries["revocation"][0] for one in (first, second, third)} == {
        lists.names("revocation", 2)[1]
    }
    assert len({one.entries["revocation"][1] for one in (first, second, third)}) == 3


@pytest.mark.check
def test_a_backup_of_before_the_order_was_hidden_is_made_whole(node: Maker) -> None:
    """
    A copy that knows nothing of the hidden list: it is made again from the ledger under its own name, with
    the bit of a passport that was issued after the copy, and the next passport has a list of its own.
    """
    in_order(node, 12)
    copy = node.keep("copy", "office.db")
    node.start()
    lost = node.issue(1)
    node.wait_quiet()
    node.act(lost, "revoked")
    node.wait_quiet()
    served = node.up.vc_api.status_list(lost.entries["revocation"][0])
    node.stop()
    node.put_back(copy, "office.db")
    node.start()
    node.wait_open()
    after = node.issue(2)
    node.wait_quiet()

    assert node.up.vc_api.status_list(lost.entries["revocation"][0]) == served
    assert read_list(served).places == [lost.entries["revocation"][1]]
    assert after.entries["revocation"][0] == node.list_name("revocation", 3)
    assert after.entries["revocation"][0] not in ("revocation-3", lost.entries["revocation"][0])


@pytest.mark.check
def test_the_lists_are_found_again_without_any_office(node: Maker) -> None:
    """
    office.db is gone: the order follows from keys.enc, so the list of before is made again under its name
    with the bits that the ledger knows of, and no place of it is given away again.
    """
    node.start()
    lost = node.issue(1)
    node.wait_quiet()
    node.act(lost, "revoked")
    node.wait_quiet()
    served = node.up.vc_api.status_list(lost.entries["revocation"][0])
    node.stop()
    for path in node.data.glob("office.db*"):
        path.unlink()
    node.start()
    node.wait_open()
    after = node.issue(2)
    node.wait_quiet()

    assert node.up.vc_api.status_list(lost.entries["revocation"][0]) == served
    assert after.entries["revocation"][0] != lost.entries["revocation"][0]


@pytest.mark.check
def test_what_was_revoked_late_in_a_full_list_is_found_after_a_restore(node: Maker) -> None:
    """
    Far more places were given away than are tried beyond a backup: a passport of before it, revoked after it,
    is found among all that were given, and the list is served with its bit.
    """
    node.start()
    node.issue(1)
    node.wait_quiet()
    lists, office = node.up.passports._issuing.lists, node.up.stores.office
    with office.writing() as db:
        office.status.count(db, lists.next_place().names.values(), 3_000)
    late = node.issue(2)
    node.wait_quiet()
    node.stop()
    copy = node.keep("copy", "office.db")
    node.start()
    node.act(late, "revoked")
    node.wait_quiet()
    node.stop()
    node.put_back(copy, "office.db")

    node.start()
    node.wait_open()

    assert node.listed(late)["revocation"] is True


@pytest.mark.check
def test_what_was_revoked_in_the_middle_of_a_full_list_is_found_at_once(
    node: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Far from the places that are tried one by one: those of the passports that the ledger changed are tried
    first, nearest to the lost version, so a handful of tries finds several that were revoked in a row.
    """
    monkeypatch.setattr(remaking, "TRIES_MAX", 12)
    node.start()
    node.issue(1)
    node.wait_quiet()
    lists, office = node.up.passports._issuing.lists, node.up.stores.office
    given = []
    for serial, count in ((2, 30_000), (3, 50_000), (4, 70_000), (5, 100_000)):
        given.append(node.issue(serial))
        node.wait_quiet()
        with office.writing() as db:
            office.status.count(db, lists.next_place().names.values(), count)
    node.stop()
    copy = node.keep("copy", "office.db")
    node.start()
    for one in given[1:]:
        node.act(one, "revoked")
        node.wait_quiet()
    node.stop()
    node.put_back(copy, "office.db")

    node.start()
    node.wait_open()

    assert [node.listed(one)["revocation"] for one in given] == [False, True, True, True]


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(0, marks=pytest.mark.check),
        *(pytest.param(n, marks=pytest.mark.long) for n in range(1, 20)),
    ],
)
def test_no_sequence_gives_a_place_twice(node: Maker, seed: int) -> None:
    """
    Passports, credentials of a profile, restarts, lists that become full, offices of any earlier moment put
    back: in any order no two documents share a place in a list.
    """
    random, serial = Random(seed), iter(range(1, 1_000))
    in_order(node, random.choice((1, 40)))
    copies = [node.keep("copy-0", "office.db")]
    node.start()
    given: list[tuple[str, int]] = []
    for step in range(16):
        match random.choice(("issue", "issue", "profile", "restart", "full", "copy", "restore")):
            case "issue":
                given += [node.issue(number).entries["revocation"] for number in islice(serial, 3)]
            case "profile":
                given += [profiled(node, next(serial)) for _ in range(2)]
            case "restart":
                node.stop()
                node.start()
                node.wait_open()
            case "full":
                fill(node)
            case choice:
                node.wait_quiet()
                node.stop()
                if choice == "copy":
                    copies.append(node.keep(f"copy-{step + 1}", "office.db"))
                else:
                    node.put_back(random.choice(copies), "office.db")
                node.start()
                node.wait_open()

    assert len(given) == len(set(given))


def fill(node: Maker) -> None:
    """The list in use has one place left."""
    issuing, office = node.up.passports._issuing, node.up.stores.office
    place = issuing.lists.next_place()
    if office.status.newest(place.names["revocation"]) is not None:
        with issuing.lock, office.writing() as db:
            office.status.count(db, place.names.values(), (1 + place.number // BITS_MIN) * BITS_MIN - 1)


def profiled(node: Maker, serial: int) -> tuple[str, int]:
    """A credential of the profile that lists status: its list, and its place there."""
    issuer = node.up.vc_api._securing.manifest()["bitstring"]["id"]
    document: dict[str, Any] = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "issuer": issuer,
        "credentialSubject": {"id": f"urn:example:{serial}"},
    }
    secured = node.up.vc_api._securing.issue("bitstring", document)
    [entry] = [one for one in secured["credentialStatus"] if one["statusPurpose"] == "revocation"]
    return entry["statusListCredential"].rpartition("/")[2], int(entry["statusListIndex"])
