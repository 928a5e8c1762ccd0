"""Percentiles with intervals from order statistics, refused where there are too few samples.

The interval for the p-th percentile runs from one sorted sample to another, chosen so that it
covers with at least the confidence asked for, whatever the distribution (David & Nagaraja, Order
Statistics, 3rd ed., section 7.1). Independence of the samples is assumed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mnist_core.errors import UserError


class TooFewSamplesError(UserError):
    """Say that a percentile cannot have an interval yet, and how many samples it needs."""


@dataclass(frozen=True, kw_only=True)
class Quantile:
    """A percentile, its interval and the number of samples it stands on."""

    percentile: float
    value: float
    low: float
    high: float
    count: int


def samples_needed(percentile: float, *, confidence: float = 0.95) -> int:
    """Return the fewest samples with which a two-sided interval for the percentile exists.

    The widest interval, from the smallest sample to the largest, misses where all samples lie on
    one side of the percentile: with probability p^n + (1-p)^n.
    """
    p = _fraction(percentile)
    count = 2
    while p**count + (1.0 - p) ** count > 1.0 - confidence:
        count += 1
    return count


def quantile(samples: Sequence[float], percentile: float, *, confidence: float = 0.95) -> Quantile:
    """Return the percentile of the samples with its interval.

    Raises `TooFewSamplesError` where no two samples enclose it with the confidence asked for.
    """
    needed = samples_needed(percentile, confidence=confidence)
    count = len(samples)
    if count < needed:
        raise TooFewSamplesError(
            f"p{percentile:g} needs >= {needed} samples for a {confidence:.0%} interval, "
            f"got {count}"
        )
    low, high = interval_ranks(count, _fraction(percentile), confidence=confidence)
    ordered = sorted(samples)
    return Quantile(
        percentile=percentile,
        value=ordered[max(0, math.ceil(_fraction(percentile) * count) - 1)],
        low=ordered[low],
        high=ordered[high],
        count=count,
    )


def interval_ranks(count: int, p: float, *, confidence: float) -> tuple[int, int]:
    """Return the indices (from 0) of the sorted samples that enclose the p-quantile.

    The sample of rank r (from 1) lies at or under the quantile with probability P(K >= r), K
    binomial(count, p). The two ranks are the closest about the quantile that cover it.
    """
    from scipy.stats import binom

    alpha = 1.0 - confidence
    # P(K < low) <= alpha / 2 and P(K >= high) <= alpha / 2, as far as both exist.
    low = int(binom.ppf(alpha / 2.0, count, p))
    high = int(binom.ppf(1.0 - alpha / 2.0, count, p)) + 1
    if low < 1:
        low = 1
        high = _smallest_high(count, p, missed=float(binom.cdf(0, count, p)), alpha=alpha)
    elif high > count:
        high = count
        low = _largest_low(count, p, missed=float(binom.sf(count - 1, count, p)), alpha=alpha)
    return low - 1, high - 1


def _smallest_high(count: int, p: float, *, missed: float, alpha: float) -> int:
    from scipy.stats import binom

    return min(count, int(binom.ppf(1.0 - (alpha - missed), count, p)) + 1)


def _largest_low(count: int, p: float, *, missed: float, alpha: float) -> int:
    from scipy.stats import binom

    low = int(binom.ppf(alpha - missed, count, p))
    return max(1, low)


def _fraction(percentile: float) -> float:
    if not 0.0 < percentile < 100.0:
        raise UserError(f"percentile must be in (0, 100), got {percentile}")
    return percentile / 100.0
