"""What runs in a worker process: train a task, write its record, and return it.

`study.execution.pool` starts the processes. Nothing heavy is imported before a worker has
started: the parent imports this module too.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_core.config import TrainConfig
from study.plans.task import Task
from study.records.run_folder import RunFolder
from study.records.run_record import FinalScore, RunRecord, Status

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

    from mnist_core.data.splits import Dataset
    from mnist_core.training.epoch_record import EpochRecord
    from mnist_core.training.loop import Progress, TrainResult

_WARMUP_STEPS, _TIMED_STEPS = 5, 20


@dataclass(frozen=True, kw_only=True)
class Session:
    """What all tasks of this process share."""

    folder: RunFolder
    dataset: Dataset
    environment: dict[str, Any]
    pruner: BasePruner | None = None
    progress: ctypes.Array[ctypes.c_uint64] | None = None
    """A counter of each run in flight."""


_session: Session | None = None


def start(
    folder: Path,
    dataset: str,
    data_dir: Path | None,
    device: str,
    threads: int,
    pruner: BasePruner | None,
    progress: ctypes.Array[ctypes.c_uint64],
) -> None:
    """Prepare this process for tasks: it ends with its parent, and holds the data set."""
    global _session
    threading.Thread(target=_exit_with_parent, daemon=True).start()

    from mnist_core.data.load import load
    from mnist_core.runtime import provenance
    from mnist_core.runtime.device import prepare_process

    resolved = prepare_process(device=device, threads=threads)
    _session = Session(
        folder=RunFolder(folder),
        dataset=load(dataset, data_dir=data_dir, device=resolved),
        environment=provenance.environment(resolved),
        pruner=pruner,
        progress=progress,
    )


def _exit_with_parent() -> None:
    """End this worker when its parent is gone, killed parents included."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def ready() -> None:
    """Do nothing, once this worker has started."""


def execute(task: Task, counter: int | None) -> RunRecord:
    """Train a task, write its record, and return it; count its progress at `counter`."""
    from mnist_core.runtime.atomic_files import write_json

    assert _session is not None
    folder = _session.folder
    environment = _write_environment(_session)
    started, clock = datetime.now(UTC).isoformat(timespec="microseconds"), time.perf_counter()
    run = _Run(task, _session, counter)
    outcome = run.train()
    record = RunRecord(
        **task.run_values(),
        environment=environment,
        started=started,
        **vars(outcome),
        seconds=time.perf_counter() - clock + run.seconds_before(outcome.epochs),
    )
    write_json(folder.record_file(task.key), record.to_dict())
    folder.checkpoint_file(task.key).unlink(missing_ok=True)
    return record


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What came out of a run."""

    status: Status
    epochs: tuple[EpochRecord, ...]
    steps: int | None = None
    diverged_at_step: int | None = None
    error: str | None = None
    validation_accuracy: float | None = None
    weights_sha256: str | None = None
    images_per_second: float | None = None
    test: FinalScore | None = None


class _PrunedError(Exception):
    """Ends a run that Optuna's pruner stops."""


