"""Worker processes: each trains whole runs, one after another, and writes their records.

A task is a key and a TrainConfig; what comes out depends on the configuration alone, not on which
worker ran it, when, or after what. Workers are spawned, so that they share no state of torch.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mnist_core.config import TrainConfig
from study.records.run_folder import Record, RunFolder

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from mnist_core.training.loop import EpochRecord

_WARMUP_STEPS, _TIMED_STEPS = 5, 20


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run to train and record."""

    key: str
    kind: Literal["trial", "confirmation"]
    arm: str
    """What the study compares: an optimizer, a family of architectures."""
    variant: str | None
    """`tuned` or `default` for a confirmation."""
    index: int
    config: TrainConfig
    keeps_network: bool = False
    """Whether the network is left beside the records."""
    prunable: bool = False
    """Whether Optuna may stop it after an epoch."""
    earlier: tuple[FrozenTrial, ...] = ()
    """The trials it is compared with, where no storage holds them."""


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """What a worker asks whether to stop."""

    storage_url: str | None
    """Optuna's storage; without one, each task brings the trials before it."""
    pruner: Any


class WorkerPool:
    """Processes that execute tasks; use as a context manager, which leaves none behind."""

    def __init__(
        self,
        *,
        folder: Path,
        dataset: str,
        data_dir: Path | None,
        device: str,
        threads: int,
        workers: int,
        pruning: Pruning | None,
    ) -> None:
        self.workers = workers
        spawn = multiprocessing.get_context("spawn")
        # One counter for each run in flight. Its worker alone writes it, so that it needs no lock,
        # which a worker could die with.
        self._progress = spawn.RawArray(ctypes.c_uint64, workers)
        self._free_counters = list(range(workers))
        self._counters: dict[Future[Record], int] = {}
        self._pool = ProcessPoolExecutor(
            workers,
            mp_context=spawn,
            initializer=_start_worker,
            initargs=(folder, dataset, data_dir, device, threads, pruning, self._progress),
        )

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.kill_workers()

    def kill_workers(self) -> None:
        """End all workers, the stopped ones too; what they ran is lost."""
        for process in multiprocessing.active_children():
            process.kill()
            process.join()

    def start(self) -> None:
        """Start the workers, and return when they are up: a run claimed before would wait."""
        for ready in [self._start(_ready) for _ in range(self.workers)]:
            ready.result()

    def submit(self, task: Task) -> Future[Record]:
        """Start a task on the next free worker. Of more tasks than workers, the progress of the
        first ones alone is counted."""
        counter = self._free_counters.pop() if self._free_counters else None
        future = self._start(_execute, task, counter)
        if counter is not None:
            self._counters[future] = counter
            future.add_done_callback(self._free_counter)
        return future

    def progress(self, future: Future[Record]) -> int:
        """Return a number that grows while a submitted task makes progress."""
        counter = self._counters.get(future)
        return 0 if counter is None else self._progress[counter]

    def _free_counter(self, future: Future[Record]) -> None:
        self._free_counters.append(self._counters.pop(future))

    def measure_images_per_second(self, config: TrainConfig) -> float:
        """Train a few steps on all workers at once and return what one of them reaches."""
        rates: list[Future[float]] = [self._start(_measure, config) for _ in range(self.workers)]
        return min(rate.result() for rate in rates)

    def _start(self, function: Callable[..., Any], *arguments: object) -> Future[Any]:
        """Hand work to the pool, which spawns its processes here.

        Ctrl-C reaches the whole process group, and the parent decides what ends: a worker
        inherits the block on SIGINT, and so is deaf to it even while it still imports.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return self._pool.submit(function, *arguments)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


_worker: dict[str, Any] = {}


def _start_worker(
    folder: Path,
    dataset: str,
    data_dir: Path | None,
    device: str,
    threads: int,
    pruning: Pruning | None,
    progress: ctypes.Array[ctypes.c_uint64],
) -> None:
    threading.Thread(target=_exit_with_parent, daemon=True).start()

    from mnist_core.data import splits as data
    from mnist_core.runtime import provenance
    from mnist_core.runtime.device import prepare_process

    resolved = prepare_process(device=device, threads=threads)
    _worker["dataset"] = data.load(dataset, data_dir=data_dir, device=resolved)
    _worker["folder"] = RunFolder(folder)
    _worker["pruning"] = pruning
    _worker["progress"] = progress
    _worker["environment"] = provenance.environment(resolved)


def _exit_with_parent() -> None:
    """End this worker when its parent is gone, killed parents included."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _ready() -> None:
    """Do nothing, once this worker has started."""


class _PrunedError(Exception):
    """Ends a run that Optuna's pruner stops."""


