"""Records -> what a report says, as values: no text, no drawing, no files."""

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from study.analysis.search_results import SearchResult, search_result
from study.plans.base import StudyPlan
from study.plans.task import Variant
from study.records.incidents import NOTHING_HAPPENED, Incidents
from study.records.run_record import RunRecord
from study.search.confirmation import confirmed_runs, is_broken, remaining
from study.stats.comparisons import (
    Comparison,
    Estimate,
    Floats,
    compare_at_looks,
    image_differences,
    mean_estimate,
    paired_estimate,
    widen_all_for_images,
    widen_for_images,
)

# Guessing costs ln(10) = 2.30 nats.
CHANCE_LOSS = 2.25


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """One configuration on its fresh seeds."""

    arm: str
    label: str
    variant: Variant
    learning_rate: float
    accuracies: Floats
    """Test accuracy of each seed, in the seeds' order."""
    estimate: Estimate
    validation_mean: float
    seconds: list[float]
    """Training time of each run, without evaluation."""
    images_per_second: float
    """Median over the runs."""
    seconds_to_target: list[float | None]
    """Training time of each run until an epoch ended at the plan's target accuracy, if one did."""
    runs: list[RunRecord] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A tuned configuration in the ranking."""

    confirmed: Confirmed
    behind_best: Comparison
    """Its accuracy minus the best's on the seeds that both have, simultaneous over all pairs, for
    other seeds and other images: what the verdict stands on."""
    on_these_images: Comparison
    """The same for other seeds alone."""
    only_it_misclassifies: float
    """Test images that the best reads and it does not, mean over the seeds."""
    only_best_misclassifies: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Everything that the report of a study says."""

    plan: StudyPlan
    header: dict[str, Any]
    environments: dict[str, dict[str, Any]]
    finished: int
    remaining: int
    searches: list[SearchResult]
    confirmed: list[Confirmed]
    """Tuned and default, complete ones only."""
    ranking: list[Ranked]
    """Tuned ones, best mean first."""
    pairs: list[list[Comparison]]
    """Of the ranking, [i][j] is i minus j: all pairs, as `Ranked.behind_best`."""
    tuning_gains: dict[str, Comparison]
    """Tuned minus default, by arm, where both are complete."""
    broken_confirmations: list[RunRecord]
    """Confirmation runs that diverged or failed."""
    records: dict[str, RunRecord]
    incidents: Incidents

    @property
    def failed(self) -> list[RunRecord]:
        """Return the runs that an exception of their optimizer ended."""
        return [record for record in self.records.values() if record.status == "failed"]

    @property
    def at_chance(self) -> list[RunRecord]:
        """Return the runs that completed, and ended at chance level."""
        return [
            record
            for record in self.records.values()
            if record.is_completed and record.epochs[-1].validation_loss >= CHANCE_LOSS
        ]

    @property
    def is_partial(self) -> bool:
        """Tell whether runs are missing."""
        return self.remaining > 0

    @property
    def expected(self) -> int:
        """Count the runs of the whole study, as far as is known."""
        return self.finished + self.remaining

    def chosen(self, record: RunRecord) -> str:
        """Return a run's learning rate, or all that was searched."""
        if self.plan.is_learning_rate_alone:
            return f"{record.config.learning_rate:.3g}"
        return self.plan.chosen_text(record.arm, record.parameters)

    def find(self, arm: str, variant: Variant) -> Confirmed | None:
        """Return a confirmed configuration."""
        entries = (e for e in self.confirmed if (e.arm, e.variant) == (arm, variant))
        return next(entries, None)


