"""The routes of jobs over sheets and of models, a part of the table: the maker's line."""

from __future__ import annotations

from node.api import jobs
from node.api.route import (
    CSV,
    EVENTS,
    FORM,
    GZIP,
    JSON,
    MODEL_BYTES_MAX,
    MULTIPART,
    NDJSON,
    PAGE,
    PDF,
    SEEN,
    SHEET_BYTES_MAX,
    Body,
    Route,
    RouteAnswer,
    shown,
)
from node.sheets import XLSX

ISSUE = ("issue",)
SEE_ISSUED = ("read", "issue")
SHEETS = (NDJSON, CSV, GZIP, XLSX, MULTIPART)


JOBS = (
    Route(
        "POST",
        "/jobs/issue",
        jobs.create,
        "Issue a passport for each row of a sheet, as a job that goes on by itself",
        (
            RouteAnswer(202, "Job", text="Taken over; every row is on disk."),
            RouteAnswer(200, "Job", text="The sheet was taken over before, with this Idempotency-Key."),
            SEEN,
        ),
        ISSUE,
        Body(None, SHEETS, SHEET_BYTES_MAX),
        query=("model", "dry_run", "gaps", "placed_on", "name", "versions"),
    ),
    Route(
        "POST",
        "/jobs/acts",
        jobs.preview,
        "Try an act on many batteries, as a job that says nothing",
        (
            RouteAnswer(202, "Job", text="Every battery is tried; nothing is said."),
            RouteAnswer(200, "Job", text="It was asked before, with this Idempotency-Key."),
            SEEN,
        ),
        ISSUE,
        Body(None, (CSV, GZIP, XLSX, MULTIPART), SHEET_BYTES_MAX),
        query=("act", "reason", "statement", "job", "begins", "made_from", "made_until", "name"),
    ),
    Route("GET", "/jobs/acts/new", jobs.new_act, "The form of an act on many batteries", PAGE, ISSUE),
    Route(
        "POST",
        "/jobs/<job_id>/carry-out",
        jobs.carry_out,
        "Carry out what a preview reached, and nothing else",
        (
            RouteAnswer(202, "Job", text="Taken over; every row is on disk."),
            RouteAnswer(200, "Job", text="It is being carried out already."),
            SEEN,
        ),
        ISSUE,
        Body("Nothing", (JSON, FORM)),
    ),
    Route("GET", "/jobs", jobs.jobs, "Jobs, newest first", shown("Jobs"), SEE_ISSUED, query=("before",)),
    Route("GET", "/jobs/new", jobs.new, "The form that takes a sheet", PAGE, ISSUE),
    Route("GET", "/jobs/<job_id>", jobs.job, "How a job does", shown("Job"), SEE_ISSUED),
    Route(
        "GET",
        "/jobs/<job_id>/rows",
        jobs.rows,
        "What became of each row, in order",
        (RouteAnswer(200, "JobRows"),),
        SEE_ISSUED,
        query=("state", "limit", "after"),
    ),
    Route(
        "GET",
        "/jobs/<job_id>/events",
        jobs.events,
        "How a job does, each time it changes, until nothing of it waits",
        (RouteAnswer(200, "Job", (NDJSON, EVENTS), "One job a line, or server-sent events."),),
        SEE_ISSUED,
    ),
    Route(
        "GET",
        "/jobs/<job_id>/failed",
        jobs.failed,
        "The refused rows in the form in which they came, with cell and reason",
        (RouteAnswer(200, None, (CSV, NDJSON, XLSX), "A file to be corrected and sent again."),),
        SEE_ISSUED,
    ),
    Route(
        "GET",
        "/jobs/<job_id>/labels",
        jobs.labels,
        "Labels of the passports of a job, a hundred on each file",
        (RouteAnswer(200, None, (PDF,), "Sheets of A4."),),
        SEE_ISSUED,
        query=("after",),
    ),
    Route(
        "POST",
        "/jobs/<job_id>/stop",
        jobs.stop,
        "Issue no further row of a job",
        (RouteAnswer(200, "Job"), SEEN),
        ISSUE,
        Body("Nothing", (JSON, FORM)),
    ),
    Route("GET", "/models", jobs.models, "The models that are remembered", shown("Models"), SEE_ISSUED),
    Route(
        "POST",
        "/models",
        jobs.put_model,
        "Remember a model: what its passports have in common, and what the columns of its sheets mean",
        (RouteAnswer(200, "Model"), SEEN),
        ISSUE,
        Body("ModelRequest", (JSON, MULTIPART, FORM), MODEL_BYTES_MAX),
    ),
    Route("GET", "/models/new", jobs.new_model, "The form of a model", PAGE, ISSUE),
    Route("GET", "/models/<name>", jobs.model, "One model", shown("Model"), SEE_ISSUED),
)
