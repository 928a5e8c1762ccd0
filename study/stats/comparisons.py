"""Intervals and comparisons, as pure functions of accuracies.

The rule for "A is better than B" is fixed here, before any data. Configurations are compared on
the same fresh seeds (the seed is a block), all pairs at once, by Tukey's range test for a
randomised block design. The test covers every pair, and so the pair with the best one, which is
chosen by looking. A pair whose own differences spread more than the pooled ones has the interval
of its own spread. Each interval is then widened by how much the test images differ
(`widen_for_images`): it must exclude zero for other seeds and for other images. docs/method.md is
the text of the rule; a change of the rule raises `study.records.run_folder.RULE_VERSION`.

A confirmation may have several looks, each with more seeds. Validation accuracy decides which
configurations get more seeds (`undecided`), at 1 % for all looks together. The test accuracies are
judged once, at 4 %. Two that are equal on validation and on test images are separated in at most
5 %: 1 % because validation separated them early, 4 % at the last look, however the two accuracies
correlate. Two that are equal on test images alone are separated, in simulation, in up to 5 % where
the two accuracies correlate as in the committed studies (0.90 at most), and in up to 6 % where
they are one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
CONFIDENCE = 0.95
EARLY_ERROR = 0.01
"""The part of 1 - CONFIDENCE that validation may spend on stopping early."""


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
    critical: float
    """Half the interval over the standard error."""
    degrees: int
    """Degrees of freedom of the standard error."""

    @property
    def standard_error(self) -> float:
        """Return the standard error of the difference."""
        return (self.high - self.difference) / self.critical

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


@cache
def _critical(confidence: float, configurations: int, degrees: int) -> float:
    """Return Tukey's quantile for a difference in units of its own standard error."""
    return float(stats.studentized_range.ppf(confidence, configurations, degrees)) / math.sqrt(2.0)


def compare_all(
    accuracies: Floats, *, confidence: float = CONFIDENCE, family: int | None = None
) -> list[list[Comparison]]:
    """Compare every pair of configurations; accuracies are [configurations, seeds], both >= 2.

    Entry [i][j] is i minus j. All intervals hold together with `confidence` (Tukey 1949; for
    blocks see Montgomery, Design and Analysis of Experiments, 4.1). A pair has the wider one of
    two intervals: from the pooled spread, and from its own differences with their own degrees of
    freedom, as configurations do not all spread alike. Of configurations that are left of a larger
    `family`, the intervals are as wide as the whole family needs.
    """
    k, n = accuracies.shape
    if k < 2 or n < 2:
        raise ValueError(f"need at least 2 configurations and 2 seeds, got {k} and {n}")
    means = accuracies.mean(axis=1)
    residuals = accuracies - means[:, None] - accuracies.mean(axis=0) + accuracies.mean()
    together = (k - 1) * (n - 1)
    pooled = 2.0 * float((residuals**2).sum()) / together
    table = []
    for i in range(k):
        row = []
        for j in range(k):
            own = float((accuracies[i] - accuracies[j]).var(ddof=1))
            estimates = [
                _around(
                    float(means[i] - means[j]),
                    error=math.sqrt(variance / n) if i != j else 0.0,
                    critical=_critical(confidence, family or k, degrees),
                    degrees=degrees,
                )
                for variance, degrees in ((pooled, together), (own, n - 1))
            ]
            row.append(max(estimates, key=lambda estimate: estimate.high))
        table.append(row)
    return table


def _around(difference: float, *, error: float, critical: float, degrees: int) -> Comparison:
    half = critical * error
    return Comparison(
        difference=difference,
        low=difference - half,
        high=difference + half,
        critical=critical,
        degrees=degrees,
    )


def verdict_confidence(looks: int) -> float:
    """Return the confidence of the intervals of test accuracy after so many looks."""
    return CONFIDENCE if looks == 1 else CONFIDENCE + EARLY_ERROR


