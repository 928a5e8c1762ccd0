"""Train rows of a study again from their records, and say whether the bits are the same.

    python -m study.replay RUN --trial 17
    python -m study.replay RUN --confirmation 3
    python -m study.replay RUN --all
    python -m study.replay RUN --all --keep

Rows are counted from 1, as the report's list of all runs counts them. Every row is trained in a
fresh process with the threads of its record, and compared by its weights and accuracies. With
--keep, the outcome of all rows is left in the study's folder, as replay.json and as replay.md.
Exit code 0: all identical; 1: some differ, fail now, or cannot be replayed here.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from mnist_core.cli.arguments import add_data_dir_argument
from mnist_core.errors import UserError, run_command
from mnist_core.runtime.atomic_files import write_atomically, write_json
from mnist_core.runtime.provenance import utc_now
from study.analysis import replay_outcomes
from study.analysis.replay_outcomes import Outcome, impossible, skipped
from study.records.run_folder import RunFolder, changed_sources
from study.records.run_record import RunRecord

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
    parser.add_argument(
        "--keep",
        action="store_true",
        help="with --all: leave the outcome in RUN, as replay.json and replay.md",
    )
    add_data_dir_argument(parser)
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="INT",
        help="processes that train at the same time; they change no result (default: 1)",
    )
    return parser.parse_args(arguments)


def chosen_records(options: argparse.Namespace, folder: RunFolder) -> list[RunRecord]:
    """Return the records of the rows asked for."""
    rows = folder.numbered_rows()
    if options.all:
        return [record for _, _, record in rows]
    kind = "trial" if options.trial is not None else "confirmation"
    number = options.trial if options.trial is not None else options.confirmation
    for row_kind, row_number, record in rows:
        if (row_kind, row_number) == (kind, number):
            if record.weights_sha256 is None:
                raise UserError(f"{kind} {number}: {replay_outcomes.why_without_weights(record)}")
            return [record]
    finished = sum(row_kind == kind for row_kind, _, _ in rows)
    raise UserError(
        f"{kind} must be the number of one of the {finished} finished rows, got {number}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay rows; return the exit code."""
    options = parse(arguments)

    def command() -> int:
        if options.workers < 1:
            raise UserError(f"workers must be >= 1, got {options.workers}")
        if options.keep and not options.all:
            raise UserError("--keep is for the outcome of every row: give it with --all")
        folder = RunFolder(options.run)
        rows = chosen_records(options, folder)
        outcomes = []
        for outcome in replay(folder, rows, data_dir=options.data_dir, workers=options.workers):
            print(outcome.line, flush=True)
            outcomes.append(outcome)
        print(replay_outcomes.summary(outcomes))
        if options.keep:
            _keep(folder, outcomes)
        is_same = all(outcome.verdict in ("identical", "skipped") for outcome in outcomes)
        return 0 if is_same else EXIT_DIFFERENT

    return run_command(command)


def replay(
    folder: RunFolder, rows: Sequence[RunRecord], *, data_dir: Path | None, workers: int
) -> Iterator[Outcome]:
    """Train rows again; yield an outcome of each, in their order."""
    from mnist_core.data.load import load
    from mnist_core.runtime.device import prepare_process
    from study.execution.pool import WorkerPool

    header = folder.read_header()
    plan = header["plan"]
    try:
        device = prepare_process(device=plan.device)
    except UserError as error:  # the device is absent
        for row in rows:
            yield skipped(row) if row.weights_sha256 is None else impossible(row, error)
        return
    dataset = load(plan.dataset, data_dir=data_dir, device=device)
    was, now = header["data"]["sha256"], dataset.sha256
    other_data = [] if was == now else [f"the data, whose SHA-256 was {was}, is {now}"]
    arms = dict.fromkeys(row.arm for row in rows)
    causes = {arm: other_data + changed_sources(header, arm=arm) for arm in arms}
    for note in dict.fromkeys(text for texts in causes.values() for text in texts):
        print(f"note: {note}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        scratch = RunFolder(Path(temporary))
        scratch.make_folders()
        with WorkerPool(plan, folder=scratch.path, data_dir=data_dir, workers=workers) as pool:
            futures = [
                None if row.weights_sha256 is None else pool.submit(row.to_task()) for row in rows
            ]
            there = folder.read_environments()
            for row, future in zip(rows, futures, strict=True):
                if future is None:
                    yield skipped(row)
                else:
                    before = there.get(row.environment, {})
                    yield _outcome(row, future, scratch, before, causes=causes[row.arm])


def _outcome(
    record: RunRecord,
    future: Future[RunRecord],
    scratch: RunFolder,
    environment: dict[str, Any],
    *,
    causes: list[str],
) -> Outcome:
    """Wait for a row and return what came of it; `environment` is the one of its record."""
    try:
        again = future.result()
    except UserError as error:
        return impossible(record, error)
    except BrokenProcessPool:
        return impossible(record, "a worker process died (out of memory?)")
    here = scratch.read_environments()[again.environment]
    changes = replay_outcomes.differences(environment, here) + causes
    return replay_outcomes.compared(record, again, causes=changes, environment=here)


def _keep(folder: RunFolder, outcomes: Sequence[Outcome]) -> None:
    """Leave the outcome of all rows in the study's folder."""
    from study.reporting.page import render

    kept = replay_outcomes.to_dict(outcomes, date=utc_now())
    write_json(folder.path / "replay.json", kept)
    write_atomically(folder.path / "replay.md", render("replay.md.j2", **kept))
    print(f"kept: {folder.path / 'replay.md'}")


if __name__ == "__main__":
    sys.exit(main())
