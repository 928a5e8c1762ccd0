"""study.analysis.summary and study.reporting.finding: what synthetic records show, and how it is
said."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from support.study_samples import change_record, make_plan, write_study

from mnist_core.optim.registry import optimizer_spec
from study.analysis.summary import summarise
from study.plans.space import space_from_table
from study.reporting import finding as wording
from study.reporting import rule
from study.reporting import search as search_tables
from study.reporting import study as render

SEEDS = 4
BEST = [0.98, 0.982, 0.981, 0.979]
CLOSE = [0.979, 0.983, 0.98, 0.98]
FAR = [0.9, 0.903, 0.902, 0.899]
NOTHING: dict[Any, Any] = {}


@pytest.fixture
def summary(tmp_path):
    """Write a study of three optimizers and summarise it; tuned accuracies in their order."""

    def make(
        *tuned,
        optimizers=("sgd", "adam", "nadam"),
        trials=30,
        defaults=FAR,
        changed=NOTHING,
        spaces=NOTHING,
        **keywords,
    ):
        plan = make_plan(
            optimizers=optimizers, trials=trials, confirm_seeds=SEEDS, spaces=dict(spaces)
        )
        accuracies = {
            (name, variant): values
            for name, own in zip(optimizers, tuned or [BEST] * len(optimizers), strict=True)
            for variant, values in (("tuned", own), ("default", defaults))
        } | changed
        folder = write_study(tmp_path / "study", plan, accuracies=accuracies, **keywords)
        return summarise(folder.read_header(), folder.read_records(), folder.read_environments())

    return make


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


def test_a_complete_study_is_not_partial(summary):
    found = summary()
    assert found.finished == found.expected == found.plan.rows
    assert not found.is_partial
    assert "partial" not in wording.headline(found)


@pytest.mark.parametrize(
    ("best_place", "edge"), [(0.05, "lower"), (0.95, "upper"), (0.5, "inside"), (0.15, "inside")]
)
def test_a_best_at_the_edge_of_its_range_is_told(summary, best_place, edge):
    found = summary(best_place=best_place)
    assert {searched.edge for searched in found.searched} == {edge}
    assert ("the optimum may lie" in wording.finding(found)) == (edge != "inside")


def test_of_two_trials_both_lie_at_an_edge_so_none_is_told(summary):
    found = summary(trials=6, best_place=0.0)
    assert {searched.edge for searched in found.searched} == {"too few"}
    assert "the optimum may lie" not in wording.finding(found)


def test_a_winner_is_named_only_where_every_other_is_separated(summary):
    found = summary(FAR, BEST, FAR)
    assert wording.finding(found).startswith("**Adam is better than all others**: 98.05 %")
    assert wording.headline(found) == (
        "digits (scikit-learn): Adam 98.05 %, better than all others"
    )


def test_a_tie_has_no_winner(summary):
    found = summary(BEST, BEST, BEST)
    text = wording.finding(found)
    assert text.startswith("**No single winner.** SGD has the highest mean")
    assert "**not separated** from Adam and NAdam" in text
    assert "is better than" not in text
    assert wording.headline(found).endswith("not separated from it: Adam and NAdam")


def test_some_separated_and_some_not_are_told_apart(summary):
    found = summary(BEST, CLOSE, FAR)
    text = wording.finding(found)
    best, close = (entry.confirmed.label for entry in found.ranking[:2])
    assert f"{best} has the highest mean" in text
    assert f"**not separated** from {close}." in text
    assert "It is better than NAdam, by at least" in text
    assert f"not separated from it: {close}; separated: NAdam" in wording.headline(found)


def test_the_gap_that_is_told_is_the_intervals_near_end(summary):
    found = summary(BEST, CLOSE, FAR)
    worst = found.ranking[-1].behind_best
    assert f"by at least {-100 * worst.high:.2f} points" in wording.finding(found)
    assert worst.low < worst.difference < worst.high < 0


def test_gains_beyond_doubt_are_counted(summary):
    assert "raised 2 of 3 optimizers" in wording.finding(summary(BEST, CLOSE, FAR))


def test_no_gain_is_said_to_be_none(summary):
    text = wording.finding(summary(FAR, FAR, FAR))
    assert "No optimizer's tuned learning rate is separated from its library default." in text


def test_an_optimizer_whose_trials_all_diverged_is_not_awaited_and_is_named(summary):
    found = summary(FAR, BEST, FAR, all_diverged=["sgd"])
    assert found.finished == found.expected == found.plan.rows - SEEDS
    assert not found.is_partial
    searched = found.searched[0]
    assert (searched.best, searched.edge, searched.not_completed) == (None, None, 10)
    assert [entry.confirmed.arm for entry in found.ranking] == ["adam", "nadam"]
    assert "Not ranked: SGD" in wording.finding(found)
    assert "**Adam is better than NAdam**" in wording.finding(found)


def test_a_study_in_which_everything_diverged_names_no_winner(summary):
    found = summary(all_diverged=["sgd", "adam", "nadam"])
    assert found.ranking == []
    assert not found.is_partial
    assert "no configuration is confirmed" in wording.headline(found)
    assert "Not ranked: SGD (none of its 10 trials completed), Adam" in wording.finding(found)


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_a_broken_confirmation_keeps_its_optimizer_out_and_is_named(tmp_path, status):
    plan = make_plan(optimizers=("sgd", "adam", "nadam"), confirm_seeds=SEEDS)
    folder = write_study(tmp_path / "study", plan)
    broken = {"status": status, "validation_accuracy": None, "epochs": (), "test": None}
    change_record(folder, "confirm-adam-tuned-01", **broken)
    found = summarise(folder.read_header(), folder.read_records(), folder.read_environments())
    assert [entry.key for entry in found.broken_confirmations] == ["confirm-adam-tuned-01"]
    assert "adam" not in [entry.confirmed.arm for entry in found.ranking]
    assert "adam" not in found.tuning_gains
    assert not found.is_partial
    assert f"Not ranked: Adam ({status} when confirmed)." in wording.finding(found)


@pytest.mark.parametrize(
    ("left_out", "ranked"),
    [
        (lambda key: key.startswith("confirm"), 0),
        (lambda key: key.startswith(("confirm-nadam", "confirm-adam")), 1),
        (lambda key: key == "confirm-nadam-tuned-03", 2),
        (lambda key: key == "confirm-nadam-default-00", 3),
    ],
    ids=["search only", "one confirmed", "two confirmed", "a default missing"],
)
def test_a_partial_study_says_so_and_ranks_what_is_complete(summary, left_out, ranked):
    found = summary(BEST, FAR, FAR, left_out=left_out)
    assert found.is_partial
    assert len(found.ranking) == ranked
    assert (found.tuning_gains.keys() == {"sgd", "adam", "nadam"}) == (ranked > 3)
    if ranked:
        assert wording.headline(found).endswith("(partial)")
    text = wording.finding(found) + wording.headline(found)
    assert ("**SGD is better than Adam**" in text) == (ranked == 2)
    assert ("better than all others" in text) == (ranked > 2)
    assert "Not ranked" not in text


def test_no_runs_at_all_are_summarised(summary):
    found = summary(left_out=lambda key: True)
    assert (found.finished, found.ranking, found.confirmed) == (0, [], [])
    assert found.is_partial
    assert "confirmed" in wording.finding(found)
    assert rule.of_this_study(found) == ""


def misclassified_always(folder, configuration, images):
    """Have every run of a configuration misclassified these test images, and no others."""
    for index in range(SEEDS):
        key = f"confirm-{configuration}-{index:02d}"
        test = folder.read_records()[key].score
        change_record(folder, key, test=replace(test, misclassified=dict.fromkeys(images, 0)))


def test_a_verdict_needs_other_images_too(tmp_path):
    """Seeds separate the two by 1 point, images do not: they read 50 and 55 others of 500."""
    plan = make_plan(confirm_seeds=SEEDS)
    folder = write_study(
        tmp_path / "study",
        plan,
        accuracies={("sgd", "tuned"): [0.90] * SEEDS, ("adam", "tuned"): [0.89] * SEEDS},
    )
    misclassified_always(folder, "sgd-tuned", range(50))
    misclassified_always(folder, "adam-tuned", range(100, 155))
    found = summarise(folder.read_header(), folder.read_records(), folder.read_environments())
    behind = found.ranking[1]
    assert behind.on_these_images.is_separated
    assert not behind.behind_best.is_separated
    assert "**No single winner.**" in wording.finding(found)
    assert found.pairs[1][0] == behind.behind_best


def test_a_gain_needs_other_images_too(tmp_path):
    plan = make_plan(optimizers=("sgd",), confirm_seeds=SEEDS)
    values = {("sgd", "tuned"): [0.90] * SEEDS, ("sgd", "default"): [0.89] * SEEDS}
    folder = write_study(tmp_path / "study", plan, accuracies=values)
    misclassified_always(folder, "sgd-tuned", range(50))
    misclassified_always(folder, "sgd-default", range(100, 155))
    found = summarise(folder.read_header(), folder.read_records(), folder.read_environments())
    assert found.tuning_gains["sgd"].difference == pytest.approx(0.01)
    assert not found.tuning_gains["sgd"].is_separated


def test_all_pairs_are_compared_by_the_same_intervals(summary):
    found = summary(FAR, CLOSE, BEST)
    assert [len(row) for row in found.pairs] == [3, 3, 3]
    assert [found.pairs[place][0] for place in range(3)] == [
        entry.behind_best for entry in found.ranking
    ]
    assert found.pairs[1][2].low > 0


def test_a_collapse_is_unstable_only_where_some_seeds_learnt(summary):
    nothing = [0.1] * SEEDS
    on_all = wording.finding(summary(nothing, BEST, FAR))
    assert f"no better than guessing: SGD on {SEEDS} of {SEEDS} seeds." in on_all
    assert "stable" not in on_all
    assert "says little" not in on_all


def test_not_separated_says_little_only_where_something_is_not_separated(summary):
    text = wording.finding(summary([0.1, *BEST[1:]], BEST, BEST))
    assert "not stable from seed to seed" in text
    assert "so that *not separated* says little here." in text


def test_not_separated_is_not_spoken_of_where_nothing_compares(summary):
    text = wording.finding(summary([0.1, *BEST[1:]], optimizers=("sgd",)))
    assert "not stable from seed to seed" in text
    assert "not separated" not in text.partition("Tuning")[0]


def test_one_other_is_named_rather_than_called_all_others(summary):
    found = summary(BEST, FAR, optimizers=("sgd", "adam"))
    text = wording.finding(found) + wording.headline(found)
    assert "**SGD is better than Adam**" in text
    assert "others" not in text
    assert "closest of them" not in text


def test_those_that_are_confirmed_are_said_to_be(summary):
    found = summary(
        BEST, FAR, FAR, FAR, optimizers=("sgd", "adam", "nadam", "adamw"), all_diverged=["adamw"]
    )
    assert "better than all others that are confirmed" in wording.finding(found)


def test_one_trial_is_not_called_trials(summary):
    found = summary(trials=3, all_diverged=["adam"])
    assert "Adam (none of its 1 trial completed)" in wording.finding(found)
    assert not re.search(r"\b1 trials", render.render(found, []))


def test_the_registrys_range_has_its_reason_wherever_it_is_written(summary):
    table = {
        "label": "SGD",
        "learning_rate": {"low": 0.01, "high": 1.0, "log": True},
        "momentum": {"low": 0.0, "high": 0.9},
        "default": {"learning_rate": 0.001, "momentum": 0.0},
    }
    other = {**table, "label": "Adam", "learning_rate": {"low": 1e-5, "high": 1.0, "log": True}}
    del other["momentum"]
    spaces = {
        "sgd": space_from_table("sgd", table),
        "adam": space_from_table("adam", {**other, "default": {"learning_rate": 0.001}}),
    }
    text = search_tables.sensitivity(summary(spaces=spaces))
    assert f"SGD: learning rates of the registry ({optimizer_spec('sgd').reason}); the re" in text
    assert "Adam: as --space says" in text


def test_a_width_that_nothing_has_is_neither_shown_nor_explained(summary):
    table = {
        "label": "SGD",
        "learning_rate": {"low": 0.01, "high": 1.0, "log": True},
        "momentum": {"low": 0.0, "high": 0.9},
        "default": {"learning_rate": 0.001, "momentum": 0.0},
    }
    found = summary(BEST, optimizers=("sgd",), spaces={"sgd": space_from_table("sgd", table)})
    assert "width" not in search_tables.budgets(found).lower()


def test_a_width_is_shown_and_explained(summary):
    assert search_tables.budgets(summary()).lower().count("width") == 2
