"""One session of a study on this machine: open or create its folder, run what is left, report."""

import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mnist_core.data.registry import AUTO
from mnist_core.data.splits import Dataset
from mnist_core.errors import EXIT_INTERRUPTED, UserError, with_hint
from mnist_core.runtime.provenance import utc_now
from study.execution import latency
from study.execution.console import announce
from study.execution.options import RunOptions, describe_data, stamped
from study.execution.run_queue import LocalQueue
from study.execution.study_runs import run_study
from study.plans.base import StudyPlan
from study.plans.kinds import option_differences
from study.plans.task import Task
from study.records import sessions
from study.records.incidents import LostRun, read_incidents, write_incidents
from study.records.run_folder import RunFolder, changed_sources
from study.reporting.study import write_report
from study.search.optuna_view import rebuild_view, write_view
from study.search.preflight import try_plan


def start(plan: StudyPlan, asked: str, options: RunOptions) -> int:
    """Start a study on the data set asked for; return the exit code."""
    dataset = options.load(asked, device=plan.device)
    plan = replace(plan, dataset=dataset.name)
    try_plan(plan, dataset)
    started = utc_now()
    name = stamped(plan.terms.topic, started=started)
    folder = RunFolder(options.folder_for(dataset, name=name))
    folder.begin(plan, data=describe_data(dataset), started=started)
    return _run(plan, dataset, folder, options)


def resume(kind: type[StudyPlan], given: Mapping[str, Any], options: RunOptions) -> int:
    """Continue the study in the folder asked for, which must have the options that are given;
    return the exit code."""
    assert options.output is not None
    folder = RunFolder(options.output)
    header = folder.read_header()
    plan = header["plan"]
    _require_same(plan, kind, given, folder)
    dataset = options.load(plan.dataset, device=plan.device)
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
    return _run(plan, dataset, folder, options)


def _require_same(
    plan: Any, kind: type[StudyPlan], given: Mapping[str, Any], folder: RunFolder
) -> None:
    """Raise `UserError` where a folder's plan is of another kind, or has other options."""
    if not isinstance(plan, kind):
        name = "study.recipe" if not isinstance(plan, StudyPlan) else plan.MODULE
        raise UserError(
            f"{folder.path} holds a study of {name.removeprefix('study.')}; continue it with "
            f"python -m {name}"
        )
    asked = {name: value for name, value in given.items() if (name, value) != ("dataset", AUTO)}
    different = option_differences(vars(plan), asked)
    if different:
        raise UserError(
            f"the study in {folder.path} began with other options: {'; '.join(different)}. "
            "Resume without them, or start anew in another --output."
        )


def _run(plan: StudyPlan, dataset: Dataset, folder: RunFolder, options: RunOptions) -> int:
    """Run what is left, then write the report."""
    command = f"python -m {plan.MODULE} --resume --output {shlex.quote(str(folder.path))}"
    workers = options.workers_for(plan)

    def note_lost(task: Task, how: str) -> None:
        lost_run = LostRun(key=task.key, time=utc_now(), how=how)
        write_incidents(folder.path, read_incidents(folder.path).with_lost_run(lost_run))

    with folder.lock(), with_hint(lambda: f"Continue with:\n  {command}"):
        records = folder.read_records()
        rebuild_view(plan, folder, records)
        announce(plan, folder, dataset, workers=workers, done=len(records))
        is_interrupted = False
        try:
            with sessions.recorded(folder.path, workers=workers, count=lambda: len(records)):
                run_study(
                    plan,
                    LocalQueue(plan, records),
                    dataset,
                    folder,
                    options,
                    on_finish=lambda record: write_view(plan, folder, records),
                    on_lost=note_lost,
                )
            latency.measure_once(folder.path, plan, records)
        except KeyboardInterrupt:
            is_interrupted = True
        headline = write_report(folder)
    print(f"{headline}\nreport: {folder.path / 'report.md'}")
    if is_interrupted:
        done = f"interrupted with {len(records)} runs done; the report is partial"
        print(f"{done}. Continue with:\n  {command}")
        return EXIT_INTERRUPTED
    return 0
