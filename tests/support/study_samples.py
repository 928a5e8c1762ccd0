"""Synthetic studies for the tests of study/: plans, records and folders that nothing trained.

`run_task` stands in for a worker: its accuracy is a smooth function of optimizer, learning rate
and seed, so that what follows from it can be said in advance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mnist_core.optim.registry import optimizer_spec
from mnist_core.runtime.atomic_files import write_json
from mnist_core.training.epoch_record import EpochRecord
from study.plans.architectures import ArchitecturePlan
from study.plans.base import StudyPlan
from study.plans.optimizers import OptimizerPlan
from study.plans.task import VARIANTS, Task, confirmation_key, trial_key
from study.records.run_folder import RunFolder
from study.records.run_record import FinalScore, RunRecord, Status
from study.search.confirmation import missing_trials
from study.search.samplers import propose

DIGITS = {
    "name": "digits",
    "label": "digits (scikit-learn)",
    "sha256": "d" * 64,
    "train": 1000,
    "validation": 200,
    "test": 500,
}
MNIST = {
    "name": "mnist",
    "label": "MNIST",
    "sha256": "a" * 64,
    "train": 55_000,
    "validation": 5_000,
    "test": 10_000,
}
ENVIRONMENT = {
    "code": {"commit": "c" * 40, "dirty": False},
    "python": "3.11.0",
    "packages": {"torch": "2.15.0"},
    "system": "Linux x86_64",
    "libc": "glibc 2.36",
    "processor": "A Processor",
    "cores": 2,
    "cpu_capability": "AVX512",
    "device": "cpu",
    "cuda": None,
    "threads": 1,
    "deterministic_algorithms": True,
    "tf32": False,
}


def make_plan(**changes: Any) -> OptimizerPlan:
    """Build a small plan; what is named differs from it."""
    values = {"dataset": "digits", "optimizers": ("sgd", "adam"), "trials": 8, "confirm_seeds": 3}
    return OptimizerPlan(**{**values, **changes})


def make_architecture_plan(**changes: Any) -> ArchitecturePlan:
    """Build a small plan of a study of architectures; what is named differs from it."""
    values = {
        "dataset": "digits",
        "families": ("baseline", "deep"),
        "trials": 8,
        "confirm_seeds": 3,
    }
    return ArchitecturePlan(**{**values, **changes})


def accuracy_at(optimizer: str, learning_rate: float) -> float:
    """Return an accuracy that peaks in the middle of the optimizer's range."""
    low, high = optimizer_spec(optimizer).learning_rate_range
    place = math.log(learning_rate / low) / math.log(high / low)
    return 0.98 - 0.2 * (place - 0.5) ** 2


def run_task(
    task: Task, *, accuracy: float | None = None, status: Status = "completed"
) -> RunRecord:
    """Return the record that a worker might have written for a task."""
    if accuracy is None:
        accuracy = accuracy_at(task.config.optimizer, task.config.learning_rate)
    completed = status == "completed"
    epochs = 1 if status == "pruned" else task.config.epochs
    test = None
    if task.kind == "confirmation" and completed:
        test = FinalScore(correct=round(accuracy * 500), count=500, loss=0.1, misclassified={3: 5})
    error = f"{task.arm} failed in a step: RuntimeError: boom | bang"
    return RunRecord(
        **task.run_values(),
        environment="environment0",
        started=None,
        status=status,
        steps=15,
        diverged_at_step=7 if status == "diverged" else None,
        error=error if status == "failed" else None,
        epochs=tuple(
            EpochRecord(
                epoch=epoch,
                window_losses=(2.0 / epoch, 1.0 / epoch, 0.5 / epoch),
                validation_loss=1.0 - accuracy if accuracy > 0.2 else 2.3,
                validation_accuracy=accuracy,
                train_seconds=1.5,
                evaluation_seconds=0.5,
            )
            for epoch in range(1, epochs + 1)
            if status not in ("diverged", "failed")
        ),
        validation_accuracy=None if status in ("diverged", "failed") else accuracy,
        weights_sha256=None
        if status in ("pruned", "failed")
        else f"{task.key}-{task.config.digest()}",
        images_per_second=1234.5 if completed else 0.0,
        test=test,
        seconds=2.0,
    )


