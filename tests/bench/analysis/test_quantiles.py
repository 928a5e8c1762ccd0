"""bench.analysis.quantiles: percentiles on known data, refused where there are too few samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from bench.analysis.quantiles import (
    TooFewSamplesError,
    order_statistic_interval,
    quantile,
    samples_needed,
)
from mnist_core.errors import UserError


def blocks_of(samples: list[float], *, count: int = 6) -> list[list[float]]:
    """Deal samples into blocks."""
    return [samples[i::count] for i in range(count)]


@pytest.mark.parametrize(("percentile", "needed"), [(50, 6), (95, 59), (99, 299)])
def test_samples_needed_for_a_two_sided_interval(percentile: float, needed: int) -> None:
    # p = 0.5: 2 · 0.5^6 = 3.1 %. p = 0.95: 0.95^59 = 4.8 %. p = 0.99: 0.99^299 = 4.95 %.
    assert samples_needed(percentile) == needed


@pytest.mark.parametrize("percentile", [50, 95, 99])
def test_too_few_samples_are_refused_with_how_many_it_needs(percentile: float) -> None:
    needed = samples_needed(percentile)
    with pytest.raises(TooFewSamplesError, match=f"needs >= {needed} samples.*got {needed - 1}"):
        quantile(blocks_of([1.0] * (needed - 1)), percentile)
    assert quantile(blocks_of([1.0] * needed), percentile).count == needed


def test_samples_of_too_few_blocks_are_refused() -> None:
    with pytest.raises(TooFewSamplesError, match="needs >= 6 blocks for an interval, got 5"):
        quantile([[1.0] * 100] * 5, 50)


@pytest.mark.parametrize("percentile", [0, 100, -1, 250])
def test_a_percentile_outside_its_range_is_refused(percentile: float) -> None:
    with pytest.raises(UserError, match=r"must be in \(0, 100\)"):
        quantile(blocks_of([1.0] * 1000), percentile)


def test_percentiles_of_known_data() -> None:
    samples = [float(x) for x in range(1, 1001)][::-1]
    mixed = list(np.random.default_rng(3).permutation(samples))
    median, tail = quantile(blocks_of(mixed), 50), quantile(blocks_of(mixed), 99)
    assert median.value == 500.0
    # Conover 1999, section 3.2: ranks near np ± 1.96 sqrt(np(1-p)) = 500 ± 31.
    assert median.low <= 469.0
    assert median.high >= 532.0
    assert median.high - median.low < 120.0
    assert tail.value == 990.0
    assert tail.low < 990.0 < tail.high <= 1000.0
    assert quantile(blocks_of(mixed), 99) == tail


def test_bimodal_blocks_make_the_interval_span_both() -> None:
    # As a run showed it: one session of six blocks at 180 µs, then ten at 89 µs.
    slow, fast = [180e-6 + 1e-8 * i for i in range(134)], [89e-6 + 1e-8 * i for i in range(134)]
    found = quantile([slow] * 6 + [fast] * 10, 50)
    assert found.value < 91e-6
    assert found.low < 91e-6
    assert found.high > 179e-6


@pytest.mark.parametrize(
    ("p", "count"),
    [
        (p, count)
        for p in (0.5, 0.95, 0.99)
        for count in (6, 59, 60, 299, 300, 368, 1000, 1234)
        if count >= samples_needed(100 * p)
    ],
)
def test_the_enclosing_samples_cover_with_the_confidence_asked_for(p: float, count: int) -> None:
    samples = [float(rank) for rank in range(count)]
    low, high = order_statistic_interval(samples, p)
    assert 0 <= low < high < count
    # P(X_(low+1) <= q < X_(high+1)) = P(low + 1 <= K <= high), K binomial.
    covered = binom.cdf(high, count, p) - binom.cdf(low, count, p)
    assert covered >= 0.95


@pytest.mark.parametrize("percentile", [50, 95, 99])
@pytest.mark.parametrize("block_effect", [0.0, 0.25])
def test_coverage_by_simulation(percentile: float, block_effect: float) -> None:
    """Blocks differ by a quarter of what calls in a block do: ignoring it covers 75 % at p50."""
    draws = np.random.default_rng(0)
    spread = np.sqrt(1.0 + block_effect**2)
    truth = float(np.exp(spread * _normal_quantile(percentile / 100)))
    hits = 0
    for _ in range(100):
        of_block = block_effect * draws.standard_normal((16, 1))
        found = quantile(np.exp(of_block + draws.standard_normal((16, 25))).tolist(), percentile)
        hits += found.low <= truth <= found.high
    # 95 % less three standard errors of 100 trials.
    assert hits / 100 >= 0.95 - 3 * 0.022


def _normal_quantile(p: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(p)
