"""The demo as it runs: six processes, one scenario, and what each party may see of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from node.demo import _fresh_folder, scenario
from node.demo.launcher import pss_bytes
from node.demo.play import JSON
from tests.harness.demo_fixture import ROOT, DemoNetwork, ended, running_demo
from tests.harness.parts import require

PSS_BYTES_MAX = 150 * 1024 * 1024

pytestmark = pytest.mark.check


@pytest.fixture(scope="module")
def second(demo: DemoNetwork, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoNetwork]:
    """Another one beside it, until a test kills it."""
    with running_demo(tmp_path_factory.mktemp("second") / "network") as network:
        yield network


def comity(*arguments: str, prefix: tuple[str, ...] = (), **more: object) -> subprocess.CompletedProcess[str]:
    """One command of ours, as a person types it."""
    command = [*prefix, sys.executable, "-m", "node", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=ROOT, **more)  # type: ignore[call-overload, no-any-return]


def test_every_verdict_names_its_dates_height_and_sources(demo: DemoNetwork) -> None:
    """
    Each of the 66 items carries both dates, the ledger height and time, and the age of each source.
    """
    items = demo.desk("customs").get(f"/consignments/{demo.consignment}")["items"]

    assert len(items) == 66
    for line in range(1, 67):
        item = demo.desk("customs").get(f"/consignments/{demo.consignment}/items/{line}")
        assert item["law_date"] == scenario.LAW_DATE
        assert item["evaluated_at"] and item["height"] > 0 and item["block_time"] > 0
        assert item["sources"], f"line {line} names no source"
        assert item["checks"], f"line {line} names no check"


def test_customs_sees_set_1_and_nothing_more(demo: DemoNetwork) -> None:
    """
    The maker's node hands customs the public set by signed request; the other sets are shown as withheld.
    """
    item = demo.desk("customs").get(f"/consignments/{demo.consignment}/items/1")

    assert item["withheld"], "sets 2 to 4 are withheld from customs and the page must say so"
    assert {row["point"] for row in item["withheld"]} <= {2, 3, 4}


def test_a_receipt_verifies_in_a_process_without_network(demo: DemoNetwork, tmp_path: Path) -> None:
    """
    A receipt and its document verify offline; a changed document does not; the exit code tells.
    """
    maker = demo.desk("manufacturer")
    digest = maker.get("/passports")["passports"][-1]["digest"]
    issued = maker.get(f"/passports/{digest}")
    document = maker.get(f"/documents/{issued['sets']['1']}")
    receipt = tmp_path / "battery.tlog-proof"
    receipt.write_text(maker.text(f"/receipts/{digest}"))
    paper = tmp_path / "passport.json"
    paper.write_text(json.dumps(document))
    require("namespaces")
    offline = ("unshare", "--net")
    command = ("receipt", "verify", str(receipt), "--policy", str(demo.log_policy), "--document")

    good = comity(*command, str(paper), prefix=offline)
    document["credentialSubject"]["GeneralProductInformation"]["batteryMass"] = 1.0
    paper.write_text(json.dumps(document))
    bad = comity(*command, str(paper), prefix=offline)

    assert good.returncode == 0, good.stdout + good.stderr
    assert bad.returncode == 1, bad.stdout + bad.stderr
    assert "Traceback" not in bad.stderr


def test_nodes_stay_below_150_mb(demo: DemoNetwork) -> None:
    """
    PSS summed over each node's processes stays below 150 MB after the demo.
    """
    sizes = {key: pss_bytes(node["pid"]) for key, node in demo.state["nodes"].items()}

    print({key: f"{size / 1e6:.0f} MB" for key, size in sizes.items()})
    assert max(sizes.values()) < PSS_BYTES_MAX


def test_peer_routes_take_nothing_unsigned(demo: DemoNetwork) -> None:
    """
    /peer/* refuses a request that no key of genesis signed, with a 4xx and one sentence.
    """
    for key, node in demo.state["nodes"].items():
        for path in ("messages", "blocks", "documents", "status"):
            for body in (b"", b"\xa0", b"\xd2\x84\x40\xa0\x40\x40", os.urandom(400)):
                answer = requests.post(
                    f"{node['url']}/peer/{path}",
                    data=body,
                    headers={"Content-Type": "application/cbor"},
                    timeout=10,
                )
                assert 400 <= answer.status_code < 500, (key, path, answer.status_code, answer.text)
                assert answer.json()["title"]


def test_logs_of_all_nodes_are_one(demo: DemoNetwork) -> None:
    """
    All six nodes, observers too, end with the same log size and root.
    """
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        logs = {(s["log"]["size"], s["log"]["root"]) for s in _statuses(demo)}
        if len(logs) == 1:
            return
        time.sleep(0.2)
    raise AssertionError(f"the nodes do not agree: {logs}")


def _statuses(demo: DemoNetwork) -> list[JSON]:
    return [demo.desk(key).get("/status") for key in demo.state["nodes"]]


def test_the_start_page_opens_three_doors(demo: DemoNetwork) -> None:
    """
    The one printed address has three doors; each leads, by a fresh one-time link, to a page of a live node.
    """
    start = str(demo.state["start"])
    page = requests.get(start, timeout=10).text

    for door in ("customs", "importer", "manufacturer"):
        assert f'href="/door/{door}"' in page
        for _ in range(2):  # a door opens again: each link is made when it is asked for
            with requests.Session() as browser:
                entered = browser.get(f"{start}door/{door}", headers={"Accept": "text/html"}, timeout=20)
                assert entered.status_code == 200
                assert entered.url.endswith(f"/{door}")
                assert "<ol" in entered.text, "a guided story is an ordered list"


def test_a_second_start_needs_no_network_and_half_a_minute(tmp_path: Path) -> None:
    """
    Once .venv is there the demo shows its table within 30 s, in a namespace that has only loopback. With
    --exit --kill-one it ends with 0: every line has its expected verdict, three validators go on within 3 s
    after a SIGKILL, and the killed one catches up.
    """
    require("namespaces")
    script = 'ip link set lo up && exec "$0" -m node demo --data "$1" --exit --kill-one'

    start = time.monotonic()
    run = subprocess.run(
        ["unshare", "--net", "sh", "-c", script, sys.executable, str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        cwd=ROOT,
    )
    seconds = time.monotonic() - start

    print(f"the table came within {seconds:.1f} s")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "All 66 lines, the used pack, the four lives and the report are as expected." in run.stdout
    assert "the same log" in run.stdout


def test_two_clones_run_side_by_side(demo: DemoNetwork, second: DemoNetwork) -> None:
    """
    A second demo beside a running one takes the next free block of ports and gets the same verdicts.
    """
    ports = [{node["url"] for node in one.state["nodes"].values()} for one in (demo, second)]
    verdicts = [
        [
            (item["line"], item["verdict"])
            for item in one.desk("customs").get(f"/consignments/{one.consignment}")["items"]
        ]
        for one in (demo, second)
    ]

    assert not ports[0] & ports[1] and len(ports[1]) == 6
    assert verdicts[0] == verdicts[1] and len(verdicts[1]) == 66
    assert "All 66 lines, the used pack, the four lives and the report are as expected." in second.said()


def test_children_die_with_a_killed_parent(second: DemoNetwork) -> None:
    """
    SIGKILL to the demo takes its six nodes with it.
    """
    os.kill(second.state["pid"], signal.SIGKILL)

    ended([node["pid"] for node in second.state["nodes"].values()])


def test_a_folder_in_which_a_demo_runs_is_left_alone(tmp_path: Path) -> None:
    """
    A second demo in the folder of a running one is refused with one sentence, and takes nothing from it.
    """
    data = tmp_path / "demo"
    with _fresh_folder(data):
        (data / "key").write_text("in use")
        run = comity("demo", "--data", str(data), "--exit")

    assert run.returncode == 70
    assert "a demo is running in" in run.stderr and "--data" in run.stderr
    assert (data / "key").read_text() == "in use"
    _fresh_folder(data).close()
    assert not (data / "key").exists()


def test_a_folder_the_demo_did_not_make_is_left_alone(tmp_path: Path) -> None:
    """
    The demo replaces only what a demo made; another folder is refused with one sentence.
    """
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")

    run = comity("demo", "--data", str(mine), "--exit")

    assert run.returncode == 70
    assert "was not made by the demo" in run.stderr
    assert (mine / "thesis.txt").read_text() == "years of work"
