"""A change that was fine when it was proposed, and lapsed when its turn came: why, on page and by command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from node import governance_words
from node.__main__ import run
from node.words import Words
from tests.harness.governed_node import CN_AUTHORITY, EU_AUTHORITY, proposal_of, served_node
from tests.harness.support_service import PASSPHRASE
from tests.node.test_pages import page

WHY = "what it was written for had changed: it can be made again"


@pytest.mark.parametrize("code", [*governance_words.REASONS, "of_a_later_version"])
def test_each_reason_has_a_sentence_and_one_of_a_later_version_is_shown_as_it_is(code: str) -> None:
    """
    Whoever reads why a change is over reads a sentence, and never a code that this version knows.
    """
    told = governance_words._reason(Words("en", lambda _: {}), code)

    assert told is not None and told["code"] == code and told["next"]
    assert (told["text"] == code) == (code not in governance_words.REASONS)


@pytest.mark.check
def test_what_lapsed_says_why_on_its_page_and_by_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Two proposals for one record, each fine; one is decided, and the other is over with the reason.
    """
    monkeypatch.setenv("COMITY_PASSPHRASE", PASSPHRASE)
    with served_node(tmp_path) as (g, address):
        first, second = proposal_of(g, CN_AUTHORITY, 555), proposal_of(g, CN_AUTHORITY, 556)
        assert g.proposal(first)["problem"] is None

        g.act(EU_AUTHORITY, "approved", second)

        assert g.until_over(second)["outcome"] == "decided"
        over = g.until_over(first)
        assert (over["outcome"], over["reason"]["code"]) == ("lapsed", "base_changed")
        assert WHY in page(g.node, f"/governance/proposals/{first}").text
        told = {}
        for more in ([], ["--json"]):
            words = ["network", "show", first, *more, "--node", address, "--key", g.node.operator_key]
            assert run(words) == 0
            told[len(more)] = str(capsys.readouterr().out)
        assert WHY in told[0]
        assert json.loads(told[1])["reason"]["code"] == "base_changed"
        assert g.decided()["limits"]["per_issuer_per_day_max"] == 556
