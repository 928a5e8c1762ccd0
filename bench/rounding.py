"""Numbers as their spread supports them: no digit that the interval does not carry."""

from __future__ import annotations

import math

from bench.ratios import Ratio


def decimals(half_width: float) -> int:
    """Return the decimals that a value known to ± `half_width` has: down to its first digit.

    A half-width of 104 gives -2 (hundreds), one of 0.013 gives 2.
    """
    if not half_width > 0.0 or math.isinf(half_width):
        return 3
    return -math.floor(math.log10(half_width))


def rounded(value: float, places: int) -> str:
    """Format a value with thousands separators, to `places` decimals (negative: tens, …)."""
    return f"{round(value, places):,.{max(0, places)}f}"


def with_interval(ratio: Ratio, *, scale: float = 1.0, unit: str = "") -> str:
    """Format a value and its interval: '5,200 (5,100 to 5,300)'."""
    low, value, high = (x * scale for x in (ratio.low, ratio.value, ratio.high))
    places = decimals((high - low) / 2.0)
    # One digit more for the ends than for the centre would claim more than is known of them.
    text = f"{rounded(value, places)} ({rounded(low, places)} to {rounded(high, places)})"
    return f"{text}{unit}"


def value_only(ratio: Ratio, *, scale: float = 1.0) -> str:
    """Format the value alone, to the digits that its interval supports."""
    places = decimals((ratio.high - ratio.low) / 2.0 * scale)
    return rounded(ratio.value * scale, places)


def percent_with_interval(ratio: Ratio) -> str:
    """Format a share: '63 % (62 to 64)'."""
    low, value, high = (100.0 * x for x in (ratio.low, ratio.value, ratio.high))
    places = max(0, decimals((high - low) / 2.0))
    return f"{value:.{places}f} % ({low:.{places}f} to {high:.{places}f})"


def spread(fraction: float) -> str:
    """Format a relative spread: '± 2.1 %'."""
    return f"± {100 * fraction:.1f} %"


def duration(seconds: float, half_width: float) -> str:
    """Format a time in the unit that suits it."""
    unit, scale = next(
        (pair for pair in (("s", 1.0), ("ms", 1e3)) if seconds * pair[1] >= 1.0), ("µs", 1e6)
    )
    return f"{rounded(seconds * scale, decimals(half_width * scale))} {unit}"
