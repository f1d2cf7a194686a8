"""The typed client of a maker, and the command line over it: sheets, back-pressure, receipts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from consensus.receipt import Receipt
from node.__main__ import run
from node.cli import watch_folder
from node.errors import ProblemError
from node.maker_client import TRIES_MAX, MakerClient
from node.node_client import Client
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.support_service import LiveNode, live_node, serving
from tests.node.test_jobs import model_of, row_of, sheet
from tests.system.test_readme import block_after
from tests.system.test_structure import ROOT

SAMPLE = ROOT / "config" / "demo" / "plausible-ev-nmc.batterypass-1.2.json"
ROWS = 5


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("maker")) as running:
        yield running


@pytest.fixture(scope="module")
def url(node: LiveNode) -> Iterator[str]:
    with serving(node) as address:
        yield address


def test_the_program_of_readme_issues_and_fetches_receipts(
    node: LiveNode, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The lines of README, with fewer rows: each battery has a receipt in a file, and nothing is refused.
    """
    program = block_after("thousand-passports")
    (tmp_path / "maker").mkdir()
    (tmp_path / "maker" / "operator.key").write_text(node.operator_key)
    (tmp_path / "sample.json").write_bytes(SAMPLE.read_bytes())
    monkeypatch.chdir(tmp_path)
    fewer = program.replace("http://127.0.0.1:8401", url).replace("1001", str(ROWS + 1))

    assert len(program.splitlines()) <= 26 and fewer.count(url) == 1
    exec(compile(fewer, "README.md", "exec"), {})
    receipts = sorted(tmp_path.glob("*.tlog-proof"))

    assert len(receipts) == ROWS and all(one.name.startswith("ZZ1PE75QH00001G6H") for one in receipts)
    assert all(Receipt.parse(one.read_text()) for one in receipts)


def command(url: str, node: LiveNode, *arguments: str) -> int:
    return run(["issue", *arguments, "--node", url, "--key", node.operator_key])


