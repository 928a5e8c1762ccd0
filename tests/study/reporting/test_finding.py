"""study.analysis.finding and its templates: what a study finds, and how it is said."""

from __future__ import annotations

import re

import pytest
from support.study_pages import (
    BEST,
    CLOSE,
    FAR,
    SEEDS,
    misclassified_always,
    section,
    summary_of,
)
from support.study_samples import change_record, make_plan, write_study

from mnist_core.optim.registry import optimizer_spec
from study.plans.space import space_from_table
from study.reporting.study import finding, headline, page

BUDGETS = "The best expected of a tuning budget"


def test_a_complete_study_is_not_partial(summary):
    found = summary()
    assert found.finished == found.expected == found.plan.rows
    assert not found.is_partial
    assert "partial" not in headline(found)


@pytest.mark.parametrize(
    ("best_place", "edge"), [(0.05, "lower"), (0.95, "upper"), (0.5, "inside"), (0.15, "inside")]
)
def test_a_best_at_the_edge_of_its_range_is_told(summary, best_place, edge):
    found = summary(best_place=best_place)
    assert {result.edge for result in found.searches} == {edge}
    assert ("the optimum may lie" in finding(found)) == (edge != "inside")


def test_of_two_trials_both_lie_at_an_edge_so_none_is_told(summary):
    found = summary(trials=6, best_place=0.0)
    assert {result.edge for result in found.searches} == {"too few"}
    assert "the optimum may lie" not in finding(found)


def test_a_winner_is_named_only_where_every_other_is_separated(summary):
    found = summary(FAR, BEST, FAR)
    assert finding(found).startswith("**Adam is better than all others**: 98.05 %")
    assert headline(found) == ("digits (scikit-learn): Adam 98.05 %, better than all others")


def test_a_tie_has_no_winner(summary):
    found = summary(BEST, BEST, BEST)
    text = finding(found)
    assert text.startswith("**No single winner.** SGD has the highest mean")
    assert "**not separated** from Adam and NAdam" in text
    assert "is better than" not in text
    assert headline(found).endswith("not separated from it: Adam and NAdam")


def test_some_separated_and_some_not_are_told_apart(summary):
    found = summary(BEST, CLOSE, FAR)
    text = finding(found)
    best, close = (entry.confirmed.label for entry in found.ranking[:2])
    assert f"{best} has the highest mean" in text
    assert f"**not separated** from {close}." in text
    assert "It is better than NAdam, by at least" in text
    assert f"not separated from it: {close}; separated: NAdam" in headline(found)


def test_the_gap_that_is_told_is_the_intervals_near_end(summary):
    found = summary(BEST, CLOSE, FAR)
    worst = found.ranking[-1].behind_best
    assert f"by at least {-100 * worst.high:.2f} points" in finding(found)
    assert worst.low < worst.difference < worst.high < 0


def test_gains_beyond_doubt_are_counted(summary):
    assert "raised 2 of 3 optimizers" in finding(summary(BEST, CLOSE, FAR))


def test_no_gain_is_said_to_be_none(summary):
    text = finding(summary(FAR, FAR, FAR))
    assert "No optimizer's tuned learning rate is separated from its library default." in text


def test_an_optimizer_whose_trials_all_diverged_is_not_awaited_and_is_named(summary):
    found = summary(FAR, BEST, FAR, all_diverged=["sgd"])
    assert found.finished == found.expected == found.plan.rows - SEEDS
    assert not found.is_partial
    result = found.searches[0]
    assert (result.best, result.edge, result.not_completed) == (None, None, 10)
    assert [entry.confirmed.arm for entry in found.ranking] == ["adam", "nadam"]
    assert "Not ranked: SGD" in finding(found)
    assert "**Adam is better than NAdam**" in finding(found)


def test_a_study_in_which_everything_diverged_names_no_winner(summary):
    found = summary(all_diverged=["sgd", "adam", "nadam"])
    assert found.ranking == []
    assert not found.is_partial
    assert "no configuration is confirmed" in headline(found)
    assert "Not ranked: SGD (none of its 10 trials completed), Adam" in finding(found)


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_a_broken_confirmation_keeps_its_optimizer_out_and_is_named(tmp_path, status):
    plan = make_plan(optimizers=("sgd", "adam", "nadam"), confirm_seeds=SEEDS)
    folder = write_study(tmp_path / "study", plan)
    broken = {"status": status, "validation_accuracy": None, "epochs": (), "test": None}
    change_record(folder, "confirm-adam-tuned-01", **broken)
    found = summary_of(folder)
    assert [entry.key for entry in found.broken_confirmations] == ["confirm-adam-tuned-01"]
    assert "adam" not in [entry.confirmed.arm for entry in found.ranking]
    assert "adam" not in found.tuning_gains
    assert not found.is_partial
    assert f"Not ranked: Adam ({status} when confirmed)." in finding(found)


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
        assert headline(found).endswith("(partial)")
    text = finding(found) + headline(found)
    assert ("**SGD is better than Adam**" in text) == (ranked == 2)
    assert ("better than all others" in text) == (ranked > 2)
    assert "Not ranked" not in text


def test_no_runs_at_all_are_summarised(summary):
    found = summary(left_out=lambda key: True)
    assert (found.finished, found.ranking, found.confirmed) == (0, [], [])
    assert found.is_partial
    assert "confirmed" in finding(found)


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
    found = summary_of(folder)
    behind = found.ranking[1]
    assert behind.on_these_images.is_separated
    assert not behind.behind_best.is_separated
    assert "**No single winner.**" in finding(found)
    assert found.pairs[1][0] == behind.behind_best


def test_a_collapse_is_unstable_only_where_some_seeds_learnt(summary):
    nothing = [0.1] * SEEDS
    on_all = finding(summary(nothing, BEST, FAR))
    assert f"at chance level: SGD on {SEEDS} of {SEEDS} seeds." in on_all
    assert "stable" not in on_all
    assert "says little" not in on_all


def test_not_separated_says_little_only_where_something_is_not_separated(summary):
    text = finding(summary([0.1, *BEST[1:]], BEST, BEST))
    assert "not stable from seed to seed" in text
    assert "so that *not separated* says little here." in text


def test_not_separated_is_not_spoken_of_where_nothing_compares(summary):
    text = finding(summary([0.1, *BEST[1:]], optimizers=("sgd",)))
    assert "not stable from seed to seed" in text
    assert "not separated" not in text.partition("Tuning")[0]


def test_one_other_is_named_rather_than_called_all_others(summary):
    found = summary(BEST, FAR, optimizers=("sgd", "adam"))
    text = finding(found) + headline(found)
    assert "**SGD is better than Adam**" in text
    assert "others" not in text
    assert "closest of them" not in text


def test_those_that_are_confirmed_are_said_to_be(summary):
    found = summary(
        BEST, FAR, FAR, FAR, optimizers=("sgd", "adam", "nadam", "adamw"), all_diverged=["adamw"]
    )
    assert "better than all others that are confirmed" in finding(found)


def test_one_trial_is_not_called_trials(summary):
    found = summary(trials=3, all_diverged=["adam"])
    assert "Adam (none of its 1 trial completed)" in finding(found)
    assert not re.search(r"\b1 trials", page(found, []))


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
    text = section(summary(spaces=spaces), "Learning-rate sensitivity")
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
    assert "width" not in section(found, BUDGETS).lower()


def test_a_width_is_shown_and_explained(summary):
    assert section(summary(), BUDGETS).lower().count("width") == 2
