"""The section on cost in the report of a study of architectures."""

from __future__ import annotations

from collections.abc import Sequence

from mnist_core.runtime.formatting import markdown_table, percent, wilson_interval
from study.analysis.trade_offs import COSTS, Candidate, TradeOffs
from study.reporting import finding as wording

_HEADER = ("parameters", "forward MFLOP", "latency, µs (95 %)")
_NUMERIC = (*_HEADER, "validation accuracy")


def section(found: TradeOffs) -> str:
    """Return tables of accuracy against cost, with the Pareto fronts marked."""
    if not found.trials:
        return "No trial has completed yet."
    parts = []
    if found.confirmed:
        parts += ["Confirmed on fresh seeds:", _confirmed(found.confirmed)]
    marked = sorted((one for one in found.trials if one.fronts), key=lambda one: one.parameters)
    parts += [
        f"On a Pareto front of the {len(found.trials)} completed trials, one run each:",
        _trials(marked),
        "*Front*: the costs for which no other row of its kind is as cheap or cheaper and as "
        "accurate on validation images, or more (docs/method.md, *Accuracy against cost*). A "
        f"trial is a single run on {found.validation_images:,} images, at the best's accuracy "
        f"uncertain by about ±{_uncertainty(found):.2f} points (Wilson, 95 %).",
        _latency_note(found),
    ]
    larger = [
        f"{one.label} ({one.parameters:,} parameters, {one.forward_flops / 1e6:.2f} MFLOP)"
        for one in found.confirmed
        if one.name != "tuned" and not found.limits.hold(one.architecture)
    ]
    if larger:
        parts.append(
            "Larger than the limits, which are those of the search, are the named networks of "
            f"{', '.join(larger)}."
        )
    return "\n\n".join(parts)


def _uncertainty(found: TradeOffs) -> float:
    """Return half the interval of the best trial's validation accuracy, in points."""
    best = max(one.validation_accuracy for one in found.trials)
    low, high = wilson_interval(round(best * found.validation_images), found.validation_images)
    return 50 * (high - low)


def _costs(one: Candidate) -> tuple[str, str, str]:
    latency = "–"
    if one.latency is not None:
        low, high = one.latency.low, one.latency.high
        latency = f"{one.latency.microseconds:.0f} ({low:.0f} to {high:.0f})"
    return (
        f"{one.parameters:,}",
        f"{one.forward_flops / 1e6:.2f}",
        latency,
    )


def _fronts(one: Candidate) -> str:
    return ", ".join(cost.name for cost in COSTS if cost.name in one.fronts) or "–"


def _confirmed(candidates: Sequence[Candidate]) -> str:
    rows = [
        (
            one.label,
            one.name,
            one.architecture.text(),
            *_costs(one),
            percent(one.validation_accuracy),
            wording.accuracy(one.confirmed),
            one.confirmed.estimate.n,
            _fronts(one),
        )
        for one in sorted(candidates, key=lambda one: -one.validation_accuracy)
        if one.confirmed is not None
    ]
    header = (
        "family",
        "configuration",
        "architecture",
        *_HEADER,
        "validation accuracy",
        "test accuracy (95 %)",
        "n",
        "front",
    )
    return markdown_table(rows, header=header, numeric=(*_NUMERIC, "test accuracy (95 %)", "n"))


def _trials(candidates: Sequence[Candidate]) -> str:
    rows = [
        (
            one.label,
            one.name,
            one.architecture.text(),
            *_costs(one),
            percent(one.validation_accuracy),
            _fronts(one),
        )
        for one in candidates
    ]
    header = ("family", "run", "architecture", *_HEADER, "validation accuracy", "front")
    return markdown_table(rows, header=header, numeric=_NUMERIC)


def _latency_note(found: TradeOffs) -> str:
    measured = found.measurement
    if measured is None:
        return "Latency has not been measured: it is, once every run is done."
    packages = measured.environment["packages"]
    return (
        f"*Latency* is a quick measurement ({measured.environment['processor']}, torch "
        f"{packages['torch']}): {measured.rounds} rounds of {measured.calls} calls each, after "
        f"{measured.warm_up_calls} that are not counted. The rounds are in `latency.json`."
    )
