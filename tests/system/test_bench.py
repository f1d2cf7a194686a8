"""The bench harness: rounds in turn, honest medians, and rows that measure what they say."""

import json
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from credentials.errors import CredentialError
from tests.bench import attestation, before, office, passport, plots, ratios, starts, suites
from tests.bench.harness import Batch, Comparison, NotMeasured, compare, percentile
from tests.harness.interop.documents import PROOFS
from tests.harness.interop.joserfc import ALGORITHMS
from tests.harness.parts import missing, require


def test_what_grows_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An SVG with a line for each figure that begins at once its first value, and what it came to beside it.
    """
    monkeypatch.setattr(plots, "FOLDER", tmp_path / "plots")
    path = plots.draw(
        "g", "What <grows>", [10, 100, 1_000], {"open": [2.0, 2.0, 3.0], "scan": [1.0, 2.0, 4.0]}
    )

    drawing = ElementTree.parse(path).getroot()
    lines = [one for one in drawing if one.tag.endswith("polyline")]
    told = {one.text for one in drawing if one.tag.endswith("text")}
    assert len(lines) == 2 and all(len(one.attrib["points"].split()) == 3 for one in lines)
    assert {"What <grows>", "10", "100", "1,000", "open 1.50x", "scan 4.00x", "4x"} <= told


def test_rounds_alternate_and_medians_are_compared() -> None:
    """
    Two sides run A B A B, the first round is not counted, and the ratio is that of neighbouring rounds.
    """
    order: list[str] = []

    def side(name: str, seconds: float) -> Batch:
        def batch(count: int) -> float:
            order.append(name)
            return count * seconds

        return batch

    comparison = compare({"a": side("a", 0.25), "b": side("b", 0.5)}, rounds=3, seconds=1.0)

    assert order[-8:] == ["a", "b"] * 4
    assert comparison.rates == ((4.0,) * 3, (2.0,) * 3)
    assert comparison.ratios == (2.0, 2.0, 2.0)
    assert "a 4/s, b 2/s, ratio 2.00" in comparison.text()


def test_the_ratio_is_of_rounds_not_of_medians() -> None:
    """
    A machine that slows down half-way changes both sides and not the ratio.
    """
    slowing = Comparison(("a", "b"), ((40.0, 20.0, 10.0), (20.0, 10.0, 5.0)))

    assert slowing.ratios == (2.0, 2.0, 2.0)
    assert slowing.medians == (20.0, 10.0)


@pytest.mark.parametrize("share,expected", [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.001, 1.0)])
def test_percentiles_are_nearest_rank(share: float, expected: float) -> None:
    """
    p99 of a hundred values is the ninety-ninth, not an interpolation.
    """
    assert percentile([float(number) for number in range(100, 0, -1)], share) == expected


def test_the_timed_passport_is_verified_in_earnest() -> None:
    """
    What the first row times accepts the passport and refuses an altered one.
    """
    document = passport.passport()

    passport.verify(json.dumps(document).encode())

    with pytest.raises(CredentialError):
        passport.verify(json.dumps(passport.altered(document)).encode())


def test_the_timed_attestation_is_verified_in_earnest() -> None:
    """
    The second row measures, and its own check of an altered attestation passes.
    """
    name, comparison = attestation.measure(rounds=1, seconds=0.01)

    assert "attestation" in name
    assert all(rate > 0 for rates in comparison.rates for rate in rates)


@pytest.mark.check
def test_our_passport_verifies_in_digitalbazaar_vc() -> None:
    """
    @digitalbazaar/vc, another party's code, verifies a passport signed here and refuses an altered one.
    """
    require("node")
    require("npm")
    document = passport.passport()
    try:
        with passport.digitalbazaar(document) as (_, answer):
            assert answer == {"verified": True, "error": None}
        with passport.digitalbazaar(passport.altered(document)) as (_, answer):
            assert answer["verified"] is False
    except NotMeasured as reason:
        missing(str(reason))


@pytest.mark.check
def test_rows_of_suites() -> None:
    """
    Verify and issue, passport and conformity credential: measured for every suite beside each partner that
    knows it: openvc-core does not for P-384 on RDF of a passport, and joserfc knows JWTs only.
    """
    require("node")
    require("npm")

    rows = list(suites.measure(rounds=1, seconds=0.001))

    assert all(rate > 0 for _, comparison in rows for rates in comparison.rates for rate in rates)
    measured = Counter((name.split(" ", 1)[0], comparison.names[1]) for name, comparison in rows)
    assert measured == {
        (work, partner): count
        for work in ("verify", "issue")
        for partner, count in (("@digitalbazaar/vc", 12), ("openvc-core", 11), ("joserfc", 8))
    }


@pytest.mark.parametrize(
    ("here", "said"), [((110.0, 115.0, 300.0), "+15.0%"), ((110.0, 116.0, 300.0), "+16.0%")]
)
def test_a_block_is_compared_with_the_code_of_before_in_turn(
    here: tuple[float, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The growth is that of the pair in the middle, and the row says on which side of the bound it lies.
    """
    sides = {before.ROOT: iter(here)}
    there = iter([100.0] * 4)  # the first is not counted
    order: list[bool] = []

    def by(tree: Path, what: str, count: float) -> float:
        assert what == "block"
        order.append(tree == before.ROOT)
        return next(sides.get(tree, there))

    monkeypatch.setattr(before, "_by", by)
    row = before.measure(count=1, pairs=3)

    assert order == [False] + [False, True] * 3
    assert said in row and ("BEYOND" in row) == (said != "+15.0%")


