"""The doors of cases, alerts, webhooks and acts on many batteries: JSON, forms, addresses, and peers.

Behind each stands what it is about: a case that is open, an alert of an attempt, an endpoint with a post that
was given up, a preview that reached a battery.
"""

from __future__ import annotations

import io
import json
import random
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

from consensus.cose import Signer, parse_sign1, sign1
from consensus.encoding import EncodingError, decode, encode
from credentials.ledger.attestation import make_attestation
from node.issuing.bulk_acts import ACTS
from node.oversight import attempts, forwarding
from node.oversight.alert_desk import ACTS as ALERT_ACTS
from node.oversight.case_statements import ACTS as CASE_ACTS
from node.oversight.case_statements import OUTCOMES, About, make_statement
from node.resolution.webhooks import TOPICS, WebhookEndpoint
from node.storage.webhook_posts import PostRow
from tests.harness.hostile import RUBBISH, SEED, Door, altered, flipped
from tests.harness.hostile_desk import BROWSER, text_of, told
from tests.harness.ledger import CN_AUTHORITY, IMPORTER, MAKER, signer
from tests.harness.support_service import CODE, DID, LiveNode

ENDPOINT = "mes"
SIGNED_ANEW = 20  # of each lawful one
CASES, ALERTS = "/supervision/cases", "/supervision/alerts"
LOOKED_AT = (
    f"{CASES}?state={{}}&party={{}}&side={{}}&before={{}}&limit={{}}",
    f"{CASES}?accused={{}}&battery={{}}&leaves={{}}&alert={{}}",
    f"{CASES}/{{}}",
    f"{ALERTS}/{{}}",
    "/supervision?rule={}&facility={}&state={}&before={}",
    "/supervision/stream?code={}&after={}",
    "/webhooks?{}",
    f"/webhooks/{ENDPOINT}/posts?state={{}}&after={{}}&limit={{}}",
    "/webhooks/{}/posts",
    "/jobs/acts/new?act={}&reason={}&begins={}&made_from={}",
    "/jobs/{}/rows?state={}&after={}",
    "/jobs/{}/failed",
    "/jobs/{}/events",
)
NAMING = ("act", "reason", "job", "begins", "made_from", "made_until", "name")


def refused_statement(node: LiveNode, by: str = IMPORTER) -> bytes:
    """Of a party without a licence: an attempt, which raises an alert where its authority is."""
    now, signing = int(time.time()), node.service.batteries._issuing.signing
    return make_attestation(
        signer=signer(by),
        iat=now,
        kind="battery.sold",
        subject=signing.subject(signing.identifier(CODE)),
        network_id=node.service.overview.genesis.network_id,
        event_time=now,
        document_digest=secrets.token_bytes(32),
        issuer=by,
    )


def from_peers(node: LiveNode) -> dict[str, list[bytes]]:
    """What the other side's authority sends, by path: statements of a case, an alert of an attempt."""
    network, now, key = node.service.overview.genesis.network_id, int(time.time()), signer(CN_AUTHORITY)

    def stated(case: bytes, act: str, **about: Any) -> bytes:
        made = About(**about)
        return make_statement(network, case, act, "why", made, author=CN_AUTHORITY, at=now, signer=key)

    opening = stated(b"", "opened", side="CN", accused=DID, days=30)
    case = sha256(opening).digest()
    said = [
        stated(case, act, **about)
        for act, about in (
            ("asked", {"whom": DID}),
            ("commented", {}),
            ("extended", {"days": 7}),
            ("closed", {"outcome": OUTCOMES[0]}),
            ("reviewed", {"closing": case, "outcome": "upheld"}),
        )
    ]
    report = sign1({}, encode([attempts.TAG, network, refused_statement(node), "X9", CN_AUTHORITY, now]), key)
    door = node.service.peers._attempts
    raised = door.raised_by(door.read(report), 0)
    assert raised is not None
    alert = [forwarding.TAG, network, raised.id, 0, report, "yours?", CN_AUTHORITY, now]
    by_leaf = [forwarding.TAG, network, raised.id, 1, b"", "yours?", CN_AUTHORITY, now]
    lawful = {"cases": [opening, *said], "alerts": [sign1({}, encode(one), key) for one in (alert, by_leaf)]}
    return {path: [*whole * SIGNED_ANEW, *_signed_anew(whole, key)] for path, whole in lawful.items()}


def _signed_anew(whole: list[bytes], key: Signer) -> Iterator[bytes]:
    """Each with its members replaced, left out or doubled, and signed as lawful ones are."""
    draw = random.Random(SEED)
    for data in whole * SIGNED_ANEW:
        with suppress(EncodingError):
            yield sign1({}, encode(altered(decode(parse_sign1(data).payload), draw)), key)


