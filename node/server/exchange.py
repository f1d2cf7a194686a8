"""What becomes of a request: read in whole, answered on the lane of its kind, sent at the client's pace.

A request that two readers could read differently is refused: two lengths, a length beside an encoding,
another host in its target (RFC 9112, 3.2.2). No step waits on a thread; each has a deadline in total time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from aiohttp import ClientConnectionResetError, web
from multidict import CIMultiDict

from node.errors import ProblemError, bad_request, busy
from node.peers.mailboxes import ANSWERED_S_MAX, away
from node.peers.messages import PEER_BODY_BYTES_MAX
from node.server import tickets
from node.server.connections import (
    IDLE_S_MAX,
    LARGE_BODIES_MAX,
    SMALLER_BODIES_MAX,
    Connection,
    Connections,
    Doing,
    LargeBodies,
    Rank,
)
from node.server.feeds import BRIEF_PER_CLIENT_MAX, BRIEF_POLL_S, FEED_POLL_S, FEED_S_MAX, Feed, OpenFeeds
from node.server.lanes import Lanes
from node.server.refusing import asked_language, told
from node.server.wsgi import (
    MEMORY_BYTES_MAX,
    Application,
    WholeAnswer,
    WholeRequest,
    call,
    file_of,
    new_body,
)
from node.transient_faults import is_out_of_room, out_of_room

if TYPE_CHECKING:
    from node.server.http import ClientProtocol

ANY_BODY_BYTES_MAX = 17 << 20  # a manifest (16 MiB) and its headers; the table of routes has smaller ones
STRANGERS_BODY_BYTES_MAX = 4 << 20  # a document to be verified; also how long it may keep another waiting
CHUNK_BYTES = 64 << 10
LATE_MAX = 16  # refusals that wait at the same time before they are told
ANSWER_S_MAX = 300.0  # the lanes' own bounds come first
LENGTH_DIGITS_MAX = 18  # of a Content-Length: no body has a longer one
SERVER = "comity"
PROBES = ("/healthz", "/readyz")
PEERS = "/peer/"


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """What another node is answered, and who it has shown to be."""

    body: bytes
    sender: str = ""  # of a signed request
    rank: Rank = Rank.STRANGER
    later: Future[bytes] | None = None  # in the place of the body: somebody else answers, who is hosted here


class Peers(Protocol):
    """What answers the requests of other nodes; raises ProblemError."""

    def handle(self, path: str, body: bytes) -> PeerAnswer: ...

    def refuse_large(self) -> None: ...

    def refusal_wait_s(self, subnet: str) -> float:
        """How long one more refusal waits before `subnet` is told it."""


@dataclass(frozen=True, slots=True)
class Door:
    """Whom the server knows: its own hosts, who holds a key or a session, and the other nodes."""

    own_host: Callable[[str], bool] = lambda host: True
    # Whose key or session these headers show, in a word of its own; None: nobody's.
    knows: Callable[[str | None, str | None], str | None] = lambda authorization, cookie: None
    peers: Peers | None = None
    lanes: Lanes = field(default_factory=Lanes)


async def _body_of(made: PeerAnswer) -> bytes:
    """What is answered, once whoever answers has: on no thread."""
    if made.later is None:
        return made.body
    waiting = asyncio.wrap_future(made.later)
    try:
        await asyncio.wait([waiting], timeout=ANSWERED_S_MAX)
        if not waiting.done() or waiting.cancelled():
            raise away()
        return waiting.result()
    finally:
        waiting.cancel()  # nobody waits for it any more


class _LateRefusals:
    """Whoever goes on sending what is refused is slowed down; a few at a time, on no thread."""

    def __init__(self) -> None:
        self._waiting = 0

    async def wait(self, seconds: float) -> None:
        if seconds <= 0 or self._waiting >= LATE_MAX:
            return
        self._waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting -= 1


class Exchange:
    """Answers the requests of one server. Belongs to its event loop."""

    def __init__(self, application: Application, door: Door, connections: Connections, *, tls: bool) -> None:
        self._application = application
        self._door = door
        self._connections = connections
        self._scheme = "https" if tls else "http"
        self._feeds = OpenFeeds()
        self._brief = OpenFeeds(per_client_max=BRIEF_PER_CLIENT_MAX)
        self._stopping = asyncio.Event()
        # No kind takes the places of another: of pages, by whether a key is shown, and of peers.
        self._large = [LargeBodies(connections, most) for most in (SMALLER_BODIES_MAX, LARGE_BODIES_MAX)]
        self._large_of_peers = {rank: LargeBodies(connections, SMALLER_BODIES_MAX) for rank in Rank}
        self._late = _LateRefusals()
        self._tickets = tickets.Tickets()
        self._lanes = door.lanes

    def stop(self) -> None:
        """Feeds end now."""
        self._stopping.set()

    def close(self, seconds_max: float) -> None:
        self._lanes.close(seconds_max)

    async def __call__(self, received: web.BaseRequest) -> web.StreamResponse:
        """One request and its answer."""
        protocol: ClientProtocol = received.protocol  # type: ignore[assignment] # http.py makes no other
        connection = protocol.connection
        try:
            try:
                answer = await self._answer(received, connection)
                if isinstance(answer.body, Feed) and answer.body.brief:
                    answer = await self._finished(connection, answer, answer.body)
            except ProblemError as problem:
                answer = told(problem, _language(received))
            except (web.RequestPayloadError, TimeoutError) as error:
                raise ClientConnectionResetError("the client left") from error
            except (OSError, MemoryError) as error:
                if not is_out_of_room(error):
                    raise
                answer = told(out_of_room(error), _language(received))
            return await self._send(received, connection, answer)
        finally:
            self._connections.begin(connection, Doing.IDLE, IDLE_S_MAX)

    # -- reading -------------------------------------------------------------------------------------

    async def _answer(self, received: web.BaseRequest, connection: Connection) -> WholeAnswer:
        target, host = _origin_form(received.raw_path, _said(received, "host"), self._door.own_host)
        headers = _with_one_reading(_headers(received), received.version >= (1, 1))
        if host is not None:
            headers = [(n, v) for n, v in headers if n != "host"] + [("host", host)]
        if received.method == "POST" and target.startswith(PEERS) and self._door.peers is not None:
            return await self._answer_peer(received, connection, target.removeprefix(PEERS), self._door.peers)
        path = target.partition("?")[0]
        probe = path in PROBES and received.method in ("GET", "HEAD")
        whose = "" if probe else await self._whose(received, connection)
        proven, client = connection.proven if probe else bool(whose), whose or connection.subnet
        size_max = ANY_BODY_BYTES_MAX if proven else STRANGERS_BODY_BYTES_MAX
        body, size = await self._receive(received, connection, size_max, self._large[proven], client)
        self._connections.begin(connection, Doing.ANSWERING, ANSWER_S_MAX)
        sockname = received.get_extra_info("sockname") or ("localhost", 0)
        request = WholeRequest(
            received.method,
            target,
            tuple(headers),
            self._scheme,
            (str(sockname[0]), int(sockname[1])),
            body,
            size,
            connection.subnet,
        )
        lane = self._lanes.probes if probe else self._lanes.pages
        made: list[WholeAnswer] = []

        def work() -> None:
            made.append(call(self._application, request))

        with body:
            try:
                await lane.run(work, client=client, rank=Rank.TAKES_PART if proven else Rank.STRANGER)
            except BaseException:
                for unsent in made:  # the client left meanwhile
                    unsent.close()
                raise
        if made[0].status == HTTPStatus.UNAUTHORIZED:
            connection.forget()  # its key has ended since it was shown first
        return made[0]

    async def _whose(self, received: web.BaseRequest, connection: Connection) -> str:
        """Whose key or session this request shows, empty for nobody's: asked before its body is read.

        This one, whatever was shown before: behind a proxy a connection is of one after the other.
        """
        shown = _said(received, "authorization"), _said(received, "cookie")
        if not any(shown):
            return ""
        if connection.known_as and shown == connection.shown:
            return connection.known_as
        self._connections.begin(connection, Doing.ANSWERING, ANSWER_S_MAX)
        try:
            known = await self._lanes.doors.run(
                partial(self._door.knows, *shown), client=connection.subnet, rank=Rank.STRANGER
            )
        except ProblemError:  # too many are asked about
            return ""
        if known is None:
            return ""
        connection.proven, connection.known_as, connection.shown = True, known, shown
        return known

    async def _receive(
        self,
        received: web.BaseRequest,
        connection: Connection,
        size_max: int,
        places: LargeBodies,
        client: str,
    ) -> tuple[IO[bytes], int]:
        """The whole body, at its beginning, and its size; in a place if it is a large one.

        413 for one that is larger than may be, 408 for one that gave way.
        """
        declared = received.content_length
        if declared is not None and declared > size_max:
            raise _too_large(size_max)
        if not received.can_read_body or (declared is not None and declared <= MEMORY_BYTES_MAX):
            return await self._read(received, connection, size_max)
        async with places.reading(connection, client):
            return await self._read(received, connection, size_max)

    async def _read(
        self, received: web.BaseRequest, connection: Connection, size_max: int
    ) -> tuple[IO[bytes], int]:
        """The whole body, at its beginning, and its size."""
        if not received.can_read_body:
            return new_body(), 0
        body, size = new_body(), 0
        self._connections.transfer(connection, Doing.READING)
        try:
            if received.version >= (1, 1) and (_said(received, "expect") or "").lower() == "100-continue":
                await received.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                received.writer.output_size = 0  # as aiohttp's own handler does
            while chunk := await received.content.readany():
                size += len(chunk)
                self._connections.moved(connection, len(chunk))
                if size > size_max:
                    raise _too_large(size_max)
                body.write(chunk)
        except BaseException:
            body.close()
            raise
        body.seek(0)
        return body, size

    async def _answer_peer(
        self, received: web.BaseRequest, connection: Connection, path: str, peers: Peers
    ) -> WholeAnswer:
        sender, rank = self._tickets.read(_said(received, tickets.HEADER.lower()))
        client = sender or connection.subnet
        run = partial(self._lanes.peers.run, client=client)
        try:
            try:
                large = self._large_of_peers[rank]
                body, _ = await self._receive(received, connection, PEER_BODY_BYTES_MAX, large, client)
            except ProblemError as error:
                if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                    await run(peers.refuse_large, rank=Rank.STRANGER)
                raise
            self._connections.begin(connection, Doing.ANSWERING, ANSWER_S_MAX)
            with body:
                data = body.read()
            made = await run(partial(peers.handle, path, data), rank=rank)
            if made.sender:
                connection.proven, connection.peer, connection.rank = True, made.sender, made.rank
        except ProblemError:
            connection.forget()  # whoever captured a peer's requests has not its key
            await self._late.wait(peers.refusal_wait_s(connection.subnet))
            raise
        shown = [(tickets.HEADER, self._tickets.give(made.sender, made.rank))] if made.sender else []
        return WholeAnswer.of(200, "OK", "application/cose", await _body_of(made), *shown)

    # -- sending -------------------------------------------------------------------------------------

    async def _send(
        self, received: web.BaseRequest, connection: Connection, answer: WholeAnswer
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            status=answer.status, reason=answer.reason, headers=CIMultiDict(answer.headers)
        )
        response.headers["Server"] = SERVER
        body = answer.body
        if isinstance(body, Feed):
            return await self._send_feed(received, connection, response, body)
        with body:
            if received.method != "HEAD" and answer.status not in (204, 304):
                response.content_length = answer.size_bytes
            if answer.last or not received.content.at_eof():
                response.force_close()  # what was not read is not read as the next request
            self._connections.transfer(connection, Doing.WRITING)
            await response.prepare(received)
            if received.method != "HEAD":
                while chunk := body.read(CHUNK_BYTES):
                    await response.write(chunk)
                    self._connections.moved(connection, len(chunk))
            await response.write_eof()
        return response

    async def _send_feed(
        self, received: web.BaseRequest, connection: Connection, response: web.StreamResponse, feed: Feed
    ) -> web.StreamResponse:
        try:
            client = feed.of or connection.subnet
            with self._feeds.one_of(client, feed.share or client):
                self._connections.transfer(connection, Doing.WRITING)
                await response.prepare(received)
                await self._follow(feed, connection, response)
        except ProblemError as problem:
            if response.prepared:  # no place for the next poll: the client asks again from where it was
                response.force_close()
            else:
                return await self._send(received, connection, told(problem, _language(received)))
        await response.write_eof()
        return response

    async def _finished(self, connection: Connection, answer: WholeAnswer, feed: Feed) -> WholeAnswer:
        """The whole answer of a brief feed, once it says that it is."""
        client = feed.of or connection.subnet
        share = feed.share or client
        with self._brief.one_of(client, share):
            while not self._stopping.is_set():
                new, last = await self._lanes.feeds.run(feed.poll, client=share, rank=Rank.TAKES_PART)
                if last:
                    return replace(answer, body=file_of(new), size_bytes=len(new))
                await asyncio.sleep(BRIEF_POLL_S)
        raise busy("this node is stopping")

    async def _follow(self, feed: Feed, connection: Connection, response: web.StreamResponse) -> None:
        loop, share = asyncio.get_running_loop(), feed.share or feed.of or connection.subnet
        until = loop.time() + FEED_S_MAX
        while not self._stopping.is_set() and loop.time() < until:
            self._connections.begin(connection, Doing.ANSWERING, ANSWER_S_MAX)
            new, last = await self._lanes.feeds.run(feed.poll, client=share, rank=Rank.TAKES_PART)
            if new:
                self._connections.transfer(connection, Doing.WRITING)
                await response.write(new)
            if last:
                return
            await asyncio.sleep(FEED_POLL_S if not new else 0)


def _origin_form(target: str, host: str | None, own_host: Callable[[str], bool]) -> tuple[str, str | None]:
    """(target in origin form, the host that an absolute-form target names): RFC 9112, 3.2."""
    if target.startswith("/"):
        if host is None:
            raise bad_request("host_missing", "A request names the host it is for (RFC 9112, 3.2).")
        return target, None
    try:
        parts = urlsplit(target)
    except ValueError as error:
        raise bad_request("bad_target", "The target of the request cannot be read.") from error
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise bad_request("bad_target", "The target of a request is a path, or a URL of this node.")
    if not own_host(parts.netloc) or (host is not None and host.lower() != parts.netloc.lower()):
        raise ProblemError(
            421,
            "other_host",
            "Misdirected request",
            "This node does not answer for the host {host}: it is no proxy. Send it a path.",
            host=ascii(parts.netloc)[:120],
        )
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), parts.netloc


def _with_one_reading(headers: list[tuple[str, str]], may_be_chunked: bool) -> list[tuple[str, str]]:
    """These headers; 400 unless where the body ends is said once, in one way, not encoded (RFC 9112, 6).

    aiohttp's parser refuses most of these, and reads over an encoding that is empty or beside `chunked`.
    """
    lengths = [value for name, value in headers if name == "content-length"]
    encodings = [value.strip().lower() for name, value in headers if name == "transfer-encoding"]
    chunked = may_be_chunked and not lengths and encodings == ["chunked"]
    if (encodings and not chunked) or any(len(length) > LENGTH_DIGITS_MAX for length in lengths):
        sentence = "The request cannot be read; check its form and its encoding."
        raise bad_request("bad_request", sentence)
    return headers


def _headers(received: web.BaseRequest) -> list[tuple[str, str]]:
    """Names in lower case, and values as PEP 3333 has them: one character a byte.

    aiohttp's own texts hold half a surrogate for each byte that is no UTF-8. Cookies of others on this host
    may be such, and none of ours is.
    """
    found = []
    for raw_name, raw_value in received.raw_headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name == "cookie" and not value.isascii():
            value = ";".join(one for one in value.split(";") if one.isascii())
        found.append((name, value))
    return found


def _said(received: web.BaseRequest, name: str) -> str | None:
    """The first header of this name."""
    return next((value for given, value in _headers(received) if given == name), None)


def _language(received: web.BaseRequest) -> str:
    return asked_language(_said(received, "accept"), _said(received, "accept-language"))


def _too_large(size_max: int) -> ProblemError:
    stranger = size_max == STRANGERS_BODY_BYTES_MAX
    sentence = (
        "The body is larger than the {size_max} bytes that this address takes without a key of this node."
        if stranger
        else "The body is larger than the {size_max} bytes that this address takes."
    )
    return ProblemError(413, "too_large", "Content too large", sentence, size_max=size_max)
