"""`comity serve`: one process with the engine, the keys and the web server."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import os
import signal
import socket
import ssl
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.client import options
from node.cli.setup import DATA, PASSPHRASE
from node.cli.terminal import say
from node.config import DataDirectory, environment, passphrase
from node.errors import SetupError
from node.named_files import write_own
from node.peers.link import is_loopback
from node.server.hosts import EVERYWHERE

if TYPE_CHECKING:
    from node.server.http import HttpServer
    from node.service import Service

PARENT_POLL_S = 0.5
SWITCH_INTERVAL_S = 0.001  # a request does not wait 5 ms for a verdict that is being computed beside it
# What is loaded stays; attestations come and go by reference counting, and are no reason to walk all of it.
COLLECT_AT = (20_000, 20, 50)
_PR_SET_PDEATHSIG = 1
# glibc's mallopt(3). By default each thread keeps what its largest request took, up to some dozen megabytes.
_M_MMAP_THRESHOLD, LARGE_BYTES = -3, 1 << 20
_M_ARENA_MAX, ARENAS_MAX = -8, 2


OPEN = (
    "comity: THIS NODE IS OPEN (--open-api): everybody who reaches it may issue and verify with its keys, "
    "without a key of their own. For tests only."
)


FIRST = (
    "comity: nobody has an account here yet. Within an hour, and once, this link makes the first "
    "administrator: {link}"
)


_SERVE = options(
    DATA,
    click.option(
        "--listen", default="127.0.0.1:8470", show_default=True, help="HOST:PORT; port 0 takes a free one."
    ),
    PASSPHRASE,
    click.option(
        "--open-api",
        is_flag=True,
        help="Open the VC-API to everybody; on an empty directory, make a node by itself first. For tests.",
    ),
    click.option(
        "--tls-cert",
        type=click.Path(path_type=Path, exists=True),
        help="Certificate chain (PEM): serve HTTPS.",
    ),
    click.option("--tls-key", type=click.Path(path_type=Path, exists=True), help="Its private key (PEM)."),
    click.option(
        "--tls",
        type=click.Choice(["own", "off"]),
        help="own: HTTPS under a certificate of this node (the default where others can reach it). "
        "off: plain HTTP, for a proxy that ends TLS.",
    ),
    click.option("--die-with-parent", is_flag=True, help="End when the process that started this one ends."),
)


@click.command()
@_SERVE
def serve(
    data: Path,
    *,
    listen: str,
    passphrase_file: Path | None,
    open_api: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls: str | None,
    die_with_parent: bool,
) -> int:
    """Run the node of a data directory until SIGTERM or Ctrl-C."""
    os.umask(0o077)  # whatever it writes is for its owner
    gc.set_threshold(*COLLECT_AT)  # before most is loaded
    _settle_memory()
    if die_with_parent:
        _die_with_parent()
    operators = _operators_certificate(tls_cert, tls_key, tls)
    host, port = _address(listen)
    secure = operators is not None or tls == "own" or (tls is None and not is_loopback(host))
    directory = DataDirectory(data)
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(_bind(host, port))
        bound: int = listening.getsockname()[1]
        url = _url(host, bound, tls=secure)
        words = _stand_alone(directory, url, passphrase_file) if open_api else passphrase(passphrase_file)
        stack.enter_context(directory.lock())
        # Imported here: the lock and the port are checked before a second is spent.
        from node import log  # noqa: PLC0415
        from node.setup.wiring import open_service  # noqa: PLC0415

        _settle_interpreter()
        log.hear_libraries()
        public_url = url if open_api else None
        while True:
            service = open_service(
                directory, words, bound, open_api=open_api, public_url=public_url, listen_host=host
            )
            context = _tls(service, directory, operators) if secure else None
            ended = _serve(service, directory, listening, context, url=url, open_api=open_api)
            if ended or not service.engine.renewed.is_set():
                break
            # A ledger was given to it meanwhile: the same process opens it, and all that goes by it.
            listening = stack.enter_context(_bind(host, bound))
        log.moment("ended")
    return _exit_code(service)


def _serve(
    service: Service,
    directory: DataDirectory,
    listening: socket.socket,
    context: ssl.SSLContext | None,
    *,
    url: str,
    open_api: bool,
) -> bool:
    """Run the node until it is to end, or to be opened again; whether it was told to end."""
    from node import log  # noqa: PLC0415
    from node.api import create_app, door_of  # noqa: PLC0415
    from node.server.http import HttpServer  # noqa: PLC0415

    server = HttpServer(create_app(service), listening, tls=context, door=door_of(service))
    write_own(directory.address, f"{url}\n".encode())
    host, port = listening.getsockname()[:2]
    log.moment("listening", host=host, port=port, participant=service.overview.did)
    if open_api:
        say(OPEN, err=True)
    elif (token := service.accounts.first_link()) is not None:
        say(FIRST.format(link=f"{directory.settings().public_url or url}/welcome/{token}"), err=True)
    return _run(service, server)


def _exit_code(service: Service) -> int:
    if service.failure is None:
        return 0
    say(f"comity: the node stopped itself: {service.failure}", err=True)
    return 70


def _settle_interpreter() -> None:
    """Short turns between threads, and no walks over what was loaded for good."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()


