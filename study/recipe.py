"""How well does a named recipe do, and in what time? On fresh seeds, each tested once.

    python -m study.recipe sprint --seeds 10 --compare-with train-mnist-fast,pytorch-examples

Writes report.md, the raw records and the first run's network into a new folder under results/.
What was finished survives a kill: the same command with --resume goes on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

from mnist_core.cli.arguments import add_data_arguments, add_device_arguments
from mnist_core.config import TrainConfig
from mnist_core.errors import UserError, run_command, with_hint
from mnist_core.recipes import RECIPES, recipe
from mnist_core.references.registry import REFERENCES
from mnist_core.runtime.device import available_cores
from mnist_core.runtime.output_folder import folder_for
from mnist_core.runtime.provenance import utc_now
from mnist_core.runtime.results_index import RESULTS
from study import command_line
from study.plans.recipe import RecipePlan
from study.records.run_folder import RunFolder
from study.records.run_record import ReferenceRecord, RunRecord


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m study.recipe", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("recipe", metavar="RECIPE", help=f"one of {', '.join(RECIPES)}")
    parser.add_argument(
        "--seeds",
        type=int,
        default=5,
        metavar="INT",
        help="runs, each of a fresh seed (default: 5)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="INT",
        help="from which the runs' seeds are derived; another one for runs of a recipe that has "
        "changed since its last were tested (default: 0)",
    )
    parser.add_argument(
        "--epochs", type=int, metavar="INT", help="instead of the recipe's own, for a quick look"
    )
    parser.add_argument(
        "--target-accuracy",
        type=float,
        default=RecipePlan.target_accuracy,
        metavar="FLOAT",
        help="what the mean test accuracy is held against (default: 0.99)",
    )
    parser.add_argument(
        "--compare-with",
        default="",
        metavar="NAMES",
        help="time other people's recipes between the runs, on the same machine: "
        + "; ".join(f"{name}: {entry.label}" for name, entry in REFERENCES.items()),
    )
    add_data_arguments(parser, dataset_default="mnist")
    add_device_arguments(parser)
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="INT",
        help="runs at the same time; they change no result but the times (default: 1)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="folder of the run (default: a new one)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in --output where it stopped"
    )
    return parser.parse_args(arguments)


def plan_of(options: argparse.Namespace, dataset_name: str) -> RecipePlan:
    """Return what the options ask for."""
    values = {**recipe(options.recipe).to_dict(), "dataset": dataset_name}
    if options.epochs is not None:
        values["epochs"] = options.epochs
    return RecipePlan(
        recipe=options.recipe,
        config=TrainConfig.from_dict(values),
        seeds=options.seeds,
        seed=options.seed,
        target_accuracy=options.target_accuracy,
        compare_with=command_line.names(options.compare_with),
        device=options.device,
        threads=options.threads or available_cores(),
        workers=options.workers,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a recipe; return the exit code."""
    options = parse(arguments)
    return run_command(lambda: run(options))


def run(options: argparse.Namespace) -> int:
    """Run what has no record yet, then write the report."""
    from mnist_core.cli.arguments import load_dataset
    from study.execution.session import describe
    from study.reporting.recipe import write_report

    if options.resume and options.output is None:
        raise UserError("--resume needs --output, the folder of the run to go on with")
    recipe(options.recipe)
    dataset = load_dataset(options)
    plan = plan_of(options, dataset.name)
    started = utc_now()
    path = options.output
    if path is None:
        stamp = started.replace("-", "").replace(":", "")
        path = RESULTS / dataset.name / f"{plan.recipe}-{stamp}"
    else:
        path = folder_for(path, notice=dataset.notice, name=dataset.name)
    folder = RunFolder(path)
    if options.resume:
        _require_same(folder, plan, data=describe(dataset))
    else:
        folder.begin(plan, data=describe(dataset), started=started)
    with folder.lock(), with_hint(lambda: _way_on(folder)):
        _run_missing(folder, plan, options)
        headline = write_report(folder)
    print(headline)
    print(f"report: {folder.path / 'report.md'}")
    return 0


def _require_same(folder: RunFolder, plan: RecipePlan, *, data: dict[str, Any]) -> None:
    """Raise `UserError` unless the folder holds runs of the same plan on the same data."""
    header = folder.read_header()
    previous, asked = header["plan"].to_dict(), plan.to_dict()
    different = [
        f"{name} was {previous.get(name)!r}, now {value!r}"
        for name, value in asked.items()
        if previous.get(name) != value
    ]
    if different:
        raise UserError(
            f"the run in {folder.path} began with other options: {'; '.join(different)}. Resume "
            "with its own, or start anew in another --output."
        )
    if header["data"]["sha256"] != data["sha256"]:
        raise UserError(f"the run in {folder.path} began with other data than are here now")
    folder.make_folders()


def _way_on(folder: RunFolder) -> str:
    """Say how to go on: the options are not in the folder, and must be the same."""
    return f"Continue with the same command, --output {folder.path} and --resume"


def _run_missing(folder: RunFolder, plan: RecipePlan, options: argparse.Namespace) -> None:
    """Train what has no record; between the runs, time the recipes to compare with."""
    from study.execution.pool import WorkerPool
    from study.plans.task import Task

    records = folder.read_records()
    tasks = [
        Task(
            key=key,
            kind="confirmation",
            arm=config.optimizer,
            variant=None,
            index=index,
            config=config,
            keeps_network=index == 0,
        )
        for index, (key, config) in enumerate(plan.run_configs().items())
        if key not in records
    ]
    with WorkerPool(
        plan, folder=folder.path, data_dir=options.data_dir, workers=plan.workers
    ) as pool:
        if plan.workers > 1:
            for future in as_completed([pool.submit(task) for task in tasks]):
                _show(future.result(), plan)
            return
        for task in tasks:
            _show(pool.submit(task).result(), plan)
            for name in plan.compare_with:
                _run_reference(folder, plan, options, name, task.index)


def _run_reference(
    folder: RunFolder, plan: RecipePlan, options: argparse.Namespace, name: str, index: int
) -> None:
    """Time another recipe in a process of its own, where it is its turn and not yet done."""
    from mnist_core.data.locate import find_mnist
    from mnist_core.runtime.atomic_files import write_json

    key = f"reference-{name}-{index:02d}"
    if index % REFERENCES[name].every or folder.record_file(key).exists():
        return
    data_dir = find_mnist(options.data_dir)
    words = [
        "-m",
        "mnist_core.references",
        name,
        "--data-dir",
        str(data_dir),
        "--seed",
        str(index),
    ]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{REFERENCES[name].label} could not be run: {done.stderr[-500:]}")
    record = ReferenceRecord.from_dict({"key": key, **json.loads(done.stdout)}, key=key)
    write_json(folder.record_file(key), record.to_dict())
    print(
        f"{name} {index}: test {record.test.accuracy:.2%}, {record.seconds:.1f} s of training",
        flush=True,
    )


def _show(record: RunRecord, plan: RecipePlan) -> None:
    outcome = record.status if record.test is None else f"test {record.test.accuracy:.2%}"
    seconds = record.train_seconds
    print(f"{plan.recipe} {record.index}: {outcome}, {seconds:.1f} s of training", flush=True)


if __name__ == "__main__":
    sys.exit(main())
