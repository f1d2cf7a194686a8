"""A maker's client of a node: models, sheets as jobs, what became of each row, receipts. Typed.

    maker = MakerClient(Client(url, key))
    job = maker.issue_sheet(data, model="P75", key="shift 1 of 2027-03-01")
    for row in maker.rows(maker.wait(job["id"])["id"]):
        ...

A sheet that is sent again under the same `key` is the same job, so whatever is not answered is asked again: a
node that says when to come again (429, 503) is asked then, one that is not reachable a moment later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote, urlencode

from node.errors import AnsweredProblem, ProblemError
from node.node_client import Client

if TYPE_CHECKING:
    from node.answers import IssuedAnswer
    from node.use_cases.jobs import JobAnswer, JobRowAnswer, ModelAnswer

T = TypeVar("T")
TRIES_MAX = 8
AGAIN_S, AGAIN_S_MAX = 1.0, 60.0  # between two tries, where the node names no time
POLL_S = 0.5
ROWS_TOGETHER = 1_000


class MakerClient:
    """What a maker asks its node for. Raises ProblemError as the node answers it."""

    def __init__(self, node: Client, pause: Callable[[float], None] = time.sleep) -> None:
        self._node = node
        self._pause = pause

    def issue(self, code: str, claims: Mapping[str, Any]) -> IssuedAnswer:
        """One passport; the same claims again give the same one."""
        order = {"code": code, "claims": dict(claims), "strict": True}
        return cast("IssuedAnswer", self._again(lambda: self._node.post("/passports", order)))

    def remember_model(
        self,
        name: str,
        claims: Mapping[str, Any],
        columns: Mapping[str, str | list[str]],
        utc_offset: str | None = None,
    ) -> ModelAnswer:
        """What all passports of a model say, and what the columns of its sheets mean."""
        model = {"name": name, "claims": dict(claims), "columns": dict(columns), "utc_offset": utc_offset}
        return cast("ModelAnswer", self._again(lambda: self._node.post("/models", model)))

    def issue_sheet(
        self,
        data: bytes,
        *,
        key: str,
        model: str | None = None,
        dry_run: bool = False,
        gaps: bool = False,
        placed_on: str | None = None,
        versions: bool = False,
        name: str = "",
    ) -> JobAnswer:
        """Have a sheet taken over: CSV, XLSX or NDJSON, packed with gzip or not; the job that it is."""
        given: dict[str, str] = {"name": name}
        given |= {} if model is None else {"model": model}
        given |= {} if placed_on is None else {"placed_on": placed_on}
        flags = (("dry_run", dry_run), ("gaps", gaps), ("versions", versions))
        given |= {flag: "true" for flag, on in flags if on}
        path, headers = f"/jobs/issue?{urlencode(given)}", {"idempotency-key": key}
        made = self._again(lambda: self._node.send(path, data, "text/csv", headers))
        return cast("JobAnswer", made)

    def look_at(
        self, act: str, reason: str, *, key: str, codes: bytes = b"", name: str = "", **which: str
    ) -> JobAnswer:
        """What an act reaches, as a job that says nothing.

        `act`: suspend, reinstate, revoke, recall, lift_recall, correct.
        `codes`: a sheet with a column `code`; or `which`: job, begins, made_from, made_until. Of `correct`
        `statement` is the kind of which the newest of each battery is taken back.
        """
        path = f"/jobs/acts?{urlencode({'act': act, 'reason': reason, 'name': name, **which})}"
        headers = {"idempotency-key": key}
        return cast("JobAnswer", self._again(lambda: self._node.send(path, codes, "text/csv", headers)))

    def carry_out(self, id: str) -> JobAnswer:
        """The job that does to those batteries what was looked at; asked again it is the same one."""
        path = f"/jobs/{quote(id, safe='')}/carry-out"
        return cast("JobAnswer", self._again(lambda: self._node.post(path, {})))

    def job(self, id: str) -> JobAnswer:
        """How a job does."""
        return cast("JobAnswer", self._again(lambda: self._node.get(f"/jobs/{quote(id, safe='')}")))

    def wait(
        self, id: str, told: Callable[[JobAnswer], None] | None = None, *, receipts: bool = True
    ) -> JobAnswer:
        """The job once every row has its result and, with `receipts`, each passport its receipt."""
        while True:
            job = self.job(id)
            if told is not None:
                told(job)
            if job["finished"] or (not receipts and job["state"] != "queued"):
                return job
            self._pause(POLL_S)

    def rows(self, id: str, state: str | None = None) -> Iterator[JobRowAnswer]:
        """What became of each row, in order."""
        after, only = 0, "" if state is None else f"&state={state}"
        while True:
            path = f"/jobs/{quote(id, safe='')}/rows?limit={ROWS_TOGETHER}&after={after}{only}"
            rows = cast("list[JobRowAnswer]", self._again(partial(self._node.get, path))["rows"])
            yield from rows
            if len(rows) < ROWS_TOGETHER:
                return
            after = rows[-1]["row"]

    def failed(self, id: str) -> bytes:
        """The refused rows in the form in which they came, with cell and reason."""
        return self._again(lambda: self._node.fetch(f"/jobs/{quote(id, safe='')}/failed"))

    def receipt(self, digest: str) -> str:
        """The receipt of a passport, by its digest: proof that it is in the log, verified offline."""
        return self._again(lambda: self._node.text(f"/receipts/{quote(digest, safe='')}"))

    def _again(self, ask: Callable[[], T]) -> T:
        """What it answers; asked again where the node says when, or does not answer at all."""
        for turn in range(TRIES_MAX):
            try:
                return ask()
            except ProblemError as problem:
                if problem.status not in (429, 503) or turn + 1 == TRIES_MAX:
                    raise
                named = problem.again_s if isinstance(problem, AnsweredProblem) else None
                self._pause(min(AGAIN_S * 2**turn if named is None else named, AGAIN_S_MAX))
        raise AssertionError("the last try returns or raises")
