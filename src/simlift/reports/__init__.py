"""Write one page about a run, and serve it."""

from simlift.reports.model import Motion, Threshold
from simlift.reports.report import write_report
from simlift.reports.serve import serve, serving

__all__ = ["Motion", "Threshold", "serve", "serving", "write_report"]
