"""Jobs over sheets: taken over, followed, handed back with reasons; and the models that they go by."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from flask import Response, request, url_for
from flask.typing import ResponseReturnValue

from credentials.documents.canonical import parse_json
from credentials.errors import CredentialError
from node.api.label_pages import annex_terms
from node.api.problems import as_problem, as_sentence, asked_language, page_wanted, problem_told
from node.api.reading import integer_argument, json_body, raw_body, require_shape
from node.api.reply import attachment, client_share, form_sent, json_reply, page, reply, see, words_for
from node.api.route import EVENTS, MODEL_BYTES_MAX, NDJSON, PDF
from node.api.schemas import DATE
from node.errors import ProblemError, bad_request
from node.issuing.bulk_acts import ACTS
from node.issuing.label import Marks
from node.server.feeds import Feed
from node.service import Service
from node.sheets import XLSX
from node.use_cases.bulk_desk import ActAsked
from node.use_cases.jobs import ROW_STATES, JobAnswer, JobAsked, JobRowAnswer

PAGE_ROWS = 50
ROWS_SHOWN = 100  # on a page
ROWS_AT_ONCE_MAX = 5_000
LABELS_AT_ONCE = 100
LABEL_LINKS_MAX = 50  # on a page: of a larger sheet the others by `after`
KEY = re.compile(r"[\x20-\x7e]{1,128}")


def create(service: Service) -> ResponseReturnValue:
    """Take a sheet over: 202 once every row is on disk; the rows are issued in the background."""
    if form_sent():
        return _create_from_form(service)
    asked = _asked(request.args, idempotency_key())
    made, new = service.jobs.take(raw_body(), asked, client_share())
    answer = json_reply(made, 202 if new else 200)
    answer.headers["Location"] = url_for("jobs.job", job_id=made["id"])
    return answer


def idempotency_key() -> str | None:
    """By which whoever asks knows the job again; 400 for one that is none."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not KEY.fullmatch(key):
        raise bad_request(
            "bad_argument", "an Idempotency-Key has 1 to 128 letters, digits and signs of ASCII"
        )
    return key


def _asked(given: Mapping[str, str], key: str | None) -> JobAsked:
    placed_on = given.get("placed_on") or None
    if placed_on is not None and not re.fullmatch(DATE["pattern"], placed_on):
        raise bad_request("bad_argument", "`{name}` is a day such as 2027-03-01", name="placed_on")
    flags = {name: given.get(name, "") for name in ("dry_run", "gaps", "versions")}
    for name, said in flags.items():
        if said not in ("", "0", "1", "false", "true", "yes"):
            raise bad_request("bad_argument", "`{name}` is true or false", name=name)
    dry, gaps, versions = (said in ("1", "true", "yes") for said in flags.values())
    model, name = given.get("model") or None, given.get("name", "")
    return JobAsked(model, dry, gaps, placed_on, name, key, versions)


def preview(service: Service) -> ResponseReturnValue:
    """What an act would reach: a job that tries each battery and says nothing."""
    if form_sent():
        return _preview_from_form(service)
    made, new = service.bulk.preview(raw_body(), _act_asked(request.args, idempotency_key()), client_share())
    answer = json_reply(made, 202 if new else 200)
    answer.headers["Location"] = url_for("jobs.job", job_id=made["id"])
    return answer


def _act_asked(given: Mapping[str, str], key: str | None) -> ActAsked:
    days = {name: given.get(name) or None for name in ("made_from", "made_until")}
    for name, day in days.items():
        if day is not None and not re.fullmatch(DATE["pattern"], day):
            raise bad_request("bad_argument", "`{name}` is a day such as 2027-03-01", name=name)
    rest = {name: given.get(name, "").strip() or None for name in ("job", "begins")}
    act, reason, name, kind = (given.get(name, "") for name in ("act", "reason", "name", "statement"))
    return ActAsked(act, reason, **rest, **days, statement=kind.strip(), name=name, key=key)


def _preview_from_form(service: Service) -> ResponseReturnValue:
    upload = request.files.get("file")
    try:
        asked = _act_asked({**request.form, "name": (upload and upload.filename) or ""}, None)
        made, _ = service.bulk.preview(upload.read() if upload else b"", asked, client_share())
    except (ProblemError, CredentialError) as error:
        if not page_wanted():
            raise
        return _act_form(service, as_problem(error), request.form)
    return see(url_for("jobs.job", job_id=made["id"]))


