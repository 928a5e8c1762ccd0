"""Synthetic runs of a recipe for the tests of study/, which nothing trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mnist_core.config import TrainConfig
from mnist_core.references.registry import REFERENCES
from mnist_core.runtime.atomic_files import write_json
from study.plans.recipe import RecipePlan
from study.plans.task import Task
from study.records.run_folder import RunFolder
from study.records.run_record import FinalScore, ReferenceRecord, RunRecord, Score
from support.study_samples import ENVIRONMENT, MNIST, run_task, write_record

FAST, EXAMPLES = "train-mnist-fast", "pytorch-examples"


def plan_of(**changes) -> RecipePlan:
    return RecipePlan(**{"recipe": "baseline", "config": TrainConfig(), "seeds": 3, **changes})


def run_record(
    key: str, config: TrainConfig, *, correct: int, seconds: float, misclassified=()
) -> RunRecord:
    task = Task(
        key=key,
        kind="confirmation",
        arm=config.optimizer,
        variant=None,
        index=int(key[-2:]),
        config=config,
    )
    record = run_task(task, accuracy=0.991)
    half = replace(record.epochs[0], train_seconds=seconds / 2)
    return replace(
        record,
        epochs=(half, half),
        weights_sha256=f"{correct:064d}",
        seconds=seconds,
        test=FinalScore(
            correct=correct,
            count=10_000,
            loss=0.1,
            misclassified=dict.fromkeys(misclassified, 3),
        ),
    )


def write_recipe(path: Path) -> RunFolder:
    """Write the folder of three runs, and of two references beside them."""
    plan = plan_of(compare_with=(FAST, EXAMPLES))
    folder = RunFolder(path)
    folder.begin(plan, data=MNIST, started="2026-01-02T03:04:05Z")
    write_json(folder.path / "environments" / "environment0.json", ENVIRONMENT)
    for index, (key, config) in enumerate(plan.run_configs().items()):
        record = run_record(
            key,
            config,
            correct=9_900 + 10 * index,
            seconds=3.0 + index,
            misclassified=[7, 10 + index],
        )
        write_record(folder, record)
    for name, seconds, correct in ((FAST, 8.0, 9_905), (EXAMPLES, 240.0, 9_901)):
        outcome = ReferenceRecord(
            key=f"reference-{name}-00",
            name=name,
            seed=0,
            epochs=REFERENCES[name].epochs,
            seconds=seconds,
            threads=2,
            parameters=REFERENCES[name].parameters,
            test=Score(correct=correct, count=10_000),
        )
        write_json(folder.record_file(outcome.key), outcome.to_dict())
    return folder