def told_of(node: LiveNode) -> str:
    """A post to an endpoint that nobody answers at, given up: its address is not one that is asked here."""
    webhooks: Any = vars(node.service.webhooks)["_webhooks"]
    webhooks.endpoints = (WebhookEndpoint(ENDPOINT, "https://127.0.0.1:9/", frozenset(TOPICS), bytes(32)),)
    office = node.service.stores.office
    with office.writing() as db:
        office.webhooks.put(db, PostRow(0, ENDPOINT, "job.ended", "lost", 0, b"{}", 1))
        number = office.webhooks.page(ENDPOINT, None, 0, 1)[0].number
        office.webhooks.tried(db, number, "dead", "answered 410", 0)
    return str(number)


def stands(node: LiveNode) -> dict[str, str]:
    """An alert, a case that is open and a preview that reached a battery, by name."""
    node.service.engine.submit(refused_statement(node))
    asked = f"{ALERTS.removesuffix('/alerts')}?code=attempted_without_licence"
    node.wait(lambda: bool(node.get_json(asked)["alerts"]), "the alert")
    order = {"accused": MAKER, "text": "its label bears our code", "side": "EU", "battery": CODE}
    opened = node.post_json(CASES, order)
    assert opened.status_code == 201, opened.text
    preview = node.post_raw(f"/jobs/acts?act={ACTS[0]}&reason=x&begins={CODE}", b"", "text/csv")
    assert preview.status_code == 202, preview.text
    job = preview.get_json()["id"]
    node.wait(lambda: node.get_json(f"/jobs/{job}")["finished"], "the preview")
    return {"alert": node.get_json(asked)["alerts"][0]["id"], "case": opened.get_json()["id"], "job": job}


def orders(there: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    """What is lawful at each address that takes something."""
    case, alert, job = there["case"], there["alert"], there["job"]
    about = {"whom": MAKER, "days": 7, "outcome": OUTCOMES[1]}
    opening = {"accused": MAKER, "text": "why", "side": "EU", "days": 7, "leaves": [1], "alert": alert}
    return [
        (CASES, {**opening, "battery": CODE}),
        *((f"{CASES}/{case}", {"act": act, "text": "why", **about}) for act in CASE_ACTS[1:]),
        *(
            (f"{ALERTS}/{alert}", {"act": act, "value": case if act == "link" else CN_AUTHORITY, "text": "x"})
            for act in ALERT_ACTS
        ),
        (f"/webhooks/{ENDPOINT}/again?number=1", {}),
        (f"/jobs/{job}/carry-out", {}),
        (f"/jobs/{job}/stop", {}),
    ]


def through_oversight(node: LiveNode, count: int) -> Door:
    """As the operator, as a person at the pages and as nobody: everything that is taken there, changed."""
    draw, door = random.Random(SEED), Door("cases, alerts, webhooks, acts on many")
    callers = [(node.client, node.bearer), (node.person, BROWSER), (node.client, {})]
    number = told_of(node)
    there = stands(node)
    lawful = orders(there)
    ids = [*there.values(), number, ENDPOINT, "asked", "EU", *RUBBISH, *RUBBISH]

    def enter(path: str, **sent: Any) -> str:
        client, shown = draw.choices(callers, (70, 20, 10))[0]
        headers = {**shown, **sent.pop("headers", {})}
        return told(client.open(path, headers=headers, method="POST" if sent else "GET", **sent))

    def some() -> str:
        return text_of(draw.choice(ids))

    for _ in range(count):
        kind = draw.randrange(10)
        if kind < 2:
            path = re.sub(r"{}", lambda _: quote(some(), ""), draw.choice(LOOKED_AT))
            door.knock(path, partial(enter, path))
        elif kind < 5:
            naming = {"act": draw.choice(ACTS), "reason": "x", "begins": CODE, "job": there["job"]}
            asked = {**naming, draw.choice(NAMING): some()}
            asked = {name: value for name, value in asked.items() if draw.random() < 0.7}
            sheet = flipped(b"code\r\n%s\r\n" % CODE.encode(), draw) if draw.random() < 0.5 else b""
            if draw.random() < 0.5:
                key = (
                    {"Idempotency-Key": draw.choice(("x", "x" * 200, "\xff"))} if draw.random() < 0.2 else {}
                )
                headers = {"Content-Type": "text/csv", **key}
                path = f"/jobs/acts?{urlencode(asked)}"
                door.knock((path, sheet), partial(enter, path, data=sheet, headers=headers))
            else:
                form = {**asked, "file": (io.BytesIO(sheet), "codes.csv")}
                door.knock((asked, sheet), partial(enter, "/jobs/acts", data=form))
        else:
            path, body = draw.choice(lawful)
            if draw.random() < 0.1:
                path = f"{path}?number={quote(some(), '')}"
            changed = altered(body, draw) if draw.random() < 0.9 else body
            if draw.random() < 0.4 and isinstance(changed, dict):
                fields = {text_of(name): text_of(value) for name, value in changed.items()}
                door.knock((path, fields), partial(enter, path, data=fields))
            else:
                data = json.dumps(changed).encode()
                headers = {"Content-Type": "application/json"}
                door.knock((path, data), partial(enter, path, data=data, headers=headers))
    assert count < 100 or (door.outcomes["2xx"] and door.outcomes["3xx"] and door.outcomes["4xx"])
    return door
