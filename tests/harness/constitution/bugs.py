"""Bugs in the registry's decisions, one function or constant each; the restatement finds each of `BUGS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from credentials.ledger import amendment, consents, governance_state

Bug = Callable[[], AbstractContextManager[None]]


@contextmanager
def patched(owner: Any, name: str, changed: Any) -> Iterator[None]:
    """One attribute replaced for a while."""
    original = getattr(owner, name)
    setattr(owner, name, changed)
    try:
        yield
    finally:
        setattr(owner, name, original)


def approvals_of_the_suspended_count() -> AbstractContextManager[None]:
    """Whoever approved once counts, whatever became of it since."""
    count: Any = consents._Count

    def approving(self: Any) -> frozenset[str]:
        found: frozenset[str] = self.tabled.approvals
        return found

    def authorities(self: Any) -> None:
        everyone = self.governance.participants
        alive = self.governance.authorities(self.at)
        approved = {did: everyone[did].jurisdiction for did in self.tabled.approvals if did in everyone}
        self.authorities = approved | alive

    @contextmanager
    def both() -> Iterator[None]:
        with patched(count, "approving", property(approving)), patched(count, "__post_init__", authorities):
            yield

    return both()


def no_way_on_is_asked_for() -> AbstractContextManager[None]:
    """Changes may lead to a dead end."""
    return patched(governance_state, "require_way_on", lambda before, after, at: None)


def one_side_is_enough() -> AbstractContextManager[None]:
    """k authorities decide for all, of whatever jurisdiction."""
    original = consents._Count.network

    def network(self: Any, unseated: Any) -> Any:
        enough = len(self.approving) >= self.governance.approvals.approvals_min
        return None if enough else original(self, unseated)

    return patched(consents._Count, "network", network)


def nobody_waits() -> AbstractContextManager[None]:
    """A recovery key is replaced, the only authority of a side removed, as soon as all approve."""

    def ready(self: Any, at: int) -> bool:
        return not self.missing and not self.held_missing

    return patched(consents.Wanting, "ready", ready)


def authorities_are_like_others() -> AbstractContextManager[None]:
    """Stops and expulsions of an authority are one authority's business."""
    return patched(amendment, "is_authority", lambda governance, did, at, **how: False)


def a_key_replaces_itself() -> AbstractContextManager[None]:
    """The attest key is as good as the recovery key."""

    def own(self: Any, about: Any, sort: str) -> Any:
        mine = self.tabled.by == about.party
        return None if mine else consents.ApprovalMissing(about.action, sort, 1, (about.party,))

    return patched(consents._Count, "own", own)


def all_is_in_force_at_once() -> AbstractContextManager[None]:
    """What all decide governs the next block already."""
    return patched(governance_state, "VALIDATORS_AHEAD", 1)


def a_stop_is_confirmed_by_its_setter() -> AbstractContextManager[None]:
    """One authority stops for good whom it likes."""
    original = amendment._stop

    def stop(*about: Any) -> Any:
        from dataclasses import replace

        found, table = original(*about)
        return [replace(a, not_by=frozenset()) for a in found], table

    return patched(amendment, "_stop", stop)


def a_stop_leaves_the_recovery_key() -> AbstractContextManager[None]:
    """Who is stopped goes on with its recovery key alone."""
    return patched(consents._Count, "freed", lambda count, about: None)


def what_is_over_reaches_back() -> AbstractContextManager[None]:
    """Ends and suspensions begin when the proposal says, not when it is decided."""
    return patched(amendment, "_times", lambda before, after, at: (after.valid_until, after.suspended))


def a_change_begins_by_the_rules_to_come() -> AbstractContextManager[None]:
    """When it begins is read from the approval rules that were decided just now, and are not in force yet."""
    tried, strictest = governance_state.Sitting._tried, consents.strictest

    def too_early(self: Any, tabled: Any, rule_files: Any) -> Any:
        with patched(governance_state, "strictest", lambda t, _, about: strictest(t, self.future, about)):
            return tried(self, tabled, rule_files)

    return patched(governance_state.Sitting, "_tried", too_early)


BUGS: dict[str, Bug] = {
    bug.__name__: bug
    for bug in (
        approvals_of_the_suspended_count, no_way_on_is_asked_for, one_side_is_enough, nobody_waits,
        authorities_are_like_others, a_key_replaces_itself, all_is_in_force_at_once,
        a_stop_is_confirmed_by_its_setter, a_stop_leaves_the_recovery_key,
        what_is_over_reaches_back, a_change_begins_by_the_rules_to_come,
    )
}  # fmt: skip
