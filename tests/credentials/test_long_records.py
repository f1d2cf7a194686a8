"""A verdict about a battery with a long record: it says what it said, and shows the newest of it."""

from __future__ import annotations

from credentials.verdicts.record import TIMELINE_MAX, Record
from tests.credentials.test_shown import GOOD, check, judged, placed
from tests.harness.border import World, subject_of
from tests.harness.ledger import WORKSHOP

READINGS = 150


def test_the_newest_statements_are_shown_and_all_are_judged() -> None:
    """
    A reading that no new battery has counts, however many others its holder added since; refusals are shown
    at their places.
    """
    w = World()
    text = placed(w, 1)
    before = judged(w, text, head={"direction": "inland"}, policy_name="recycler", condition="used")
    w.run(*(_reading(w, text, n, 871 if n == 0 else 990) for n in range(READINGS)))
    told = judged(w, text, condition="new")
    ledger = w.view(text)
    leaves = [leaf.leaf_index for leaf in ledger.entries]

    assert before["verdict"] in GOOD
    assert [c["reason"] for c in check(told, "new_not_used")] == ["used_sold_as_new"]
    assert [step["leaf_index"] for step in told["timeline"]] == leaves[-TIMELINE_MAX:]
    assert check(told, "ledger")[0]["evidence"]["entries"] == len(leaves) > READINGS

    second = w.issue(text)
    w.run(w.attested(text, second))
    again = Record.read(w.view(text), w.governance).timeline(w.governance)
    assert (again[-1]["state"], again[-1]["rule"], len(again)) == ("refused", "X1", TIMELINE_MAX)


def _reading(w: World, text: str, n: int, soh_permille: int) -> bytes:
    return w.ledger.attest(
        WORKSHOP,
        "soh.measured",
        subject_of(text),
        document_digest=n.to_bytes(32, "big"),
        quantities={"soh_permille": soh_permille},
    )
