"""study.reporting.search and the tables of a study: what the trials and the clock of a study
show."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import ROOT
from support.study_pages import section, summary_of
from support.study_samples import change_record, make_plan, write_study

from study.plans.space import space_from_table
from study.plans.task import trial_key
from study.reporting.page import median_time


def budgets(folder):
    return section(summary_of(folder), "The best expected of a tuning budget")


def sensitivity(folder):
    return section(summary_of(folder), "Learning-rate sensitivity")


@pytest.fixture
def study(tmp_path):
    """Write a study of SGD and Adam with so many trials each; return its folder."""

    def make(trials=4, *, accuracies=None, **keywords):
        plan = make_plan(trials=2 * trials, **keywords.pop("plan", {}))
        folder = write_study(tmp_path / "study", plan, **keywords)
        for arm, values in (accuracies or {}).items():
            for index, value in enumerate(values):
                change_record(folder, trial_key(arm, index), validation_accuracy=value)
        return folder

    return make


def row(text, label):
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {label} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_ties_are_named_together_and_an_order_that_stays_is_said_to(study):
    values = [0.9, 0.95, 0.96, 0.97]
    text = budgets(study(accuracies={"sgd": values, "adam": values}))
    assert row(text, "*highest*")[1:5] == ["SGD = Adam"] * 4
    assert "The order is the same at every budget shown: SGD = Adam." in text


def test_an_order_that_depends_on_the_budget_is_told(study):
    accuracies = {"sgd": [0.5, 0.6, 0.7, 0.99], "adam": [0.9, 0.91, 0.92, 0.93]}
    text = budgets(study(accuracies=accuracies))
    assert row(text, "*highest*")[1:5] == ["Adam", "Adam", "Adam", "SGD"]
    assert "The order changes with the budget, and so does the highest" in text
    assert "from 1 trial Adam, SGD; from 4 trials SGD, Adam" in text
    assert "Nothing is extrapolated" in (ROOT / "docs" / "method.md").read_text()


def test_pruned_trials_count_where_they_were_stopped_and_leave_a_search_complete(study):
    folder = study(accuracies={"sgd": [0.9, 0.95, 0.5, 0.97]})
    change_record(folder, trial_key("sgd", 2), status="pruned")
    text = budgets(folder)
    assert row(text, "SGD")[1].startswith(f"{100 * (0.9 + 0.95 + 0.5 + 0.97) / 4:.2f}")
    assert "A pruned trial counts with the accuracy at which it was stopped" in text


def test_without_pruned_trials_none_is_spoken_of(study):
    assert "pruned" not in budgets(study())


def test_a_search_that_lacks_trials_has_no_budgets(study):
    folder = study(left_out=lambda key: key.endswith("-003"))
    assert "No optimizer's search is complete yet." in budgets(folder)


@pytest.mark.parametrize(
    ("values", "width"),
    [
        ([0.9, 0.97, 0.9, 0.9], ["0.1"]),
        ([0.9, 0.9, 0.9, 0.97], ["≥ 0.0", "≥ 0.1"]),
        ([0.97], ["–"]),
        ([0.97, 0.97], ["–"]),
    ],
)
def test_a_width_is_a_bound_at_an_edge_and_none_below_three_trials(study, values, width):
    folder = study(len(values), accuracies={"sgd": values})
    assert row(budgets(folder), "SGD")[-1] in width


def test_below_three_trials_no_place_of_the_best_is_told(study):
    cell = row(sensitivity(study(2)), "SGD")[-1]
    assert cell.startswith("too few trials to tell: try 3 rates or more, ")
    assert "inside" not in cell


@pytest.mark.parametrize(
    ("place", "words"),
    [(0, "lower edge: try from 0.0001"), (1, "inside"), (2, "upper edge: try up to 0.3")],
)
def test_the_ends_of_choices_are_edges_too(study, place, words):
    choices = [0.001, 0.01, 0.03]
    table = {"label": "SGD", "learning_rate": {"choices": choices}}
    table["default"] = {"learning_rate": 0.01}
    spaces = {"sgd": space_from_table("sgd", table)}
    folder = study(3, plan={"spaces": spaces})
    for index in range(3):
        config = folder.read_records()[trial_key("sgd", index)].config
        change_record(
            folder,
            trial_key("sgd", index),
            config=replace(config, learning_rate=choices[index]),
            validation_accuracy=0.9 + 0.05 * (index == place),
        )
    assert row(sensitivity(folder), "SGD")[-1] == words


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        ([1.0, 2.0, 4.0], "2.0 s (1.0 to 4.0)"),
        ([1.0, 2.0, 3.0, 4.0], "2.5 s (1.0 to 4.0)"),
        ([1.0, 2.0, None], "2.0 s (1.0 to never)"),
        ([1.0, 2.0, None, None], "≥ 2.0 s (1.0 to never)"),
        ([1.0, None, None], "not reached by half"),
    ],
)
def test_a_median_of_times_has_its_range_and_says_what_was_missed(seconds, shown):
    assert median_time(seconds) == shown


@pytest.mark.parametrize(("epochs", "said"), [(1, True), (3, False)])
def test_one_epoch_cannot_resolve_the_time_to_the_target(study, epochs, said):
    text = section(summary_of(study(plan={"epochs": epochs})), "Time")
    assert ("One epoch cannot resolve" in text) == said
    total = 1.5 * epochs
    assert f"{total:.1f} s ({total:.1f} to {total:.1f})" in text


def test_a_label_with_a_bar_breaks_no_table(study):
    table = {"label": "SGD | mine", "learning_rate": {"low": 1e-3, "high": 1.0, "log": True}}
    table["default"] = {"learning_rate": 0.01}
    folder = study(plan={"spaces": {"sgd": space_from_table("sgd", table)}})
    for text in (
        sensitivity(folder),
        section(summary_of(folder), "Time"),
    ):
        assert "SGD \\| mine" in text
