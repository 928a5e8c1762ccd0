"""Accuracy against cost: every architecture of a study with its parameters, FLOPs and latency.

Pareto fronts are those of validation accuracy; the test split has no say in them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mnist_core.models.architecture import Architecture
from mnist_core.runtime.formatting import wilson_interval
from study.analysis.summary import Confirmed, Summary
from study.plans.families import Limits
from study.records.latency import Measurement
from study.records.run_folder import numbered
from study.records.run_record import RunRecord
from study.stats.order_statistics import Median
from study.stats.pareto import front


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One trial, or one confirmed configuration, and what it costs."""

    arm: str
    label: str
    name: str
    """`trial 7`, `tuned` or `named network`."""
    architecture: Architecture
    parameters: int
    forward_flops: int
    """For one image."""
    latency: Median | None
    validation_accuracy: float
    """Of a confirmed one the mean over its seeds."""
    confirmed: Confirmed | None = None
    fronts: frozenset[str] = frozenset()
    """The costs for which it is on the Pareto front of its list."""


COSTS: dict[str, Callable[[Candidate], float | None]] = {
    "parameters": lambda one: one.parameters,
    "FLOPs": lambda one: one.forward_flops / 1e6,
    "latency": lambda one: None if one.latency is None else one.latency.value,
}
"""Each kind of cost."""


@dataclass(frozen=True, kw_only=True)
class TradeOffs:
    """What a study of architectures says of cost."""

    trials: list[Candidate]
    """Completed ones."""
    confirmed: list[Candidate]
    measurement: Measurement | None
    limits: Limits
    validation_images: int

    @property
    def larger_than_limits(self) -> list[Candidate]:
        """Return the confirmed named networks that the search would not have allowed."""
        named = [one for one in self.confirmed if one.name != "tuned"]
        return [one for one in named if not self.limits.hold(one.architecture)]

    @property
    def uncertainty(self) -> float:
        """Return half the interval of the best trial's validation accuracy, in points."""
        best = max(one.validation_accuracy for one in self.trials)
        low, high = wilson_interval(round(best * self.validation_images), self.validation_images)
        return 50 * (high - low)


def trade_offs(summary: Summary, measurement: Measurement | None, *, limits: Limits) -> TradeOffs:
    """Return the candidates of a study's records."""

    def candidate(arm: str, record: RunRecord, name: str, accuracy: float) -> Candidate:
        architecture = record.config.architecture()
        return Candidate(
            arm=arm,
            label=summary.plan.spaces[arm].label,
            name=name,
            architecture=architecture,
            parameters=limits.parameters_of(architecture),
            forward_flops=limits.forward_flops_of(architecture),
            latency=None if measurement is None else measurement.of(architecture),
            validation_accuracy=accuracy,
        )

    trials = [
        candidate(record.arm, record, f"trial {number}", record.validation_accuracy)
        for kind, number, record in numbered(summary.plan, summary.records)
        if kind == "trial" and record.is_completed and record.validation_accuracy is not None
    ]
    names = {"tuned": "tuned", "default": summary.plan.terms.untuned}
    confirmed = [
        replace(
            candidate(entry.arm, entry.runs[0], names[entry.variant], entry.validation_mean),
            confirmed=entry,
        )
        for entry in summary.confirmed
    ]
    return TradeOffs(
        trials=_with_fronts(trials),
        confirmed=_with_fronts(confirmed),
        measurement=measurement,
        limits=limits,
        validation_images=summary.header["data"]["validation"],
    )


def _with_fronts(candidates: Sequence[Candidate]) -> list[Candidate]:
    on: list[set[str]] = [set() for _ in candidates]
    for name, cost_of in COSTS.items():
        costs = [cost_of(one) for one in candidates]
        known = [i for i, value in enumerate(costs) if value is not None]
        values = [value for value in costs if value is not None]
        for place in front(values, [candidates[i].validation_accuracy for i in known]):
            on[known[place]].add(name)
    return [
        replace(one, fronts=frozenset(names)) for one, names in zip(candidates, on, strict=True)
    ]
