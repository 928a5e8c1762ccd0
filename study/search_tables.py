"""The search in a report: sensitivity to the learning rate, and what fewer trials would find."""

from __future__ import annotations

import numpy as np

from mnist_core.report import markdown_table, percent
from study.budget import best_range, expected_best, width_in_decades
from study.plan import StudyPlan
from study.space import value_text
from study.summary import Searched, Summary

MAX_BUDGETS_SHOWN = 5
WIDTH_DISTANCE = 0.005


def sensitivity(summary: Summary) -> str:
    """Return what the search found for each arm, and why its range."""
    rows = []
    for searched in summary.searched:
        accuracies = sorted(
            trial["validation_accuracy"]
            for trial in searched.trials
            if trial["status"] == "completed"
        )
        best = searched.best
        rows.append(
            (
                searched.label,
                _range(searched),
                len(searched.trials),
                searched.not_completed,
                f"{best['config']['learning_rate']:.3g}" if best else "–",
                percent(accuracies[-1]) if accuracies else "–",
                percent(accuracies[len(accuracies) // 2]) if accuracies else "–",
                percent(accuracies[0]) if accuracies else "–",
                _edge(searched),
            )
        )
    header = (
        summary.plan.subject.singular,
        "range searched",
        "trials",
        "not completed",
        "best rate",
        "best validation accuracy",
        "middle",
        "worst",
        "best lies",
    )
    notes = "; ".join(
        f"{searched.label}: {searched.space.reason or 'as --space says'}"
        for searched in summary.searched
    )
    several = (
        ""
        if summary.is_learning_rate_alone
        else "\n\nOther parameters vary from trial to trial as well: a trial's accuracy is not a "
        "function of its learning rate alone."
    )
    return (
        markdown_table(rows, header=header, numeric=header[1:8])
        + "\n\nOne run each, on validation images: the best of several is flattered by its "
        f"choice, which is why the ranking stands on fresh seeds and test images.{several}"
        f"\n\n{summary.plan.subject.reasons}. {notes}."
    )


def _range(searched: Searched) -> str:
    if searched.learning_rate_range is not None:
        return "{:g} to {:g}".format(*searched.learning_rate_range)
    rate = searched.space.dimension("learning_rate")
    return rate.describe() if rate else value_text(searched.space.fixed["learning_rate"])


def _edge(searched: Searched) -> str:
    if searched.learning_rate_range is None:
        return "–"
    low, high = searched.learning_rate_range
    if searched.edge == "lower":
        return f"lower edge: try from {low / 10:g}"
    return f"upper edge: try up to {high * 10:g}" if searched.edge == "upper" else "inside"


def _shown_budgets(trials: int) -> list[int]:
    if trials <= MAX_BUDGETS_SHOWN:
        return list(range(1, trials + 1))
    return sorted({round(float(b)) for b in np.geomspace(1, trials, MAX_BUDGETS_SHOWN)})


def _independence(plan: StudyPlan) -> str:
    if plan.sampler == "random" and not plan.is_sequential:
        return "which needs independent trials: these are"
    if plan.is_sequential:
        return (
            "which needs independent trials. These are one path of a search whose trials depend "
            "on one another: take it as an illustration"
        )
    return (
        "which needs independent trials. These are spread evenly on purpose, so that a real "
        "search with fewer of them would do better than it says"
    )


def smaller_budgets(summary: Summary) -> str:
    """Return the expected best of fewer trials, and how wide the good learning rates are."""
    complete = [
        searched
        for searched in summary.searched
        if len(searched.outcomes()[1]) == summary.plan.trials_each
    ]
    if not complete:
        return f"No {summary.plan.subject.singular}'s search is complete yet."
    budgets = _shown_budgets(summary.plan.trials_each)
    expected = {
        searched.label: [
            expected_best(searched.outcomes()[1], budget=budget) for budget in budgets
        ]
        for searched in complete
    }
    leaders = [max(expected, key=lambda label: expected[label][i]) for i in range(len(budgets))]
    rows = []
    for searched in complete:
        rates, accuracies = searched.outcomes()
        cells = []
        for value, budget in zip(expected[searched.label], budgets, strict=True):
            low, high = best_range(accuracies, budget=budget)
            interval = f" ({100 * low:.2f} to {100 * high:.2f})" if low < high else ""
            cells.append(f"{100 * value:.2f}{interval}")
        width = "–"
        if searched.space.is_learning_rate_alone:
            width = f"{width_in_decades(rates, accuracies, distance=WIDTH_DISTANCE):.1f}"
        rows.append((searched.label, *cells, width))
    rows.append(("*highest*", *leaders, ""))
    header = (
        summary.plan.subject.singular,
        *(f"{b} trial{'s' if b > 1 else ''}" for b in budgets),
        "width, decades",
    )
    independence = _independence(summary.plan)
    return (
        "Expected best validation accuracy (%) of so many trials drawn from those of the search, "
        "and the range that holds it with 80 % chance. The estimator is unbiased (Dodge et al. "
        f"2021), {independence}; it says nothing near the full budget, where it is the best trial "
        "itself. *Width*: decades of learning rate within "
        f"{100 * WIDTH_DISTANCE:.1f} points of the best, interpolated between trials.\n\n"
        + markdown_table(rows, header=header, numeric=header[1:])
    )
