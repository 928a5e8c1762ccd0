"""Records -> what a report says, as values: no text, no drawing, no files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from study.confirmation import best_trial
from study.evidence import (
    Comparison,
    Estimate,
    Floats,
    compare_all,
    mean_estimate,
    paired_estimate,
)
from study.history import NOTHING_HAPPENED, History
from study.plan import StudyPlan, Variant
from study.records import Record, confirmation_key, trial_key


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """One configuration on its fresh seeds."""

    optimizer: str
    label: str
    variant: Variant
    learning_rate: float
    accuracies: Floats
    """Test accuracy of each seed, in the seeds' order."""
    estimate: Estimate
    validation_mean: float
    seconds: float
    """Median training time of a run, without evaluation."""
    images_per_second: float
    """Median over the runs."""


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What the search found for one optimizer."""

    optimizer: str
    label: str
    learning_rate_range: tuple[float, float]
    reason: str
    trials: list[Record]
    best: Record | None
    edge: str | None
    """`lower` or `upper` where the best is the smallest or largest rate tried."""

    def outcomes(self) -> tuple[Floats, Floats]:
        """Return learning rates and validation accuracies of the trials that were not pruned; a
        diverged one read nothing."""
        ended = [trial for trial in self.trials if trial["status"] != "pruned"]
        rates = [trial["config"]["learning_rate"] for trial in ended]
        accuracies = [trial["validation_accuracy"] or 0.0 for trial in ended]
        return np.array(rates), np.array(accuracies)

    @property
    def diverged(self) -> int:
        """Count the diverged trials."""
        return sum(trial["status"] == "diverged" for trial in self.trials)

    @property
    def pruned(self) -> int:
        """Count the pruned trials."""
        return sum(trial["status"] == "pruned" for trial in self.trials)


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A tuned configuration in the ranking."""

    confirmed: Confirmed
    behind_best: Comparison
    """Its accuracy minus the best's, simultaneous over all pairs."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Everything that the report of a study says."""

    plan: StudyPlan
    header: dict[str, Any]
    environments: dict[str, dict[str, Any]]
    finished: int
    searched: list[Searched]
    confirmed: list[Confirmed]
    """Tuned and default, complete ones only."""
    ranking: list[Ranked]
    """Tuned ones, best mean first."""
    tuning_gains: dict[str, Comparison]
    """Tuned minus default, by optimizer, where both are complete."""
    broken_confirmations: list[Record]
    """Confirmation runs that diverged."""
    records: dict[str, Record]
    history: History

    @property
    def is_partial(self) -> bool:
        """Tell whether runs are missing."""
        return self.finished < self.expected

    @property
    def expected(self) -> int:
        """Count the runs of the whole study; an optimizer without a best has none to confirm."""
        without_best = sum(
            searched.best is None and len(searched.trials) == self.plan.trials_each
            for searched in self.searched
        )
        return self.plan.rows - without_best * self.plan.confirm_seeds

    def find(self, optimizer: str, variant: Variant) -> Confirmed | None:
        """Return a confirmed configuration."""
        for confirmed in self.confirmed:
            if (confirmed.optimizer, confirmed.variant) == (optimizer, variant):
                return confirmed
        return None


def summarise(
    header: dict[str, Any],
    records: dict[str, Record],
    environments: dict[str, dict[str, Any]],
    *,
    history: History = NOTHING_HAPPENED,
) -> Summary:
    """Compute what the records of a study show."""
    plan: StudyPlan = header["plan"]
    specs: dict[str, Any] = header["optimizers"]
    searched = [_searched(plan, specs[name], records, name) for name in plan.optimizers]
    confirmed = [
        entry
        for variant in ("tuned", "default")
        for name in plan.optimizers
        if (entry := _confirmed(plan, specs[name], records, name, variant)) is not None
    ]
    by_key = {(entry.optimizer, entry.variant): entry for entry in confirmed}
    both = [
        name
        for name in plan.optimizers
        if (name, "tuned") in by_key and (name, "default") in by_key
    ]
    return Summary(
        plan=plan,
        header=header,
        environments=environments,
        finished=len(records),
        searched=searched,
        confirmed=confirmed,
        ranking=_rank([entry for entry in confirmed if entry.variant == "tuned"]),
        tuning_gains={
            name: paired_estimate(
                by_key[name, "tuned"].accuracies,
                by_key[name, "default"].accuracies,
                comparisons=len(both),
            )
            for name in both
        },
        broken_confirmations=[
            record
            for record in records.values()
            if record["kind"] == "confirmation" and record["status"] != "completed"
        ],
        records=records,
        history=history,
    )


def _searched(
    plan: StudyPlan, spec: dict[str, Any], records: dict[str, Record], optimizer: str
) -> Searched:
    keys = (trial_key(optimizer, index) for index in range(plan.trials_each))
    low, high = spec["learning_rate_range"]
    best = best_trial(plan, records, optimizer)
    trials = [records[key] for key in keys if key in records]
    return Searched(
        optimizer=optimizer,
        label=spec["label"],
        learning_rate_range=(low, high),
        reason=spec["reason"],
        trials=trials,
        best=best,
        edge=_edge(best, trials),
    )


def _edge(best: Record | None, trials: list[Record]) -> str | None:
    """Tell whether no trial lies beyond the best one, on which side. A trial that ran and failed
    beyond it is evidence too; with fewer than three trials everything is an edge."""
    if best is None or len(trials) < 3:
        return None
    rates = sorted(trial["config"]["learning_rate"] for trial in trials)
    if best["config"]["learning_rate"] == rates[0]:
        return "lower"
    return "upper" if best["config"]["learning_rate"] == rates[-1] else None


def _confirmed(
    plan: StudyPlan,
    spec: dict[str, Any],
    records: dict[str, Record],
    optimizer: str,
    variant: Variant,
) -> Confirmed | None:
    """Return a configuration all of whose seeds completed."""
    keys = [confirmation_key(optimizer, variant, index) for index in range(plan.confirm_seeds)]
    runs = [records[key] for key in keys if key in records]
    if len(runs) < plan.confirm_seeds or any(run["status"] != "completed" for run in runs):
        return None
    accuracies = np.array([run["test"]["correct"] / run["test"]["count"] for run in runs])
    return Confirmed(
        optimizer=optimizer,
        label=spec["label"],
        variant=variant,
        learning_rate=runs[0]["config"]["learning_rate"],
        accuracies=accuracies,
        estimate=mean_estimate(accuracies),
        validation_mean=float(np.mean([run["validation_accuracy"] for run in runs])),
        seconds=float(
            np.median([sum(epoch["train_seconds"] for epoch in run["epochs"]) for run in runs])
        ),
        images_per_second=float(np.median([run["images_per_second"] for run in runs])),
    )


def _rank(tuned: list[Confirmed]) -> list[Ranked]:
    if len(tuned) < 2:
        same = Comparison(difference=0.0, low=0.0, high=0.0)
        return [Ranked(confirmed=entry, behind_best=same) for entry in tuned]
    ordered = sorted(tuned, key=lambda entry: -entry.estimate.mean)
    comparisons = compare_all(np.stack([entry.accuracies for entry in ordered]))
    return [
        Ranked(confirmed=entry, behind_best=comparisons[place][0])
        for place, entry in enumerate(ordered)
    ]
