"""The root of every error that consensus/ raises about its input."""


class ConsensusError(ValueError):
    """Something from outside breaks a rule; the message says which one and what to do."""
