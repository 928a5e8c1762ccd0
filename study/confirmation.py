"""What is confirmed on fresh seeds, and which of these runs are due: pure functions of a plan and
the records so far."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import numpy as np

from mnist_core.config import TrainConfig
from study.evidence import undecided
from study.plan import VARIANTS, StudyPlan, Variant
from study.records import Record, confirmation_key, trial_key
from study.workers import Task


def missing_trials(plan: StudyPlan, records: Mapping[str, Record], optimizer: str) -> list[int]:
    """Return the indices of an optimizer's trials that have no record."""
    return [
        index for index in range(plan.trials_each) if trial_key(optimizer, index) not in records
    ]


def best_trial(plan: StudyPlan, records: Mapping[str, Record], optimizer: str) -> Record | None:
    """Return the completed trial with the best validation accuracy; None where all diverged.

    Ties go to the smaller validation loss. The test split has no say.
    """
    trials = [
        records[key]
        for index in range(plan.trials_each)
        if (key := trial_key(optimizer, index)) in records
    ]
    completed = [trial for trial in trials if trial["status"] == "completed"]
    return max(
        completed,
        key=lambda trial: (
            trial["validation_accuracy"],
            -trial["epochs"][-1]["validation_loss"],
        ),
        default=None,
    )


def confirmed_config(
    plan: StudyPlan, records: Mapping[str, Record], optimizer: str, variant: Variant
) -> TrainConfig | None:
    """Return what is confirmed, with any seed; None while, or because, there is no best trial."""
    if variant == "default":
        return plan.default_config(optimizer)
    if missing_trials(plan, records, optimizer):
        return None
    best = best_trial(plan, records, optimizer)
    return None if best is None else TrainConfig.from_dict(best["config"])


def confirmed_runs(
    records: Mapping[str, Record], optimizer: str, variant: Variant, seeds: int
) -> list[Record] | None:
    """Return a configuration's runs on its first seeds, in their order; None where one is
    missing or did not complete."""
    keys = [confirmation_key(optimizer, variant, index) for index in range(seeds)]
    runs = [records[key] for key in keys if key in records]
    is_complete = len(runs) == seeds and all(run["status"] == "completed" for run in runs)
    return runs if is_complete else None


def is_broken(records: Mapping[str, Record], optimizer: str, variant: Variant) -> bool:
    """Tell whether a confirmation run of a configuration ended without a result."""
    return any(
        (record["optimizer"], record["variant"]) == (optimizer, variant)
        and record["status"] != "completed"
        for record in records.values()
    )


def seeds_due(plan: StudyPlan, records: Mapping[str, Record]) -> dict[str, int]:
    """Return how many seeds each optimizer's best is to have, as far as is known.

    All have the first look's. When a look is complete, those whose validation accuracies are not
    separated from the highest go on to the next; the test split has no say.
    """
    counts = dict.fromkeys(plan.optimizers, plan.looks[0])
    racing = list(plan.optimizers)
    for look, following in itertools.pairwise(plan.looks):
        racing = [
            optimizer
            for optimizer in racing
            if not is_broken(records, optimizer, "tuned")
            and not _has_no_best(plan, records, optimizer)
        ]
        runs = [confirmed_runs(records, optimizer, "tuned", look) for optimizer in racing]
        known = [each for each in runs if each is not None]
        if len(known) < len(racing) or not racing:
            break
        accuracies = np.array([[run["validation_accuracy"] for run in each] for each in known])
        left = undecided(accuracies, family=len(plan.optimizers), looks=len(plan.looks))
        racing = [racing[i] for i in left]
        counts |= dict.fromkeys(racing, following)
    return counts


def _has_no_best(plan: StudyPlan, records: Mapping[str, Record], optimizer: str) -> bool:
    searched = not missing_trials(plan, records, optimizer)
    return searched and best_trial(plan, records, optimizer) is None


def due(plan: StudyPlan, records: Mapping[str, Record]) -> Iterator[Task]:
    """Yield the confirmation runs that can be run now and have no record, most useful first."""
    counts = seeds_due(plan, records)
    seeds = plan.confirmation_seeds()
    for variant in VARIANTS:
        for optimizer in plan.optimizers:
            config = confirmed_config(plan, records, optimizer, variant)
            if config is None:
                continue
            for index in range(counts[optimizer] if variant == "tuned" else plan.confirm_seeds):
                key = confirmation_key(optimizer, variant, index)
                if key not in records:
                    yield Task(
                        key=key,
                        kind="confirmation",
                        optimizer=optimizer,
                        variant=variant,
                        index=index,
                        config=config.with_seed(seeds[index]),
                    )


def remaining(plan: StudyPlan, records: Mapping[str, Record]) -> int:
    """Count the runs that are left, as far as is known: a later look may add some."""
    unsearched = [name for name in plan.optimizers if missing_trials(plan, records, name)]
    trials = sum(len(missing_trials(plan, records, name)) for name in unsearched)
    return trials + len(unsearched) * plan.confirm_seeds + sum(1 for _ in due(plan, records))