def summarise(
    header: dict[str, Any],
    records: dict[str, RunRecord],
    environments: dict[str, dict[str, Any]],
    *,
    incidents: Incidents = NOTHING_HAPPENED,
) -> Summary:
    """Compute what the records of a study show."""
    plan: StudyPlan = header["plan"]
    searches = [search_result(plan, records, name) for name in plan.arms]
    confirmed = [
        entry
        for variant in ("tuned", "default")
        for name in plan.arms
        if (entry := _confirmed(plan, records, name, variant)) is not None
    ]
    by_key = {(entry.arm, entry.variant): entry for entry in confirmed}
    both = {
        name: (by_key[name, "tuned"], by_key[name, "default"])
        for name in plan.arms
        if (name, "tuned") in by_key and (name, "default") in by_key
    }
    tuned = [entry for entry in confirmed if entry.variant == "tuned"]
    ranking, pairs = _rank(tuned, looks=len(plan.looks))
    return Summary(
        plan=plan,
        header=header,
        environments=environments,
        finished=len(records),
        remaining=remaining(plan, records),
        searches=searches,
        confirmed=confirmed,
        ranking=ranking,
        pairs=pairs,
        tuning_gains={
            name: _tuning_gain(*pair, comparisons=len(both)) for name, pair in both.items()
        },
        broken_confirmations=[
            record
            for record in records.values()
            if record.kind == "confirmation" and not record.is_completed
        ],
        records=records,
        incidents=incidents,
    )


def _confirmed(
    plan: StudyPlan, records: dict[str, RunRecord], arm: str, variant: Variant
) -> Confirmed | None:
    """Return a configuration at the last look all of whose seeds completed."""
    if is_broken(records, arm, variant):
        return None
    looks = [confirmed_runs(records, arm, variant, look) for look in plan.looks]
    runs = next((runs for runs in reversed(looks) if runs is not None), None)
    if runs is None:
        return None
    accuracies = np.array([run.score.accuracy for run in runs])
    return Confirmed(
        arm=arm,
        label=plan.spaces[arm].label,
        variant=variant,
        learning_rate=runs[0].config.learning_rate,
        accuracies=accuracies,
        estimate=mean_estimate(accuracies),
        validation_mean=float(np.mean([run.validation_accuracy for run in runs])),
        seconds=[run.train_seconds for run in runs],
        images_per_second=float(np.median([run.images_per_second for run in runs])),
        seconds_to_target=[_seconds_to_target(run, plan.target_accuracy) for run in runs],
        runs=runs,
    )


def _rank(tuned: list[Confirmed], *, looks: int) -> tuple[list[Ranked], list[list[Comparison]]]:
    """Return the ranking, and the comparisons of all of its pairs."""
    ordered = sorted(tuned, key=lambda entry: -entry.estimate.mean)
    table = compare_at_looks([entry.accuracies for entry in ordered], looks=looks)
    misclassified = [misclassified_marks(entry.runs) for entry in ordered]
    pairs = widen_all_for_images(table, misclassified)
    ranking = []
    for place, entry in enumerate(ordered):
        differences = image_differences(misclassified[place], misclassified[0])
        ranking.append(
            Ranked(
                confirmed=entry,
                behind_best=pairs[place][0],
                on_these_images=table[place][0],
                only_it_misclassifies=float((differences == -1).sum(axis=1).mean()),
                only_best_misclassifies=float((differences == 1).sum(axis=1).mean()),
            )
        )
    return ranking, pairs


def _tuning_gain(tuned: Confirmed, default: Confirmed, *, comparisons: int) -> Comparison:
    """Return tuned minus default on the seeds that both have, for other seeds and images."""
    common = min(len(tuned.runs), len(default.runs))
    of_seeds = paired_estimate(
        tuned.accuracies[:common], default.accuracies[:common], comparisons=comparisons
    )
    marks = misclassified_marks(tuned.runs), misclassified_marks(default.runs)
    return widen_for_images(of_seeds, image_differences(*marks))


def misclassified_marks(runs: list[RunRecord]) -> Floats:
    """Return [seeds, images]: 1 where a run misclassifies a test image."""
    marks = np.zeros((len(runs), runs[0].score.count))
    for row, run in zip(marks, runs, strict=True):
        row[list(run.score.misclassified)] = 1.0
    return marks


def _seconds_to_target(run: RunRecord, target: float) -> float | None:
    """Return the training time up to the end of the first epoch that reached the target."""
    seconds = itertools.accumulate(epoch.train_seconds for epoch in run.epochs)
    ends = zip(seconds, run.epochs, strict=True)
    return next((end for end, epoch in ends if epoch.validation_accuracy >= target), None)
