"""The one error of this folder: input from outside that breaks a rule."""

from __future__ import annotations


class CredentialError(ValueError):
    """A document, identifier or proof that was refused; `code` is a reason code of the verdict tables.

    The message is a sentence that names the member or the clause, fit to be shown to the sender.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
