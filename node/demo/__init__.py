"""The demo: six nodes on loopback, one scenario, one address."""

from __future__ import annotations

import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import click

from credentials.ledger.engine_terms import COMETBFT, EMBEDDED, ENGINES
from node.demo import scenario
from node.demo.founding import found
from node.demo.launcher import NodeProcess, claim_block, write_state
from node.demo.life import Life, play_lives
from node.demo.page import StartPage
from node.demo.play import DemoFailed, Desk, Played, play, produced_members
from node.demo.second_act import AUTHORITIES, play_second_act, tell
from node.demo.table import compare, print_table
from node.errors import SetupError
from node.ledger.comet.process import find_binary
from node.named_files import hold

NEXT_BLOCK_S_MAX = 3.0  # what the network promises when any one validator is gone
MARKER = "made-by-comity-demo"  # only a folder that the demo made is replaced by the demo


@click.command("demo")
@click.option("--data", type=click.Path(path_type=Path), default=Path(".demo"), show_default=True)
@click.option(
    "--exit", "leave", is_flag=True, help="End after the table: 0 only if every line was as expected."
)
@click.option("--kill-one", is_flag=True, help="SIGKILL one validator, watch the others go on, restart it.")
@click.option(
    "--second-act", is_flag=True, help="One battery's whole life with each fraud once, as authorities see it."
)
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default=EMBEDDED,
    show_default=True,
    help="What orders the network.",
)
def main(data: Path, leave: bool, kill_one: bool, second_act: bool, engine: str) -> None:
    """Start six nodes on this machine, and play the scenario.

    Prints the verdicts and one address, and stays up until Ctrl-C.
    """
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell's background job is started with SIGINT ignored
        signal.signal(number, _interrupt)
    nodes: list[NodeProcess] = []
    try:
        status = _run(data, leave, nodes, engine, kill_one=kill_one, second_act=second_act)
    except DemoFailed as failed:
        click.echo(f"The demo stopped: {failed}", err=True)
        status = 70
    except KeyboardInterrupt:
        click.echo("\nStopping the six nodes.")
        status = 0
    finally:
        for node in nodes:
            node.stop()
    sys.exit(status)


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def _run(
    data: Path, leave: bool, nodes: list[NodeProcess], engine: str, *, kill_one: bool, second_act: bool
) -> int:
    started = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"[{time.monotonic() - started:5.1f} s] {text}")

    _require_engine(engine)
    held = _fresh_folder(data)
    ports, page = claim_block(len(scenario.PARTIES) + 1)
    say(f"founding a network of {len(scenario.PARTIES)} participants in {data}/ (keys, genesis, log policy)")
    nodes += found(data, ports, engine)
    for node in nodes:
        node.start()
    for node in nodes:
        node.wait_ready()
    say(f"six nodes are ready on 127.0.0.1, ports {ports[0]} to {ports[-2]}")
    desks = {node.party.key: node.desk() for node in nodes}
    played = play(desks, say)
    lives = play_lives(desks, say)
    ok = _show(played, lives, desks)
    if kill_one:
        ok = _kill_one(nodes, desks, say) and ok
    if second_act:
        ok = _second_act(desks, say) and ok
    say("done")
    if leave:
        held.close()
        return 0 if ok else 1
    _open_doors(page, nodes, desks)
    start = f"http://127.0.0.1:{ports[-1]}/"
    write_state(data, nodes, state="played", start=start, consignment=played.consignment)
    click.echo(f"\nOpen  {start}  - three doors: customs, importer, manufacturer. Ctrl-C ends it.")
    if second_act:
        for key in AUTHORITIES:
            link = desks[key].post("/links", {"next": "/supervision"})["url"]
            click.echo(f"What the {key} sees: {link}")
    _watch(nodes)
    return 0


def _require_engine(engine: str) -> None:
    """Told before anything is made: each of the six nodes would say so by itself."""
    if engine == COMETBFT:
        try:
            find_binary(None)
        except SetupError as error:
            raise DemoFailed(str(error)) from error


