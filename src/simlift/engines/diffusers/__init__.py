"""Engines that run a published diffusers pipeline: Cosmos-Transfer, Ditto, LTX-2, Lucy-Edit."""

from simlift.engines.diffusers.cosmos import Cosmos
from simlift.engines.diffusers.ditto import Ditto
from simlift.engines.diffusers.licences import LICENCES, Licence
from simlift.engines.diffusers.ltx import Ltx
from simlift.engines.diffusers.lucy import Lucy

__all__ = ["LICENCES", "Cosmos", "Ditto", "Licence", "Ltx", "Lucy"]
