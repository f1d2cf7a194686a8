"""`comity issue --watch DIR`: a sheet put into a folder is issued, and moved with what was refused.

    DIR/NAME               taken once it is whole: unchanged for SETTLED_S, and not named like a part
    DIR/done/NAME          each row is issued, or was before
    DIR/refused/NAME       some rows were refused, or the whole sheet; beside it
    DIR/refused/NAME.rows.csv (.xlsx, .ndjson)   the refused rows with cell and reason, to be put in again
    DIR/refused/NAME.why.txt                     why the whole sheet was refused

A sheet is known to the node by its bytes and how it is read: whatever moment this ends at, the same file asks
for the same job, so nothing is issued twice and a file is moved when its job has ended.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from node.cli.sheets_issued import SHEET_BYTES_MAX, known_model, told_of
from node.cli.terminal import say
from node.errors import AnsweredProblem, ProblemError, SetupError
from node.maker_client import MakerClient
from node.named_files import read_named
from node.node_client import Client

if TYPE_CHECKING:
    from node.use_cases.jobs import JobAnswer

SETTLED_S = 2.0
LOOK_S = 1.0
ENTRIES_MAX = 10_000  # of the folder, in one look: the others have their turn once these are moved
LATER_S = 15.0  # after a node that did not answer, however often it was asked
DONE, REFUSED = "done", "refused"
PARTS = (".part", ".tmp", ".crdownload", ".filepart", ".swp", "~")  # as programs name what is not whole
FORMS = {b"{": ".ndjson", b"P": ".xlsx"}  # by the first byte of what comes back; else a table of text


@dataclass(frozen=True, slots=True)
class HowIssued:
    """What is asked for with each sheet."""

    model: str | None
    gaps: bool
    placed_on: str | None
    versions: bool

    def key(self, data: bytes) -> str:
        """By which the node knows a sheet again."""
        how = repr((self.model, self.gaps, self.placed_on, self.versions)).encode()
        return f"watch {sha256(how + data).hexdigest()}"


def watch_folder(
    client: Client,
    folder: Path,
    model: str | None,
    *,
    once: bool,
    gaps: bool,
    placed_on: str | None,
    versions: bool,
) -> int:
    """Until it is ended; 0 once nothing is left, with `once`."""
    name = known_model(MakerClient(client), model)
    if name is not None:
        client.get(f"/models/{quote(name, safe='')}")  # told now, not of each sheet
    how = HowIssued(name, gaps, placed_on, versions)
    WatchedFolder(client, folder, how).run(once=once)
    return 0


class WatchedFolder:
    """Takes sheets out of a folder, one after the other."""

    def __init__(self, client: Client, folder: Path, how: HowIssued) -> None:
        """SetupError for what is no folder, or one in which nothing can be moved."""
        self._maker = MakerClient(client)
        self._folder = folder
        self._how = how
        self._seen: dict[str, tuple[int, int]] = {}  # size and time of change of what is in the folder now
        try:
            for name in (DONE, REFUSED):
                (folder / name).mkdir(exist_ok=True)
        except OSError as error:
            raise SetupError(
                f"{folder} cannot be watched: {error.strerror}",
                step="Name a folder in which this user may make folders and move files.",
            ) from error

    def run(self, *, once: bool) -> None:
        """Until it is ended; `once`: until nothing whole is left in the folder."""
        while True:
            self.look()
            time.sleep(SETTLED_S)
            whole = self.look()
            try:
                for path in whole:
                    self.take(path)
            except ProblemError as problem:
                if problem.status not in (429, 503):
                    raise
                say(f"waits    {problem}")
                time.sleep(LATER_S)
                continue
            if once and not whole:
                return
            time.sleep(0 if once else LOOK_S)

    def look(self) -> list[Path]:
        """The files that did not change since the look before, oldest first."""
        now: dict[str, tuple[int, int]] = {}
        for entry in islice(os.scandir(self._folder), ENTRIES_MAX):
            if entry.is_file(follow_symlinks=False) and not _is_part(entry.name):
                found = entry.stat(follow_symlinks=False)
                now[entry.name] = found.st_size, found.st_mtime_ns
        whole = [name for name, state in now.items() if self._seen.get(name) == state]
        self._seen = now
        return [self._folder / name for name in sorted(whole, key=lambda name: now[name][1])]

    def take(self, path: Path) -> None:
        """Issue a sheet, and move it once its job has ended."""
        try:
            job = self._issued(path)
        except FileNotFoundError:
            return  # somebody took it away
        except (ProblemError, SetupError) as problem:
            if isinstance(problem, ProblemError) and not _of_the_sheet(problem):
                raise
            self._refuse(path, problem)
            return
        if job["counts"].get("refused"):
            rows = self._maker.failed(job["id"])
            form = FORMS.get(rows[:1], ".csv")
            self._write(path.name + ".rows" + form, rows)
        self._move(path, REFUSED if job["counts"].get("refused") else DONE)
        say(f"{path.name}  {told_of(job)}")

    def _issued(self, path: Path) -> JobAnswer:
        data, how = read_named(path, SHEET_BYTES_MAX), self._how
        job = self._maker.issue_sheet(
            data,
            key=how.key(data),
            model=how.model,
            gaps=how.gaps,
            placed_on=how.placed_on,
            versions=how.versions,
            name=path.name,
        )
        return self._maker.wait(job["id"], receipts=False)

    def _refuse(self, path: Path, problem: ProblemError | SetupError) -> None:
        step = problem.step.get("next", "") if isinstance(problem, AnsweredProblem) else ""
        if isinstance(problem, SetupError):
            step = problem.step
        self._write(path.name + ".why.txt", f"{problem}\n{step}\n".encode())
        self._move(path, REFUSED)
        say(f"{path.name}  refused as a whole: {problem}")

    def _write(self, name: str, data: bytes) -> None:
        """Whole or not at all: what is here after a kill is what the node said."""
        made = self._folder / REFUSED / (name + ".tmp")
        made.write_bytes(data)
        made.replace(self._folder / REFUSED / name)

    def _move(self, path: Path, where: str) -> None:
        """Away; a file of that name that is there already stays, and this one gets a number."""
        to, number = self._folder / where / path.name, 1
        while to.exists():
            number += 1
            to = to.with_name(f"{path.stem} ({number}){path.suffix}")
        path.rename(to)


def _is_part(name: str) -> bool:
    return name.startswith((".", "~")) or name.lower().endswith(PARTS)


def _of_the_sheet(problem: ProblemError) -> bool:
    """Whether another sheet would fare better: what is asked for, how large it is, what is in it."""
    return problem.status in (400, 413, 415, 422)
