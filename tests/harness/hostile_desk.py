"""The doors of desks: accounts, sheets, supervision, labels, photographs, acts; and the pipe of the workers.

Behind each stands something that the door of all routes seldom reaches: an issued passport, a picture that is
one, a form with the fields of its event, a worker that is ready.
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import random
import re
import threading
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, cast
from urllib.parse import quote

from PIL import Image
from werkzeug.test import TestResponse

from node.api.acts import FIELD
from node.api.label_routes import CHOICES
from node.data_carriers import READ_FROM, SYMBOLOGIES, symbol
from node.sheets import XLSX, workbook_of
from node.verdicts.workers import LINES_MIN, JudgedPart, Task, Workers, _Worker
from node.web.sample import sample_claims
from tests.harness.hostile import RUBBISH, SEED, Door, altered, flipped
from tests.harness.support_service import CODE, LiveNode

BROWSER = {"Accept": "text/html", "Origin": "http://localhost"}
LINKS = (
    f"B/{CODE}",
    f"b/{CODE}",
    "01/09521001000017/21/sn%2F1",
    "01/09521001000017/22/A/10/LOT7/21/SN1?17=301231&11=260617",
)
CHOSEN = {
    "symbology": "datamatrix",
    "module_mm": "0.5",
    "side_mm": "1200 x 800",
    "ce": "yes",
    "notified_body": "0123",
    "cadmium": "",
    "lead": "yes",
    "language": "zh",
}
TASK = Task("a consignment", (1, 2), 7, None, 0.0)


def told(answer: TestResponse) -> str:
    """A status below 500, or 503, and a sentence where it is refused."""
    assert answer.status_code < 500 or answer.status_code == 503, answer.data[:300]
    if answer.status_code >= 400 and answer.mimetype == "application/problem+json":
        assert answer.get_json(force=True)["detail"]
    return f"{answer.status_code // 100}xx"


# What the desks are sent that is lawful, by address; `{}` in one is a job, an alert or a case that is none.
DESKS: dict[str, Any] = {
    "/accounts": {"name": "Hostile", "roles": ["reader"]},
    "/accounts/roles": {"name": "Hostile", "roles": ["reader", "admin"]},
    "/accounts/invite": {"name": "Hostile"},
    "/accounts/end": {"name": "Hostile"},
    "/sign-in": {"name": "Hostile", "passphrase": "x", "next": "/jobs"},
    "/models": {
        "name": "model",
        "claims": {"batteryMass": {"value": 7}},
        "columns": {"code": ["code"], "mass (kg)": "batteryMass"},
        "utc_offset": "+08:00",
    },
    "/parts/check": {"battery": CODE, "parts": [{"code": CODE, "index": 0, "size": 1, "path": ["A" * 43]}]},
    "/vehicles/check": {"vin": "ZZ9DEM0E0T0000040", "act": "registered", "batteries": [CODE]},
    f"/supervision/alerts/{'A' * 43}": {"act": "assign", "value": "Hostile"},
    "/supervision/again": {"height": 1},
    "/supervision/looked": {},
    f"/jobs/{'A' * 22}/stop": {},
}
LOOKED_AT = (
    f"/jobs/{'A' * 22}/rows?state={{}}&limit={{}}&after={{}}",
    "/jobs?before={}",
    "/models/{}",
    "/duties?before={}",
    "/supervision?code={}&since={}&until={}&before={}&limit={}",
    "/supervision/alerts.csv?party={}&maker={}",
    "/supervision/facilities?party={}&facility={}&side={}&kind={}",
    "/supervision/facilities?since={}&until={}",
    "/supervision/consignments/{}",
    "/vehicles/check?vin={}&act={}",
    "/sign-in?next={}",
    "/welcome/{}",
    "/1.0/identifiers/{}",
)
MASS = "GeneralProductInformation.batteryMass"
SHEETS = (
    (b"code;mass (kg)\r\n%s;7\r\n" % CODE.encode(), "text/csv"),
    (b'{"code": "%s", "claims": {}}\n' % CODE.encode(), "application/x-ndjson"),
    (gzip.compress(b"code,mass (kg)\n%s,7\n" % CODE.encode()), "application/gzip"),
    (workbook_of([("code", "mass (kg)"), (CODE, 7)], "s"), XLSX),
)


def through_desks(node: LiveNode, count: int) -> Door:
    """Accounts, models, sheets, parts, vehicles, duties and supervision: what they are sent, changed.

    As the operator, as a person at the pages, by forms, and as nobody.
    """
    draw, door = random.Random(SEED), Door("desks")
    callers = [(node.client, node.bearer), (node.person, BROWSER), (node.client, {})]
    claims = sample_claims(node.service, CODE)
    model = {**DESKS["/models"], "claims": claims, "columns": {"mass (kg)": MASS}}
    assert node.post_json("/models", model).status_code == 200

    def enter(path: str, **sent: Any) -> str:
        client, shown = draw.choices(callers, (70, 20, 10))[0]
        headers = {**shown, "Content-Type": sent.pop("kind")} if "kind" in sent else shown
        return told(client.open(path, headers=headers, method="POST" if sent else "GET", **sent))

    for _ in range(count):
        kind = draw.randrange(10)
        if kind < 3:
            path = re.sub(r"{}", lambda _: quote(text_of(draw.choice(RUBBISH)), ""), draw.choice(LOOKED_AT))
            door.knock(path, partial(enter, path))
        elif kind < 6:
            sheet, form = draw.choice(SHEETS)
            sheet = flipped(sheet, draw)
            asked = draw.choice(
                ("", "?dry_run=1", f"?model=model&name={quote(text_of(draw.choice(RUBBISH)))}")
            )
            door.knock(sheet, partial(enter, f"/jobs/issue{asked}", data=sheet, kind=form))
        else:
            path, body = draw.choice(list(DESKS.items()))
            body = altered(body, draw)
            if draw.random() < 0.3 and isinstance(body, dict):
                fields = {text_of(name): text_of(value) for name, value in body.items()}
                door.knock((path, fields), partial(enter, path, data=fields))
            else:
                data = json.dumps(body).encode()
                door.knock((path, data), partial(enter, path, data=data, kind="application/json"))
    assert count < 100 or door.outcomes["2xx"]
    return door


def text_of(value: Any) -> str:
    """As it stands in an address or a field."""
    return str(value).encode("utf-8", "replace").decode()[:600]


def through_labels(node: LiveNode, count: int) -> Door:
    """Links on labels, and labels of a passport that was issued here, with changed choices."""
    draw, door = random.Random(SEED), Door("labels")
    (issued, *_) = node.get_json("/passports")["passports"]
    digest = issued["digest"]
    order = {**{name: value for name, value in CHOSEN.items() if len(value) > 3}, "passports": [digest]}

    def enter(ask: Callable[[], TestResponse]) -> str:
        return told(ask())

    assert set(CHOSEN) == set(CHOICES)
    for _ in range(count):
        kind = draw.randrange(3)
        if kind == 0:
            link = flipped(draw.choice(LINKS).encode(), draw).decode(errors="replace")
            ask = partial(node.client.get, "/" + link.lstrip("/"), headers=node.bearer, follow_redirects=True)
            what: object = link
        elif kind == 1:
            asked = {**CHOSEN, draw.choice(CHOICES): text_of(draw.choice(RUBBISH))}
            page = draw.choice(("label", "label.svg"))
            ask = partial(
                node.client.get, f"/passports/{digest}/{page}", query_string=asked, headers=node.bearer
            )
            what = asked
        else:
            body = altered(order, draw)
            data = json.dumps(body).encode()
            ask, what = partial(node.post_raw, "/labels", data, "application/json"), body
        door.knock(what, partial(enter, ask))
    return door


def through_photographs(node: LiveNode, count: int) -> Door:
    """Pictures of labels in every form that is read, changed, and what carries them."""
    draw, door = random.Random(SEED), Door("photographs")
    pictures = list(lawful_pictures().values())
    kind = "multipart/form-data; boundary=cut"

    def enter(body: bytes) -> str:
        headers = {**node.bearer, **draw.choice(({}, BROWSER)), "Content-Type": kind}
        with warnings.catch_warnings():
            # The file of a body that is cut off is let go of by werkzeug's parser without being closed first.
            warnings.simplefilter("ignore", ResourceWarning)
            return told(node.client.post("/find", data=body, headers=headers))

    for _ in range(count):
        picture = draw.choice(pictures)
        picture = flipped(picture, draw) if draw.random() < 0.9 else picture
        head = b'--cut\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\n'
        body = head + picture + b"\r\n--cut--\r\n"
        body = flipped(body, draw) if draw.random() < 0.2 else body
        door.knock(body[:200], partial(enter, body))
    assert count < 100 or door.outcomes["2xx"] + door.outcomes["3xx"]
    return door


def lawful_pictures() -> Mapping[str, bytes]:
    """One label in each symbology and form of file."""
    found = {}
    for symbology in SYMBOLOGIES:
        modules = symbol(f"HTTPS://MAKER.EXAMPLE/B/{CODE}", symbology)
        drawn = Image.new("L", (len(modules[0]), len(modules)))
        drawn.putdata([0 if dark else 255 for row in modules for dark in row])
        drawn = drawn.resize((drawn.width * 3, drawn.height * 3), Image.Resampling.NEAREST)
        for form in READ_FROM:
            data = io.BytesIO()
            drawn.save(data, form)
            found[f"{symbology} {form}"] = data.getvalue()
    return found


def through_acts(node: LiveNode, members: Mapping[str, str], count: int) -> Door:
    """What a person fills in for an event that may be attested now, changed; `members`: a value by name."""
    draw, door = random.Random(SEED), Door("acts")
    events = [event["event"] for event in node.get_json("/events")["events"]]

    def enter(fields: Mapping[str, str], shown: bool) -> str:
        headers = {**BROWSER} if shown else node.bearer
        client = node.person if shown else node.client
        if draw.random() < 0.2:
            return told(client.get("/acts", query_string=fields, headers=headers))
        return told(client.post("/acts", data=fields, headers=headers))

    for _ in range(count):
        named = {f"{FIELD}{name}": value for name, value in members.items()}
        lawful = {"battery": CODE, "event": draw.choice(events), "shown": "", **named}
        changed = draw.choice(list(lawful)[:3] if draw.random() < 0.3 else list(named))
        fields = {**lawful, changed: text_of(draw.choice(RUBBISH))}
        door.knock(fields, partial(enter, fields, draw.random() < 0.8))
    return door


class _Thread:
    """In the place of a worker's process, for the handle by which it is ended."""

    pid = exitcode = 0

    def terminate(self) -> None: ...

    def join(self, _: float) -> None: ...


