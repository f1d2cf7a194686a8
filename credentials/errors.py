"""The one error of this folder: input from outside that breaks a rule."""

from __future__ import annotations

from typing import NoReturn

# By these codes nothing is said against what was shown: this node lacks something (an algorithm, a context, a
# way to the issuer's keys, a schema, a kind of status), or a third server sent something wrong or nothing.
# They decide nothing and are never the item's fault; config/reasons.toml says the same, and a test holds both
# together.
UNDECIDED = frozenset(
    {
        "context_unknown",
        "genesis_unavailable",
        "issuer_document_invalid",
        "issuer_unknown",
        "schema_other",
        "schema_unavailable",
        "status_list_foreign",
        "status_list_invalid",
        "status_stale",
        "status_unavailable",
        "status_unsupported",
        "unsupported_algorithm",
    }
)


class CredentialError(ValueError):
    """A document, identifier or proof that was refused; `code` is a reason code of the verdict tables.

    The message is a sentence that names the member or the clause, fit to be shown to the sender.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def malformed(sentence: str) -> NoReturn:
    """Refuse what is not of the form that it should have; `sentence` without its stop."""
    raise CredentialError("malformed", f"{sentence}.")
