"""Define what a check of a clip's layers against each other finds, and how bad it is."""

import enum
from dataclasses import dataclass


class Verdict(enum.StrEnum):
    """What the evidence says of a layer."""

    AGREES = "agrees"
    NO_EVIDENCE = "no evidence"
    DOUBT = "doubt"  # said, never refused
    CONTRADICTS = "contradicts"  # refused, unless it is trusted


@dataclass(frozen=True)
class Finding:
    """One check of one layer.

    check: what was compared, such as "depth and camera". evidence: what was measured, in words with
    numbers. cause: the likely reason. statement: the line of clip.json that would state it. frame:
    the frame where it is worst.
    """

    check: str
    verdict: Verdict
    evidence: str
    cause: str = ""
    statement: str = ""
    frame: int | None = None

    def text(self) -> str:
        """Say it in one line."""
        cause = f"; likely {self.cause}" if self.cause else ""
        way = f"; it would be stated by {self.statement}" if self.statement else ""
        return f"{self.check}: {self.evidence}{cause}{way}"


@dataclass(frozen=True)
class Agreement:
    """All findings about a clip, and what of its depth is shown: metres, shares from 0 to 1."""

    findings: tuple[Finding, ...]
    depth_range: tuple[float, float] | None = None  # metres: 1st and 99th percentile
    sky: float | None = None  # share of pixels where nothing was hit
    worst_frame: int | None = None

    @property
    def contradictions(self) -> tuple[Finding, ...]:
        """The findings for which a clip is refused."""
        return tuple(f for f in self.findings if f.verdict is Verdict.CONTRADICTS)
