"""One process's session of a shared study: join it, run what is left, and let one report."""

import hashlib
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from mnist_core.data.splits import Dataset
from mnist_core.errors import EXIT_INTERRUPTED, UserError
from mnist_core.runtime.atomic_files import write_json
from mnist_core.runtime.provenance import utc_now
from study.execution import latency
from study.execution.console import announce
from study.execution.distributed.postgres import Database, parse_url
from study.execution.distributed.shared_queue import SharedQueue
from study.execution.options import RunOptions, describe_data
from study.execution.study_runs import run_study
from study.plans.base import StudyPlan
from study.records.incidents import write_incidents
from study.records.run_folder import RunFolder, plan_header
from study.reporting.study import write_report
from study.search.optuna_view import rebuild_view
from study.search.preflight import try_plan

# The process that handed in the last run reports, unless it ends before it has.
_LET_THE_LAST_ONE_REPORT_SECONDS = 2.0


def start(plan: StudyPlan, asked: str, options: RunOptions) -> int:
    """Take part in a shared study on the data set asked for; return the exit code."""
    assert options.storage is not None
    url = parse_url(options.storage)
    dataset = options.load(asked, device=plan.device)
    plan = replace(plan, dataset=dataset.name)
    try_plan(plan, dataset)
    name = options.study_name or default_name(plan, dataset)
    folder = RunFolder(options.folder_for(dataset, name=name))
    stale_after = options.stale_after_seconds
    with (
        tempfile.TemporaryDirectory(prefix="study-") as temporary,
        Database(url, name=name, stale_after_seconds=stale_after) as database,
    ):
        scratch = RunFolder(Path(temporary))
        scratch.make_folders()
        queue = SharedQueue(
            database,
            plan,
            name=name,
            header=plan_header(plan, data=describe_data(dataset), started=utc_now()),
            scratch=scratch,
            stale_after_seconds=stale_after,
        )
        if folder.plan_file.exists() and json.loads(folder.plan_file.read_text()) != queue.header:
            raise UserError(f"{folder.path} already holds another run; name another --output")
        try:
            with queue:
                was_done = queue.is_done
                workers = options.workers_for(plan)
                announce(plan, folder, dataset, workers=workers, done=len(queue.records))
                print(f"  shared: {name}, {database.place}; the same command joins it", flush=True)
                run_study(plan, queue, dataset, scratch, options)
            _report(database, queue, plan, dataset, folder, must_write=was_done)
        except KeyboardInterrupt:
            print(
                f"interrupted with {len(queue.records)} runs done by all. What ran here is free "
                "for others; the same command joins the study again"
            )
            return EXIT_INTERRUPTED
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            raise UserError(
                f"the operating system refused: {error.strerror or error}{where}. "
                f"{queue.how_to_resume}"
            ) from error
    return 0


def default_name(plan: StudyPlan, dataset: Dataset) -> str:
    """Return the name under which the same command finds the same study, on any machine."""
    asked = json.dumps([plan.to_dict(), dataset.sha256], sort_keys=True)
    return f"{plan.dataset}-{hashlib.sha256(asked.encode()).hexdigest()[:10]}"


def _report(
    database: Database,
    queue: SharedQueue,
    plan: StudyPlan,
    dataset: Dataset,
    folder: RunFolder,
    *,
    must_write: bool,
) -> None:
    """Write the study's folder, unless another process does."""
    if not must_write and not queue.finished_last:
        time.sleep(_LET_THE_LAST_ONE_REPORT_SECONDS)

    def write_once() -> str | None:
        with database.exclusive():
            if queue.reported() is not None and not must_write:
                return None
            headline = _write_folder(queue, plan, folder)
            queue.set_reported(str(folder.path))
            return headline

    headline = database.patiently(write_once)
    if headline is None:
        print(
            f"the study is complete; another process wrote the report into {queue.reported()}. "
            "The same command writes it here"
        )
        return
    print(f"{headline}\nreport: {folder.path / 'report.md'}")


def _write_folder(queue: SharedQueue, plan: StudyPlan, folder: RunFolder) -> str:
    """Write the folder that a study on one machine would have left; return the finding."""
    folder.make_folders()
    with folder.lock():
        write_json(folder.plan_file, queue.header)
        for digest, environment in queue.environments().items():
            write_json(folder.path / "environments" / f"{digest}.json", environment)
        for key, record in queue.records.items():
            write_json(folder.record_file(key), record.to_dict())
        write_incidents(folder.path, queue.incidents())
        rebuild_view(plan, folder, queue.records)
        latency.measure_once(folder.path, plan, queue.records)
        return write_report(folder)
