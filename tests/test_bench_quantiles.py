"""bench.quantiles: percentiles on known data, refused where there are too few samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from bench.quantiles import TooFewSamplesError, interval_ranks, quantile, samples_needed
from mnist_core.errors import UserError


@pytest.mark.parametrize(("percentile", "needed"), [(50, 6), (95, 59), (99, 299)])
def test_samples_needed_for_a_two_sided_interval(percentile: float, needed: int) -> None:
    # p = 0.5: 2 · 0.5^6 = 3.1 %. p = 0.95: 0.95^59 = 4.8 %. p = 0.99: 0.99^299 = 4.95 %.
    assert samples_needed(percentile) == needed


@pytest.mark.parametrize("percentile", [50, 95, 99])
def test_too_few_samples_are_refused_with_how_many_it_needs(percentile: float) -> None:
    needed = samples_needed(percentile)
    with pytest.raises(TooFewSamplesError, match=f"needs >= {needed} samples.*got {needed - 1}"):
        quantile([1.0] * (needed - 1), percentile)
    assert quantile([1.0] * needed, percentile).count == needed


@pytest.mark.parametrize("percentile", [0, 100, -1, 250])
def test_a_percentile_outside_its_range_is_refused(percentile: float) -> None:
    with pytest.raises(UserError, match=r"must be in \(0, 100\)"):
        quantile([1.0] * 1000, percentile)


def test_percentiles_of_known_data() -> None:
    samples = [float(x) for x in range(1, 1001)][::-1]
    median, tail = quantile(samples, 50), quantile(samples, 99)
    assert median.value == 500.0
    # Conover 1999, section 3.2: ranks near np ± 1.96 sqrt(np(1-p)) = 500 ± 31.
    assert (median.low, median.high) == (469.0, 532.0)
    assert tail.value == 990.0
    assert tail.low < 990.0 < tail.high <= 1000.0


@pytest.mark.parametrize(
    ("p", "count"),
    [
        (p, count)
        for p in (0.5, 0.95, 0.99)
        for count in (6, 59, 60, 299, 300, 368, 1000, 1234)
        if count >= samples_needed(100 * p)
    ],
)
def test_the_ranks_cover_with_the_confidence_asked_for(p: float, count: int) -> None:
    low, high = interval_ranks(count, p, confidence=0.95)
    assert 0 <= low < high < count
    # P(X_(low+1) <= q < X_(high+1)) = P(low + 1 <= K <= high), K binomial.
    covered = binom.cdf(high, count, p) - binom.cdf(low, count, p)
    assert covered >= 0.95


@pytest.mark.parametrize("percentile", [50, 95, 99])
def test_coverage_by_simulation(percentile: float) -> None:
    draws = np.random.default_rng(0)
    truth = float(np.exp(np.sqrt(2) * _normal_quantile(percentile / 100)))
    hits = 0
    for _ in range(400):
        found = quantile(list(np.exp(np.sqrt(2) * draws.standard_normal(400))), percentile)
        hits += found.low <= truth <= found.high
    # 95 % less three standard errors of 400 trials.
    assert hits / 400 >= 0.95 - 3 * 0.011


def _normal_quantile(p: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(p)
