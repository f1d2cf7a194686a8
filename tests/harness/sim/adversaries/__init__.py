"""Validators that do not follow the protocol, one behaviour a file; each holds its own keys and no others.

An adversary is the production node with something changed on its way in or out.
"""

from tests.harness.sim.adversaries.amnesiac import Amnesiac
from tests.harness.sim.adversaries.bad_proposer import BadProposer
from tests.harness.sim.adversaries.censor import Censor
from tests.harness.sim.adversaries.copier import Copier
from tests.harness.sim.adversaries.delayer import Delayer
from tests.harness.sim.adversaries.equivocator import Equivocator
from tests.harness.sim.adversaries.forger import Forger
from tests.harness.sim.adversaries.replayer import Replayer
from tests.harness.sim.adversaries.silent import Silent
from tests.harness.sim.adversaries.twins import Twin

ADVERSARIES = (
    Amnesiac,
    BadProposer,
    Censor,
    Copier,
    Delayer,
    Equivocator,
    Forger,
    Replayer,
    Silent,
    Twin,
)
