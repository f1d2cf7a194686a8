"""`comity check | readiness`: verdicts on one battery or a manifest.

Exit codes: 0 clear, 1 not clear, 2 could not decide.
"""

from __future__ import annotations

import os
import time
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import click

from consensus.receipt import RECEIPT_BYTES_MAX
from credentials.verdicts.manifest import CONDITIONS
from node.cli.client import (
    FILE_BYTES_MAX,
    json_in,
    may_speak_to_node,
    named,
    options,
    read_json,
    show,
    speaks_to_node,
)
from node.cli.evidenced import check_file
from node.cli.terminal import end_progress, say, say_progress, say_step, step_line
from node.errors import SetupError, Unfit
from node.named_files import STDIN, read_named, read_named_text
from node.node_client import Client
from node.words import when

WAIT_S = 600.0
POLL_S = 0.3
TABLES = (".csv", ".txt", ".tsv", ".xlsx")  # how the names of tables end
PLACES = ("/", "./", "../", "~")  # how no code, link or id of a consignment begins
ENDINGS = (".json", *TABLES)
CLEAR, GAPS, UNDECIDED = "clear", "clear_with_gaps", "undecided"


def _mass(_context: click.Context, _option: click.Parameter, kg: float | None) -> float | None:
    if kg is not None and not isfinite(kg):
        raise click.BadParameter("a mass is digits, such as 410.5.")
    return kg


_REPEATED = ("documents", "receipts")
_of_one_battery = options(
    click.option(
        "--document", "documents", multiple=True, help="Credential shown with the battery (repeatable)."
    ),
    click.option(
        "--receipt", "receipts", multiple=True, type=click.Path(path_type=Path), help="Its receipt."
    ),
    click.option("--goods", type=click.Choice(["battery", "in_vehicle", "in_other"])),
    click.option(
        "--condition",
        type=click.Choice(CONDITIONS),
        help="As what the battery is declared; without it a verdict asks for it.",
    ),
    click.option("--commodity-code"),
    click.option("--vin"),
    click.option("--mass-kg", type=float, callback=_mass),
)
_offline = options(
    click.option(
        "--evidence", is_flag=True, help="WHAT is the evidence file of a consignment: checked offline."
    ),
    click.option(
        "--policy",
        "policy_file",
        type=click.Path(path_type=Path),
        help="With --evidence: the trusted log.policy.",
    ),
    click.option(
        "--epochs",
        "epochs_file",
        type=click.Path(path_type=Path),
        help="With --evidence: what leads on from that policy (`comity log epochs`).",
    ),
)


@click.command()
@click.argument("what")
@_of_one_battery
@click.option("--law-date", help="YYYY-MM-DD: which requirements apply; default today.")
@click.option("--allow-gaps", is_flag=True, help="Count clear_with_gaps as clear (exit 0).")
@click.option("--json", "as_json", is_flag=True, help="The whole verdict.")
@_offline
@may_speak_to_node
def check(
    *,
    client: Callable[[], Client],
    what: str,
    documents: tuple[str, ...],
    receipts: tuple[Path, ...],
    law_date: str | None,
    allow_gaps: bool,
    as_json: bool,
    evidence: bool,
    policy_file: Path | None,
    epochs_file: Path | None,
    **line: Any,
) -> int:
    """Judge WHAT: one battery, or a manifest of many.

    A battery by its code or link, a manifest as a table (XLSX, CSV) or as JSON with `lines`.

    With --evidence no node is asked. Exit 0: what the file shows holds. Exit 1: something does not. Exit 2:
    not all of it could be checked.
    """
    if evidence:
        if policy_file is None:
            raise click.UsageError("--evidence needs --policy: the log.policy that you trust")
        if documents or receipts or law_date or allow_gaps or any(line.values()):
            raise click.UsageError("with --evidence go --policy, --epochs and --json alone")
        return check_file(Path(what), policy_file, epochs_file, as_json=as_json)
    if policy_file is not None or epochs_file is not None:
        raise click.UsageError("--policy and --epochs go with --evidence")
    if _names_a_file(what):
        _require_code(documents=documents, receipts=receipts, **line)
        manifest = _read_manifest(what)
        return _check_manifest(client(), manifest, law_date, allow_gaps=allow_gaps, as_json=as_json)
    item: dict[str, Any] = {"battery": what, **{k: v for k, v in line.items() if v is not None}}
    if law_date is not None:
        item["law_date"] = law_date
    if documents:
        item["documents"] = [read_json(path) for path in documents]
    if receipts:
        item["receipts"] = [read_named_text(path, RECEIPT_BYTES_MAX, what="the receipt") for path in receipts]
    verdict = client().post("/clearance", item)
    if as_json:
        show(verdict)
    else:
        _print_verdict(verdict)
    return _exit_code(verdict["verdict"], allow_gaps=allow_gaps)


