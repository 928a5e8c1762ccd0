"""One session of a study on this machine: open or create its folder, run what is left, report."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from tqdm import tqdm

from mnist_core.data.load import load
from mnist_core.data.splits import Dataset
from mnist_core.errors import EXIT_INTERRUPTED, OptimizerError, UserError, with_hint
from mnist_core.runtime.device import available_cores, prepare_process
from mnist_core.runtime.formatting import duration
from mnist_core.runtime.output_folder import folder_for
from mnist_core.runtime.provenance import utc_now
from mnist_core.runtime.results_index import RESULTS
from study.execution import latency
from study.execution.console import announce, run_line
from study.execution.pool import WorkerPool
from study.execution.run_queue import Board, LocalBoard
from study.execution.runner import Runner
from study.plans.base import StudyPlan
from study.plans.task import Task
from study.records import sessions as wall_time
from study.records.incidents import LostRun, read_incidents, write_incidents
from study.records.run_folder import RunFolder, changed_sources
from study.records.run_record import RunRecord
from study.reporting.study import write_report
from study.search.confirmation import remaining
from study.search.optuna_view import Search, storage_errors
from study.search.preflight import try_plan
from study.search.pruning import pruner_for


def run(options: argparse.Namespace, given: dict[str, Any], *, kind: type[StudyPlan]) -> int:
    """Run a study of a kind from its options; return the exit code."""
    given = dict(given)
    asked = given.pop("dataset", "auto")
    folder, plan, dataset = (_reopen if options.resume else _create)(
        options, given, asked, kind=kind
    )
    workers = options.workers or default_workers(plan)
    way_on = f"python -m {plan.MODULE} --resume --output {shlex.quote(str(folder.path))}"
    with folder.lock(), storage_errors(folder), with_hint(lambda: f"Continue with:\n  {way_on}"):
        records = folder.read_records()
        search = Search(plan, folder, records)

        def make_pool() -> WorkerPool:
            return worker_pool(options, plan, folder, workers=workers)

        announce(plan, folder, dataset, workers=workers, done=len(records))
        interrupted = False
        try:
            with wall_time.recorded(folder.path, workers=workers, count=lambda: len(records)):
                run_rows(
                    plan,
                    LocalBoard(plan, search, records),
                    make_pool,
                    dataset,
                    workers=workers,
                    stale_after_seconds=options.stale_after,
                    on_lost=lambda task, how: _note_lost(folder, task, how),
                )
            latency.measure_once(folder.path, plan, records)
        except KeyboardInterrupt:
            interrupted = True
        headline = write_report(folder)
    print(headline)
    print(f"report: {folder.path / 'report.md'}")
    if interrupted:
        print(
            f"interrupted with {len(records)} runs done; the report is partial. Continue with:\n"
            f"  {way_on}"
        )
        return EXIT_INTERRUPTED
    return 0


def worker_pool(
    options: argparse.Namespace, plan: StudyPlan, folder: RunFolder, *, workers: int
) -> WorkerPool:
    """Return the processes that train a plan's runs and write their records into a folder."""
    return WorkerPool(
        plan,
        folder=folder.path,
        data_dir=options.data_dir,
        workers=workers,
        pruner=pruner_for(plan) if plan.pruner != "none" else None,
    )


