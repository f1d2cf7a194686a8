"""How far each limit may go: what would stop the network for good is refused, at the founding and later."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from consensus.application import Refusal
from consensus.chain import Timeouts
from credentials.errors import CredentialError
from credentials.ledger.dead_ends import ROOM_BYTES_MIN
from credentials.ledger.limit_bounds import BOUNDS, STEP_MS_MAX
from credentials.ledger.parties import Limits
from tests.credentials.test_proposals import governing, limits_row
from tests.harness.ledger import CUSTOMS, make_genesis


def founding_refused(name: str, value: int) -> str:
    with pytest.raises(CredentialError) as error:
        make_genesis(limits=replace(Limits(), **{name: value}))
    assert error.value.code == "genesis_invalid"
    return error.value.message


def test_every_limit_has_bounds_and_the_usual_one_is_within() -> None:
    """
    A limit that is added without bounds fails here; timeouts end where consensus stops waiting.
    """
    assert BOUNDS.keys() == {f.name for f in fields(Limits)}
    assert all(b.least <= getattr(Limits(), name) <= b.most and b.reason for name, b in BOUNDS.items())
    assert Timeouts().limit_ms == STEP_MS_MAX
    assert all(BOUNDS[name].most <= STEP_MS_MAX for name in BOUNDS if name.startswith("timeout"))


@pytest.mark.parametrize("name", BOUNDS)
def test_a_limit_beyond_its_bounds_is_refused_with_the_reason(name: str) -> None:
    """
    At the founding and when it is proposed, on both sides; the bounds themselves are good.
    """
    bounds, g = BOUNDS[name], governing()
    sentence = f"the limit {name} is a whole number from {bounds.least} to {bounds.most}: {bounds.reason}"
    for value in (bounds.least - 1, bounds.most + 1):
        assert sentence in founding_refused(name, value)
        with pytest.raises(Refusal, match="^" + sentence):
            g.propose(CUSTOMS, limits_row(**{name: value}))
    for value in {bounds.least, bounds.most}:
        make_genesis(limits=replace(Limits(), **{name: value}))
        if value != getattr(Limits(), name) and (name != "block_bytes_max" or value >= ROOM_BYTES_MIN):
            assert g.refused(CUSTOMS, "proposed", g.proposal(limits_row(**{name: value}))) == "admitted"