@click.command()
@click.argument("what")
@click.option("--json", "as_json", is_flag=True, help="The whole report.")
@speaks_to_node
def readiness(*, client: Client, what: str, as_json: bool) -> int:
    """The importer's report of WHAT: a consignment or a manifest.

    A consignment by its id, a manifest by its file.
    """
    consignment = what
    if _names_a_file(what):
        consignment = _judged(client, _read_manifest(what))["id"]
    report = client.get(f"/consignments/{named(consignment)}/readiness")
    if as_json:
        show(report)
        return 0
    say(report["head"]["sentence"])
    for row in report["rows"]:
        if row["state"] == "open":
            say(f"  open  {row['id']}  {row['requirement']}  ({row['provision']}): {row.get('who') or '-'}")
    return 0 if report["head"]["open"] == 0 else 1


def _require_code(**given: Any) -> None:
    """What is said of one battery is not dropped in silence: in a manifest each line says it itself."""
    names = [f"--{name.removesuffix('s') if name in _REPEATED else name}" for name, v in given.items() if v]
    if names:
        told = ", ".join(sorted(names)).replace("_", "-")
        raise SetupError(
            f"{told} is of one battery: in a manifest each line says it (`condition`, `goods`, ...)",
            step="Write it into each line of the manifest, and leave the option out.",
        )


def _read_manifest(path: str) -> Any:
    """A manifest of a file or of standard input: JSON where it begins so or is called so, rows otherwise."""
    data, ends = read_named(Path(path), FILE_BYTES_MAX, stdin=True), Path(path).suffix.lower()
    if ends == ".json" or data.removeprefix(BOM_UTF8).lstrip()[:1] in (b"{", b"["):
        return json_in(path, data)
    from credentials.errors import CredentialError  # noqa: PLC0415
    from credentials.verdicts.manifest_csv import manifest_of_rows  # noqa: PLC0415
    from node.sheets import is_workbook, rows_of  # noqa: PLC0415

    if ends not in ("", *TABLES) and not is_workbook(data):
        raise _no_manifest(f"{path} is neither a table nor JSON")
    try:
        return manifest_of_rows(rows_of(data))
    except CredentialError as error:
        raise Unfit(f"{path}: {error}") from error


def _no_manifest(told: str) -> SetupError:
    return SetupError(told, step="Write the lines as README shows, as a table (XLSX, CSV) or as JSON.")


def _names_a_file(what: str) -> bool:
    """True for what is a file, or can only have been meant as one."""
    if what == str(STDIN) or what.startswith(PLACES):
        return True
    # Not by `Path`, which raises for what is too long to be a name.
    there = os.path.isfile(what) or os.path.islink(what)
    return there or ("://" not in what and Path(what).suffix.lower() in ENDINGS)