def test_a_watched_folder_takes_each_sheet_once(
    node: LiveNode, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A whole sheet is issued and moved; refused rows and a sheet that is none come with their reasons; a part
    is left alone. Ended after the node took it and before it was moved, it is the same job at the next start.
    """
    monkeypatch.setattr(watch_folder, "SETTLED_S", 0.05)
    node.post_json("/models", model_of())
    good, bad = sheet([row_of(7_001), row_of(7_002)]), sheet([row_of(7_003), row_of(7_004, mass="heavy")])
    for name, data in {
        "good.csv": good,
        "bad.csv": bad,
        "none.csv": b"code,price\nx,1\n",
        "half.csv.part": good,
    }.items():
        (tmp_path / name).write_bytes(data)

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    def jobs() -> int:
        return len(node.get_json("/jobs")["jobs"]) - before

    before = len(node.get_json("/jobs")["jobs"])

    with monkeypatch.context() as patched:
        patched.setattr(watch_folder.WatchedFolder, "_move", ended)
        assert command(url, node, "--watch", str(tmp_path), "--once", "--model", "P75") != 0
    assert (tmp_path / "good.csv").exists() and jobs() == 1
    assert command(url, node, "--watch", str(tmp_path), "--once", "--model", "P75") == 0

    there = {str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*") if one.is_file()}
    refused = {"refused/bad.csv", "refused/bad.csv.rows.csv", "refused/none.csv", "refused/none.csv.why.txt"}
    assert there == {"done/good.csv", "half.csv.part"} | refused
    assert "heavy" in (tmp_path / "refused" / "bad.csv.rows.csv").read_text()
    assert "price" in (tmp_path / "refused" / "none.csv.why.txt").read_text()
    assert jobs() == 2
    (tmp_path / "good.csv").write_bytes(good)
    assert command(url, node, "--watch", str(tmp_path), "--once", "--model", "P75") == 0
    assert (tmp_path / "done" / "good (2).csv").exists() and jobs() == 2
    assert command(url, node, "--watch", str(tmp_path), "--once", "--model", "unknown") != 0


def test_the_command_acts_on_many_after_a_look(
    node: LiveNode, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    What is reached and what is not is printed before anything is said; the exit code tells of the rest.
    """
    node.post_json("/models", model_of())
    (tmp_path / "a.csv").write_bytes(sheet([row_of(7_101)]))
    assert command(url, node, "--from", str(tmp_path / "a.csv"), "--model", "P75", "--wait") == 0
    (tmp_path / "codes.csv").write_text(f"code\n{code_of(7_101)}\n{code_of(7_102)}\n")
    named = [
        "--codes",
        str(tmp_path / "codes.csv"),
        "--reason",
        "a leak",
        "--failed",
        str(tmp_path / "f.csv"),
    ]

    code = run(["bulk", "suspend", *named, "--yes", "--node", url, "--key", node.operator_key])

    told = capsys.readouterr().out
    assert code == 1 and "reached  1 reached, 1 not reached" in told
    assert "done     1 said, 1 with a receipt" in told
    assert code_of(7_102) in (tmp_path / "f.csv").read_text()

    there = ["--begins", code_of(7_101), "--reason", "another batch", "--yes"]
    asked = ["--node", url, "--key", node.operator_key]
    assert run(["bulk", "recall", *there, *asked]) == 0
    node.wait_quiet()
    assert run(["bulk", "correct", "--statement", "battery.recalled", *there, *asked]) == 0
    assert capsys.readouterr().out.count("done     1 said, 1 with a receipt") == 2
    assert run(["bulk", "correct", *there, *asked]) != 0
    assert "`statement` is what is corrected" in capsys.readouterr().err


def test_the_command_issues_a_sheet_and_writes_what_was_refused(
    node: LiveNode, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    A dry run, then the sheet: the refused row is told with its cell and step, the exit code says so, the file
    of refused rows is corrected and issued by its model's name; with a JSON file as the model, once.
    """
    rows, model, wrong = tmp_path / "rows.csv", tmp_path / "model.json", tmp_path / "wrong.csv"
    rows.write_bytes(sheet([row_of(301), row_of(302, mass="heavy"), row_of(303)]))
    model.write_text(json.dumps(model_of("by file")))
    sent = ["--from", str(rows), "--model", str(model)]

    tried = command(url, node, *sent, "--dry-run")
    issued = command(url, node, *sent, "--failed", str(wrong), "--wait")
    told = capsys.readouterr().out
    found = list(csv.reader(io.StringIO(wrong.read_bytes().decode("utf-8-sig"))))
    wrong.write_text(wrong.read_text("utf-8-sig").replace("heavy", "450"))
    corrected = command(url, node, "--from", str(wrong), "--model", "by file")
    usage = command(url, node, "--dry-run", str(model))

    assert (tried, issued, corrected, usage) == (1, 1, 0, 64)
    assert "2 would be signed, 1 refused" in told and "2 signed, 1 refused, 2 with a receipt" in told
    assert "Mass (kg): heavy is no number" in told.replace("Heavy", "heavy") and code_of(302) in told
    assert found[1][0] == code_of(302)


class _Busy(Client):
    """A node that is full for a while: it says when to come again, or does not answer."""

    def get(self, path: str) -> dict[str, Any]:
        answers = _ANSWERS.pop(0) if _ANSWERS else None
        if answers is not None:
            raise answers
        return {"path": path}


_ANSWERS: list[ProblemError] = []


def test_who_is_told_when_to_come_again_comes_again_then(node: LiveNode, url: str) -> None:
    """
    After the time that the node names, later each time where it names none; not for a refusal, and not for
    ever.
    """
    waited: list[float] = []
    client = MakerClient(_Busy(url, None), waited.append)
    strange = ProblemError(503, "unreachable", "Not reachable", "no node answers")
    with node.service.jobs._sheets.turn(), pytest.raises(ProblemError) as full:
        MakerClient(Client(url, node.operator_key), waited.append).issue_sheet(b"code\n1\n", key="k")

    assert full.value.code == "busy" and waited == [2] * (TRIES_MAX - 1)
    waited.clear()
    _ANSWERS[:] = [full.value, strange, strange]
    client.job("x")
    first = waited.copy()
    _ANSWERS[:] = [ProblemError(404, "job_unknown", "Not found", "none")]
    with pytest.raises(ProblemError, match="none"):
        client.job("x")
    _ANSWERS[:] = [strange] * TRIES_MAX
    with pytest.raises(ProblemError, match="no node answers"):
        client.job("x")

    assert first == [2, 2.0, 4.0]
    assert len(waited) == len(first) + TRIES_MAX - 1


def test_one_passport_is_issued_and_given_again(node: LiveNode, url: str) -> None:
    """
    The same claims again give the same passport, and its receipt is fetched by its digest.
    """
    maker = MakerClient(Client(url, node.operator_key))
    made = maker.issue(code_of(401), claims_of(401))
    again = maker.issue(code_of(401), claims_of(401))
    node.wait_quiet()

    assert again["digest"] == made["digest"] and Receipt.parse(maker.receipt(made["digest"]))


@pytest.mark.parametrize(
    ("status", "again"), [(429, True), (503, True), (430, False), (500, False), (404, False)]
)
def test_who_is_busy_is_asked_again_and_nobody_else(status: int, again: bool) -> None:
    """
    Where a node has no room or does not answer, a few times, each after a longer pause; a refusal is one.
    """
    pauses: list[float] = []
    asked: list[int] = []

    def ask() -> int:
        asked.append(1)
        raise ProblemError(status, "busy", "Come again", "later")

    with pytest.raises(ProblemError):
        MakerClient(cast(Any, None), pauses.append)._again(ask)

    assert len(asked) == (TRIES_MAX if again else 1) == len(pauses) + 1
    assert pauses == sorted(set(pauses))
