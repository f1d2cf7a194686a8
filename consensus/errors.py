"""The one error class every error of this folder derives from."""


class ConsensusError(ValueError):
    """Input from outside breaks a rule of this folder."""
