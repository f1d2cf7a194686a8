"""A batch of passports: each line as by itself, on disk together; a kill loses nothing that was told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.issuing.passport_orders import ISSUED_TOGETHER, Issued, Order
from node.storage.database import part_of
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.restarts import Maker, maker
from tests.harness.support_service import LiveNode, live_node
from tests.system.test_structure import ROOT

NDJSON = "application/x-ndjson"
JSON = dict[str, Any]
KILLED_BATCH = 2 * ISSUED_TOGETHER

ISSUING = """
import os, signal, sys
from pathlib import Path
from node.issuing.passport_orders import Order
from node.storage.issuances import IssuanceTable
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.restarts import Maker

root, count, killed_at = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
proper, stored = IssuanceTable.put, 0

def put(*given):
    global stored
    number = proper(*given)
    stored += 1
    if stored == killed_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return number

IssuanceTable.put = staticmethod(put)
made = Maker(root)
made.start()
made.wait_open()
orders = (Order(claims_of(n), code_of(n), f"key {n}") for n in range(1, count + 1))
for one in made.up.passports.issue_many(orders):
    print(one.digest.hex(), flush=True)
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("batch")) as running:
        yield running


def order(serial: int, **members: Any) -> JSON:
    return {"code": code_of(serial), "claims": claims_of(serial), **members}


def send(node: LiveNode, *lines: JSON | bytes, language: str = "en") -> list[JSON]:
    body = b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in lines)
    headers = {**node.bearer, "Content-Type": NDJSON, "Accept-Language": language}
    answer = node.client.post("/passports/batch", data=body, headers=headers)
    assert answer.status_code == 200 and answer.mimetype == NDJSON, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_each_line_is_answered_as_by_itself(node: LiveNode) -> None:
    """
    What is signed, repeated in the same batch, refused and no JSON: a line each, in order; a refusal is the
    problem that a single request is told, in the caller's language, and refuses no other line.
    """
    gap = claims_of(103)
    del gap["MaterialComposition"]
    wrong = {"code": code_of(104), "claims": {"another": "model"}}
    lines: list[JSON | bytes] = [order(101), order(102, idempotency_key="k"), order(101), b"{", wrong]
    lines += [order(103, strict=True) | {"claims": gap}, order(105, idempotency_key="k"), b"", order(106)]

    told = send(node, *lines)
    single = node.post_json("/passports", wrong)
    chinese = send(node, wrong, language="zh")[0]["problem"]

    assert [one["line"] for one in told] == list(range(1, 10))
    assert [one["status"] for one in told] == [201, 201, 200, 400, 422, 422, 409, 400, 201]
    assert told[2] == {**told[0], "line": 3, "status": 200}
    assert told[4]["problem"] == single.get_json(force=True) and told[4]["digest"] is None
    assert told[5]["problem"]["code"] == "passport_incomplete"
    assert told[6]["problem"]["code"] == "idempotency_key_reused" and told[6]["problem"]["next"]
    assert chinese["code"] == told[4]["problem"]["code"] and chinese["next"] != told[4]["problem"]["next"]
    assert all(one["problem"] is None for one in told if one["status"] < 300)


def test_a_batch_and_single_requests_know_each_other(node: LiveNode) -> None:
    """
    What a batch issued, a single request gives again and the other way round: one digest, one version, all of
    it recorded with a receipt; the credentials verify.
    """
    alone = node.post_json("/passports", order(111)).get_json()
    told = send(node, order(111), order(112))
    again = node.post_json("/passports", order(112))
    node.wait_quiet()
    progress = node.get_json(f"/passports/{told[1]['digest']}")

    assert told[0]["digest"] == alone["digest"] and told[0]["status"] == 200
    assert again.status_code == 200 and again.get_json()["digest"] == told[1]["digest"]
    assert progress["attested"] == "admitted" and progress["receipted_at"]
    credential = again.get_json()["credentials"]["1"]
    assert node.service.vc_api.verify_credential(credential).verified


