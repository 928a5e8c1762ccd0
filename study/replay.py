"""Train rows of a study again from their records, and say whether the bits are the same.

    python -m study.replay RUN --trial 17
    python -m study.replay RUN --confirmation 3
    python -m study.replay RUN --all

Rows are counted from 1, as the report's list of all runs counts them. Every row is trained in a
fresh process with the threads of its record. Exit code 0: all identical; 1: some differ.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_core.commands.arguments import add_data_dir_argument
from mnist_core.errors import UserError, run_command

if TYPE_CHECKING:
    from study.records import Record, RunFolder

EXIT_DIFFERENT = 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m study.replay", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of the study")
    rows = parser.add_mutually_exclusive_group(required=True)
    rows.add_argument("--trial", type=int, metavar="N", help="the N-th trial of the search")
    rows.add_argument("--confirmation", type=int, metavar="N", help="the N-th confirmation run")
    rows.add_argument("--all", action="store_true", help="every row")
    add_data_dir_argument(parser)
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="INT",
        help="processes that train at the same time; they change no result (default: 1)",
    )
    return parser.parse_args(arguments)


def chosen_records(options: argparse.Namespace, folder: RunFolder) -> list[Record]:
    """Return the records of the rows asked for."""
    rows = folder.numbered_rows()
    kind = "trial" if options.trial is not None else "confirmation"
    number = options.trial if options.trial is not None else options.confirmation
    if options.all:
        return [record for _, _, record in rows if record["weights_sha256"] is not None]
    for row_kind, row_number, record in rows:
        if (row_kind, row_number) == (kind, number):
            if record["weights_sha256"] is None:
                raise UserError(
                    f"{kind} {number} {'was ' if record['status'] == 'pruned' else ''}"
                    f"{record['status']}: it has no final weights to compare"
                )
            return [record]
    finished = sum(row_kind == kind for row_kind, _, _ in rows)
    raise UserError(
        f"{kind} must be the number of one of the {finished} finished rows, got {number}"
    )


def differences(was: dict[str, Any], now: dict[str, Any], *, path: str = "") -> list[str]:
    """Name what differs between two environments, JSON-like mappings."""
    found = []
    for key in sorted({*was, *now}):
        before, after = was.get(key), now.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            found += differences(before, after, path=f"{path}{key}.")
        elif before != after:
            found.append(f"{path}{key} was {before}, is {after}")
    return found


def compare(record: Record, again: Record, *, environment_differences: list[str]) -> str:
    """Say whether a row came out identical, or what differs and by how much."""
    if record["weights_sha256"] == again["weights_sha256"]:
        return f"{record['key']}: identical (weights {record['weights_sha256'][:16]})"
    text = f"{record['key']}: different weights"
    before, after = record["validation_accuracy"], again["validation_accuracy"]
    if before is not None and after is not None:
        text += f"; validation accuracy was {before:.4f}, is {after:.4f} ({after - before:+.4f})"
    if "test" in record and "test" in again:
        count = record["test"]["count"]
        was, now = record["test"]["correct"] / count, again["test"]["correct"] / count
        text += f"; test accuracy was {was:.4f}, is {now:.4f} ({now - was:+.4f})"
    cause = "; ".join(environment_differences) or "nothing in the recorded environment"
    return f"{text}; what differs: {cause}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay rows; return the exit code."""
    options = parse(arguments)

    def command() -> int:
        from study.recipe_records import open_folder

        if options.workers < 1:
            raise UserError(f"workers must be >= 1, got {options.workers}")
        folder = open_folder(options.run)
        header = folder.read_header()
        return _replay(options, folder, header, chosen_records(options, folder))

    return run_command(command)


def _replay(
    options: argparse.Namespace, folder: RunFolder, header: dict[str, Any], rows: list[Record]
) -> int:
    import tempfile

    from mnist_core import data, runtime
    from mnist_core.config import TrainConfig
    from study.records import RunFolder, changed_sources
    from study.workers import Task, WorkerPool

    plan = header["plan"]
    dataset = data.load(
        plan.dataset, data_dir=options.data_dir, device=runtime.prepare(device=plan.device)
    )
    if dataset.sha256 != header["data"]["sha256"]:
        raise UserError(
            f"the study stands on other data: SHA-256 of the splits was "
            f"{header['data']['sha256']}, is {dataset.sha256}"
        )
    environments = folder.read_environments()
    changed = changed_sources(header)
    for change in changed:
        print(f"note: {change}", flush=True)
    identical = 0
    with tempfile.TemporaryDirectory() as temporary:
        scratch = RunFolder(Path(temporary))
        scratch.make_folders()
        with WorkerPool(
            folder=scratch.path,
            dataset=plan.dataset,
            data_dir=options.data_dir,
            device=plan.device,
            threads=plan.threads,
            workers=options.workers,
            pruning=None,
        ) as pool:
            futures = [
                pool.submit(
                    Task(
                        key=record["key"],
                        kind=record["kind"],
                        arm=record["arm"],
                        variant=record["variant"],
                        index=record["index"],
                        config=TrainConfig.from_dict(record["config"]),
                    )
                )
                for record in rows
            ]
            for record, future in zip(rows, futures, strict=True):
                again = future.result()
                here = scratch.read_environments()[again["environment"]]
                there = environments.get(record["environment"], {})
                print(
                    compare(
                        record,
                        again,
                        environment_differences=differences(there, here) + changed,
                    ),
                    flush=True,
                )
                identical += record["weights_sha256"] == again["weights_sha256"]
    print(f"{identical} of {len(rows)} rows identical")
    return 0 if identical == len(rows) else EXIT_DIFFERENT


if __name__ == "__main__":
    sys.exit(main())
