"""What is confirmed on fresh seeds, and which of these runs are due: pure functions of a plan and
the records so far."""

import itertools
from collections.abc import Iterator, Mapping

import numpy as np

from mnist_core.config import Option
from study.plans.base import StudyPlan
from study.plans.task import VARIANTS, Task, Variant, confirmation_key, trial_key
from study.records.run_record import RunRecord
from study.stats.comparisons import undecided


def missing_trials(plan: StudyPlan, records: Mapping[str, RunRecord], arm: str) -> list[int]:
    """Return the indices of an arm's trials that have no record."""
    return [index for index in range(plan.trials_each) if trial_key(arm, index) not in records]


def best_trial(plan: StudyPlan, records: Mapping[str, RunRecord], arm: str) -> RunRecord | None:
    """Return the completed trial with the best validation accuracy; None where all diverged.

    Ties go to the smaller validation loss. The test split has no say.
    """
    keys = [trial_key(arm, index) for index in range(plan.trials_each)]
    trials = [records[key] for key in keys if key in records and records[key].is_completed]
    return max(
        trials,
        key=lambda trial: (trial.validation_accuracy, -trial.epochs[-1].validation_loss),
        default=None,
    )


def confirmed_parameters(
    plan: StudyPlan, records: Mapping[str, RunRecord], arm: str, variant: Variant
) -> Mapping[str, Option] | None:
    """Return what is confirmed; None while, or because, there is no best trial."""
    if variant == "default":
        return plan.default_parameters(arm)
    if missing_trials(plan, records, arm):
        return None
    best = best_trial(plan, records, arm)
    return None if best is None else best.parameters


def confirmed_runs(
    records: Mapping[str, RunRecord], arm: str, variant: Variant, seeds: int
) -> list[RunRecord] | None:
    """Return a configuration's runs on its first seeds, in their order; None where one is
    missing or did not complete."""
    keys = [confirmation_key(arm, variant, index) for index in range(seeds)]
    runs = [records[key] for key in keys if key in records]
    is_complete = len(runs) == seeds and all(run.is_completed for run in runs)
    return runs if is_complete else None


def is_broken(records: Mapping[str, RunRecord], arm: str, variant: Variant) -> bool:
    """Tell whether a confirmation run of a configuration ended without a result."""
    return any(
        (record.arm, record.variant) == (arm, variant) and not record.is_completed
        for record in records.values()
    )


def seeds_due(plan: StudyPlan, records: Mapping[str, RunRecord]) -> dict[str, int]:
    """Return how many seeds each arm's best is to have, as far as is known.

    All have the first look's. When a look is complete, those whose validation accuracies are not
    separated from the highest go on to the next; the test split has no say.
    """
    counts = dict.fromkeys(plan.arms, plan.looks[0])
    racing = list(plan.arms)
    for look, following in itertools.pairwise(plan.looks):
        racing = [
            arm
            for arm in racing
            if not is_broken(records, arm, "tuned")
            and (missing_trials(plan, records, arm) or best_trial(plan, records, arm))
        ]
        runs = [confirmed_runs(records, arm, "tuned", look) for arm in racing]
        known = [each for each in runs if each is not None]
        if len(known) < len(racing) or not racing:
            break
        accuracies = np.array([[run.validation_accuracy for run in each] for each in known])
        left = undecided(accuracies, family=len(plan.arms), looks=len(plan.looks))
        racing = [racing[i] for i in left]
        counts |= dict.fromkeys(racing, following)
    return counts


def due(plan: StudyPlan, records: Mapping[str, RunRecord]) -> Iterator[Task]:
    """Yield the confirmation runs that can be run now and have no record, most useful first."""
    counts = seeds_due(plan, records)
    seeds = plan.confirmation_seeds()
    for variant in VARIANTS:
        for arm in plan.arms:
            parameters = confirmed_parameters(plan, records, arm, variant)
            if parameters is None:
                continue
            config = plan.trial_config(arm, parameters)
            for index in range(counts[arm] if variant == "tuned" else plan.confirm_seeds):
                key = confirmation_key(arm, variant, index)
                if key not in records:
                    yield Task(
                        key=key,
                        kind="confirmation",
                        arm=arm,
                        variant=variant,
                        index=index,
                        parameters=parameters,
                        config=config.with_seed(seeds[index]),
                    )


def remaining(plan: StudyPlan, records: Mapping[str, RunRecord]) -> int:
    """Count the runs that are left, as far as is known: a later look may add some."""
    unsearched = [name for name in plan.arms if missing_trials(plan, records, name)]
    trials = sum(len(missing_trials(plan, records, name)) for name in unsearched)
    return trials + len(unsearched) * plan.confirm_seeds + sum(1 for _ in due(plan, records))