def _settle_memory() -> None:
    """What was large goes back to the system when it is let go of; before any thread begins."""
    with contextlib.suppress(OSError, AttributeError):  # not glibc: others keep less by themselves
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        libc.mallopt(_M_ARENA_MAX, ARENAS_MAX)


def _operators_certificate(
    certificate: Path | None, key: Path | None, tls: str | None
) -> tuple[Path, Path] | None:
    if (certificate is None) != (key is None):
        raise click.UsageError("--tls-cert and --tls-key are given together")
    if certificate is None or key is None:
        return None
    if tls is not None:
        raise click.UsageError("--tls is for a node without --tls-cert")
    return certificate, key


def _tls(service: Service, directory: DataDirectory, operators: tuple[Path, Path] | None) -> ssl.SSLContext:
    """Peers are shown the node's own certificate, browsers the operator's where there is one."""
    from node.server.tls import server_context  # noqa: PLC0415

    vouching, own = service.peers.vouching, service.peers.certificate(service.hosts.names())
    if operators is None:
        write_own(directory.certificate, own[0])
    else:  # the command line believes what was left there
        directory.certificate.unlink(missing_ok=True)

    def renewed() -> tuple[bytes, bytes] | None:
        """For peers, another one whenever other keys vouch for it."""
        nonlocal vouching
        if vouching == (now := service.peers.vouching):
            return None
        vouching = now
        return service.peers.certificate(service.hosts.names())

    return server_context(operators, own, renewed)


def _run(service: Service, server: HttpServer) -> bool:
    """True once a signal, or a failure, ended it."""
    told = threading.Event()

    def stop(*_: object) -> None:
        told.set()
        server.close()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    threading.Thread(target=_end_on_failure, args=(service,), daemon=True).start()
    threading.Thread(target=_close_for_another, args=(service, server), daemon=True).start()
    service.start()
    try:
        server.run()
    finally:
        service.stop()
    return told.is_set()


def _close_for_another(service: Service, server: HttpServer) -> None:
    service.engine.renewed.wait()
    server.close()


def _stand_alone(directory: DataDirectory, url: str, passphrase_file: Path | None) -> str:
    """The passphrase of a node that is made first if need be; one that nobody gave lies beside its keys."""
    from node.setup import standalone  # noqa: PLC0415

    if not standalone.is_new(directory):
        return standalone.own_passphrase(directory) or passphrase(passphrase_file)
    given = passphrase_file is not None or environment("COMITY_PASSPHRASE") is not None
    public_url = directory.settings().public_url or url
    return standalone.found(directory, public_url, passphrase(passphrase_file) if given else None)


def _url(host: str, port: int, *, tls: bool) -> str:
    """Where this node is found from here; a node that listens everywhere is found at localhost."""
    name = "localhost" if host in EVERYWHERE else f"[{host}]" if ":" in host else host
    scheme, usual = ("https", 443) if tls else ("http", 80)
    return f"{scheme}://{name}" + ("" if port == usual else f":{port}")


def _end_on_failure(service: Service) -> None:
    service.failed.wait()
    os.kill(os.getpid(), signal.SIGTERM)


def _address(listen: str) -> tuple[str, int]:
    host, separator, port = listen.rpartition(":")
    if not separator or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise click.UsageError(f"--listen is HOST:PORT, not {listen!r}")
    return host.strip("[]"), int(port)


def _bind(host: str, port: int) -> socket.socket:
    """The listening socket, taken before anything else is done."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise SetupError(f"port {port} on {host} is in use: choose another with --listen") from error
        raise SetupError(
            f"this node cannot listen on {host}:{port}: {error.strerror}",
            step="Give an address of this machine and a free port with --listen HOST:PORT.",
        ) from error
    return bound


def _die_with_parent() -> None:
    """End when the parent ends, also when it was killed: the kernel tells us, and a poll makes sure.

    The kernel's signal is sent when the *thread* that started us ends, so it only makes us look.
    """
    parent = os.getppid()

    def look(*_: object) -> None:
        if os.getppid() != parent:
            os._exit(0)

    def poll() -> None:
        while True:
            look()
            time.sleep(PARENT_POLL_S)

    signal.signal(signal.SIGUSR2, look)
    with contextlib.suppress(OSError, AttributeError):  # not Linux: the poll is enough
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGUSR2)
    look()
    threading.Thread(target=poll, name="parent", daemon=True).start()
