"""What runs show: intervals and comparisons, as pure functions of accuracies.

The rule for "A is better than B" is fixed here, before any data: configurations are compared on
the same fresh seeds (the seed is a block), all pairs at once, by Tukey's range test for a
randomised block design. Since it covers every pair, it covers the pair with the best one too,
which is chosen by looking. A pair whose own differences spread more than the pooled ones is held
to its own spread, so that one erratic optimizer does not borrow the others' calm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over seeds with its interval."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A difference of means over the same seeds, with its simultaneous interval."""

    difference: float
    low: float
    high: float

    @property
    def is_separated(self) -> bool:
        """Tell whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


def mean_estimate(values: Floats, *, confidence: float = CONFIDENCE) -> Estimate:
    """Return mean and Student t interval of values [n], n >= 2 (other seeds, the same images)."""
    n = len(values)
    mean = float(values.mean())
    half = float(stats.t.ppf(0.5 + confidence / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return Estimate(mean=mean, low=mean - half, high=mean + half, n=n)


def compare_all(accuracies: Floats, *, confidence: float = CONFIDENCE) -> list[list[Comparison]]:
    """Compare every pair of configurations; accuracies are [configurations, seeds], both >= 2.

    Entry [i][j] is i minus j. All intervals hold together with `confidence` (Tukey 1949; for
    blocks see Montgomery, Design and Analysis of Experiments, 4.1), and are wider where a pair's
    own differences spread more than the pooled ones.
    """
    k, n = accuracies.shape
    if k < 2 or n < 2:
        raise ValueError(f"need at least 2 configurations and 2 seeds, got {k} and {n}")
    degrees = (k - 1) * (n - 1)
    means = accuracies.mean(axis=1)
    residuals = accuracies - means[:, None] - accuracies.mean(axis=0) + accuracies.mean()
    pooled_variance = 2.0 * float((residuals**2).sum()) / degrees
    critical = float(stats.studentized_range.ppf(confidence, k, degrees)) / np.sqrt(2.0)
    comparisons = []
    for i in range(k):
        row = []
        for j in range(k):
            differences = accuracies[i] - accuracies[j]
            variance = max(pooled_variance, float(differences.var(ddof=1)))
            half = critical * float(np.sqrt(variance / n)) if i != j else 0.0
            difference = float(means[i] - means[j])
            row.append(
                Comparison(difference=difference, low=difference - half, high=difference + half)
            )
        comparisons.append(row)
    return comparisons


def paired_estimate(first: Floats, second: Floats, *, comparisons: int) -> Comparison:
    """Return first minus second, paired by seed [n], by Student t, at Bonferroni's level for a
    number of such comparisons."""
    differences = first - second
    estimate = mean_estimate(differences, confidence=1 - (1 - CONFIDENCE) / comparisons)
    return Comparison(difference=estimate.mean, low=estimate.low, high=estimate.high)
