"""`comity issue --from FILE`: a sheet as a job at the node, followed until every row has its result."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.cli.client import read_json, write_file
from node.cli.terminal import end_progress, say, say_progress
from node.errors import SetupError
from node.maker_client import MakerClient
from node.named_files import read_named
from node.node_client import Client

if TYPE_CHECKING:
    from node.use_cases.jobs import JobAnswer, JobRowAnswer

SHEET_BYTES_MAX = 16 << 20
REFUSED_TOLD_MAX = 20
KEY_BYTES = 16
WORDS = {
    "signed": "signed",
    "repeated": "issued before",
    "checked": "would be signed",
    "refused": "refused",
}


def issue_from(
    client: Client,
    sheet: Path,
    model: str | None,
    failed: Path | None,
    *,
    dry_run: bool,
    gaps: bool,
    placed_on: str | None,
    versions: bool,
    wait: bool,
) -> int:
    """Issue each row; 0 if all were, 1 if some were refused."""
    maker = MakerClient(client)
    data = read_named(sheet, SHEET_BYTES_MAX, stdin=True)
    model = known_model(maker, model)
    job = maker.issue_sheet(
        data,
        key=secrets.token_hex(KEY_BYTES),
        model=model,
        dry_run=dry_run,
        gaps=gaps,
        placed_on=placed_on,
        versions=versions,
        name=sheet.name,
    )
    say(f"job      {job['id']}  {job['rows']} rows")
    job = maker.wait(job["id"], progress, receipts=wait)
    end_progress()
    refused = job["counts"].get("refused", 0)
    if refused:
        tell(maker, job["id"], refused)
        if failed is not None:
            write_refused(maker, job["id"], failed)
    say(
        f"done     {told_of(job)}"
        + (f", {job['on_ledger'].get('receipted', 0)} with a receipt" if wait else "")
    )
    return 1 if refused else 0


def told_of(job: JobAnswer, words: Mapping[str, str] = WORDS) -> str:
    """What its rows came to, by what each state is called."""
    counts = job["counts"]
    return ", ".join(f"{counts[state]} {word}" for state, word in words.items() if state in counts)


def known_model(maker: MakerClient, model: str | None) -> str | None:
    """The name of a model; of a file that describes one, once the node remembers it."""
    if model is None or Path(model).suffix.lower() != ".json":
        return model
    return _remembered(maker, read_json(model))


def _remembered(maker: MakerClient, value: Any) -> str:
    """The name of a model that a file describes, once the node remembers it."""
    if not isinstance(value, dict) or not isinstance(value.get("claims"), dict) or "name" not in value:
        raise SetupError(
            "the file is no model: an object with `name`, `claims` and `columns`",
            step="Write it as node/README.md shows under `POST /models`.",
        )
    columns, offset = value.get("columns") or {}, value.get("utc_offset")
    return maker.remember_model(value["name"], value["claims"], columns, offset)["name"]


def progress(job: JobAnswer) -> None:
    """How far a job is, in place."""
    pace = f", {job['rows_per_s']} a second" if job["rows_per_s"] else ""
    left = f", {job['seconds_left']} s left" if job["seconds_left"] else ""
    waits = f" ({job['waits']})" if job["waits"] else ""
    receipts = job["on_ledger"].get("receipted", 0)
    say_progress(f"{job['done']} of {job['rows']} rows{pace}{left}, {receipts} with a receipt{waits}")


def tell(maker: MakerClient, id: str, refused: int) -> None:
    """The first refused rows, with what to do."""
    for row in islice(maker.rows(id, "refused"), REFUSED_TOLD_MAX):
        _say_row(row)
    if refused > REFUSED_TOLD_MAX:
        say(f"  and {refused - REFUSED_TOLD_MAX} more: --failed FILE writes them all")


def _say_row(row: JobRowAnswer) -> None:
    problem = row["problem"]
    assert problem is not None, "it was refused"
    cell = f"{problem['cell']}: " if problem["cell"] else ""
    say(f"  row {row['row']:>6} (line {row['line']})  {row['battery'] or '-'}  {cell}{problem['detail']}")
    say(f"         {problem['next']}")


def write_refused(maker: MakerClient, id: str, to: Path) -> None:
    """The refused rows as a sheet."""
    write_file(maker.failed(id), to)
    say(f"failed   the refused rows are in {to}: correct them there, and issue from that file")