def new_act(service: Service) -> ResponseReturnValue:
    """The form: what is done to many batteries, and to which."""
    return _act_form(service, None, request.args)


def _act_form(service: Service, problem: ProblemError | None, given: Mapping[str, str]) -> Response:
    told, step = (None, None) if problem is None else problem_told(problem, words_for(service))
    status = 200 if problem is None else problem.status
    kinds = service.bulk.kinds()
    return page("job_act.html", status, problem=told, step=step, given=given, acts=ACTS, kinds=kinds)


def carry_out(service: Service, job_id: str) -> ResponseReturnValue:
    """Do it, to exactly those batteries that the preview reached."""
    made, new = service.bulk.carry_out(job_id)
    if form_sent():
        return see(url_for("jobs.job", job_id=made["id"]))
    return json_reply(made, 202 if new else 200)


def _create_from_form(service: Service) -> ResponseReturnValue:
    upload = request.files.get("file")
    try:
        if upload is None or not upload.filename:
            raise bad_request("sheet_malformed", "choose the file with the rows first")
        asked = _asked({**request.form, "name": upload.filename}, None)
        made, _ = service.jobs.take(upload.read(), asked, client_share())
    except (ProblemError, CredentialError) as error:
        if not page_wanted():
            raise
        return _form(service, as_problem(error), request.form)
    return see(url_for("jobs.job", job_id=made["id"]))


def new(service: Service) -> ResponseReturnValue:
    """The form: a file, its model, and whether it is only tried."""
    return _form(service, None, request.args)


def _form(service: Service, problem: ProblemError | None, given: Mapping[str, str]) -> Response:
    told, step = (None, None) if problem is None else problem_told(problem, words_for(service))
    status = 200 if problem is None else problem.status
    models = service.jobs.models()
    return page(
        "job_new.html",
        status,
        models=models,
        problem=told,
        step=step,
        given=given,
    )


def jobs(service: Service) -> ResponseReturnValue:
    """Jobs of this node, newest first."""
    found = service.jobs.page(PAGE_ROWS, integer_argument("before", None))
    return reply({"jobs": found}, "jobs.html", jobs=found, more=len(found) == PAGE_ROWS, q="")


def job(service: Service, job_id: str) -> ResponseReturnValue:
    """How one job does; on its page the rows as well, those that were refused first."""
    told = service.jobs.show(job_id)
    if not page_wanted():
        return json_reply(told)
    shown: list[JobRowAnswer] = []
    for state in ("refused", None):
        if not shown:
            shown = _rows(service, job_id, state, ROWS_SHOWN, 0)
    labels = service.jobs.label_starts(job_id, LABELS_AT_ONCE)[:LABEL_LINKS_MAX]
    return page("job.html", job=told, rows=shown, refused=told["counts"].get("refused", 0), labels=labels)


def rows(service: Service, job_id: str) -> ResponseReturnValue:
    """Rows in order, from the one after row `after`; `state`: those in it."""
    state = request.args.get("state") or None
    if state is not None and state not in ROW_STATES:
        raise bad_request("bad_argument", "`state` is one of {states}", states=ROW_STATES)
    limit = integer_argument("limit", 1_000, largest=ROWS_AT_ONCE_MAX) or 1
    return json_reply({"rows": _rows(service, job_id, state, limit, integer_argument("after", 0))})


def _rows(service: Service, job_id: str, state: str | None, limit: int, after: int) -> list[JobRowAnswer]:
    found = service.jobs.rows(job_id, asked_language(), state=state, limit=limit, after=after)
    for one in found:
        if (problem := one["problem"]) is not None:
            problem["detail"] = as_sentence(problem["detail"])
    return found


def events(service: Service, job_id: str) -> ResponseReturnValue:
    """The job each time it changes, as lines of JSON or as server-sent events, until nothing of it waits."""
    service.jobs.show(job_id)  # 404 before anything is sent
    sse = request.accept_mimetypes[EVENTS] > request.accept_mimetypes[NDJSON]
    before: JobAnswer | None = None

    def poll() -> tuple[bytes, bool]:
        nonlocal before
        told = service.jobs.show(job_id)
        if told == before:
            return b"", told["finished"]
        before, line = told, orjson.dumps(told)
        return b"data: " + line + b"\n\n" if sse else line + b"\n", told["finished"]

    return Response(Feed(poll), content_type=EVENTS if sse else NDJSON, direct_passthrough=True)