class _Run:
    """One task in training: follows its progress, and stops it where the pruner says so."""

    def __init__(self, task: Task, session: Session, counter: int | None) -> None:
        self._task = task
        self._session = session
        self._counter = counter
        self._finished: list[EpochRecord] = []
        self._trial: Any = None
        if task.prunable:
            from study.search.pruning import open_trial

            assert session.pruner is not None
            self._trial = open_trial(task, session.pruner)

    def train(self) -> _Outcome:
        """Train the task's configuration, and evaluate a completed confirmation on the test
        images."""
        from mnist_core.errors import OptimizerError
        from mnist_core.training.loop import train

        task, session = self._task, self._session
        # Of a run of one epoch, a file to resume from would hold nothing that the record does not.
        # What Optuna may stop is run from its start, so that it sees every epoch.
        can_resume = task.config.epochs > 1 and self._trial is None
        resume_file = session.folder.checkpoint_file(task.key) if can_resume else None
        self._advance()
        try:
            result = train(
                task.config, session.dataset, resume_file=resume_file, observe=self._observe
            )
        except _PrunedError:
            epochs = tuple(self._finished)
            accuracy = epochs[-1].validation_accuracy
            return _Outcome(status="pruned", epochs=epochs, validation_accuracy=accuracy)
        except OptimizerError as error:
            return _Outcome(status="failed", epochs=tuple(self._finished), error=str(error))
        if task.keeps_network:
            _write_network(task, session, result)
        is_tested = task.kind == "confirmation" and result.status == "completed"
        return _Outcome(
            status=result.status,
            epochs=result.epochs,
            steps=result.steps,
            diverged_at_step=result.diverged_at_step,
            validation_accuracy=result.validation_accuracy,
            weights_sha256=result.weights_sha256,
            images_per_second=result.images_per_second,
            test=_test(session.dataset, result) if is_tested else None,
        )

    def _observe(self, progress: Progress) -> None:
        """Note an epoch that has ended, and ask whether to go on."""
        self._advance()
        epoch = progress.finished_epoch
        if epoch is None:
            return
        self._finished.append(epoch)
        if self._trial is not None:
            self._trial.report(epoch.validation_accuracy, epoch.epoch)
            if self._trial.should_prune():
                raise _PrunedError

    def _advance(self) -> None:
        """Say that the run makes progress."""
        if self._counter is not None and self._session.progress is not None:
            self._session.progress[self._counter] += 1

    def seconds_before(self, epochs: tuple[EpochRecord, ...]) -> float:
        """Return how long the epochs took that an earlier session of this run finished."""
        here = {epoch.epoch for epoch in self._finished}
        return sum(epoch.seconds for epoch in epochs if epoch.epoch not in here)


def _test(dataset: Dataset, result: TrainResult) -> FinalScore:
    """Evaluate a trained network on the test images."""
    from mnist_core.training.evaluation import evaluate

    test = evaluate(result.model, dataset, dataset.test)
    return FinalScore(
        correct=test.correct,
        count=test.count,
        loss=test.loss,
        misclassified={image: int(test.predictions[image]) for image in test.misclassified()},
    )


def _write_network(task: Task, session: Session, result: TrainResult) -> None:
    """Leave a trained network beside the records."""
    from dataclasses import asdict

    from mnist_core.training.checkpoint import write_checkpoint

    write_checkpoint(
        session.folder.path / f"{task.key}.safetensors",
        config=task.config,
        record={"epochs": [asdict(epoch) for epoch in result.epochs]},
        dataset_sha256=session.dataset.sha256,
        network=result.model,
    )


def _write_environment(session: Session) -> str:
    """Write this worker's environment where it is new, and return its digest.

    Not as the worker starts: an error there would look like the death of the process.
    """
    from mnist_core.runtime import provenance
    from mnist_core.runtime.atomic_files import write_json

    digest = provenance.environment_digest(session.environment)
    file = session.folder.path / "environments" / f"{digest}.json"
    if not file.exists():
        write_json(file, session.environment)
    return digest


def measure(config: TrainConfig) -> float:
    """Train a few steps and return how many images a second they took."""
    import itertools

    from mnist_core.training.batches import epoch_batches
    from mnist_core.training.state import TrainState

    assert _session is not None
    dataset = _session.dataset
    state = TrainState(config, dataset)
    batches = itertools.cycle(epoch_batches(dataset, config, epoch=1))

    def train(steps: int) -> None:
        for images, labels in itertools.islice(batches, steps):
            loss = state.step(images, labels, learning_rate=config.learning_rate)
        loss.item()  # waits for the device

    train(_WARMUP_STEPS)
    started = time.perf_counter()
    train(_TIMED_STEPS)
    return _TIMED_STEPS * config.batch_size / (time.perf_counter() - started)
