"""Print the table: success rates with intervals, and differences to the plain arm."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from bench.policy.run import AIM, cell_of, read_aims, read_trials
from bench.policy.statistics import bootstrap, bootstrap_difference, wilson

GRASPED = 15.0  # millimetres; fingers 80 mm apart close on a cube of 40 mm, with 5 mm to spare


def table(out: Path, arms: Sequence[str], seeds: Sequence[int], tests: Sequence[str]) -> str:
    """Return the tables in markdown; a cell of seeds that were not all run says how many were."""
    aimed = AIM in tests
    tests = [test for test in tests if test != AIM]
    rates = [_row(["arm", *tests]), _row(["---"] * (len(tests) + 1))]
    gains = list(rates)
    for arm in arms:
        found = {test: outcomes(out, arm, seeds, test) for test in tests}
        rates.append(_row([arm, *(_rate(found[test], len(seeds)) for test in tests)]))
        if arm == "plain":
            continue
        plain = {test: outcomes(out, "plain", seeds, test) for test in tests}
        gains.append(_row([arm, *(_gain(found[test], plain[test]) for test in tests)]))
    return "\n".join(
        [
            "Success in %, [95 % Wilson interval], episodes of all seeds pooled:",
            "",
            *rates,
            "",
            "Difference to plain in points, [95 % bootstrap over seeds and episodes]:",
            "",
            *gains,
            *(_aims(out, arms, seeds) if aimed else ()),
        ]
    )


def _aims(out: Path, arms: Sequence[str], seeds: Sequence[int]) -> list[str]:
    """Return the lines of the open-loop table."""
    kinds = ("rendered", "traced")
    lines = [
        "",
        f"Aim in open loop: frames within {GRASPED:.0f} mm in % [95 % bootstrap over seeds and "
        "frames], median error in mm:",
        "",
        _row(["arm", *kinds]),
        _row(["---"] * 3),
    ]
    for arm in arms:
        found = [read_aims(cell_of(out, arm, seed)) for seed in seeds]
        cells = []
        for kind in kinds:
            errors = np.array([aims[kind] for aims in found if aims is not None])
            cells.append(_aim(errors, len(seeds)) if len(errors) else "-")
        lines.append(_row([arm, *cells]))
    return lines


def _aim(errors: Float[np.ndarray, "seeds frames"], seeds: int) -> str:
    low, high = bootstrap(errors <= GRASPED)
    missing = "" if len(errors) == seeds else f" ({len(errors)} of {seeds} seeds)"
    share = f"{100 * (errors <= GRASPED).mean():.0f} [{100 * low:.0f}, {100 * high:.0f}]"
    return f"{share}, {np.median(errors):.0f} mm{missing}"


def outcomes(
    out: Path, arm: str, seeds: Sequence[int], test: str
) -> Bool[np.ndarray, "seeds trials"] | None:
    """Return which episodes succeeded, of the seeds that were run."""
    found = [read_trials(cell_of(out, arm, seed), test) for seed in seeds]
    rows = [[trial.succeeded for trial in trials] for trials in found if trials is not None]
    return np.array(rows) if rows else None


def _rate(found: Bool[np.ndarray, "seeds trials"] | None, seeds: int) -> str:
    if found is None:
        return "-"
    low, high = wilson(int(found.sum()), found.size)
    missing = "" if len(found) == seeds else f" ({len(found)} of {seeds} seeds)"
    return f"{100 * found.mean():.0f} [{100 * low:.0f}, {100 * high:.0f}]{missing}"


def _gain(
    one: Bool[np.ndarray, "seeds trials"] | None, other: Bool[np.ndarray, "seeds trials"] | None
) -> str:
    if one is None or other is None:
        return "-"
    low, high = bootstrap_difference(one, other)
    gain = one.mean() - other.mean()
    return f"{100 * gain:+.0f} [{100 * low:+.0f}, {100 * high:+.0f}]"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
