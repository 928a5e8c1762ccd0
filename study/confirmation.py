"""What is confirmed on fresh seeds, and which of these runs are due: pure functions of a plan and
the records so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mnist_core.config import TrainConfig
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


def due(plan: StudyPlan, records: Mapping[str, Record]) -> Iterator[Task]:
    """Yield the confirmation runs that can be run now and have no record, most useful first."""
    for variant in VARIANTS:
        for index, seed in enumerate(plan.confirmation_seeds()):
            for optimizer in plan.optimizers:
                config = confirmed_config(plan, records, optimizer, variant)
                key = confirmation_key(optimizer, variant, index)
                if config is not None and key not in records:
                    yield Task(
                        key=key,
                        kind="confirmation",
                        optimizer=optimizer,
                        variant=variant,
                        index=index,
                        config=config.with_seed(seed),
                    )