def _execute(task: Task, counter: int | None) -> Record:
    """Train a task, write its record, and return it; say on the way that it makes progress."""
    from mnist_core.errors import OptimizerError
    from mnist_core.runtime.atomic_files import write_json
    from mnist_core.training.checkpoint import write_checkpoint
    from mnist_core.training.evaluation import evaluate
    from mnist_core.training.loop import Progress, train

    folder: RunFolder = _worker["folder"]
    dataset = _worker["dataset"]
    finished: list[EpochRecord] = []
    trial = _open_trial(task) if task.prunable else None

    def advance() -> None:
        if counter is not None:
            _worker["progress"][counter] += 1

    def observe(progress: Progress) -> None:
        advance()
        if progress.finished_epoch is None:
            return
        finished.append(progress.finished_epoch)
        if trial is not None:
            trial.report(progress.finished_epoch.validation_accuracy, progress.epoch)
            if trial.should_prune():
                raise _PrunedError

    checkpoint = folder.checkpoint_file(task.key)
    # Of a run of one epoch, a checkpoint could keep nothing that the record does not; what Optuna
    # may stop is run from its start, so that it sees every epoch.
    keeps_checkpoint = task.config.epochs > 1 and trial is None
    record: Record = {
        "key": task.key,
        "kind": task.kind,
        "arm": task.arm,
        "variant": task.variant,
        "index": task.index,
        "config": task.config.to_dict(),
        "environment": _record_environment(folder),
        "started": datetime.now(UTC).isoformat(timespec="microseconds"),
    }
    started = time.perf_counter()
    advance()
    try:
        result = train(
            task.config,
            dataset,
            resume_file=checkpoint if keeps_checkpoint else None,
            observe=observe,
        )
    except _PrunedError:
        record |= {
            "status": "pruned",
            "epochs": [asdict(epoch) for epoch in finished],
            "validation_accuracy": finished[-1].validation_accuracy,
            "weights_sha256": None,
            "images_per_second": None,
        }
    except OptimizerError as error:
        record |= {
            "status": "failed",
            "error": str(error),
            "epochs": [asdict(epoch) for epoch in finished],
            "validation_accuracy": None,
            "weights_sha256": None,
            "images_per_second": None,
        }
    else:
        record |= {
            "status": result.status,
            "steps": result.steps,
            "diverged_at_step": result.diverged_at_step,
            "epochs": [asdict(epoch) for epoch in result.epochs],
            "validation_accuracy": result.validation_accuracy,
            "weights_sha256": result.weights_sha256,
            "images_per_second": result.images_per_second,
        }
        if task.keeps_network:
            write_checkpoint(
                folder.network_file(task.key),
                config=task.config,
                record={"epochs": [asdict(epoch) for epoch in result.epochs]},
                dataset_sha256=dataset.sha256,
                network=result.model,
            )
        if task.kind == "confirmation" and result.status == "completed":
            test = evaluate(result.model, dataset, dataset.test)
            record["test"] = {
                "correct": test.correct,
                "count": test.count,
                "loss": test.loss,
                "misclassified": {str(i): int(test.predictions[i]) for i in test.misclassified()},
            }
    record["seconds"] = time.perf_counter() - started + _seconds_before(record, finished)
    write_json(folder.record_file(task.key), record)
    checkpoint.unlink(missing_ok=True)
    return record


def _seconds_before(record: Record, finished: list[EpochRecord]) -> float:
    """Return what the epochs took that an earlier session of a resumed run finished."""
    here = {epoch.epoch for epoch in finished}
    return sum(
        float(epoch["train_seconds"] + epoch["evaluation_seconds"])
        for epoch in record["epochs"]
        if epoch["epoch"] not in here
    )


def _record_environment(folder: RunFolder) -> str:
    """Write this worker's environment where it is new, and return its digest.

    Not as the worker starts: an error there would look like the death of the process.
    """
    from mnist_core.runtime import provenance
    from mnist_core.runtime.atomic_files import write_json

    digest = provenance.environment_digest(_worker["environment"])
    file = folder.path / "environments" / f"{digest}.json"
    if not file.exists():
        write_json(file, _worker["environment"])
    return digest


def _open_trial(task: Task) -> Any:
    import optuna

    pruning: Pruning = _worker["pruning"]
    if pruning.storage_url is None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(direction="maximize", pruner=pruning.pruner)
        study.add_trials(task.earlier)
        return study.ask()
    storage = optuna.storages.RDBStorage(pruning.storage_url)
    study = optuna.load_study(study_name=task.arm, storage=storage, pruner=pruning.pruner)
    number = storage.get_trial_id_from_study_id_trial_number(
        storage.get_study_id_from_name(task.arm), task.index
    )
    return optuna.trial.Trial(study, number)


def _measure(config: TrainConfig) -> float:
    import itertools

    from mnist_core.training.batches import epoch_batches
    from mnist_core.training.state import TrainState

    dataset = _worker["dataset"]
    learner = TrainState(config, dataset)
    batches = itertools.cycle(epoch_batches(dataset, config, epoch=1))

    def train(steps: int) -> None:
        for images, labels in itertools.islice(batches, steps):
            loss = learner.step(images, labels, learning_rate=config.learning_rate)
        loss.item()  # waits for the device

    train(_WARMUP_STEPS)
    started = time.perf_counter()
    train(_TIMED_STEPS)
    return _TIMED_STEPS * config.batch_size / (time.perf_counter() - started)