def _fresh_folder(data: Path) -> TextIO:
    """An empty folder of the demo, held for this process by what is returned, as long as that is kept."""
    if data.exists():
        if any(data.iterdir()) and not (data / MARKER).exists():
            raise DemoFailed(f"{data} exists and was not made by the demo: name another folder with --data")
        if (data / MARKER).exists():
            _held(data).close()
        shutil.rmtree(data)
    data.mkdir(parents=True, mode=0o700)
    held = _held(data)
    held.write("This folder is replaced at each start of the demo.\n")
    held.flush()
    return held


def _held(data: Path) -> TextIO:
    marker = (data / MARKER).open("a")
    if not hold(marker):
        marker.close()
        raise DemoFailed(f"a demo is running in {data}: end it, or name another folder with --data")
    return marker


def _show(played: Played, lives: list[Life], desks: dict[str, Desk]) -> bool:
    customs = desks["customs"]
    path = f"/consignments/{played.consignment}"
    consignment = customs.get(path)
    consignment["items"] = [customs.get(f"{path}/items/{row['line']}") for row in consignment["items"]]
    comparison = compare(consignment, played, lives)
    print_table(consignment, played, lives, comparison)
    return comparison.ok


def _second_act(desks: dict[str, Desk], say: Callable[[str], None]) -> bool:
    act = play_second_act(desks, say)
    tell(act, click.echo)
    return act.ok


def _kill_one(nodes: list[NodeProcess], desks: dict[str, Desk], say: Callable[[str], None]) -> bool:
    """SIGKILL the EU authority's validator while attestations go on; the three others decide without it."""
    victim = next(n for n in nodes if n.party.key == "eu-authority")
    maker, reader = desks["manufacturer"], desks["customs"]
    height = reader.get("/status")["height"]
    victim.kill()
    say(f"SIGKILL to {victim.party.name} at height {height}")
    killed = time.monotonic()
    battery = scenario.make(9000200)
    digest = maker.attest("battery.produced", battery, produced_members(battery))
    while reader.get("/status")["height"] <= height and time.monotonic() - killed < 30:
        time.sleep(0.02)
    seconds = time.monotonic() - killed
    say(f"the other three decided the next block {seconds:.2f} s later (promised: within 3 s)")
    _wait_state(maker, digest)
    victim.start()
    restarted = time.monotonic()
    victim.wait_ready()
    back = desks[victim.party.key]
    while back.get("/status")["log"] != reader.get("/status")["log"] and time.monotonic() - restarted < 30:
        time.sleep(0.05)
    same = back.get("/status")["log"] == reader.get("/status")["log"]
    say(
        f"{victim.party.name} is back and has {'the same log' if same else 'NOT the same log'} "
        f"{time.monotonic() - restarted:.2f} s after its restart"
    )
    return same and seconds < NEXT_BLOCK_S_MAX


def _wait_state(desk: Desk, digest: str) -> None:
    start = time.monotonic()
    while desk.get(f"/attestations/{digest}")["state"] not in ("admitted", "receipted"):
        if time.monotonic() - start > 30:
            raise DemoFailed("an attestation made after the kill was not admitted within 30 s")
        time.sleep(0.05)


def _open_doors(page: socket.socket, nodes: list[NodeProcess], desks: dict[str, Desk]) -> None:
    """Serve the start page in the background."""

    def opener(desk: Desk, door: str) -> Callable[[], str]:
        return lambda: str(desk.post("/links", {"next": f"/{door}"})["url"])

    links = {n.party.door: opener(desks[n.party.key], n.party.door) for n in nodes if n.party.door}
    rows = [(n.party.name, n.party.jurisdiction, n.party.validator, n.url) for n in nodes]
    threading.Thread(target=StartPage(page, rows, links).serve_forever, daemon=True).start()


def _watch(nodes: list[NodeProcess]) -> None:
    """Stay until Ctrl-C, or until a node stops by itself."""
    while True:
        for node in nodes:
            if node.process is not None and node.process.poll() is not None:
                raise DemoFailed(f"{node.party.name} stopped: {node.last_words()}")
        time.sleep(0.5)


__all__ = ["main"]
