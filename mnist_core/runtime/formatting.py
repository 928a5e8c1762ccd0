"""What every report is made of: atomic files, Markdown tables and numbers with their doubt."""

from __future__ import annotations

import contextlib
import json
import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader, a kill or a full disk finds the old or the new one whole.

    An `OSError` names `path`, whatever step of it failed.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        _write_then_move(path, data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write_then_move(path: Path, data: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically; NaN and infinity are refused (they are not JSON)."""
    write_atomically(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


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
