"""Edges of the ledger that few acts reach: each with the code and the sentence that it is refused with."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from consensus.application import Refusal
from consensus.encoding import decode, encode
from credentials.errors import CredentialError
from credentials.ledger.admission import plain
from credentials.ledger.linked_records import PACKS_PER_PARTY_MAX
from credentials.ledger.proposals import ChangeProposal
from tests.credentials.test_proposals import governing, limits_row
from tests.harness.governing import participant_row
from tests.harness.ledger import (
    CN_AUTHORITY,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    WORKSHOP,
    Ledger,
    battery,
    vehicle,
)


def test_what_is_no_proposal_says_what_is_wrong_with_its_bytes() -> None:
    """
    Bytes that are not deterministic CBOR, and a base that names records where members change.
    """
    g = governing()
    good = g.proposal(participant_row(g.now, IMPORTER, name="Another"))
    fields = decode(good.encode())
    assert isinstance(fields, list)
    fields[3] = [[*row[:2], sha256(b"all of it").digest()] for row in fields[3]]

    with pytest.raises(CredentialError) as cut:
        ChangeProposal.decode(good.encode()[:-1])
    with pytest.raises(CredentialError) as whole:
        ChangeProposal.decode(encode(fields))

    assert cut.value.code == whole.value.code == "malformed"
    assert "CBOR" in cut.value.message
    assert whole.value.message.endswith(
        "its base names the members that change, of each of participant, accreditation, recognition"
    )


def test_the_block_that_was_wanted_for_now_is_wanted_no_more_once_its_time_is_computed_anew() -> None:
    """
    What is due at this second is asked again at this second: the same block is not wanted for ever.
    """
    g = governing()
    g.propose(EU_AUTHORITY, limits_row(per_issuer_per_day_max=5_000), for_s=100)
    registry = g.ledger.registry
    due = registry.next_block_at(g.ledger.now)
    assert due is not None and due > g.ledger.now

    assert registry.next_block_at(due) == due


def test_one_party_has_so_many_batteries_in_a_vehicle() -> None:
    """
    One more is refused by X5, with how many there may be.
    """
    ledger = Ledger(per_issuer_per_block_max=500, per_issuer_per_day_max=5_000)
    car = vehicle(1)
    for number in range(PACKS_PER_PARTY_MAX):
        ledger.happen(MAKER, "battery.produced", battery(number))
        ledger.happen(MAKER, "battery.installed", battery(number), bound_asset=car)
    ledger.happen(MAKER, "battery.produced", battery(999))
    one_more = ledger.attest(MAKER, "battery.installed", battery(999), bound_asset=car)

    with pytest.raises(Refusal) as refused:
        ledger.run(one_more)

    assert refused.value.code == "X5"
    assert str(refused.value) == f"{MAKER} has {PACKS_PER_PARTY_MAX} batteries in this vehicle already"


def test_what_left_a_vehicle_before_it_was_registered_is_not_put_back_in() -> None:
    """
    A vehicle is registered with what is in it then: its author does not take back that a pack had left it.
    """
    ledger, car = Ledger(), vehicle(1)
    one, two = ledger.installed(1, car), ledger.installed(2, car)
    ledger.happen(MAKER, "battery.sold", one, parties=(WORKSHOP,))
    ledger.happen(WORKSHOP, "battery.swapped_out", one, bound_asset=car)
    undo = ledger.standing(one).undo
    assert undo is not None
    ledger.happen(CN_AUTHORITY, "vehicle.registered", two, bound_asset=car)

    with pytest.raises(Refusal) as refused:
        ledger.run(ledger.attest(WORKSHOP, "attestation.corrected", one, references=(undo.attestation,)))

    assert refused.value.code == "depends"
    assert str(refused.value) == "a record about the vehicle rests on it"


def test_a_record_never_holds_what_only_holders_know() -> None:
    """
    The blind of an identifier stays with who knows the identifier.
    """
    known = replace(battery(1), blind=b"\x07" * 32)

    assert plain(known) == battery(1) and plain(known).blind is None