def _check_manifest(
    client: Client, manifest: Any, law_date: str | None, *, allow_gaps: bool, as_json: bool
) -> int:
    if not isinstance(manifest, dict) or "lines" not in manifest:
        raise _no_manifest("the file is not a manifest: a JSON object with `lines`")
    if law_date is not None:
        manifest = {**manifest, "law_date": law_date}
    judged = _judged(client, manifest)
    if as_json:
        show(judged)
    else:
        for item in judged["items"]:
            if item["overtaken"]:
                say(f"  line {item['line']:>5}  {item['verdict']}  {item['battery']}")
                say(f"        {item['overtaken_note']}")
            elif item["verdict"] not in (CLEAR, GAPS):
                ground = f" {item['ground']}" if item["ground"] else ""
                words = f"{item['verdict']}{ground}  {item['reason']}"
                say(f"  line {item['line']:>5}  {words}  {item['battery']}")
        counts = ", ".join(f"{count} {word}" for word, count in judged["counts"].items() if count)
        say(f"consignment {judged['id']}: {judged['worst']} ({counts})")
    code = _exit_code(judged["worst"], allow_gaps=allow_gaps)
    return 2 if judged["overtaken"] and code == 0 else code  # a word that is being given anew is none


def _judged(client: Client, manifest: Any) -> dict[str, Any]:
    """Send a manifest and wait for its last verdict, with progress."""
    made = client.post("/consignments", manifest)
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        told = client.get(f"/consignments/{made['id']}?limit=0")
        say_progress(f"{told['done']} of {told['lines']} lines")
        if told["state"] == "done":
            end_progress()
            return client.get(f"/consignments/{made['id']}")
        if told["state"] == "stopped":
            end_progress()
            raise SetupError(
                f"somebody stopped consignment {made['id']} after {told['done']} of {told['lines']} lines",
                step="Send the same manifest again to have the others judged.",
            )
        time.sleep(POLL_S)
    raise SetupError(
        f"consignment {made['id']} is not judged after {WAIT_S:.0f} s; it goes on at the node",
        step="Look at it later on the pages of the node, or as GET /consignments/ID.",
    )


def _print_verdict(verdict: dict[str, Any]) -> None:
    ground = f", ground {verdict['ground']}" if verdict["ground"] else ""
    say(f"{verdict['verdict']}{ground}: {verdict['reason']}  ({verdict['battery']})")
    if verdict["text"]:
        say(" ".join(filter(None, (verdict["text"], verdict["provision"]))))
        if verdict["verdict"] != CLEAR:
            say_step(verdict)
    until = f", until {when(verdict['good_until'])}" if verdict["good_until"] else ""
    say(f"law date {verdict['law_date']}, ledger height {verdict['height']}{until}")
    for told, names in _open_checks(verdict["checks"]).items():
        _print_check(told, names)
    for gap in verdict["gaps"]:
        words = f"{gap.get('dp', '')} {gap.get('name', '')}  {gap.get('provision') or ''}"
        say(f"  gap           {words}".rstrip())


def _open_checks(checks: Iterable[Mapping[str, Any]]) -> dict[tuple[str, ...], list[str]]:
    """What is to be said of the checks that did not pass, each sentence once, with the checks that say it."""
    found: dict[tuple[str, ...], list[str]] = {}
    for made in checks:
        if made["outcome"] not in ("pass", "not_applicable"):
            evidence = made.get("evidence")
            detail = evidence.get("detail", "") if isinstance(evidence, dict) else ""
            told = (
                made["outcome"],
                f"{made['text']}  {made['provision']}".rstrip(),
                str(detail),
                step_line(made),
            )
            rule = f" {made['rule']}" if made.get("rule") else ""
            found.setdefault(told, []).append(f"{made['name']}{rule}")
    return found


def _print_check(told: tuple[str, ...], names: Sequence[str]) -> None:
    """The outcome and the sentence, with the names beneath where several checks say the same."""
    outcome, *sentences = told
    head = names[0] if len(names) == 1 else f"{len(names)} checks"
    say(f"  {outcome:<13} {head}: {sentences[0]}")
    for sentence in filter(None, sentences[1:]):
        say(f"  {'':<13} {sentence}")
    if len(names) > 1:
        say(f"  {'':<13} {', '.join(names)}")


def _exit_code(verdict: str, *, allow_gaps: bool) -> int:
    if verdict == CLEAR or (verdict == GAPS and allow_gaps):
        return 0
    return 2 if verdict == UNDECIDED else 1
