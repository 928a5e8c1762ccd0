"""Markdown tables, and numbers as reports print them: percentages, intervals, durations."""

import math
from collections.abc import Sequence


def markdown_table(
    rows: Sequence[Sequence[object]], *, header: Sequence[str], numeric: Sequence[str] = ()
) -> str:
    """Render a Markdown table; columns named in `numeric` are right-aligned. What a cell holds
    cannot end it."""
    from tabulate import tabulate

    alignment = ["right" if name in numeric else "left" for name in header]
    return tabulate(
        [[cell(str(value)) for value in row] for row in rows],
        headers=[cell(name) for name in header],
        tablefmt="pipe",
        colalign=alignment,
        disable_numparse=True,
    )


def cell(text: str) -> str:
    """Return any text as the content of a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


def percent(fraction: float, *, digits: int = 2) -> str:
    """Format a fraction in [0, 1] as a percentage."""
    return f"{100 * fraction:.{digits}f} %"


def percent_interval(low: float, high: float, *, digits: int = 2) -> str:
    """Format an interval of fractions as percentages."""
    return f"{100 * low:.{digits}f} to {100 * high:.{digits}f} %"


def wilson_interval(
    successes: int, trials: int, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Return Wilson's score interval for a proportion (Wilson 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def duration(seconds: float) -> str:
    """Format seconds as a person would say them: '45 s', '12 min', '1 h 20 min'."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
