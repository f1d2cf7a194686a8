"""The root of every error that consensus/ raises about its input, and how its sentences are filled in."""

from collections.abc import Mapping
from string import Formatter


class ConsensusError(ValueError):
    """Something from outside breaks a rule; the message says which one and what to do."""


class OwnFault(Exception):
    """What this node keeps cannot be read as it was written: no fault of whatever is being worked on.

    It is judged by nothing: no attestation is malformed for it, no block invalid. It goes on up, and the node
    stops where it is.
    """


class _English(Formatter):
    def format_field(self, value: object, format_spec: str) -> str:
        between = f" {format_spec} " if format_spec else ", "
        return between.join(map(str, value)) if isinstance(value, tuple) else str(value)


def filled(sentence: str, parameters: Mapping[str, object]) -> str:
    """An English sentence with its parameters in place; without any it is no template, whatever it holds."""
    return _English().vformat(sentence, (), parameters) if parameters else sentence