def test_what_is_no_batch_is_refused_as_a_whole(node: LiveNode) -> None:
    """
    Nothing, more than a thousand lines, another content type or a key for all of them: refused before
    anything is signed.
    """
    before = node.service.passports.page(1)

    def post(body: bytes, **headers: str) -> JSON:
        sent = {**node.bearer, "Content-Type": NDJSON, **headers}
        answer = node.client.post("/passports/batch", data=body, headers=sent)
        return {"status": answer.status_code, **answer.get_json(force=True)}

    line = json.dumps(order(121)).encode() + b"\n"
    told = [post(b""), post(b"{}\n" * 1_001), post(line, **{"Idempotency-Key": "k"})]
    told.append(post(line, **{"Content-Type": "application/json"}))
    stranger = node.client.post("/passports/batch", data=line, headers={"Content-Type": NDJSON})

    assert [one["code"] for one in told] == [*["batch_malformed"] * 3, "wrong_content_type"]
    assert all(one["fault"] == "caller" and one["next"] for one in told[:3])
    assert stranger.status_code == 401
    assert node.service.passports.page(1) == before


def test_batches_at_once_leave_threads_to_others(node: LiveNode) -> None:
    """
    One at a time: while one is being issued another one is told to come again, and nothing of it is kept; a
    single passport is issued beside it.
    """
    line = json.dumps(order(191)).encode() + b"\n"

    def post() -> Any:
        headers = {**node.bearer, "Content-Type": NDJSON}
        return node.client.post("/passports/batch", data=line, headers=headers)

    with node.service.passports.batch():
        refused = post()
        single = node.post_json("/passports", order(192))
    told = refused.get_json(force=True)

    assert (refused.status_code, told["code"], told["fault"]) == (503, "busy", "node") and told["next"]
    assert single.status_code == 201
    assert json.loads(post().text)["status"] == 201, "of the one that was refused nothing was kept"


def test_a_batch_is_few_transactions(node: LiveNode) -> None:
    """
    The lines of a batch are on disk together, thirty-two at a time; a request each is a transaction each.
    """
    begun: list[str] = []
    connection = node.service.stores.office._db.connection
    send(node, order(130))
    connection.set_trace_callback(lambda text: begun.append(text) if text == "BEGIN IMMEDIATE" else None)
    told = send(node, *(order(n) for n in range(131, 131 + ISSUED_TOGETHER + 2)))
    connection.set_trace_callback(None)

    assert {one["status"] for one in told} == {201}
    assert len(begun) == 2


def test_a_part_that_fails_takes_nothing_else_along(node: LiveNode) -> None:
    """
    What is raised in one part of a transaction leaves what was written before and after it.
    """
    office = node.service.stores.office
    with office.writing() as db:
        office._db.remember(db, "first", b"1")
        with pytest.raises(ValueError, match="the second"), part_of(db):
            office._db.remember(db, "second", b"2")
            raise ValueError("the second")
        with part_of(db):
            office._db.remember(db, "third", b"3")

    kept = [office._db.remembered(name) for name in ("first", "second", "third")]

    assert kept == [b"1", None, b"3"]


@pytest.mark.check
@pytest.mark.parametrize("killed_at", [8, ISSUED_TOGETHER + 8])
def test_a_kill_in_the_middle_loses_nothing_that_was_told(tmp_path: Path, killed_at: int) -> None:
    """
    kill -9 while a part of a batch is written: what was told is there after a start, of that part nothing
    is, and the same batch again gives the same passports and the others, each with a place of its own.
    """
    whole = (killed_at - 1) // ISSUED_TOGETHER * ISSUED_TOGETHER
    with maker(tmp_path) as node:
        ran = subprocess.run(
            [sys.executable, "-c", ISSUING, str(tmp_path), str(KILLED_BATCH), str(killed_at)],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        assert ran.returncode == -9, ran.stderr[-2_000:]
        told = ran.stdout.split()
        node.start()
        node.wait_open()
        kept = {row["digest"] for row in node.up.passports.page(1_000)}
        again = _again(node)
        node.wait_quiet()
        rows = node.up.stores.office.issuances.page(1_000, None)
        states = {row["attested"] for row in node.up.passports.page(1_000)}

    assert len(told) == len(kept) == whole
    assert again[:whole] == [(digest, False) for digest in told]
    assert all(signed for _, signed in again[whole:])
    assert len({row.battery for row in rows}) == len({row.status_index for row in rows}) == KILLED_BATCH
    assert len(rows) == KILLED_BATCH and states == {"admitted"}


def _again(node: Maker) -> list[tuple[str, bool]]:
    """The same batch: the digest of each, and whether it was signed only now."""
    orders = (Order(claims_of(n), code_of(n), f"key {n}") for n in range(1, KILLED_BATCH + 1))
    made = [one for one in node.up.passports.issue_many(orders) if isinstance(one, Issued)]
    return [(one.digest.hex(), one.credentials is not None) for one in made]
