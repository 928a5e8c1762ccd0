"""A median with the order statistics that hold it, whatever the distribution."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats


@dataclass(frozen=True, kw_only=True)
class Median:
    """A median of measurements and its interval, in their unit."""

    value: float
    low: float
    high: float


def median_estimate(values: Sequence[float], *, confidence: float = 0.95) -> Median:
    """Return the median and the order statistics that hold the true one with at least
    `confidence` (Conover, Practical Nonparametric Statistics, 3.2); all of the range where the
    values are too few."""
    test = stats.quantile_test(values, p=0.5)
    interval = test.confidence_interval(confidence)
    is_known = math.isfinite(interval.low) and math.isfinite(interval.high)
    low, high = interval if is_known else (min(values), max(values))
    return Median(value=statistics.median(values), low=float(low), high=float(high))
