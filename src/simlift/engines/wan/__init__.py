"""RealMaster's stage 2: one pass of a Wan model with an in-context adapter."""

from simlift.engines.wan.spec import Wan

__all__ = ["Wan"]