def default_workers(plan: StudyPlan) -> int:
    """Return how many workers fill the machine."""
    if plan.device == "cuda":
        return 1
    return max(1, available_cores() // plan.threads)


def load_dataset(options: argparse.Namespace, name: str, device: str) -> Dataset:
    """Load the data set asked for, saying so where it is another one."""
    resolved = prepare_process(device=device, threads=1)
    dataset = load(name, data_dir=options.data_dir, device=resolved)
    if dataset.notice:
        print(f"note: {dataset.notice}", flush=True)
    return dataset


def _create(
    options: argparse.Namespace, given: dict[str, Any], asked: str, *, kind: type[StudyPlan]
) -> tuple[RunFolder, StudyPlan, Dataset]:
    dataset = load_dataset(options, asked, given.get("device", kind.device))
    plan = kind(dataset=dataset.name, **given)
    try_plan(plan, dataset)
    started = utc_now()
    path = options.output
    if path is None:
        stamp = started.replace("-", "").replace(":", "")
        path = RESULTS / dataset.name / f"{plan.terms.topic}-{stamp}"
    else:
        path = folder_for(path, notice=dataset.notice, name=dataset.name)
    folder = RunFolder(path)
    folder.begin(plan, data=describe(dataset), started=started)
    return folder, plan, dataset


def describe(dataset: Dataset) -> dict[str, Any]:
    """Return what plan.json says of the data."""
    return {
        "name": dataset.name,
        "label": dataset.label,
        "sha256": dataset.sha256,
        "train": len(dataset.train),
        "validation": len(dataset.validation),
        "test": len(dataset.test),
    }


def _reopen(
    options: argparse.Namespace, given: dict[str, Any], asked: str, *, kind: type[StudyPlan]
) -> tuple[RunFolder, StudyPlan, Dataset]:
    folder = RunFolder(options.output)
    header = folder.read_header()
    plan: StudyPlan = header["plan"]
    if not isinstance(plan, kind):
        raise UserError(
            f"{folder.path} holds a study of {plan.terms.topic}; continue it with python -m "
            f"{plan.MODULE}"
        )
    if asked not in ("auto", plan.dataset):
        given["dataset"] = asked
    different = [
        f"--{name.replace('_', '-')} was {getattr(plan, name)!r}, now {given[name]!r}"
        for name in plan.option_names()
        if name in given and given[name] != getattr(plan, name)
    ]
    if different:
        raise UserError(
            f"the study in {folder.path} began with other options: {'; '.join(different)}. "
            "Resume without them, or start anew in another --output."
        )
    dataset = load_dataset(options, plan.dataset, plan.device)
    if dataset.sha256 != header["data"]["sha256"]:
        raise UserError(f"the study in {folder.path} began with other data than are here now")
    changed = changed_sources(header)
    if changed:
        raise UserError(
            f"{'; '.join(changed)}. The study in {folder.path} continues with the source that it "
            "began with; a new one needs another --output."
        )
    try_plan(plan, dataset)
    folder.make_folders()
    return folder, plan, dataset


def run_rows(
    plan: StudyPlan,
    board: Board,
    make_pool: Callable[[], WorkerPool],
    dataset: Dataset,
    *,
    workers: int,
    stale_after_seconds: float,
    on_lost: Callable[[Task, str], None],
) -> None:
    """Run what is left, showing every run as it ends."""
    done_before = len(board.records)
    started = time.perf_counter()
    bar = tqdm(total=plan.rows, initial=done_before, unit="run", disable=None)

    def on_finish(record: RunRecord) -> None:
        left_over = remaining(plan, board.records)
        done = len(board.records)
        line = run_line(plan, record, number=done, total=done + left_over)
        if bar.disable:
            left = (time.perf_counter() - started) / (done - done_before) * left_over
            print(f"{line}; about {duration(left)} left", flush=True)
        else:
            bar.write(line)
            bar.total = done + left_over
            bar.update(done - bar.n)

    if board.is_done:
        print("every run is done; the report is built again")
        return

    def announce_duration(pool: WorkerPool) -> None:
        rate = pool.measure_images_per_second(plan.default_config(plan.arms[-1]))
        images = plan.epochs * (len(dataset.train) + 0.3 * len(dataset.validation))
        seconds = remaining(plan, board.records) * images / rate / workers
        print(f"  about {duration(seconds)} at {rate:,.0f} images/s per worker", flush=True)

    is_measured = False

    @contextlib.contextmanager
    def measured_pool() -> Iterator[WorkerPool]:
        nonlocal started, is_measured
        with make_pool() as pool:
            # A pool that breaks here breaks for the runner too, which replaces it.
            # An optimizer that fails in a step has its runs to fail in.
            with contextlib.suppress(BrokenProcessPool, OptimizerError):
                pool.start()
                if not is_measured:
                    announce_duration(pool)
                    is_measured = True
                    started = time.perf_counter()
            yield pool

    runner = Runner(
        board, stale_after_seconds=stale_after_seconds, on_finish=on_finish, on_lost=on_lost
    )
    try:
        runner.run(measured_pool)
    finally:
        bar.close()


def _note_lost(folder: RunFolder, task: Task, how: str) -> None:
    lost_run = LostRun(key=task.key, time=utc_now(), how=how)
    write_incidents(folder.path, read_incidents(folder.path).with_lost_run(lost_run))
