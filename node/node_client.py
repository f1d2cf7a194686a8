"""How a program reaches a node: its HTTP API, within bounds, and what it says when it has no answer.

node = Client("http://127.0.0.1:8401", key)        what the command line uses
maker = MakerClient(node)                          sheets, jobs, receipts: `maker_client.py`
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.errors import AnsweredProblem, ProblemError

if TYPE_CHECKING:
    import requests

JSON = dict[str, Any]
CONNECT_S_MAX = 10.0
ANSWER_S_MAX = 300.0
PART_BYTES = 64 << 10
ANSWER_BYTES_MAX = 64 << 20


class NodeAnswer(dict[str, Any]):
    """A JSON object of an answer: a member that every node sends and this one did not is told as that."""

    def __missing__(self, name: str) -> Any:
        raise _strange(
            f"the answer has no `{name}`: what answers there is no node, or one of another version"
        )


@dataclass(frozen=True, slots=True)
class Client:
    """One node's API."""

    url: str
    key: str | None
    certificate: Path | None = None  # of a node on this machine, that it made for itself

    def get(self, path: str) -> JSON:
        return self._json("GET", path, None)

    def post(self, path: str, body: JSON) -> JSON:
        return self._json("POST", path, body)

    def send(self, path: str, body: bytes, content_type: str, headers: Mapping[str, str]) -> JSON:
        """POST a body that is no JSON."""
        answer = self._send("POST", path, body, "application/json", content_type=content_type, more=headers)
        return self._read(answer)

    def fetch(self, path: str, accept: str = "*/*") -> bytes:
        """What stands there, as it is."""
        return self._send("GET", path, None, accept)

    def text(self, path: str) -> str:
        answer = self._send("GET", path, None, "text/plain")
        try:
            return answer.decode()
        except UnicodeDecodeError as error:
            raise _strange(f"what answers at {self.url} is no node: its answer is not text") from error

    def _json(self, method: str, path: str, body: JSON | None) -> JSON:
        data = None if body is None else json.dumps(body).encode()
        return self._read(self._send(method, path, data, "application/json"))

    def _read(self, answer: bytes) -> JSON:
        try:
            value = json.loads(answer, object_hook=NodeAnswer)
        except (ValueError, RecursionError) as error:
            raise _strange(f"what answers at {self.url} is no node: its answer is not JSON") from error
        if not isinstance(value, NodeAnswer):
            raise _strange(f"what answers at {self.url} is no node: its answer is not a JSON object")
        return value

    def _send(
        self,
        method: str,
        path: str,
        data: bytes | None,
        accept: str,
        *,
        content_type: str = "application/json",
        more: Mapping[str, str] | None = None,
    ) -> bytes:
        import requests  # noqa: PLC0415  (only a command that asks a node pays for it)

        headers = {"accept": accept, "accept-encoding": "identity", **(more or {})}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        if data is not None:
            headers["content-type"] = content_type
        with requests.Session() as session:
            session.trust_env = False  # nobody's proxy and no .netrc between an operator and the node
            if self.certificate is not None and self.certificate.exists():
                session.verify = str(self.certificate)
            try:
                with session.request(
                    method,
                    self.url + path,
                    data=data,
                    headers=headers,
                    timeout=(CONNECT_S_MAX, ANSWER_S_MAX),
                    allow_redirects=False,
                    stream=True,
                ) as answer:
                    status, content = answer.status_code, _content(answer)
                    again = answer.headers.get("retry-after", "")
            except (requests.RequestException, OSError) as error:
                raise self._failed(error) from error
        if status >= 400:
            raise _problem(status, content, int(again) if again.isdecimal() else None)
        if status >= 300:
            raise _strange(f"{self.url} answers with another address")
        return content

    def _failed(self, error: Exception) -> ProblemError:
        """Whose fault it is that there is no answer."""
        import ssl  # noqa: PLC0415
        from http.client import HTTPException  # noqa: PLC0415

        causes = list(_causes(error))
        untrusted = next((c for c in causes if isinstance(c, ssl.SSLCertVerificationError)), None)
        if untrusted is not None:
            return ProblemError(
                502,
                "not_believed",
                "Not believed",
                f"the certificate shown at {self.url} is not believed here: {untrusted.verify_message}. For "
                "one on this machine give --data DIR; others need a certificate of an authority (--tls-cert)",
            )
        if any(isinstance(cause, HTTPException | ssl.SSLError) for cause in causes):
            return _strange(f"what answers at {self.url} is no node")
        return ProblemError(
            503, "unreachable", "Not reachable", f"no node answers at {self.url}: is it running?"
        )


def _content(answer: requests.Response) -> bytes:
    """The body as it travels, within its bounds in bytes and in time."""
    until, content = time.monotonic() + ANSWER_S_MAX, bytearray()
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise _strange("the answer is compressed, which nobody asked for")
    for part in answer.iter_content(PART_BYTES):
        content += part
        if len(content) > ANSWER_BYTES_MAX:
            raise _strange(f"the answer has more than {ANSWER_BYTES_MAX} bytes")
        if time.monotonic() > until:
            raise _strange(f"the answer takes longer than {ANSWER_S_MAX:.0f} s")
    return bytes(content)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it was raised for."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _strange(why: str) -> ProblemError:
    return ProblemError(502, "strange_answer", "Strange answer", why)


def _problem(status: int, body: bytes, again_s: int | None = None) -> ProblemError:
    try:
        document = json.loads(body)
        step = {name: document[name] for name in ("fault", "next") if isinstance(document.get(name), str)}
        told = document.get("code", "refused"), document["title"], document["detail"]
        return AnsweredProblem(status, *told, step=step, again_s=again_s)
    except (ValueError, KeyError, AttributeError):
        return ProblemError(status, "refused", "Refused", f"the node answered {status}")
