"""The search in a report: why its ranges are what they are, and the best expected of a budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from study.analysis.search_results import SearchResult
from study.analysis.summary import Summary
from study.reporting.page import count
from study.stats.tuning_budget import best_range, expected_best, width_in_decades

MAX_BUDGETS_SHOWN = 5
WIDTH_DISTANCE = 0.005


def range_reasons(summary: Summary) -> dict[str, str]:
    """Return by label why an arm's ranges are what they are: the registry says why of its own,
    wherever they are written."""
    return {result.label: _reason(summary, result) for result in summary.searches}


def _reason(summary: Summary, result: SearchResult) -> str:
    if result.space.reason:
        return result.space.reason
    entry = summary.header[summary.plan.ARMS][result.arm]
    limits = result.space.learning_rate_range
    if limits is None or list(limits) != entry.get("learning_rate_range"):
        return "as --space says"
    rest = "" if result.space.is_learning_rate_alone else "; the rest is as --space says"
    return f"learning rates of the registry ({entry['reason']}){rest}"


@dataclass(frozen=True, kw_only=True)
class Order:
    """The arms by what is expected from a budget on, highest first; equals share a place."""

    budget: int
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Budgets:
    """The best accuracy expected of each budget, and how wide the good learning rates are."""

    headings: list[str]
    """Of all columns but the first."""
    rows: list[tuple[str, ...]]
    has_width: bool
    is_any_pruned: bool
    is_single: bool
    """Whether there is a single search, which has no order."""
    orders: list[Order]
    """At the smallest budget, and wherever the order changes."""
    highest: str | None
    """What is highest at all budgets, if anything is."""


def budgets(summary: Summary) -> Budgets | None:
    """Return what each budget is expected to find; None without a complete search."""
    plan = summary.plan
    complete = [result for result in summary.searches if len(result.trials) == plan.trials_each]
    if not complete:
        return None
    most = plan.trials_each
    shown: Sequence[int] = range(1, most + 1)
    if most > MAX_BUDGETS_SHOWN:
        shown = sorted({round(float(b)) for b in np.geomspace(1, most, MAX_BUDGETS_SHOWN)})
    expected = {
        result.label: [expected_best(result.accuracies(), budget=budget) for budget in shown]
        for result in complete
    }
    has_width = any(result.space.is_learning_rate_alone for result in complete)
    orders = [_order(expected, place) for place in range(len(shown))]
    highest = [order[0] for order in orders]
    rows = [
        (result.label, *_expectations(result, expected[result.label], shown), _width(result))
        for result in complete
    ]
    rows.append(("*highest*", *highest, ""))
    headings = [*(count(budget, "trial") for budget in shown), "width, decades"]
    return Budgets(
        headings=headings if has_width else headings[:-1],
        rows=rows if has_width else [row[:-1] for row in rows],
        has_width=has_width,
        is_any_pruned=any(result.pruned for result in complete),
        is_single=len(complete) == 1,
        orders=[
            Order(budget=budget, labels=order)
            for budget, order, before in zip(shown, orders, (None, *orders), strict=False)
            if order != before
        ],
        highest=highest[0] if len(set(highest)) == 1 else None,
    )


def _expectations(
    result: SearchResult, expected: Sequence[float], shown: Sequence[int]
) -> list[str]:
    """Return the expected best in percent at each budget, with the range of its draws."""
    cells = []
    for value, budget in zip(expected, shown, strict=True):
        low, high = best_range(result.accuracies(), budget=budget)
        interval = f" ({100 * low:.2f} to {100 * high:.2f})" if low < high else ""
        cells.append(f"{100 * value:.2f}{interval}")
    return cells


def _width(result: SearchResult) -> str:
    rates, accuracies = result.outcomes()
    if not result.space.is_learning_rate_alone or len(rates) < 3:
        return "–"
    width = width_in_decades(rates, accuracies, distance=WIDTH_DISTANCE)
    return f"{'≥ ' if width.is_lower_bound else ''}{width.decades:.1f}"


def _order(expected: Mapping[str, Sequence[float]], place: int) -> tuple[str, ...]:
    groups: dict[str, list[str]] = {}
    for label, values in expected.items():
        groups.setdefault(f"{values[place]:.9f}", []).append(label)
    return tuple(" = ".join(groups[value]) for value in sorted(groups, key=float, reverse=True))
