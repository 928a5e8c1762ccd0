"""What the search found for one arm, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from study.plans.base import StudyPlan
from study.plans.space import SearchSpace
from study.plans.task import trial_key
from study.records.run_record import RunRecord
from study.search.confirmation import best_trial
from study.stats.comparisons import Floats

Edge = Literal["lower", "upper", "inside", "too few"]


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What the search found for one arm."""

    arm: str
    label: str
    space: SearchSpace
    trials: list[RunRecord]
    best: RunRecord | None
    edge: Edge | None
    """Where the best rate lies among those tried; None without a best, or where the rate is
    fixed."""

    @property
    def outermost(self) -> tuple[float, float]:
        """Return the ends of the range searched, or of the choices."""
        if self.space.learning_rate_range is not None:
            return self.space.learning_rate_range
        rate = self.space.dimension("learning_rate")
        assert rate is not None
        choices = [float(choice) for choice in rate.choices if isinstance(choice, int | float)]
        return min(choices), max(choices)

    def accuracies(self) -> Floats:
        """Return the validation accuracy of every trial: of a pruned one where it was stopped, of
        one that diverged or failed 0, as it read nothing."""
        return np.array([trial.validation_accuracy or 0.0 for trial in self.trials])

    def outcomes(self) -> tuple[Floats, Floats]:
        """Return learning rates and validation accuracies of the trials that were not stopped
        early, which alone are as long as each other."""
        ended = np.array([trial.status != "pruned" for trial in self.trials], dtype=bool)
        rates = np.array([trial.config.learning_rate for trial in self.trials])
        return rates[ended], self.accuracies()[ended]

    @property
    def pruned(self) -> int:
        """Count the trials that were stopped early."""
        return sum(trial.status == "pruned" for trial in self.trials)

    @property
    def not_completed(self) -> int:
        """Count the trials that diverged, failed or were pruned."""
        return sum(not trial.is_completed for trial in self.trials)


def search_result(plan: StudyPlan, records: Mapping[str, RunRecord], arm: str) -> SearchResult:
    """Return what the trials of an arm found so far."""
    keys = (trial_key(arm, index) for index in range(plan.trials_each))
    best = best_trial(plan, records, arm)
    trials = [records[key] for key in keys if key in records]
    return SearchResult(
        arm=arm,
        label=plan.spaces[arm].label,
        space=plan.spaces[arm],
        trials=trials,
        best=best,
        edge=_edge(best, trials) if plan.spaces[arm].dimension("learning_rate") else None,
    )


def _edge(best: RunRecord | None, trials: list[RunRecord]) -> Edge | None:
    """Tell whether no trial lies beyond the best one, on which side. A trial that ran and failed
    beyond it is evidence too; with fewer than three rates everything is an edge."""
    if best is None:
        return None
    rates = {trial.config.learning_rate for trial in trials}
    if len(rates) < 3:
        return "too few"
    if best.config.learning_rate == min(rates):
        return "lower"
    return "upper" if best.config.learning_rate == max(rates) else "inside"
