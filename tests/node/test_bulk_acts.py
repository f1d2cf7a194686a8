"""A life after issue, in bulk: what an act reaches is looked at first, and only that is done, once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from credentials.documents.canonical import b64u
from tests.harness.net.batteries import code_of
from tests.harness.support_service import LiveNode, live_node
from tests.node.test_jobs import CSV, done, model_of, row_of, sheet

JSON = dict[str, Any]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("bulk")) as running:
        assert running.post_json("/models", model_of()).status_code == 200
        yield running


def issued(node: LiveNode, *serials: int) -> JSON:
    """The job that issued these passports, with its receipts."""
    job, rows = done(node, sheet([row_of(n) for n in serials]))
    assert {row["state"] for row in rows} == {"signed"}, rows
    return finished(node, job["id"])


def finished(node: LiveNode, id: str) -> JSON:
    node.wait(lambda: node.get_json(f"/jobs/{id}")["finished"], "the job")
    job: JSON = node.get_json(f"/jobs/{id}")
    return job


def looked_at(node: LiveNode, query: str, codes: bytes = b"") -> tuple[JSON, list[JSON]]:
    answer = node.post_raw(f"/jobs/acts?{query}", codes, CSV)
    assert answer.status_code == 202, answer.text
    job = finished(node, answer.get_json()["id"])
    return job, node.get_json(f"/jobs/{job['id']}/rows")["rows"]


def carried_out(node: LiveNode, preview: JSON) -> tuple[JSON, list[JSON]]:
    answer = node.post_json(f"/jobs/{preview['id']}/carry-out", {})
    assert answer.status_code == 202, answer.text
    job = finished(node, answer.get_json()["id"])
    return job, node.get_json(f"/jobs/{job['id']}/rows")["rows"]


def standing(node: LiveNode, serial: int) -> JSON:
    told: JSON = node.get_json(f"/batteries/{code_of(serial)}")["standing"]
    return told


def codes(*named: str) -> bytes:
    return "\n".join(["code,remark", *(f"{one},x" for one in named)]).encode()


def test_a_batch_is_suspended_reinstated_and_revoked(node: LiveNode) -> None:
    """
    The passports of a job are tried first, and nothing is said; carried out, each has its statement with its
    receipt, and asking again is the same job; the opposite act and the final one go the same way.
    """
    batch = issued(node, 1, 2, 3)

    for act, publication in (("suspend", "suspended"), ("reinstate", "live"), ("revoke", "revoked")):
        before = node.service.stores.office.outbox.counts(), standing(node, 1)
        preview, _ = looked_at(node, f"act={act}&reason=a+cell+leaks&job={batch['id']}")
        assert (preview["dry_run"], preview["counts"]) == (True, {"checked": 3})
        assert (node.service.stores.office.outbox.counts(), standing(node, 1)) == before
        job, rows = carried_out(node, preview)
        assert (job["counts"], job["on_ledger"]) == ({"signed": 3}, {"receipted": 3}), act
        assert all(node.get(f"/receipts/{row['digest']}").status_code == 200 for row in rows)
        again = node.post_json(f"/jobs/{preview['id']}/carry-out", {})
        assert (again.status_code, again.get_json()["id"]) == (200, job["id"])
        node.wait_quiet()
        shown = [standing(node, n) for n in (1, 2, 3)]
        assert [one["passport"]["status"] for one in shown] == [publication] * 3, act


def test_what_cannot_be_reached_says_why_and_comes_back(node: LiveNode) -> None:
    """
    A sheet of codes: what is so already is told as said before, a stranger's battery and no code with their
    reasons, a code twice once; the refused rows come back as a sheet with them.
    """
    lines = node.post_raw("/jobs/acts?act=recall&reason=x", b'{"code": "x"}\n', CSV)
    assert (lines.status_code, lines.get_json()["code"]) == (400, "sheet_malformed")
    issued(node, 11, 12)
    first, _ = looked_at(node, "act=recall&reason=cells+swell", codes(code_of(11)))
    carried_out(node, first)

    named = codes(code_of(11), code_of(12), code_of(12), code_of(99), "no code at all", "")
    preview, rows = looked_at(node, "act=recall&reason=cells+swell", named)
    job, acted = carried_out(node, preview)

    assert [row["state"] for row in rows[:2]] == ["repeated", "checked"]
    assert rows[2]["problem"]["code"] == "code_repeated"
    assert all(row["state"] == "refused" and row["problem"]["next"] for row in rows[2:])
    assert (job["counts"], len(acted)) == ({"signed": 1}, 1)
    assert standing(node, 11)["recalled"] and standing(node, 12)["recalled"]
    back = node.get(f"/jobs/{preview['id']}/failed").text.lstrip("\ufeff").splitlines()
    assert back[0] == "code,remark,problem_cell,problem,what_to_do" and len(back) == 1 + len(rows) - 2
    lifted, _ = looked_at(node, "act=lift_recall&reason=they+were+exchanged", codes(code_of(11)))
    carried_out(node, lifted)
    assert not standing(node, 11)["recalled"] and standing(node, 12)["recalled"]


def test_batteries_are_named_by_beginning_and_days(node: LiveNode) -> None:
    """
    Own passports whose code begins so and that were produced on these days are reached, and no other; what
    names none, two ways at once, or no reason, is refused before anything is kept.
    """
    issued(node, 21, 22)
    day = node.service.batteries._issuing.signing.identifier(code_of(21)).manufactured
    assert day is not None and day[2]
    made = "{:04}-{:02}-{:02}".format(*day)

    only, _ = looked_at(node, f"act=suspend&reason=x&begins={code_of(21)}&made_from={made}&made_until={made}")
    assert only["counts"] == {"checked": 1}
    for query, body, code in [
        ("act=suspend&reason=x&begins=ZZ9", b"", "nothing_reached"),
        (f"act=suspend&reason=x&begins={code_of(21)}&made_until=2001-01-01", b"", "nothing_reached"),
        ("act=suspend&reason=x", b"", "bad_argument"),
        ("act=suspend&reason=x&begins=ZZ1", codes(code_of(21)), "bad_argument"),
        ("act=suspend&begins=ZZ1", b"", "bad_argument"),
        ("act=melt&reason=x&begins=ZZ1", b"", "bad_argument"),
        ("act=suspend&reason=x&begins=ZZ1&made_from=today", b"", "bad_argument"),
        ("act=suspend&reason=x&job=nobody", b"", "job_unknown"),
    ]:
        answer = node.post_raw(f"/jobs/acts?{query}", body, CSV).get_json()
        assert answer["code"] == code, (query, answer)
    refused = node.post_json(f"/jobs/{issued(node, 23)['id']}/carry-out", {}).get_json()
    assert refused["code"] == "not_looked_at"


def test_a_sheet_of_new_versions_replaces_what_there_is(node: LiveNode) -> None:
    """
    Each row is a new version of the passport that its battery has; with the same claims nothing is signed, a
    battery without one is refused, and going back to what it once said is a version of its own.
    """
    issued(node, 31, 32)

    def versions(*rows: list[str]) -> list[JSON]:
        job, _ = done(node, sheet(rows), "model=P75&versions=1")
        finished(node, job["id"])
        told: list[JSON] = node.get_json(f"/jobs/{job['id']}/rows")["rows"]
        return told

    changed, same, none = versions(row_of(31, mass="450"), row_of(32), row_of(33))
    [back] = versions(row_of(31))

    assert (changed["state"], changed["version"], changed["attested"]) == ("signed", 2, "admitted")
    assert (same["state"], same["version"]) == ("repeated", 1)
    assert none["problem"]["code"] == "no_passport_stands"
    assert (back["state"], back["version"]) == ("signed", 3)
    assert standing(node, 31)["passport"]["version"] == 3


def test_statements_are_corrected_together(node: LiveNode) -> None:
    """
    The look names the newest statement of the kind about each battery and says nothing; carried out, exactly
    that one is taken back, though another was made since, once, and each correction has its receipt.
    """
    batch = issued(node, 51, 52, 53)
    recalled = f"reason=cells+swell&job={batch['id']}"
    carried_out(node, looked_at(node, f"act=recall&{recalled}")[0])
    node.wait_quiet()
    query = f"act=correct&statement=battery.recalled&reason=another+batch&job={batch['id']}"

    before = node.service.stores.office.outbox.counts()
    preview, shown = looked_at(node, query)
    assert node.service.stores.office.outbox.counts() == before
    carried_out(node, looked_at(node, "act=lift_recall&reason=x", codes(code_of(53)))[0])
    node.wait_quiet()
    carried_out(node, looked_at(node, "act=recall&reason=again", codes(code_of(53)))[0])
    node.wait_quiet()
    _, rows = carried_out(node, preview)
    node.wait_quiet()
    _, again = looked_at(node, query)

    assert (preview["counts"], preview["on_ledger"]) == ({"checked": 3}, {})
    about = [node.get_json(f"/attestations/{row['digest']}") for row in shown]
    assert [one["battery"] for one in about] == [code_of(n) for n in (51, 52, 53)]
    assert {one["kind"] for one in about} == {"battery.recalled"}
    assert [row["state"] for row in rows[:2]] == ["signed", "signed"]
    assert all(node.get(f"/receipts/{row['digest']}").status_code == 200 for row in rows[:2])
    assert [bool(standing(node, n)["recalled"]) for n in (51, 52, 53)] == [False, False, True]
    assert [(row["state"], row["digest"]) for row in again[:2]] == [
        ("repeated", row["digest"]) for row in rows[:2]
    ]


def test_two_statements_about_one_battery_are_two_rows(node: LiveNode) -> None:
    """
    A sheet names two statements about one battery: the rules judge each, and only a row that names one again
    is told so. Without names it is about the last on record that still stands, then about the one before it,
    in whatever order they were put down.
    """
    issued(node, 71, 72)
    for happened, serial in product(("fire", "flood"), (71, 72)):
        said = {"event": "negative_event", "battery": code_of(serial), "members": {"event_kind": happened}}
        answer = node.post_json("/attestations", said)
        assert answer.status_code == 201, answer.text
    node.wait_quiet()
    office = node.service.stores.office
    with office.writing() as db:
        db.execute("UPDATE outbox SET number = -number WHERE battery = ?", (code_of(72),))
    query = "act=correct&reason=x&statement=negative_event"

    def recorded(serial: int) -> list[bytes]:
        said = office.outbox.of_battery(code_of(serial), "negative_event")
        return [one.digest for one in sorted(said, key=lambda one: one.leaf_index or 0)]

    def corrected(serial: int, *named: bytes) -> list[tuple[str, Any]]:
        lines = [f"{code_of(serial)},{b64u(one)}" for one in named] or [code_of(serial)]
        preview, rows = looked_at(node, query, "\n".join(["code,statement", *lines]).encode())
        if preview["counts"].get("checked"):
            carried_out(node, preview)
            node.wait_quiet()
        return [(row["state"], (row["problem"] or {}).get("code") or row["digest"]) for row in rows]

    first, second = recorded(71)
    assert corrected(71, second, first, second) == [
        ("checked", b64u(second)),
        ("checked", b64u(first)),  # what moved nothing is taken back wherever it stands
        ("refused", "code_repeated"),
    ]
    first, second = recorded(72)
    assert corrected(72) == [("checked", b64u(second))]
    assert corrected(72) == [("checked", b64u(first))], "the first one stood until then"


def test_what_cannot_be_corrected_says_why(node: LiveNode) -> None:
    """
    A kind that is none, or none at all, is refused before anything is kept; a battery about which nothing of
    that kind was said, a digest that is none or of another battery, each in its row, with what to do.
    """
    batch = issued(node, 61, 62)
    carried_out(node, looked_at(node, "act=recall&reason=cells+swell", codes(code_of(61)))[0])
    node.wait_quiet()
    [said] = looked_at(node, "act=recall&reason=cells+swell", codes(code_of(61)))[1]
    for kind in ("", "&statement=battery.melted", "&statement=passport.suspended"):  # that one is lifted
        query = f"act=correct&reason=x{kind}"
        answer = node.post_raw(f"/jobs/acts?{query}&job={batch['id']}", b"", CSV).get_json()
        assert (answer["code"], "`statement`" in answer["detail"]) == ("bad_argument", True)

    sheet = f"code,statement\n{code_of(61)},{said['digest']}\n{code_of(62)},{said['digest']}\n"
    sheet += f"{code_of(63)},\n{code_of(64)},no digest\n"
    preview, rows = looked_at(node, "act=correct&reason=x&statement=battery.recalled", sheet.encode())
    carried_out(node, preview)

    assert (rows[0]["state"], rows[0]["digest"]) == ("checked", said["digest"])
    assert [row["problem"]["code"] for row in rows[1:]] == ["attestation_unknown"] * 2 + ["row_malformed"]
    assert all(row["problem"]["next"] for row in rows[1:])
    node.wait_quiet()
    assert not standing(node, 61)["recalled"]


def test_pages_lead_from_a_preview_to_the_act(node: LiveNode) -> None:
    """
    A person names the batteries, sees what is reached and what is not, and carries it out from there.
    """
    issued(node, 41)
    person = node.person
    form = person.get("/jobs/acts/new", headers={"Accept": "text/html"})
    assert form.status_code == 200 and "Look at what is reached" in form.text
    wrong = person.post(
        "/jobs/acts",
        data={"act": "suspend", "reason": "", "begins": code_of(41)},
        content_type="multipart/form-data",
        headers={"Accept": "text/html", "Origin": "http://localhost"},
    )
    assert wrong.status_code == 400 and "say why" in wrong.text.lower()
    sent = person.post(
        "/jobs/acts",
        data={"act": "suspend", "reason": "a leak", "begins": code_of(41)},
        content_type="multipart/form-data",
        headers={"Accept": "text/html", "Origin": "http://localhost"},
    )
    assert sent.status_code == 303, sent.text
    finished(node, sent.headers["Location"].rpartition("/")[2])
    page = person.get(sent.headers["Location"], headers={"Accept": "text/html"}).text
    assert "Carry it out on the 1 that are reached" in page and "a leak" in page
