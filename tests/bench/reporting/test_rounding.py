"""bench.reporting.rounding: no digit that the interval does not carry, and none too few."""

from __future__ import annotations

import math

import pytest

from bench.analysis.ratios import Estimate
from bench.reporting import rounding


def ratio(value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value, low=low, high=high, count=12)


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (5234.0, 5130.0, 5340.0, "5,200 (5,100 to 5,300)"),
        (1.4987, 1.4440, 1.5311, "1.50 (1.44 to 1.53)"),
        (0.0421, 0.0419, 0.0424, "0.0421 (0.0419 to 0.0424)"),
        (842.0, 774.0, 9304.0, "800 (800 to 9,300)"),  # else 1,000 (1,000 to 9,000)
        (2.0, 2.0, 2.0, "2.000 (2.000 to 2.000)"),
    ],
)
def test_digits_are_those_of_the_interval(
    value: float, low: float, high: float, text: str
) -> None:
    assert rounding.with_interval(ratio(value, low, high)) == text


def test_a_missed_target_is_not_rounded_onto() -> None:
    missed = ratio(2.4993, 2.4001, 2.7002)
    assert rounding.with_interval(missed) == "2.5 (2.4 to 2.7)"
    assert rounding.with_interval(missed, target=2.5) == "2.50 (2.40 to 2.70)"
    share = ratio(0.0341, 0.0012, 0.0708)
    assert rounding.percent_with_interval(share, target=0.03) == "3.4 % (0.1 to 7.1)"
    assert rounding.percent_with_interval(share, target=0.04) == "3 % (0 to 7)"


@pytest.mark.parametrize("half", [0.0, math.inf, math.nan])
def test_an_interval_without_a_width_says_nothing_of_digits(half: float) -> None:
    assert rounding.decimals(half) == 3
