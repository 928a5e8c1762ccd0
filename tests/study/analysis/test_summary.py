"""study.analysis.summary: what synthetic records show."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from support.study_pages import BEST, CLOSE, FAR, SEEDS, misclassified_always, summary_of
from support.study_samples import make_plan, write_study


def test_the_ranking_is_by_mean_test_accuracy(summary):
    lower = [value - 0.002 for value in BEST]
    ranking = summary(FAR, lower, BEST).ranking
    assert [entry.confirmed.arm for entry in ranking] == ["nadam", "adam", "sgd"]
    assert ranking[-1].behind_best.is_separated
    assert not ranking[1].behind_best.is_separated


def test_estimates_are_students_over_the_test_accuracies(summary):
    confirmed = summary(BEST, CLOSE, FAR).find("sgd", "tuned")
    assert confirmed is not None
    assert confirmed.accuracies.tolist() == pytest.approx(BEST, abs=0.002)
    assert confirmed.estimate.n == SEEDS
    values = confirmed.accuracies
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (confirmed.estimate.low, confirmed.estimate.high) == pytest.approx(
        (expected.low, expected.high)
    )


def test_a_gain_is_tuned_minus_default_paired_by_seed(summary):
    gains = summary(BEST, CLOSE, FAR).tuning_gains
    assert gains["sgd"].difference == pytest.approx(np.mean(BEST) - np.mean(FAR), abs=0.001)
    assert gains["sgd"].is_separated
    assert not gains["nadam"].is_separated


def test_times_are_of_training_without_evaluation(summary):
    confirmed = summary().find("adam", "default")
    assert confirmed is not None
    assert (confirmed.seconds, confirmed.images_per_second) == ([1.5] * SEEDS, 1234.5)


def test_a_gain_needs_other_images_too(tmp_path):
    plan = make_plan(optimizers=("sgd",), confirm_seeds=SEEDS)
    values = {("sgd", "tuned"): [0.90] * SEEDS, ("sgd", "default"): [0.89] * SEEDS}
    folder = write_study(tmp_path / "study", plan, accuracies=values)
    misclassified_always(folder, "sgd-tuned", range(50))
    misclassified_always(folder, "sgd-default", range(100, 155))
    found = summary_of(folder)
    assert found.tuning_gains["sgd"].difference == pytest.approx(0.01)
    assert not found.tuning_gains["sgd"].is_separated


def test_all_pairs_are_compared_by_the_same_intervals(summary):
    found = summary(FAR, CLOSE, BEST)
    assert [len(row) for row in found.pairs] == [3, 3, 3]
    assert [found.pairs[place][0] for place in range(3)] == [
        entry.behind_best for entry in found.ranking
    ]
    assert found.pairs[1][2].low > 0