class _Nearby(Workers):
    """Workers whose processes are threads: what they write into the pipe is the same, and costs no start."""

    def _started(self) -> _Worker:
        ours, theirs = Pipe()
        threading.Thread(target=self._work, args=(theirs,), daemon=True).start()
        assert ours.poll(10), "it says at once that it is ready"
        return _Worker(cast(BaseProcess, _Thread()), ours)


def through_pipe(count: int) -> Door:
    """What a worker writes that dies, or is not itself any more: it is buried, and its lines are judged here.

    Cut off at any place, or something else: both ends are of one node, and nobody changes single bytes there.
    """
    draw, door = random.Random(SEED), Door("pipe of the workers")
    judged = JudgedPart((), 7, 3, 5, 9)
    other = [pickle.dumps(said) for said in ("a word", [None] * 3, {"items": ()}, judged.items, TASK)]
    whole = [pickle.dumps(said) for said in (None, judged)]
    answers: deque[bytes] = deque()
    workers = _Nearby(partial(_saying, answers), 1)

    def enter() -> str:
        ticket = None
        while ticket is None:
            workers.begin(LINES_MIN)
            ticket = workers.send(TASK)
        told = workers.answer(ticket)
        assert told is None or type(told) is JudgedPart
        return "judged" if told is not None else "declined, or buried"

    for _ in range(count):
        answer = draw.choice([*whole, *other])
        answers.append(answer[: draw.randrange(len(answer))] if draw.random() < 0.5 else answer)
        door.knock(answers[-1], enter)
    workers.end()
    assert count < 100 or len(door.outcomes) == 2
    return door


def _saying(answers: deque[bytes], connection: Connection) -> None:
    """A worker: ready, and then the next of these whenever it is asked."""
    with suppress(EOFError, OSError):
        connection.send(None)
        while True:
            connection.recv()
            connection.send_bytes(answers.popleft())
