"""What tuning budgets find, up to the one that was spent, and how forgiving a learning rate is.

Pure functions of the validation accuracies of one optimizer's trials.
"""

from dataclasses import dataclass
from math import comb

import numpy as np

from study.stats.comparisons import Floats


def best_of_probabilities(count: int, budget: int) -> Floats:
    """Return the probability of each rank [count], worst first, to be the best of `budget` trials
    drawn without replacement from `count`."""
    if not 1 <= budget <= count:
        raise ValueError(f"budget must be in [1, {count}], got {budget}")
    ranks = range(1, count + 1)
    ways = [comb(rank - 1, budget - 1) for rank in ranks]
    return np.array(ways, dtype=np.float64) / comb(count, budget)


def expected_best(accuracies: Floats, *, budget: int) -> float:
    """Return the expected best of `budget` trials, given the accuracies [n] of n trials.

    The unbiased estimator (Dodge et al. 2021, "Expected Validation Performance and Estimation of
    a Random Variable's Maximum", section 3), for independent trials.
    """
    return float(np.sort(accuracies) @ best_of_probabilities(len(accuracies), budget))


def best_range(accuracies: Floats, *, budget: int, coverage: float = 0.8) -> tuple[float, float]:
    """Return the range in which the best of `budget` of these trials lies with `coverage`.

    Exact for draws without replacement; it narrows to a point as the budget nears n, where it
    says nothing of other trials.
    """
    ordered = np.sort(accuracies)
    cumulative = np.cumsum(best_of_probabilities(len(ordered), budget))
    tail = (1.0 - coverage) / 2.0
    low = ordered[int(np.searchsorted(cumulative, tail + 1e-12))]
    high = ordered[int(np.searchsorted(cumulative, 1.0 - tail - 1e-12))]
    return float(low), float(high)


@dataclass(frozen=True, kw_only=True)
class Width:
    """How many decades of learning rate stay near the best accuracy."""

    decades: float
    is_lower_bound: bool
    """Whether an outermost trial is near the best too: what lies beyond it was not tried."""


def width_in_decades(learning_rates: Floats, accuracies: Floats, *, distance: float) -> Width:
    """Return how many decades of learning rate stay within `distance` of the best accuracy.

    Accuracy is interpolated linearly in the logarithm of the rate between neighbouring trials;
    nothing is assumed beyond the outermost ones.
    """
    order = np.argsort(learning_rates)
    place, margin = np.log10(learning_rates[order]), accuracies[order]
    margin = margin - (margin.max() - distance)
    width = 0.0
    for step, left, right in zip(np.diff(place), margin[:-1], margin[1:], strict=True):
        if left >= 0 and right >= 0:
            width += step
        elif left >= 0 or right >= 0:
            width += step * max(left, right) / abs(left - right)
    return Width(decades=float(width), is_lower_bound=bool(max(margin[0], margin[-1]) >= 0))
