"""A change that was fine when it was proposed, and lapsed when its turn came: why, on page and by command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from node.__main__ import run
from tests.harness.governed_node import CN_AUTHORITY, EU_AUTHORITY, proposal_of, served_node
from tests.harness.support_service import PASSPHRASE
from tests.node.test_pages import page

WHY = "what it was written for had changed: it can be made again"


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
