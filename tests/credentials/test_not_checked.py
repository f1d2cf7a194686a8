"""What this version does not check looks passed nowhere (I8): certificates, parts, balances, capacities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import cycle, islice
from typing import Any

import pytest

from credentials.verdicts.evidence import At
from credentials.verdicts.policy import CHECKS
from credentials.verdicts.verifier import verify
from tests.credentials.test_pinned_verdicts import DECLARED, SITUATIONS, built, told
from tests.harness.border import CONFIG, LAW_DATE, policy
from tests.harness.pinned import SHARES

POLICIES = sorted(path.stem for path in (CONFIG / "policies").glob("*.toml"))
UNMADE = ("not_checked", "indeterminate")


def verdicts(name: str, one_in: int) -> Iterator[Mapping[str, Any]]:
    """Every situation, as one in so many things declared, and its passport by itself, under one policy."""
    declarations = cycle(DECLARED.values())
    for situation in SITUATIONS:
        w, text = built(situation)
        for declared in islice(declarations, -(-len(DECLARED) // one_in)):
            yield told(w, text, name, declared)
        if text in w.passports:
            document = dict(w.passports[text].credentials[1])
            evidence = w.evidence(text, shown=[document])
            yield verify(document, evidence, policy(name), At(LAW_DATE, w.now)).as_dict()


@pytest.mark.parametrize("one_in", SHARES)
@pytest.mark.parametrize("name", POLICIES)
def test_certificates_and_parts_are_shown_as_not_checked_and_never_as_passed(name: str, one_in: int) -> None:
    """
    X15 stands on every verdict as not checked; X7 of the parts wherever a new battery is asked about, and
    nowhere else; each says so by its rule, and counts among what was not checked.
    """
    seen: Counter[str] = Counter()
    for found in verdicts(name, one_in):
        checks = found["checks"]
        (certificates,) = (c for c in checks if c["name"] == "certificates")
        (parts,) = (c for c in checks if c["name"] == "parts_not_used")
        seen[parts["outcome"]] += 1

        assert (certificates["outcome"], certificates["rule"]) == ("not_checked", "X15")
        assert parts["outcome"] in ("not_checked", "not_applicable")
        assert parts["outcome"] != "not_checked" or parts["reason"] != "ok"
        assert found["unmade"] == len({c["name"] for c in checks if c["outcome"] in UNMADE}) >= 1
        assert not [c for c in checks if c.get("rule") in ("X13", "X14")]

    print(name, dict(seen))
    assert seen["not_checked"]


def test_no_policy_asks_for_what_is_not_built() -> None:
    """
    A policy that required it would never say clear; and no check has the name of a rule that nobody built.
    """
    for name in POLICIES:
        assert not policy(name).required & {"certificates", "parts_not_used"}
    assert not {check for check in CHECKS if "balance" in check or "capacity" in check}
