"""Problem details (RFC 9457): the one shape in which a node says what went wrong, and whose fault it is.

Everything in `node/` that refuses a request raises `ProblemError`; the API renders it as
`application/problem+json`, the command line prints its detail as one sentence.
"""

from __future__ import annotations

from typing import Any


class ProblemError(ValueError):
    """A request that cannot be answered: `{type, title, status, detail, code, ...}`.

    `status` is the HTTP status (4xx: the caller's, 503: come again), `code` a stable word, `detail`
    one sentence that says what to do. `extra` members travel in the problem document.
    """

    def __init__(self, status: int, code: str, title: str, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.extra = extra

    def document(self) -> dict[str, Any]:
        """The problem document, ready for JSON."""
        return {
            "type": f"urn:comity:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.extra,
        }


class SetupError(ValueError):
    """This node cannot run as it was set up: one sentence for the operator, never a traceback."""

    EXIT_CODE = 65


def bad_request(code: str, detail: str, **extra: Any) -> ProblemError:
    """400: what the caller sent cannot be read or breaks a rule of form."""
    return ProblemError(400, code, "Bad request", detail, **extra)


def not_found(code: str, detail: str) -> ProblemError:
    """404: this node does not hold what was asked for."""
    return ProblemError(404, code, "Not found", detail)


def forbidden(code: str, detail: str) -> ProblemError:
    """403: known, but not allowed."""
    return ProblemError(403, code, "Not allowed", detail)


def busy(detail: str) -> ProblemError:
    """503: a bound is reached; nothing was taken over."""
    return ProblemError(503, "busy", "Come again", detail)
