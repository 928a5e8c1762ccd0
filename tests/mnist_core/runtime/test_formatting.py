"""mnist_core.runtime.formatting: tables, number formats, and intervals of published values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnist_core.runtime.formatting import (
    duration,
    markdown_table,
    percent,
    percent_interval,
    wilson_interval,
)


def test_a_table_aligns_numbers_right_and_keeps_text_as_it_is():
    table = markdown_table(
        [["adam", "1e-3"], ["sgd", "0.10"]], header=["name", "rate"], numeric=["rate"]
    )
    assert table.splitlines() == [
        "| name   |   rate |",
        "|:-------|-------:|",
        "| adam   |   1e-3 |",
        "| sgd    |   0.10 |",
    ]


def test_what_a_cell_holds_cannot_end_it():
    table = markdown_table([["a | b", "1\n2"]], header=["x|y", "z"])
    assert table.splitlines()[0] == "| x\\|y   | z   |"
    assert table.splitlines()[2] == "| a \\| b | 1 2 |"


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (9_880, 10_000, 98.57, 99.00),  # as 10,000 test images at 98.8 %
        (81, 263, 25.53, 36.62),  # Newcombe 1998, table I, method 3
        (15, 148, 6.24, 16.05),
        (0, 20, 0.00, 16.11),
        (1, 29, 0.61, 17.18),
    ],
)
def test_the_interval_has_the_published_values(successes, trials, low, high):
    interval = wilson_interval(successes, trials)
    assert [100 * bound for bound in interval] == pytest.approx([low, high], abs=0.006)


@settings(deadline=None)  # the first example imports SciPy
@given(data=st.data(), trials=st.integers(1, 10_000), confidence=st.floats(0.5, 0.999))
def test_the_interval_is_wilsons_formula(data, trials, confidence):
    from scipy.stats import norm

    successes = data.draw(st.integers(0, trials))
    z, p = norm.ppf(0.5 + confidence / 2), successes / trials
    centre = (p + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2))
    low, high = wilson_interval(successes, trials, confidence=confidence)
    assert (low, high) == pytest.approx((centre - half, centre + half), abs=1e-9)
    assert 0 <= low <= p <= high <= 1


def test_the_interval_covers_the_truth_as_often_as_it_says():
    from scipy.stats import binom

    for truth in (0.9, 0.98, 0.992):
        covered = 0.0
        for successes in range(1_001):
            low, high = wilson_interval(successes, 1_000)
            covered += binom.pmf(successes, 1_000, truth) * (low <= truth <= high)
        assert covered == pytest.approx(0.95, abs=0.015)


def test_fractions_are_formatted_as_percentages():
    assert percent(0.98765) == "98.77 %"
    assert percent(0.5, digits=0) == "50 %"
    assert percent_interval(0.9857, 0.99) == "98.57 to 99.00 %"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (3.21, "3.2 s"),
        (45.4, "45 s"),
        (89.9, "90 s"),
        (90, "2 min"),
        (601, "11 min"),
        (5_340, "89 min"),
        (5_400, "1 h 30 min"),
        (7_200, "2 h 0 min"),
    ],
)
def test_durations_are_said_as_a_person_would(seconds, text):
    assert duration(seconds) == text
