"""What status lists say of the passport of a further code, as of the one that is shown (X1, I3).

Its operator's word counts wherever it stands: a node of ours states on the ledger what it raises in a list;
other software may raise it in the list alone.
"""

from __future__ import annotations

from credentials.ledger.standing import LIVE, REVOKED, SUSPENDED
from credentials.verdicts.evidence import Held
from credentials.verdicts.examination import examine_document
from credentials.verdicts.ledger_means import means_of
from credentials.verdicts.means import Demands
from credentials.verdicts.names import PUBLIC_POINT
from credentials.verdicts.record import Inquiry, live_passport
from credentials.verdicts.verdict import UNMADE, Findings, Outcome

NOT_ISSUED = "set_not_issued"


def publication_of(published: str, about: Inquiry) -> tuple[str, str | None]:
    """(the publication of its live passport, the stricter of ledger and lists; why it may be stricter).

    `published` is the ledger's word, on the axis of shown-as.toml. A public set that is not in hand as it was
    published has been told where it was read for its names.
    """
    live = live_passport(about.evidence, about.record)
    if published not in (LIVE, SUSPENDED) or live is None or live.attestation.set_list is None:
        return published, None
    digest = live.attestation.set_list.points.get(PUBLIC_POINT)
    if digest is None:
        return published, NOT_ISSUED
    held = about.evidence.earlier.get(digest)
    if not isinstance(held, Held):
        return published, None
    read = Findings(about.evidence.network.tables)
    examine_document(read, held.document, means_of(about), Demands(), about.now)
    about.moments.update(read.moments)
    said = [check for check in read.checks if check.name == "status"]
    stops = {check.reason for check in said if check.outcome is Outcome.FAIL}
    if REVOKED in stops:
        return REVOKED, None
    published = SUSPENDED if stops else published
    return published, next((check.reason for check in said if check.outcome in UNMADE), None)
