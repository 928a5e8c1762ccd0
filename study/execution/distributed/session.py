"""One process's session of a shared study: join it, run what is left, and let one report."""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from mnist_core.data.splits import Dataset
from mnist_core.errors import EXIT_INTERRUPTED, UserError
from mnist_core.runtime.atomic_files import write_json
from mnist_core.runtime.output_folder import folder_for
from mnist_core.runtime.provenance import utc_now
from mnist_core.runtime.results_index import RESULTS
from study.execution import latency, session
from study.execution.console import announce
from study.execution.distributed.postgres import Database, parse_url
from study.execution.distributed.shared_queue import SharedBoard
from study.execution.pool import WorkerPool
from study.plans.base import StudyPlan
from study.records.incidents import write_incidents
from study.records.run_folder import RunFolder, plan_header
from study.reporting.study import write_report
from study.search.optuna_view import Search, storage_errors
from study.search.preflight import try_plan

# The process that handed in the last run reports, unless it ends before it has.
_LET_THE_LAST_ONE_REPORT_SECONDS = 2.0


def run(options: argparse.Namespace, given: dict[str, Any], *, kind: type[StudyPlan]) -> int:
    """Take part in a shared study of a kind; return the exit code."""
    given = dict(given)
    url = parse_url(options.storage)
    name = given.pop("dataset", "auto")
    dataset = session.load_dataset(options, name, given.get("device", kind.device))
    plan = kind(dataset=dataset.name, **given)
    try_plan(plan, dataset)
    name = options.study_name or default_name(plan, dataset)
    folder = (
        RunFolder(RESULTS / dataset.name / name)
        if options.output is None
        else RunFolder(folder_for(options.output, notice=dataset.notice, name=dataset.name))
    )
    header = plan_header(
        plan,
        data=session.describe(dataset),
        started=utc_now(),
    )
    with (
        tempfile.TemporaryDirectory(prefix="study-") as temporary,
        Database(url, name=name, stale_after_seconds=options.stale_after) as database,
    ):
        scratch = RunFolder(Path(temporary))
        scratch.make_folders()
        board = SharedBoard(
            database,
            plan,
            name=name,
            header=header,
            scratch=scratch,
            stale_after_seconds=options.stale_after,
        )
        _require_free(folder, board)
        try:
            with board:
                was_done = board.is_done
                _work(options, plan, dataset, board, scratch, folder, f"{name}, {database.place}")
            _report(database, board, plan, dataset, folder, must_write=was_done)
        except KeyboardInterrupt:
            print(
                f"interrupted with {len(board.records)} runs done by all. What ran here is free "
                "for others; the same command joins the study again"
            )
            return EXIT_INTERRUPTED
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            raise UserError(
                f"the operating system refused: {error.strerror or error}{where}. {board.way_on}"
            ) from error
    return 0


def default_name(plan: StudyPlan, dataset: Dataset) -> str:
    """Return the name under which the same command finds the same study, on any machine."""
    asked = json.dumps([plan.to_dict(), dataset.sha256], sort_keys=True)
    return f"{plan.dataset}-{hashlib.sha256(asked.encode()).hexdigest()[:10]}"


def _require_free(folder: RunFolder, board: SharedBoard) -> None:
    if folder.plan_file.exists() and json.loads(folder.plan_file.read_text()) != board.header:
        raise UserError(f"{folder.path} already holds another run; name another --output")


def _work(
    options: argparse.Namespace,
    plan: StudyPlan,
    dataset: Dataset,
    board: SharedBoard,
    scratch: RunFolder,
    folder: RunFolder,
    place: str,
) -> None:
    """Run what is left, beside the other processes."""
    workers = options.workers or session.default_workers(plan)

    def make_pool() -> WorkerPool:
        return session.worker_pool(options, plan, scratch, workers=workers)

    announce(plan, folder, dataset, workers=workers, done=len(board.records))
    print(f"  shared: {place}; the same command joins it", flush=True)
    session.run_rows(
        plan,
        board,
        make_pool,
        dataset,
        workers=workers,
        stale_after_seconds=options.stale_after,
        on_lost=lambda task, how: None,  # the database knows
    )


def _report(
    database: Database,
    board: SharedBoard,
    plan: StudyPlan,
    dataset: Dataset,
    folder: RunFolder,
    *,
    must_write: bool,
) -> None:
    """Write the study's folder, unless another process does."""
    if not must_write and not board.finished_last:
        time.sleep(_LET_THE_LAST_ONE_REPORT_SECONDS)

    def write_once() -> str | None:
        with database.exclusive():
            if board.reported() is not None and not must_write:
                return None
            headline = _write_folder(board, plan, folder)
            board.set_reported(str(folder.path))
            return headline

    headline = database.patiently(write_once)
    if headline is None:
        print(
            f"the study is complete; another process wrote the report into {board.reported()}. "
            "The same command writes it here"
        )
        return
    print(headline)
    print(f"report: {folder.path / 'report.md'}")


def _write_folder(board: SharedBoard, plan: StudyPlan, folder: RunFolder) -> str:
    """Write the folder that a study on one machine would have left; return the finding."""
    folder.make_folders()
    with folder.lock(), storage_errors(folder):
        write_json(folder.plan_file, board.header)
        for digest, environment in board.environments().items():
            write_json(folder.path / "environments" / f"{digest}.json", environment)
        for key, record in board.records.items():
            write_json(folder.record_file(key), record)
        write_incidents(folder.path, board.incidents())
        Search(plan, folder, board.records)
        latency.measure_once(folder.path, plan, board.records)
        return write_report(folder)