def write_record(folder: RunFolder, record: RunRecord) -> None:
    """Write a record as a worker does."""
    write_json(folder.record_file(record.key), record.to_dict())


def change_record(folder: RunFolder, key: str, **changes: Any) -> None:
    """Write a record again, with other values."""
    write_record(folder, replace(folder.read_records()[key], **changes))


def search_records(
    plan: StudyPlan,
    known: Iterable[RunRecord] = (),
    *,
    objective: Callable[[str, float], float] = accuracy_at,
) -> dict[str, RunRecord]:
    """Return all records of a search that is driven to its end from `known` ones."""
    records = {record.key: record for record in known}
    for arm in plan.arms:
        for index in missing_trials(plan, records, arm):
            parameters = propose(plan, arm, index, records)
            accuracy = objective(arm, parameters["learning_rate"])
            record = run_task(plan.trial_task(arm, index, parameters), accuracy=accuracy)
            records[record.key] = record
    return records


def proposals(plan: StudyPlan, **keywords: Any) -> dict[str, list[float]]:
    """Return the learning rates that a search proposes, by arm, in the trials' order."""
    return rates(plan, search_records(plan, **keywords))


def rates(plan: StudyPlan, records: dict[str, RunRecord]) -> dict[str, list[float]]:
    """Return the trials' learning rates, by arm, in the trials' order."""
    return {
        name: [
            records[trial_key(name, index)].config.learning_rate
            for index in range(plan.trials_each)
        ]
        for name in plan.optimizers
    }


def parameters_at(plan: StudyPlan, arm: str, place: float) -> dict[str, Any]:
    """Return the parameters at a place in [0, 1) of every range."""
    parameters = plan.parameters_at(arm, [place] * len(plan.spaces[arm].dimensions))
    assert parameters is not None
    return parameters


def write_study(
    path: Path,
    plan: StudyPlan,
    *,
    data: dict[str, Any] = DIGITS,
    accuracies: dict[tuple[str, str], Iterable[float]] | None = None,
    best_place: float = 0.5,
    all_diverged: Iterable[str] = (),
    all_failed: Iterable[str] = (),
    left_out: Callable[[str], bool] = lambda key: False,
) -> RunFolder:
    """Write the folder of a study.

    Trials lie evenly over the range, the best at `best_place` of it; `accuracies` are the test
    accuracies of (arm, variant) over the seeds; records for whose key `left_out` is true
    are not written.
    """
    folder = RunFolder(path)
    folder.begin(plan, data=data, started="2026-01-02T03:04:05Z")
    write_json(path / "environments" / "environment0.json", ENVIRONMENT)
    for arm in plan.arms:
        status: Status = "diverged" if arm in all_diverged else "completed"
        status = "failed" if arm in all_failed else status
        for index in range(plan.trials_each):
            place = (index + 0.5) / plan.trials_each
            task = plan.trial_task(arm, index, parameters_at(plan, arm, place))
            record = run_task(
                task,
                accuracy=0.97 - 0.1 * abs(place - best_place),
                status=status,
            )
            if not left_out(task.key):
                write_record(folder, record)
        for variant in VARIANTS:
            if variant == "tuned" and status != "completed":
                continue
            values = (accuracies or {}).get((arm, variant))
            parameters = plan.default_parameters(arm)
            if variant == "tuned":
                parameters = parameters_at(plan, arm, best_place)
            config = plan.trial_config(arm, parameters)
            for index, seed in enumerate(plan.confirmation_seeds()):
                key = confirmation_key(arm, variant, index)
                task = Task(
                    key=key,
                    kind="confirmation",
                    arm=arm,
                    variant=variant,
                    index=index,
                    parameters=parameters,
                    config=config.with_seed(seed),
                )
                accuracy = list(values)[index] if values is not None else 0.95 + 0.002 * index
                if not left_out(key):
                    write_record(folder, run_task(task, accuracy=accuracy))
    return folder
