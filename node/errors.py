"""Problem details (RFC 9457): the one shape in which a node says what went wrong, and whose fault it is.

Everything in `node/` that refuses a request raises `ProblemError`; the API renders it as
`application/problem+json`, the command line prints its detail as one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from consensus.errors import filled


class ProblemError(ValueError):
    """A request that cannot be answered: `{type, title, status, detail, code, ...}`.

    `status` is the HTTP status (4xx: the caller's, 503: come again), `code` a stable word, `sentence` says in
    English what to do, with its parameters in braces as in a `Refusal`: `detail` is both together, and the
    edge fills in the same sentence of another language. `rule`: the ledger's, where one of them refused.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        sentence: str,
        /,
        *,
        rule: str | None = None,
        **parameters: Any,
    ) -> None:
        self.detail = filled(sentence, parameters)
        super().__init__(self.detail)
        self.status = status
        self.code = code
        self.title = title
        self.sentence = sentence
        self.parameters = parameters
        self.rule = rule

    def document(self) -> dict[str, object]:
        """The problem document, ready for JSON."""
        return {
            "type": f"urn:comity:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **({} if self.rule is None else {"rule": self.rule}),
        }


class AnsweredProblem(ProblemError):
    """A problem as another node answered it, with the step that it gave (an earlier version: {})."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        sentence: str,
        /,
        *,
        step: Mapping[str, str],
        again_s: int | None = None,
    ) -> None:
        super().__init__(status, code, title, sentence)
        self.step = step
        self.again_s = again_s  # seconds after which it asks to be asked again


class SetupError(ValueError):
    """This node cannot run as it was set up: one sentence for the operator, never a traceback.

    Whose fault it is goes with the class. The next step is `step`, or that of the class, or in the sentence
    (decision 0605).
    """

    EXIT_CODE = 65
    FAULT, NEXT = "caller", ""

    def __init__(self, sentence: str, /, *, step: str = "") -> None:
        super().__init__(sentence)
        self.step = step or self.NEXT


class Unreadable(SetupError):
    """A file that was named is not there, or this user may not read it."""

    NEXT = "Name a file that is there, and that the user who runs this may read."


class Unfit(SetupError):
    """A file that was named was read, and does not hold what it should."""

    NEXT = "Correct that in the file, or take the file again from where it came."


class PeerFailed(SetupError):
    """Another node did not give what it was asked for."""

    FAULT, NEXT = "source", "Ask another peer, or whoever runs that node."


class TokenAway(ProblemError):
    """503: the token that holds a key of this node gives no signature now. What waits for one waits."""


def bad_request(code: str, sentence: str, /, **parameters: Any) -> ProblemError:
    """400: what the caller sent cannot be read or breaks a rule of form."""
    return ProblemError(400, code, "Bad request", sentence, **parameters)


def not_found(code: str, sentence: str, /, **parameters: Any) -> ProblemError:
    """404: this node does not hold what was asked for."""
    return ProblemError(404, code, "Not found", sentence, **parameters)


def forbidden(code: str, sentence: str, /, **parameters: Any) -> ProblemError:
    """403: known, but not allowed."""
    return ProblemError(403, code, "Not allowed", sentence, **parameters)


def busy(sentence: str, /, **parameters: Any) -> ProblemError:
    """503: a bound is reached; nothing was taken over."""
    return ProblemError(503, "busy", "Come again", sentence, **parameters)
