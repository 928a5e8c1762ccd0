"""Ratios of two cases with their intervals: pure functions on the times of blocks.

`paired` takes cases that ran interleaved: block i of one beside block i of the other. Where the
two are the same code, either order of a pair is as likely, so that the logarithm of their ratio
is symmetric about 0 and Wilcoxon's signed ranks are exact, whatever the noise looks like (Lehmann,
Nonparametrics, 1975, chapter 3). The value is Hodges and Lehmann's: the median of the means of all
pairs of log ratios, which lies in between where the blocks are bimodal.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
FEWEST_PAIRS = 6
"""With fewer, no outcome of the signed ranks is rarer than 5 %."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A ratio, a time, a speed or a percentile with its interval."""

    value: float
    low: float
    high: float
    count: int
    """What it stands on: pairs of blocks, or the samples of a percentile."""

    def inverted(self) -> Self:
        """Return the ratio the other way round."""
        return replace(self, value=1.0 / self.value, low=1.0 / self.high, high=1.0 / self.low)

    def scaled(self, factor: float) -> Self:
        """Return the ratio times a constant."""
        value, low, high = (x * factor for x in (self.value, self.low, self.high))
        return replace(self, value=value, low=low, high=high)


@functools.lru_cache(maxsize=64)
def signed_rank_distribution(count: int) -> NDArray[np.float64]:
    """Return P(T = t) of Wilcoxon's signed-rank sum for `count` pairs without ties."""
    chances = np.zeros(count * (count + 1) // 2 + 1)
    chances[0] = 1.0
    for rank in range(1, count + 1):
        shifted = np.zeros_like(chances)
        shifted[rank:] = chances[:-rank]
        chances = (chances + shifted) / 2.0
    return chances


def paired(
    numerator: Sequence[float], denominator: Sequence[float], *, confidence: float = CONFIDENCE
) -> Estimate:
    """Return the ratio of two interleaved cases: Hodges and Lehmann's estimate and interval."""
    if len(numerator) != len(denominator):
        raise ValueError(f"pairs must be complete, got {len(numerator)} and {len(denominator)}")
    if len(numerator) < FEWEST_PAIRS:
        raise ValueError(f"an interval needs >= {FEWEST_PAIRS} pairs, got {len(numerator)}")
    logs = np.log(np.asarray(numerator)) - np.log(np.asarray(denominator))
    one, other = np.triu_indices(len(logs))
    means = np.sort((logs[one] + logs[other]) / 2.0)  # of all pairs, each with itself included
    # The k smallest and k largest means fall away, k as large as the confidence allows.
    cumulative = np.cumsum(signed_rank_distribution(len(logs)))
    dropped = int(np.searchsorted(cumulative, (1.0 - confidence) / 2.0, side="right"))
    if dropped < 1:
        raise ValueError(f"{len(logs)} pairs have no interval of confidence {confidence}")
    return Estimate(
        value=math.exp(float(np.median(means))),
        low=math.exp(float(means[dropped - 1])),
        high=math.exp(float(means[-dropped])),
        count=len(logs),
    )


def centre(values: Sequence[float]) -> Estimate:
    """Return the centre of the blocks with its interval."""
    return paired(values, [1.0] * len(values))


def median_spread(values: Sequence[float]) -> float:
    """Return half the distance between the quartiles, relative to the median."""
    low, middle, high = np.percentile(np.asarray(values), [25, 50, 75])
    return float((high - low) / 2.0 / middle)
