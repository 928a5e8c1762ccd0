"""What a smaller budget would have found, against enumeration; the width of a learning rate."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.stats.tuning_budget import (
    best_of_probabilities,
    best_range,
    expected_best,
    width_in_decades,
)

accuracy_lists = st.lists(st.floats(0, 1), min_size=1, max_size=7)


@given(accuracy_lists, st.data())
def test_the_expected_best_is_the_mean_over_all_subsets(accuracies, data):
    budget = data.draw(st.integers(1, len(accuracies)))
    by_hand = np.mean([max(subset) for subset in combinations(accuracies, budget)])
    assert expected_best(np.array(accuracies), budget=budget) == pytest.approx(by_hand)


@given(accuracy_lists)
def test_a_larger_budget_never_expects_less(accuracies):
    values = [
        expected_best(np.array(accuracies), budget=budget)
        for budget in range(1, len(accuracies) + 1)
    ]
    assert all(later >= earlier - 1e-12 for earlier, later in pairwise(values))
    assert values[-1] == pytest.approx(max(accuracies))


def test_the_estimator_is_unbiased():
    generator = np.random.default_rng(0)
    few = [expected_best(generator.random(5), budget=3) for _ in range(20_000)]
    assert np.mean(few) == pytest.approx(3 / 4, abs=0.003)  # E[max of 3 uniforms]


def test_probabilities_add_up_and_the_worst_never_wins_against_another():
    chances = best_of_probabilities(6, 2)
    assert chances.sum() == pytest.approx(1)
    assert chances[0] == 0


@given(accuracy_lists, st.data())
def test_the_range_covers_at_least_what_it_says(accuracies, data):
    budget = data.draw(st.integers(1, len(accuracies)))
    low, high = best_range(np.array(accuracies), budget=budget)
    bests = [max(subset) for subset in combinations(accuracies, budget)]
    assert np.mean([low <= best <= high for best in bests]) >= 0.8 - 1e-9


@pytest.mark.parametrize("budget", [0, 6, -1])
def test_a_budget_outside_the_trials_is_refused(budget):
    with pytest.raises(ValueError, match=r"budget must be in \[1, 5\]"):
        best_of_probabilities(5, budget)


def test_the_width_counts_only_what_is_within_the_distance():
    rates = np.array([1e-4, 1e-3, 1e-2, 1e-1])
    accuracies = np.array([0.90, 0.99, 0.99, 0.10])
    # Whole decade between the two best; a ninth of the first decade for 0.01 of its 0.09 rise.
    expected = 1 + 0.01 / 0.09 + 0.01 / 0.89
    width = width_in_decades(rates, accuracies, distance=0.01)
    assert width.decades == pytest.approx(expected)
    assert not width.is_lower_bound


def test_the_width_does_not_depend_on_the_order_of_trials():
    rates, accuracies = np.array([1e-2, 1e-4, 1e-3]), np.array([0.98, 0.95, 0.99])
    order = np.array([2, 0, 1])
    width = width_in_decades(rates, accuracies, distance=0.02)
    again = width_in_decades(rates[order], accuracies[order], distance=0.02)
    assert width.decades == pytest.approx(again.decades)


@pytest.mark.parametrize(
    ("accuracies", "is_lower_bound"),
    [
        ([0.90, 0.99, 0.90], False),
        ([0.90, 0.98, 0.99], True),
        ([0.985, 0.99, 0.90], True),
        ([0.979, 0.99, 0.979], False),
    ],
)
def test_a_width_is_a_lower_bound_where_an_outermost_trial_is_near_the_best(
    accuracies, is_lower_bound
):
    rates = np.array([1e-3, 1e-2, 1e-1])
    width = width_in_decades(rates, np.array(accuracies), distance=0.01)
    assert width.is_lower_bound == is_lower_bound


def test_a_single_trial_has_no_width():
    width = width_in_decades(np.array([0.1]), np.array([0.9]), distance=0.01)
    assert (width.decades, width.is_lower_bound) == (0, True)
