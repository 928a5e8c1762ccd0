"""One session of a recipe's runs: train what is left, and time other people's code between."""

import json
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

from mnist_core.data.locate import find_mnist
from mnist_core.errors import UserError, with_hint
from mnist_core.references.registry import REFERENCES
from mnist_core.runtime.atomic_files import write_json
from mnist_core.runtime.provenance import utc_now
from study.execution.options import RunOptions, describe_data, stamped
from study.execution.pool import WorkerPool
from study.plans.kinds import option_differences
from study.plans.recipe import RecipePlan
from study.records.run_folder import RunFolder
from study.records.run_record import ReferenceRecord, RunRecord
from study.reporting.recipe import write_report


def start(plan: RecipePlan, asked: str, options: RunOptions) -> int:
    """Run what has no record yet on the data set asked for, then write the report; return the
    exit code."""
    dataset = options.load(asked, device=plan.device)
    plan = replace(plan, config=replace(plan.config, dataset=dataset.name))
    started = utc_now()
    folder = RunFolder(options.folder_for(dataset, name=stamped(plan.recipe, started=started)))
    if options.resume:
        require_same(folder, plan, data=describe_data(dataset))
        folder.make_folders()
    else:
        folder.begin(plan, data=describe_data(dataset), started=started)
    hint = f"Continue with the same command, --output {folder.path} and --resume"
    with folder.lock(), with_hint(lambda: hint):
        _run_missing(plan, folder, data_dir=options.data_dir)
        headline = write_report(folder)
    print(f"{headline}\nreport: {folder.path / 'report.md'}")
    return 0


def require_same(folder: RunFolder, plan: RecipePlan, *, data: Mapping[str, Any]) -> None:
    """Raise `UserError` unless the folder holds runs of the same plan on the same data."""
    header = folder.read_header()
    different = option_differences(header["plan"].to_dict(), plan.to_dict())
    if different:
        raise UserError(
            f"the run in {folder.path} began with other options: {'; '.join(different)}. Resume "
            "with its own, or start anew in another --output."
        )
    if header["data"]["sha256"] != data["sha256"]:
        raise UserError(f"the run in {folder.path} began with other data than are here now")


def _run_missing(plan: RecipePlan, folder: RunFolder, *, data_dir: Path | None) -> None:
    """Train what has no record; between the runs, time the recipes to compare with."""
    records = folder.read_records()
    tasks = [task for task in plan.tasks() if task.key not in records]
    with WorkerPool(plan, folder=folder.path, data_dir=data_dir, workers=plan.workers) as pool:
        if plan.workers > 1:
            for future in as_completed([pool.submit(task) for task in tasks]):
                _show(plan, future.result())
            return
        for task in tasks:
            _show(plan, pool.submit(task).result())
            for name in plan.compare_with:
                run_reference(folder, name, task.index, data_dir=data_dir)


def run_reference(folder: RunFolder, name: str, index: int, *, data_dir: Path | None) -> None:
    """Time another recipe in a process of its own, where it is its turn and not yet done."""
    key = f"reference-{name}-{index:02d}"
    if index % REFERENCES[name].every or folder.record_file(key).exists():
        return
    command = [sys.executable, "-m", "mnist_core.references", name]
    command += ["--data-dir", str(find_mnist(data_dir)), "--seed", str(index)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{REFERENCES[name].label} could not be run: {done.stderr[-500:]}")
    record = ReferenceRecord.from_dict({"key": key, **json.loads(done.stdout)}, key=key)
    write_json(folder.record_file(key), record.to_dict())
    print(
        f"{name} {index}: test {record.test.accuracy:.2%}, {record.seconds:.1f} s of training",
        flush=True,
    )


def _show(plan: RecipePlan, record: RunRecord) -> None:
    outcome = record.status if record.test is None else f"test {record.test.accuracy:.2%}"
    seconds = record.train_seconds
    print(f"{plan.recipe} {record.index}: {outcome}, {seconds:.1f} s of training", flush=True)
