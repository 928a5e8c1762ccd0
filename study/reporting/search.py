"""The search in a report: sensitivity to the learning rate, and the best expected of a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mnist_core.runtime.formatting import markdown_table, percent
from study.analysis.search_results import Searched
from study.analysis.summary import Summary
from study.plans.base import StudyPlan
from study.plans.space import value_text
from study.stats.tuning_budget import best_range, expected_best, width_in_decades

MAX_BUDGETS_SHOWN = 5
WIDTH_DISTANCE = 0.005


def sensitivity(summary: Summary) -> str:
    """Return what the search found for each arm, and why its range."""
    rows = []
    for searched in summary.searched:
        accuracies = sorted(
            trial.validation_accuracy
            for trial in searched.trials
            if trial.is_completed and trial.validation_accuracy is not None
        )
        best = searched.best
        rows.append(
            (
                searched.label,
                _range(searched),
                len(searched.trials),
                searched.not_completed,
                f"{best.config.learning_rate:.3g}" if best else "–",
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
        f"{searched.label}: {_reason(summary, searched)}" for searched in summary.searched
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


def _reason(summary: Summary, searched: Searched) -> str:
    """Return why an arm's ranges are what they are: the registry says why of its own, wherever
    they are written."""
    if searched.space.reason:
        return searched.space.reason
    entry = summary.header[summary.plan.ARMS][searched.arm]
    limits = searched.learning_rate_range
    if limits is None or list(limits) != entry.get("learning_rate_range"):
        return "as --space says"
    rest = "" if searched.space.is_learning_rate_alone else "; the rest is as --space says"
    return f"learning rates of the registry ({entry['reason']}){rest}"


def _range(searched: Searched) -> str:
    if searched.learning_rate_range is not None:
        return "{:g} to {:g}".format(*searched.learning_rate_range)
    rate = searched.space.dimension("learning_rate")
    return rate.describe() if rate else value_text(searched.space.fixed["learning_rate"])


def _edge(searched: Searched) -> str:
    if searched.edge is None or searched.edge == "inside":
        return searched.edge or "–"
    low, high = _outermost(searched)
    if searched.edge == "too few":
        return f"too few trials to tell: try 3 rates or more, {low:g} to {high:g}"
    if searched.edge == "lower":
        return f"lower edge: try from {low / 10:g}"
    return f"upper edge: try up to {high * 10:g}"


def _outermost(searched: Searched) -> tuple[float, float]:
    """Return the ends of the range searched, or of the choices."""
    if searched.learning_rate_range is not None:
        return searched.learning_rate_range
    rate = searched.space.dimension("learning_rate")
    assert rate is not None
    choices = [float(choice) for choice in rate.choices if isinstance(choice, int | float)]
    return min(choices), max(choices)


def _shown_budgets(trials: int) -> list[int]:
    if trials <= MAX_BUDGETS_SHOWN:
        return list(range(1, trials + 1))
    return sorted({round(float(b)) for b in np.geomspace(1, trials, MAX_BUDGETS_SHOWN)})


def _independence(plan: StudyPlan) -> str:
    if plan.is_sequential:
        return "and these depend on one another: take the table as an illustration"
    if plan.sampler == "random":
        return "as these are"
    return "and these are spread evenly: a real search with fewer would do better"


def budgets(summary: Summary) -> str:
    """Return the best accuracy expected of each budget, and how wide the good learning rates
    are."""
    complete = [
        searched
        for searched in summary.searched
        if len(searched.trials) == summary.plan.trials_each
    ]
    if not complete:
        return f"No {summary.plan.subject.singular}'s search is complete yet."
    shown = _shown_budgets(summary.plan.trials_each)
    expected = {
        searched.label: [expected_best(searched.accuracies(), budget=budget) for budget in shown]
        for searched in complete
    }
    has_width = any(searched.space.is_learning_rate_alone for searched in complete)
    rows = []
    for searched in complete:
        cells = []
        for value, budget in zip(expected[searched.label], shown, strict=True):
            low, high = best_range(searched.accuracies(), budget=budget)
            interval = f" ({100 * low:.2f} to {100 * high:.2f})" if low < high else ""
            cells.append(f"{100 * value:.2f}{interval}")
        rows.append((searched.label, *cells, *([_width(searched)] if has_width else [])))
    orders = [_order(expected, place) for place in range(len(shown))]
    rows.append(("*highest*", *(order[0] for order in orders), *([""] if has_width else [])))
    header = (
        summary.plan.subject.singular,
        *(_trials(budget) for budget in shown),
        *(["width, decades"] if has_width else []),
    )
    pruned = (
        " A pruned trial counts with the accuracy at which it was stopped."
        if any(searched.pruned for searched in complete)
        else ""
    )
    width = (
        f" *Width*: decades of learning rate within {100 * WIDTH_DISTANCE:.1f} points of the best."
        if has_width
        else ""
    )
    return (
        "Expected best validation accuracy (%) of so many trials drawn from those of the search, "
        "and in brackets where the best of such a draw lies in 80 % of the draws (docs/method.md, "
        "*Tuning budget*). The expectation is for independent trials, "
        f"{_independence(summary.plan)}.{pruned}{width}\n\n"
        + markdown_table(rows, header=header, numeric=header[1:])
        + f"\n\n{_conclusion(orders, shown)}"
    )


def _trials(budget: int) -> str:
    return f"{budget} trial{'s' if budget > 1 else ''}"


def _width(searched: Searched) -> str:
    rates, accuracies = searched.outcomes()
    if not searched.space.is_learning_rate_alone or len(rates) < 3:
        return "–"
    width = width_in_decades(rates, accuracies, distance=WIDTH_DISTANCE)
    return f"{'≥ ' if width.is_lower_bound else ''}{width.decades:.1f}"


def _order(expected: Mapping[str, Sequence[float]], place: int) -> tuple[str, ...]:
    """Return the labels by what is expected at a budget, highest first; equals share a place."""
    groups: dict[str, list[str]] = {}
    for label, values in expected.items():
        groups.setdefault(f"{values[place]:.9f}", []).append(label)
    return tuple(" = ".join(groups[value]) for value in sorted(groups, key=float, reverse=True))


def _conclusion(orders: Sequence[tuple[str, ...]], shown: Sequence[int]) -> str:
    """Say whether the order depends on the budget."""
    if len(orders[0]) == 1 and " = " not in orders[0][0]:
        return "A single search has no order."
    first, last = orders[0], orders[-1]
    if len(set(orders)) == 1:
        return f"The order is the same at every budget shown: {', '.join(first)}."
    changed = [
        f"{_trials(budget)} {', '.join(order)}"
        for budget, order, before in zip(shown, orders, (None, *orders), strict=False)
        if order != before
    ]
    highest = (
        f"{last[0]} is highest at all of them"
        if len({order[0] for order in orders}) == 1
        else "so does the highest"
    )
    return (
        f"The order changes with the budget, and {highest}: from {'; from '.join(changed)}. These "
        "are single runs on validation images, and no verdict."
    )
