"""Window -> frames by the methods that RealMaster is compared with, each behind the engine seam."""

from simlift.engines.diffusers.cosmos import Cosmos
from simlift.engines.diffusers.ditto import Ditto
from simlift.engines.diffusers.licences import LICENCES, Licence
from simlift.engines.diffusers.ltx import Ltx
from simlift.engines.diffusers.lucy import Lucy
from simlift.engines.remote.aleph import Aleph

__all__ = ["LICENCES", "Aleph", "Cosmos", "Ditto", "Licence", "Ltx", "Lucy"]
