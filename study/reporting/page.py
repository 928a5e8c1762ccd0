"""Values -> Markdown: the environment of the templates in `templates/`, and the formats of the
numbers and tables in them.

A template is wrapped for its reader, and may leave empty lines where it says nothing; the page has
one line for each paragraph, so that a changed number changes one line.
"""

import functools
import math
import re
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from jinja2 import Environment

from mnist_core.runtime.formatting import (
    cell,
    duration,
    markdown_table,
    percent,
    percent_interval,
)
from mnist_core.runtime.templates import markdown_templates
from study.plans.space import value_text
from study.stats.comparisons import Comparison, Estimate

_BLOCKS = ("#", "|", "- ", "> ", "<", "```", "![")
"""How a line begins that is not the continuation of a paragraph."""


def render(template: str, **values: Any) -> str:
    """Fill a template; a name that it does not know is an error."""
    text = _environment().get_template(template).render(values)
    return re.sub(r"\n{3,}", "\n\n", _unwrapped(text)).strip() + "\n"


@functools.cache
def _environment() -> Environment:
    numbers = (accuracy, count, duration, integer, median_time, percent, point_range, points)
    filters = {f.__name__: f for f in (*numbers, cell, listed, median, padded, value_text)}
    return markdown_templates("study.reporting", filters=filters)


def _unwrapped(text: str) -> str:
    """Join the lines of each paragraph, and of each item of a list."""
    lines: list[str] = []
    for line in text.split("\n"):
        follows_text = lines and lines[-1].strip() and not lines[-1].startswith(_OPENING)
        if follows_text and line.strip() and not line.startswith(_BLOCKS):
            lines[-1] = f"{lines[-1]} {line.strip()}"
        else:
            lines.append(line.rstrip())
    return "\n".join(lines)


_OPENING = tuple(start for start in _BLOCKS if start not in ("- ", "> "))


def padded(table: str) -> str:
    """Pad the columns of a table; a line that does not begin with | continues its row."""
    header, marks, *rows = [
        [text.replace("\\|", "|").strip() for text in re.split(r"(?<!\\)\|", row)[1:-1]]
        for row in re.split(r"\n(?=\|)", table.strip())
    ]
    numeric = [name for name, mark in zip(header, marks, strict=True) if mark == "--:"]
    return markdown_table(rows, header=header, numeric=numeric) + "\n"


def median_time(seconds: Sequence[float | None]) -> str:
    """Return the median and the range; a time that is None is longer than all others. Where the
    middle two are on both sides of that, the median is at least the lower one."""
    ordered = sorted(math.inf if value is None else value for value in seconds)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    if math.isinf(low):
        return "not reached by half"
    middle = f"{(low + high) / 2:.1f} s" if math.isfinite(high) else f"≥ {low:.1f} s"
    last = f"{ordered[-1]:.1f}" if math.isfinite(ordered[-1]) else "never"
    return f"{middle} ({ordered[0]:.1f} to {last})"


def count(number: int, noun: str) -> str:
    """Return a number of things, as in "1 trial" and "3 trials"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def integer(number: float) -> str:
    """Return a whole number with separated thousands."""
    return f"{number:,.0f}"


def listed(labels: Iterable[str]) -> str:
    """Return labels as in "A, B and C"."""
    *most, last = labels
    return f"{', '.join(most)} and {last}" if most else last


def _digits(low: float, high: float) -> int:
    """Return the decimals of a percentage that its interval supports."""
    return 1 if high - low > 0.02 else 2


def points(comparison: Comparison) -> str:
    """Return a difference of accuracies in percentage points with its interval."""
    low, high = max(comparison.low, -1.0), min(comparison.high, 1.0)
    digits = _digits(low, high)
    return (
        f"{100 * comparison.difference:+.{digits}f} "
        f"({100 * low:+.{digits}f} to {100 * high:+.{digits}f})"
    )


def point_range(ends: tuple[float, float]) -> str:
    """Return a range of differences in percentage points, or the one that both ends are."""
    low, high = (f"{100 * end:.2f}" for end in ends)
    return low if low == high else f"{low} to {high}"


def accuracy(estimate: Estimate, *, digits: int | None = None) -> str:
    """Return a mean accuracy with its interval, of which no part lies outside 0 to 100 %; the
    interval decides the digits where none are given."""
    low, high = max(estimate.low, 0.0), min(estimate.high, 1.0)
    digits = _digits(low, high) if digits is None else digits
    return (
        f"{percent(estimate.mean, digits=digits)} ({percent_interval(low, high, digits=digits)})"
    )