def test_the_blocks_that_are_compared_are_executed() -> None:
    """
    By the code that is on the path: this one's.
    """
    assert before.once(2) > 0


def test_a_suite_that_lost_in_every_pair_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    In turn with the code of before; one that lost in some pairs only is within the spread of its rounds.
    """
    here = iter([{"issue": 9.0, "verify": 12.0, "new": 1.0}, {"issue": 12.0, "verify": 11.0, "new": 1.0}])

    def by(tree: Path, what: str, seconds: float) -> dict[str, float]:
        assert what == "suites"
        return next(here) if tree == before.ROOT else {"issue": 10.0, "verify": 10.0}

    monkeypatch.setattr(before, "_by", by)
    issue, verify, new = before.measure_suites(seconds=0.1, pairs=2)

    assert issue.startswith("issue: ") and "(-10.0% to +20.0%)" in issue and "LOST" not in issue
    assert verify.startswith("verify: ") and verify.endswith("(+10.0% to +20.0%), LOST")
    assert new == f"new: not compared, {before.BEFORE} has none"


def test_every_suite_is_compared_with_the_code_of_before() -> None:
    """
    Issued and verified, a passport and a conformity credential with each, and an attestation verified.
    """
    found = before.each(1e-6)

    assert len(found) == 1 + 2 * 2 * (len(PROOFS) + len(ALGORITHMS)) and min(found.values()) > 0


@pytest.mark.check
def test_rows_of_the_office() -> None:
    """
    Passports alone and in a batch, a manifest and its readiness: each row measured, beside its floor.
    """
    issued, cleared = office.issuing(single=2, batches=1), office.clearance(lines=3)

    assert [row.partition(":")[0] for row in issued] == [
        "POST /passports",
        "POST /passports by 5 at once",
        "batches of 250",
    ]
    assert [row.partition(":")[0] for row in cleared] == ["3 fresh lines", "their readiness"]
    assert all("/s, " in row and "times its signatures" in row for row in (*issued, cleared[0]))


@pytest.mark.check
def test_rows_of_starts() -> None:
    """
    A real receipt is verified; each command stands beside the floor of its language, with its peak.
    """
    rows = starts.starts(rounds=1)

    assert [row.partition(":")[0] for row in rows] == ["cold comity --help", "cold comity receipt verify"]
    assert all("times python -c pass" in row and "MB; aim" in row for row in rows)


def test_a_ratio_that_fell_is_named_and_what_was_not_compared_is_told(tmp_path: Path) -> None:
    """
    By more than a tenth against the run that was kept; a row that is new, or was kept and is not measured,
    has not passed. Keeping a part of the rows leaves the others as they were.
    """
    file = tmp_path / "ratios.json"
    assert ratios.kept(file) == {}
    ratios.keep("a machine", {"fell": 2.0, "wide": 2.0, "held": 1.0, "gone": 3.0}, file)

    now = {"fell": 1.79, "wide": 1.79, "held": 0.9, "new": 5.0}
    lines = ratios.told(now, ratios.kept(file), now | {"fell": 1.99, "wide": 2.0})
    assert lines == [
        "REGRESSION, beyond the spread of its rounds: fell: ratio 1.79, kept 2 (-10%)",
        "REGRESSION, within the spread of its rounds: wide: ratio 1.79, kept 2 (-10%)",
        "3 ratios compared with those kept: 2 fell by more than 10%",
        "1 not kept: new",
        "1 not measured: gone",
    ]
    ratios.keep("a machine", {"fell": 1.79}, file)
    assert ratios.kept(file) == {"fell": 1.79, "wide": 2.0, "gone": 3.0, "held": 1.0}
    assert all(ratio > 0 for ratio in ratios.kept().values())  # the file of this folder
