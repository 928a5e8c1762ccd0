"""bench.analysis.ratios: paired ratios on known data, and how often their intervals cover the
truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wilcoxon

from bench.analysis import ratios
from bench.analysis.ratios import Estimate


def test_a_constant_ratio_is_found_exactly() -> None:
    times = [1.0, 1.3, 0.8, 1.1, 0.9, 2.0, 1.7]
    found = ratios.paired([2.0 * t for t in times], times)
    assert (found.value, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0))
    assert found.count == 7


def test_drift_common_to_both_cases_cancels() -> None:
    drift = np.linspace(1.0, 3.0, 24)
    found = ratios.paired(list(1.5 * drift), list(drift))
    assert found.high - found.low < 1e-9


def test_one_wild_block_hardly_moves_the_ratio() -> None:
    numerator = [1.0 + 0.001 * i for i in range(24)]
    wild = [*numerator[:-1], 50.0]
    calm, disturbed = (ratios.paired(times, [1.0] * 24).value for times in (numerator, wild))
    assert disturbed == pytest.approx(calm, rel=0.002)


@pytest.mark.parametrize("count", [6, 8, 12, 24])
def test_the_signed_rank_distribution_is_scipys(count: int) -> None:
    chances = ratios.signed_rank_distribution(count)
    assert chances.sum() == pytest.approx(1.0)
    draws = np.random.default_rng(count)
    differences = draws.standard_normal(count) + 0.4
    ranks = np.argsort(np.argsort(np.abs(differences))) + 1
    total = int(ranks[differences > 0].sum())
    ours = chances[total:].sum()
    theirs = wilcoxon(differences, alternative="greater", method="exact").pvalue
    assert ours == pytest.approx(theirs)


@pytest.mark.parametrize("noise", ["normal", "heavy"])
def test_coverage_by_simulation(noise: str) -> None:
    draws = np.random.default_rng(1)
    hits, trials = 0, 600
    for _ in range(trials):
        drift = np.exp(np.cumsum(0.05 * draws.standard_normal(24)))
        spread = (
            draws.standard_normal((2, 24)) if noise == "normal" else draws.standard_t(2, (2, 24))
        )
        a, b = np.exp(0.03 * spread)
        found = ratios.paired(list(1.2 * drift * a), list(drift * b))
        hits += found.low <= 1.2 <= found.high
    assert hits / trials >= 0.95 - 3 * 0.009


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_pairs_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"needs >= 6 pairs, got {count}"):
        ratios.paired([1.0] * count, [1.0] * count)


def test_a_confidence_that_the_pairs_cannot_carry_is_refused() -> None:
    with pytest.raises(ValueError, match="8 pairs have no interval of confidence"):
        ratios.paired([1.0] * 8, [1.0] * 8, confidence=0.999)


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="got 7 and 6"):
        ratios.paired([1.0] * 7, [1.0] * 6)


def test_inverting_swaps_the_ends() -> None:
    ratio = Estimate(value=2.0, low=1.0, high=4.0, count=9).inverted()
    assert (ratio.value, ratio.low, ratio.high, ratio.count) == (0.5, 0.25, 1.0, 9)


def test_spread_is_half_the_quartiles_over_the_median() -> None:
    assert ratios.median_spread([8.0, 9.0, 10.0, 11.0, 12.0]) == pytest.approx(0.1)
