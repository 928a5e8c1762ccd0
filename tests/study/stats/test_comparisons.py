"""study.stats.comparisons: intervals against known values, and how often they are wrong, by
simulation."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import stats
from support import ROOT

from study.stats.comparisons import (
    compare_all,
    compare_at_looks,
    detectable,
    mean_estimate,
    paired_estimate,
    undecided,
    widen_all_for_images,
    widen_for_images,
)

# Montgomery, Design and Analysis of Experiments, 4.1: yields of vascular grafts at four extrusion
# pressures (rows) from six batches of resin (blocks); MS_E = 7.33 with 15 degrees of freedom.
GRAFTS = np.array(
    [
        [90.3, 89.2, 98.2, 93.9, 87.4, 97.9],
        [92.5, 89.5, 90.6, 94.7, 87.0, 95.8],
        [85.5, 90.8, 89.6, 86.2, 88.0, 93.4],
        [82.5, 89.5, 85.6, 87.4, 78.9, 90.7],
    ]
)
GRAFTS_ERROR = 7.33
# Tables of the studentized range at 0.05: of how many, with how many degrees of freedom.
Q_4_15, Q_4_5, Q_3_4, Q_3_2, Q_6_2 = 4.08, 5.22, 5.04, 8.33, 11.7
OPTIMIZERS, SEEDS = 6, 3


def test_mean_estimate_is_students_interval():
    values = np.array([0.981, 0.984, 0.979, 0.988])
    estimate = mean_estimate(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))
    assert (estimate.mean, estimate.n) == (pytest.approx(0.983), 4)


def test_mean_estimate_by_hand():
    # mean 2, standard deviation 1, n 3: half = t(0.975; 2) / sqrt(3) = 4.303 / 1.732.
    estimate = mean_estimate(np.array([1.0, 2.0, 3.0]))
    assert estimate.high - estimate.mean == pytest.approx(4.3027 / 3**0.5, abs=1e-3)


@pytest.mark.parametrize("n", [2, 3, 10])
def test_mean_estimate_covers_the_truth_in_95_of_100_studies(n):
    random = np.random.default_rng(n)
    studies = 3000
    estimates = [mean_estimate(random.normal(0.98, 0.01, n)) for _ in range(studies)]
    covered = np.mean([estimate.low <= 0.98 <= estimate.high for estimate in estimates])
    assert covered == pytest.approx(0.95, abs=3 * (0.95 * 0.05 / studies) ** 0.5)


def test_two_configurations_compare_as_in_the_paired_t_test():
    first = np.array([0.971, 0.984, 0.979, 0.962])
    second = np.array([0.969, 0.980, 0.981, 0.955])
    comparison = compare_all(np.stack([first, second]))[0][1]
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert (comparison.low, comparison.high) == pytest.approx((expected.low, expected.high))


def test_four_configurations_compare_as_in_the_textbook():
    table = compare_all(GRAFTS)
    half = Q_4_15 * (GRAFTS_ERROR / 6) ** 0.5
    for i in range(4):
        for j in range(i):
            comparison = table[i][j]
            differences = GRAFTS[i] - GRAFTS[j]
            own_half = Q_4_5 * (differences.var(ddof=1) / 12) ** 0.5
            assert comparison.difference == pytest.approx(differences.mean())
            assert comparison.high - comparison.difference == pytest.approx(
                max(half, own_half), rel=2e-3
            )
    assert table[0][3].is_separated
    assert not table[0][1].is_separated


def test_three_configurations_by_hand():
    # Residuals ±1 around additive rows and columns: SS = 4, df = 4, so MS_E = 1 and the pooled
    # variance of a difference 2; the differences' own variances are 4, 1 and 1.
    accuracies = np.array([[11.0, 9.0, 10.0], [19.0, 21.0, 20.0], [30.0, 30.0, 30.0]])
    table = compare_all(accuracies)
    halves = [table[i][j].high - table[i][j].difference for i, j in ((0, 1), (0, 2), (1, 2))]
    own = [(accuracies[i] - accuracies[j]).var(ddof=1) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert own == [4.0, 1.0, 1.0]
    expected = [max(Q_3_4 * 2.0**0.5, Q_3_2 * variance**0.5) / 6**0.5 for variance in own]
    assert halves == pytest.approx(expected, rel=1e-3)


def test_comparisons_are_antisymmetric_and_a_configuration_equals_itself():
    table = compare_all(GRAFTS)
    for i in range(4):
        assert (table[i][i].difference, table[i][i].low, table[i][i].high) == (0, 0, 0)
        assert not table[i][i].is_separated
        for j in range(4):
            assert table[i][j].low == pytest.approx(-table[j][i].high)


def test_what_moves_all_configurations_of_a_seed_alike_changes_nothing():
    moved = GRAFTS + np.array([5.0, -3.0, 0.0, 11.0, -20.0, 1.0])
    before, after = compare_all(GRAFTS)[0][3], compare_all(moved)[0][3]
    assert (after.low, after.high) == pytest.approx((before.low, before.high))


def test_an_erratic_configuration_is_held_to_its_own_spread_and_does_not_borrow_calm():
    accuracies = np.random.default_rng(0).normal(0, 1, (6, 3))
    accuracies[5] = [-20.0, 0.0, 20.0]
    table = compare_all(accuracies)
    erratic, calm = table[0][5], table[0][1]
    own = (accuracies[0] - accuracies[5]).var(ddof=1)
    assert erratic.high - erratic.difference == pytest.approx(
        Q_6_2 / 2**0.5 * (own / SEEDS) ** 0.5, rel=1e-2
    )
    assert erratic.high - erratic.low > 1.5 * (calm.high - calm.low)


@pytest.mark.parametrize("shape", [(1, 3), (3, 1), (1, 1)])
def test_too_few_to_compare_is_an_error(shape):
    with pytest.raises(ValueError, match=r"at least 2 configurations and 2 seeds"):
        compare_all(np.zeros(shape))


def test_paired_estimate_is_bonferronis_paired_t_interval():
    first, second = GRAFTS[0], GRAFTS[2]
    comparison = paired_estimate(first, second, comparisons=6)
    expected = stats.ttest_rel(first, second).confidence_interval(1 - 0.05 / 6)
    assert (comparison.low, comparison.high) == pytest.approx((expected.low, expected.high))
    alone = paired_estimate(first, second, comparisons=1)
    assert alone.high - alone.low < comparison.high - comparison.low


def false_separations(spreads, *, studies):
    """Return the share of studies of equal optimizers in which any pair is separated."""
    random = np.random.default_rng(1)
    wrong = 0
    for _ in range(studies):
        seeds = random.normal(0, 2.0, SEEDS)
        noise = random.normal(size=(OPTIMIZERS, SEEDS)) * np.asarray(spreads)[:, None]
        table = compare_all(0.98 + seeds + noise)
        wrong += any(table[i][j].is_separated for i in range(OPTIMIZERS) for j in range(i))
    return wrong / studies


def stated_percentages():
    """Return what docs/method.md says of equal, growing, one threefold, one fivefold spread."""
    text = (ROOT / "docs" / "method.md").read_text()
    section = text.split("### False separations")[1].split("\n#")[0]
    assert "In simulated studies of six equal configurations and three seeds" in section
    return [int(number) / 100 for number in re.findall(r"(\d+) %", section)]


@pytest.mark.parametrize(
    ("case", "spreads"),
    [
        (0, [1, 1, 1, 1, 1, 1]),
        (1, np.linspace(1, 3, OPTIMIZERS)),
        (2, [1, 1, 1, 1, 1, 3]),
        (3, [1, 1, 1, 1, 1, 5]),
    ],
    ids=["all alike", "growing to threefold", "one threefold", "one fivefold"],
)
def test_equal_optimizers_are_separated_as_rarely_as_docs_say(case, spreads):
    studies = 1500
    stated = stated_percentages()
    assert len(stated) == 4
    error = (stated[case] * (1 - stated[case]) / studies) ** 0.5
    rate = false_separations(spreads, studies=studies)
    assert rate == pytest.approx(stated[case], abs=0.005 + 2.5 * error)
    assert rate <= 0.05


def test_a_planted_difference_is_found_and_no_other():
    random = np.random.default_rng(2)
    found = strangers = 0
    for _ in range(200):
        accuracies = random.normal(0.98, 0.001, (OPTIMIZERS, SEEDS))
        accuracies[2] -= 0.02
        table = compare_all(accuracies)
        found += all(table[i][2].low > 0 for i in range(OPTIMIZERS) if i != 2)
        strangers += any(
            table[i][j].is_separated
            for i in range(OPTIMIZERS)
            for j in range(i)
            if 2 not in (i, j)
        )
    assert found >= 190
    assert strangers <= 20


def test_a_pair_is_compared_on_the_seeds_that_both_have():
    random = np.random.default_rng(4)
    full = random.normal(0.98, 0.001, (3, 10))
    table = compare_at_looks([full[0], full[1], full[2, :5]], looks=2)
    both = compare_all(full[:2], confidence=0.96, family=3)[0][1]
    early = compare_all(full[:, :5], confidence=0.96)[0][2]
    assert (table[0][1].low, table[0][1].high) == (both.low, both.high)
    assert (table[0][2].low, table[0][2].high) == (early.low, early.high)
    assert table[2][0].difference == -table[0][2].difference


def test_one_look_is_tukeys_test_alone():
    assert compare_at_looks(list(GRAFTS), looks=1) == compare_all(GRAFTS)


@pytest.mark.parametrize(
    ("means", "expected"),
    [([0.99, 0.99, 0.90], [0, 1]), ([0.90, 0.99, 0.90], []), ([0.99], [])],
)
def test_undecided_are_those_not_separated_from_the_highest(means, expected):
    noise = np.random.default_rng(5).normal(0, 1e-4, (len(means), 5))
    accuracies = np.array(means)[:, None] + noise
    assert undecided(accuracies, family=3, looks=4) == expected


def test_other_images_widen_an_interval_by_how_much_images_differ():
    # Every seed alike: nothing but images can differ, a share p of which only the first reads.
    seeds, images, p = 4, 1000, 0.02
    differences = np.zeros((seeds, images))
    differences[:, : round(p * images)] = 1.0
    accuracies = np.array([[0.98, 0.981, 0.98, 0.981], [0.96] * seeds])
    alone = compare_all(accuracies)[0][1]
    both = widen_for_images(alone, differences)
    of_images = p * (1 - p) / images * (images / (images - 1))
    of_images -= p * (1 - p) / (seeds * images)
    assert both.standard_error**2 == pytest.approx(alone.standard_error**2 + of_images, rel=1e-2)
    assert both.difference == alone.difference


def test_independent_errors_of_seeds_and_images_are_not_counted_twice():
    # Reads that have nothing of the image in them: other images add nothing, on average.
    random = np.random.default_rng(6)
    added = []
    for _ in range(50):
        reads = random.random((2, 5, 2000)) < 0.98
        differences = reads[0].astype(float) - reads[1]
        alone = compare_all(reads.mean(axis=2))[0][1]
        both = widen_for_images(alone, differences)
        added.append(both.standard_error**2 - alone.standard_error**2)
    expected = 2 * 0.98 * 0.02 / (5 * 2000)  # the variance of their mean difference
    assert np.mean(added) < 0.1 * expected


def test_a_detectable_difference_is_found_as_often_as_it_says():
    random, n, spread = np.random.default_rng(7), 10, 0.001
    # Differences of variance 2 spread², exactly.
    swing = spread * ((n - 1) / n) ** 0.5 / 2**0.5
    known = np.array([[swing, -swing] * (n // 2), [-swing, swing] * (n // 2)])
    planted = detectable(compare_all(known)[0][1])
    found = 0
    for _ in range(1000):
        runs = random.normal(0, spread, (2, n))
        runs[0] += planted
        found += compare_all(runs)[0][1].low > 0
    assert found / 1000 == pytest.approx(0.9, abs=0.04)


def test_every_pair_is_widened_on_the_seeds_that_both_have():
    random = np.random.default_rng(8)
    misclassified = [(random.random((n, 300)) < 0.1).astype(float) for n in (6, 4, 4)]
    table = compare_at_looks([1 - each.mean(axis=1) for each in misclassified], looks=2)
    widened = widen_all_for_images(table, misclassified)
    assert widened[0][1] == widen_for_images(table[0][1], misclassified[1] - misclassified[0][:4])
    assert widened[1][2] == widen_for_images(table[1][2], misclassified[2] - misclassified[1])
    assert widened[2][0].difference == pytest.approx(-widened[0][2].difference)
    assert widened[1][1] == table[1][1]


def test_equals_on_all_images_are_separated_by_a_few_images_only_where_images_are_left_out():
    """Two configurations that read different images, and as many of all there are; a study sees
    300 of them."""
    random = np.random.default_rng(9)
    studies, seeds, images = 600, 5, 300
    by_seeds = by_both = 0
    for _ in range(studies):
        chances = random.beta(0.2, 1.8, (2, images))  # to misclassified an image: 0.1 on average
        misclassified = [(random.random((seeds, images)) < each).astype(float) for each in chances]
        table = compare_all(np.stack([1 - each.mean(axis=1) for each in misclassified]))
        by_seeds += table[0][1].is_separated
        by_both += widen_all_for_images(table, misclassified)[0][1].is_separated
    assert by_seeds / studies > 0.1
    assert by_both / studies <= 0.05
