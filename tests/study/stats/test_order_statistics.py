"""study.stats.order_statistics: the interval of a median."""

from __future__ import annotations

import numpy as np
import pytest

from study.stats.order_statistics import median_estimate


def test_the_interval_of_fifteen_rounds_is_the_fourth_and_the_twelfth():
    found = median_estimate([float(value) for value in (*range(9, 16), *range(1, 9))])
    assert (found.value, found.low, found.high) == (8.0, 4.0, 12.0)


@pytest.mark.parametrize("rounds", [6, 15, 40])
def test_the_interval_holds_the_true_median_of_a_skewed_distribution(rounds):
    random = np.random.default_rng(3)
    samples = random.exponential(size=(2_000, rounds))
    found = [median_estimate(list(row)) for row in samples]
    held = np.mean([one.low <= np.log(2) <= one.high for one in found])
    assert held >= 0.94


def test_with_few_rounds_the_interval_is_their_range():
    found = median_estimate([5.0, 1.0, 3.0])
    assert (found.value, found.low, found.high) == (3.0, 1.0, 5.0)
