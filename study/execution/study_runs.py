"""Run what is left of a study on this machine's workers, whoever keeps the queue."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool

from mnist_core.data.splits import Dataset
from mnist_core.errors import OptimizerError
from mnist_core.runtime.formatting import duration
from study.execution.console import Progress
from study.execution.options import RunOptions
from study.execution.pool import WorkerPool
from study.execution.run_queue import RunQueue
from study.execution.runner import Runner
from study.plans.base import StudyPlan
from study.plans.task import Task
from study.records.run_folder import RunFolder
from study.records.run_record import RunRecord
from study.search.confirmation import remaining
from study.search.pruning import pruner_for


def run_study(
    plan: StudyPlan,
    queue: RunQueue,
    dataset: Dataset,
    folder: RunFolder,
    options: RunOptions,
    *,
    on_finish: Callable[[RunRecord], None] = lambda record: None,
    on_lost: Callable[[Task, str], None] = lambda task, how: None,
) -> None:
    """Run what is left; the workers write their records into `folder`."""
    if queue.is_done:
        print("every run is done; the report is built again")
        return
    workers = options.workers_for(plan)
    progress = Progress(plan, queue)
    is_measured = False

    def finish(record: RunRecord) -> None:
        progress.show(record)
        on_finish(record)

    @contextlib.contextmanager
    def measured_pool() -> Iterator[WorkerPool]:
        nonlocal is_measured
        with WorkerPool(
            plan,
            folder=folder.path,
            data_dir=options.data_dir,
            workers=workers,
            pruner=pruner_for(plan) if plan.pruner != "none" else None,
        ) as pool:
            # A pool that breaks here breaks for the runner too, which replaces it.
            # An optimizer that fails in a step has its runs to fail in.
            with contextlib.suppress(BrokenProcessPool, OptimizerError):
                pool.start()
                if not is_measured:
                    _announce_duration(plan, queue, dataset, pool)
                    is_measured = True
                    progress.start()
            yield pool

    stale_after = options.stale_after_seconds
    runner = Runner(queue, stale_after_seconds=stale_after, on_finish=finish, on_lost=on_lost)
    try:
        runner.run(measured_pool)
    finally:
        progress.close()


def _announce_duration(
    plan: StudyPlan, queue: RunQueue, dataset: Dataset, pool: WorkerPool
) -> None:
    """Say about how long the runs will take, by a few steps on all workers at once."""
    rate = pool.measure_images_per_second(plan.default_config(plan.arms[-1]))
    images = plan.epochs * (len(dataset.train) + 0.3 * len(dataset.validation))
    seconds = remaining(plan, queue.records) * images / rate / pool.workers
    print(f"  about {duration(seconds)} at {rate:,.0f} images/s per worker", flush=True)
