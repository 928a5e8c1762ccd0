"""Numbers as text, with the digits that their intervals support."""

import math

from bench.analysis.ratios import Estimate


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


def places_of(ratio: Estimate, *, scale: float = 1.0, target: float | None = None) -> int:
    """Return the decimals of a value with its interval: those of its half width.

    One more where the value would be rounded onto an end, its interval being lopsided, or, though
    it is another number, onto its target; and at least one digit that is not zero.
    """
    low, value, high = (x * scale for x in (ratio.low, ratio.value, ratio.high))
    half = (high - low) / 2.0
    places = decimals(half)
    is_lopsided = min(value - low, high - value) < half / 5.0
    is_target = target is not None and rounded(value, places) == rounded(target, places)
    places += int(is_lopsided or (is_target and value != target))
    return places if value == 0.0 else max(places, -math.floor(math.log10(abs(value))))


def with_interval(
    ratio: Estimate, *, scale: float = 1.0, unit: str = "", target: float | None = None
) -> str:
    """Format a value and its interval: '5,200 (5,100 to 5,300)'."""
    low, value, high = (x * scale for x in (ratio.low, ratio.value, ratio.high))
    places = places_of(ratio, scale=scale, target=target)
    # One digit more for the ends than for the centre would claim more than is known of them.
    text = f"{rounded(value, places)} ({rounded(low, places)} to {rounded(high, places)})"
    return f"{text}{unit}"


def percent_with_interval(ratio: Estimate, *, target: float | None = None) -> str:
    """Format a share: '63 % (62 to 64)'; the target is a fraction as the share is."""
    low, value, high = (100.0 * x for x in (ratio.low, ratio.value, ratio.high))
    wanted = None if target is None else 100.0 * target
    places = max(0, places_of(ratio, scale=100.0, target=wanted))
    return f"{value:.{places}f} % ({low:.{places}f} to {high:.{places}f})"


def spread(fraction: float) -> str:
    """Format a relative spread: '± 2.1 %'."""
    return f"± {100 * fraction:.1f} %"
