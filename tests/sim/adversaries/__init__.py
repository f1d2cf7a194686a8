"""Validators that do not follow the protocol, one behaviour a file; each holds its own keys and no others.

An adversary is the production node with something changed on its way in or out.
"""

from tests.sim.adversaries.amnesiac import Amnesiac
from tests.sim.adversaries.bad_proposer import BadProposer
from tests.sim.adversaries.censor import Censor
from tests.sim.adversaries.copier import Copier
from tests.sim.adversaries.delayer import Delayer
from tests.sim.adversaries.equivocator import Equivocator
from tests.sim.adversaries.forger import Forger
from tests.sim.adversaries.replayer import Replayer
from tests.sim.adversaries.silent import Silent
from tests.sim.adversaries.twins import Twin

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
