"""What issues from sheets, and the words in which its refusals are kept, made to fit the rest of a node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from credentials.documents.issuer import PASSPORT_SCHEMA
from credentials.ledger.governance import GovernanceHistory
from node import config, rules_in_force
from node.catalogues import READ_IN
from node.issuing.issue_jobs import IssueJobs
from node.issuing.issuing import Issuing
from node.issuing.passport_models import MemberKinds
from node.resolution.webhooks import Webhooks
from node.storage.office import OfficeStore
from node.words import Words, told_in_all


def words_of(history: GovernanceHistory) -> Mapping[str, Words]:
    """The words of each language, with what the data points of a height are called."""
    return {
        language: Words(language, lambda h: rules_in_force.rule_table(config.DATA_POINTS, history.at(h)))
        for language in READ_IN
    }


def jobs_of(
    issuing: Issuing,
    office: OfficeStore,
    signed: Callable[[], None],
    words: Mapping[str, Words],
    webhooks: Webhooks,
) -> IssueJobs:
    """The thread that issues for sheets; `signed` is called when something waits to be sent."""
    kinds = MemberKinds(config.schemas()[PASSPORT_SCHEMA["id"]])
    told = partial(told_in_all, words=words)
    return IssueJobs(issuing, office, signed, kinds, told=told, webhooks=webhooks)
