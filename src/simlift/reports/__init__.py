"""Write one page about a run, and serve it."""

from simlift.reports.model import Threshold
from simlift.reports.report import write_report
from simlift.reports.serve import serve, serving

__all__ = ["Threshold", "serve", "serving", "write_report"]
