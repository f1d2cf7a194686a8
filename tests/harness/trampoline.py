"""Where a call of a mutated function goes: to what was written, or to the mutant that is tried.

mutmut's own trampoline asks the environment at every call, which slows a run of the tests down. Here the
question is asked once: every function keeps where its calls go until `choose` says otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

_ran: set[str] = set()
ran = _ran.add  # called before each statement that a mutant changes, with its file and line


def taken() -> set[str]:
    """The statements that ran since this was asked."""
    found = set(_ran)
    _ran.clear()
    return found


MutantDict = dict[str, Callable[..., Any]]
VARIABLE = "MUTANT_UNDER_TEST"  # a process that a test starts tries the same mutant

_functions: list[_Function] = []


def choose(name: str) -> None:
    """From now on try the mutant `module.function__mutmut_number`."""
    os.environ[VARIABLE] = name
    for function in _functions:
        function.goes_to = function.first


class _Function:
    """One mutated function; `mutants` is filled once its module or class is complete."""

    def __init__(self, module: str, mutants: MutantDict, is_classmethod: bool) -> None:
        self.module, self.mutants, self.is_classmethod = module, mutants, is_classmethod
        self.goes_to: Callable[..., Any] = self.first
        _functions.append(self)

    def first(self, *args: Any, **kwargs: Any) -> Any:
        """The first call since `choose`: find out where this and all others go."""
        module, _, mutant = os.environ.get(VARIABLE, "").rpartition(".")
        tried = module == self.module and mutant in self.mutants
        self.goes_to = self._by_name(mutant if tried else "_mutmut_orig")
        return self.goes_to(*args, **kwargs)

    def _by_name(self, name: str) -> Any:
        found = self.mutants[name]
        return getattr(found, "__func__") if self.is_classmethod else found  # noqa: B009  bound to one class


def mutated(mutants: MutantDict, is_classmethod: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """The decorator that mutmut puts on every function that it mutates."""

    def wrap(written: Callable[..., Any]) -> Callable[..., Any]:
        function = _Function(written.__module__, mutants, is_classmethod)

        @wraps(written)
        def called(*args: Any, **kwargs: Any) -> Any:
            return function.goes_to(*args, **kwargs)

        return called

    return wrap