def failed(service: Service, job_id: str) -> ResponseReturnValue:
    """The refused rows as they came, with cell, reason and what to do; to be corrected and sent again."""
    form, parts = service.jobs.failed(job_id, asked_language())
    kinds = {"csv": "text/csv; charset=utf-8", "xlsx": XLSX, "ndjson": NDJSON}
    return attachment(parts, f"failed.{form}", kinds[form])


def labels(service: Service, job_id: str) -> ResponseReturnValue:
    """Labels of a hundred passports of the job, those after row `after`; `X-Last-Row` says which was last."""
    found = service.jobs.passports_of(job_id, LABELS_AT_ONCE, integer_argument("after", 0))
    if not found:
        raise bad_request("labels_malformed", "no passport was issued behind that row of the job")
    # Loaded where labels are drawn: it takes as long as a third of a node's start.
    from node.issuing.label_drawing import sheets  # noqa: PLC0415

    made = [service.passports.label(digest) for _, digest in found]
    answer = attachment(sheets(made, Marks(), annex_terms(words_for(service))), "labels.pdf", PDF)
    answer.headers["X-Last-Row"] = str(found[-1][0])
    return answer


def stop(service: Service, job_id: str) -> ResponseReturnValue:
    """Issue no further row; what was issued stays."""
    told = service.jobs.stop(job_id)
    return see(url_for("jobs.job", job_id=job_id)) if form_sent() else json_reply(told)


# -- models ----------------------------------------------------------------------------------------------


def models(service: Service) -> ResponseReturnValue:
    """The names of the models."""
    found = service.jobs.models()
    return reply({"models": found}, "models.html", models=found)


def model(service: Service, name: str) -> ResponseReturnValue:
    """One model, as a sheet is read by it."""
    found = service.jobs.model(name)
    if not page_wanted():
        return json_reply(found)
    text = _ModelText(name, _indented(found["claims"]), _lines(found), found["utc_offset"] or "")
    return _model_form(service, text)


def new_model(service: Service) -> ResponseReturnValue:
    """An empty form: nothing is filled in that its maker does not say."""
    return _model_form(service, _ModelText())


def put_model(service: Service) -> ResponseReturnValue:
    """Remember a model under its name, instead of the one before; jobs under way keep theirs."""
    if not form_sent():
        return json_reply(service.jobs.put_model(json_body("ModelRequest", MODEL_BYTES_MAX)))
    form = request.form
    upload = request.files.get("file")
    data = upload.read() if upload and upload.filename else form.get("claims", "").encode()
    name, offset = form.get("name", "").strip(), form.get("utc_offset", "").strip() or None
    try:
        claims = parse_json(data, size_bytes_max=MODEL_BYTES_MAX)
        value = {
            "name": name,
            "claims": claims,
            "columns": _columns(form.get("columns", "")),
            "utc_offset": offset,
        }
        service.jobs.put_model(require_shape(value, "ModelRequest"))
    except (ProblemError, CredentialError) as error:
        if not page_wanted():
            raise
        text = _ModelText(name, data.decode("utf-8", "replace"), form.get("columns", ""), offset or "")
        return _model_form(service, text, as_problem(error))
    return see(url_for("jobs.new", model=name))


def _columns(text: str) -> dict[str, list[str]]:
    """`heading = member, member`, one column a line."""
    found: dict[str, list[str]] = {}
    for line in filter(str.strip, text.splitlines()):
        heading, equals, members = line.partition("=")
        if not equals:
            raise bad_request("model_malformed", "write a column as `heading = member`, one a line")
        found[heading.strip()] = [one.strip() for one in members.split(",") if one.strip()]
    return found


def _lines(found: Mapping[str, Any]) -> str:
    return "\n".join(f"{heading} = {', '.join(members)}" for heading, members in found["columns"].items())


def _indented(claims: object) -> str:
    return json.dumps(claims, ensure_ascii=False, indent=1)


class _ModelText(NamedTuple):
    """A model as its form has it."""

    name: str = ""
    claims: str = ""
    columns: str = ""
    utc_offset: str = ""


def _model_form(service: Service, text: _ModelText, problem: ProblemError | None = None) -> Response:
    told = "" if problem is None else problem_told(problem, words_for(service))[0]
    status = 200 if problem is None else problem.status
    return page("model.html", status, model=text, problem=told, members=service.jobs.members())