def compare_at_looks(accuracies: Sequence[Floats], *, looks: int) -> list[list[Comparison]]:
    """Compare configurations that stopped at different looks, each on its first n_i seeds.

    A pair is compared on the seeds that both have, among the configurations that have as many.
    """
    counts = [len(values) for values in accuracies]
    table = [[_around(0.0, error=0.0, critical=1.0, degrees=1) for _ in counts] for _ in counts]
    for n in sorted(set(counts)):
        members = [i for i, count in enumerate(counts) if count >= n]
        if len(members) < 2:
            continue
        among = compare_all(
            np.stack([accuracies[i][:n] for i in members]),
            confidence=verdict_confidence(looks),
            family=len(counts),
        )
        for row, i in zip(among, members, strict=True):
            for comparison, j in zip(row, members, strict=True):
                if min(counts[i], counts[j]) == n:
                    table[i][j] = comparison
    return table


def undecided(accuracies: Floats, *, family: int, looks: int) -> list[int]:
    """Return which of the configurations [k, n] are not separated from the highest mean, at a look
    that is not the last. The highest itself is among them; the list is empty where it is separated
    from all others."""
    if len(accuracies) < 2:
        return []
    confidence = 1.0 - EARLY_ERROR / (looks - 1)
    table = compare_all(accuracies, confidence=confidence, family=family)
    best = int(accuracies.mean(axis=1).argmax())
    close = [i for i in range(len(accuracies)) if not table[i][best].is_separated]
    return close if len(close) > 1 else []


def widen_for_images(comparison: Comparison, differences: Floats) -> Comparison:
    """Widen a comparison so that it holds for other images like these, not for other seeds alone.

    `differences` [seeds, images] are those of `image_differences`. Two-way clustered variance
    (Cameron, Gelbach and Miller 2011): seeds plus images minus what they share.
    """
    seeds, images = differences.shape
    of_images = float(differences.mean(axis=0).var(ddof=1)) / images
    shared = float(differences.var(ddof=1)) / (seeds * images)
    error = np.sqrt(comparison.standard_error**2 + max(0.0, of_images - shared))
    return _around(
        comparison.difference,
        error=float(error),
        critical=comparison.critical,
        degrees=comparison.degrees,
    )


def widen_all_for_images(
    table: Sequence[Sequence[Comparison]], misclassified: Sequence[Floats]
) -> list[list[Comparison]]:
    """Widen every pair of a table of comparisons in this way. `misclassified` [seeds, images] of
    each configuration is 1 where it misclassifies an image; a pair is compared on the seeds that
    both have."""
    return [
        [
            comparison if i == j else widen_for_images(comparison, image_differences(one, other))
            for j, (comparison, other) in enumerate(zip(row, misclassified, strict=True))
        ]
        for i, (row, one) in enumerate(zip(table, misclassified, strict=True))
    ]


def image_differences(first: Floats, second: Floats) -> Floats:
    """Return [seeds, images] of the seeds that both have: 1 where the first alone classifies an
    image correctly, -1 where the second alone does, else 0. The arguments are 1 where an image is
    misclassified."""
    common = min(len(first), len(second))
    return second[:common] - first[:common]


def detectable(comparison: Comparison, *, power: float = 0.9) -> float:
    """Return the size of a difference that would be separated with a chance of about `power`, by
    the comparison's standard error."""
    luck = float(stats.t.ppf(power, comparison.degrees))
    return (comparison.critical + luck) * comparison.standard_error


def paired_estimate(first: Floats, second: Floats, *, comparisons: int) -> Comparison:
    """Return first minus second, paired by seed [n], by Student t, at Bonferroni's level for a
    number of such comparisons."""
    differences, n = first - second, len(first)
    confidence = 1 - (1 - CONFIDENCE) / comparisons
    return _around(
        float(differences.mean()),
        error=float(differences.std(ddof=1)) / math.sqrt(n),
        critical=float(stats.t.ppf(0.5 + confidence / 2, n - 1)),
        degrees=n - 1,
    )
