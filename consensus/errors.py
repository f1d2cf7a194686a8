"""The root of every error that consensus/ raises about its input, and how its sentences are filled in."""

from collections.abc import Mapping
from string import Formatter


class ConsensusError(ValueError):
    """Something from outside breaks a rule; the message says which one and what to do."""


class _English(Formatter):
    def format_field(self, value: object, format_spec: str) -> str:
        between = f" {format_spec} " if format_spec else ", "
        return between.join(map(str, value)) if isinstance(value, tuple) else str(value)


def filled(sentence: str, parameters: Mapping[str, object]) -> str:
    """An English sentence with its parameters in place; without any it is no template, whatever it holds."""
    return _English().vformat(sentence, (), parameters) if parameters else sentence
