"""Accuracy against cost in the report of a study of architectures, row by row."""

from mnist_core.runtime.formatting import percent, wilson_interval
from study.analysis.trade_offs import COSTS, Candidate, TradeOffs
from study.reporting.page import Rows, accuracy


def confirmed(costs: TradeOffs) -> Rows:
    """Return the confirmed configurations, most accurate on validation images first."""
    return [
        (
            *_described(one),
            accuracy(one.confirmed.estimate),
            one.confirmed.estimate.n,
            _fronts(one),
        )
        for one in sorted(costs.confirmed, key=lambda one: -one.validation_accuracy)
        if one.confirmed is not None
    ]


def trials_on_a_front(costs: TradeOffs) -> Rows:
    """Return the trials that no other one beats at some cost, smallest first."""
    marked = sorted((one for one in costs.trials if one.fronts), key=lambda one: one.parameters)
    return [(*_described(one), _fronts(one)) for one in marked]


def larger_than_limits(costs: TradeOffs) -> list[Candidate]:
    """Return the confirmed named networks that the search would not have allowed."""
    return [
        one
        for one in costs.confirmed
        if one.name != "tuned" and not costs.limits.hold(one.architecture)
    ]


def uncertainty(costs: TradeOffs) -> float:
    """Return half the interval of the best trial's validation accuracy, in points."""
    best = max(one.validation_accuracy for one in costs.trials)
    low, high = wilson_interval(round(best * costs.validation_images), costs.validation_images)
    return 50 * (high - low)


def _described(one: Candidate) -> tuple[str, ...]:
    latency = "–"
    if one.latency is not None:
        low, high = one.latency.low, one.latency.high
        latency = f"{one.latency.value:.0f} ({low:.0f} to {high:.0f})"
    return (
        one.label,
        one.name,
        one.architecture.text(),
        f"{one.parameters:,}",
        f"{one.forward_flops / 1e6:.2f}",
        latency,
        percent(one.validation_accuracy),
    )


def _fronts(one: Candidate) -> str:
    return ", ".join(cost.name for cost in COSTS if cost.name in one.fronts) or "–"
