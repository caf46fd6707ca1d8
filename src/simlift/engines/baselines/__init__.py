"""Window -> frames by the methods that RealMaster is compared with, each behind the engine seam."""

from simlift.engines.baselines.aleph import Aleph
from simlift.engines.baselines.cosmos import Cosmos
from simlift.engines.baselines.ditto import Ditto
from simlift.engines.baselines.licences import LICENCES, Licence
from simlift.engines.baselines.ltx import Ltx
from simlift.engines.baselines.lucy import Lucy

__all__ = ["LICENCES", "Aleph", "Cosmos", "Ditto", "Licence", "Ltx", "Lucy"]
