"""How far the same code is from itself between runs and between processes.

results/bench/noise/<device>/ holds whole records of runs of the same code, made at different
times, and processes.json, pairs of processes of the same code side by side. `bench.compare` judges
two records by the former; its tests draw from both. `python -m bench.comparison.noise` writes the
report.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.analysis import record
from bench.analysis.record import CaseRecord, GroupRecord, Record
from bench.analysis.summary import is_companion, item_seconds
from bench.comparison import revisions
from bench.comparison.verdicts import Blocks
from bench.workloads.registry import group_of
from mnist_core.errors import run_command
from mnist_core.runtime.formatting import markdown_table, write_atomically

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "results" / "bench" / "noise"
YARDSTICKS = ("seed", "naive", "per-image")
"""Code that no change of ours touches."""
PROCESSES_FILE = "processes.json"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One figure a case and run: the logarithm of seconds, and that over the seed's code."""

    absolute: float
    over_seed: float | None


def figures(made: Record) -> dict[str, Figures]:
    """Return the figures of a record's cases that are ours to make slower or faster."""
    found = {}
    for group in made.groups:
        for case in group.cases:
            if not is_companion(case) and case.workload.mode not in YARDSTICKS:
                found[case.workload.id] = Figures(
                    absolute=_log_median(item_seconds(case)), over_seed=_over_seed(case, group)
                )
    return found


def _log_median(values: Sequence[float]) -> float:
    return math.log(statistics.median(values))


def _over_seed(case: CaseRecord, group: GroupRecord) -> float | None:
    order = [workload.name for workload in group_of(group.name)]
    # In the suite's order, whichever were asked for: a divisor must be the same in all runs.
    yardstick = min(
        (case for case in group.cases if case.workload.mode in YARDSTICKS),
        key=lambda case: [*order, case.workload.name].index(case.workload.name),
        default=None,
    )
    if yardstick is None:
        return None
    pairs = zip(item_seconds(case), item_seconds(yardstick), strict=True)
    return _log_median([ours / theirs for ours, theirs in pairs])


def log_ratios(blocks: Blocks) -> list[float]:
    """Return one log ratio, NEW over OLD, for each pair of processes."""
    return [
        statistics.median(math.log(n / o) for o, n in zip(old, new, strict=True))
        for old, new in blocks
    ]


def same_code(device: str, folder: Path = FOLDER) -> list[Record]:
    """Return the runs of the same code that were kept for a device."""
    return [record.read(path.parent) for path in sorted((folder / device).glob("*/record.json"))]


def spreads(runs: Sequence[Record]) -> dict[str, tuple[list[float], list[float]]]:
    """Return for each case its figures over the runs: absolute, and over the seed's code."""
    all_figures = [figures(run) for run in runs]
    found = {}
    for name in sorted(set().union(*all_figures)):
        seen = [each[name] for each in all_figures if name in each]
        relative = [each.over_seed for each in seen if each.over_seed is not None]
        found[name] = ([each.absolute for each in seen], relative)
    return found


def read_processes(device: str, folder: Path = FOLDER) -> dict[str, Blocks]:
    """Return the pairs of processes of the same code that were kept for a device."""
    values = json.loads((folder / device / PROCESSES_FILE).read_text())
    return {name: [(old, new) for old, new in blocks] for name, blocks in values.items()}


def _percent(values: Sequence[float]) -> str:
    if len(values) < 2:
        return ""
    spread, reach = statistics.stdev(values), max(values) - min(values)
    return f"{100 * math.expm1(spread):.1f} % ({100 * math.expm1(reach):.0f} %)"


def _machines(runs: Sequence[Record]) -> str:
    found = (f"{run.environment['processor']}, {run.environment['cores']} cores" for run in runs)
    return " and ".join(dict.fromkeys(found))


def _when(run: Record) -> str:
    commit = run.environment["code"]["commit"] or "no git checkout"
    return f"{run.created_utc} UTC (commit `{commit[:7]}`)"


def render(device: str, runs: Sequence[Record], processes: dict[str, Blocks]) -> str:
    """Render the report."""
    between = markdown_table(
        [
            [name, _percent(absolute), _percent(relative), str(len(absolute))]
            for name, (absolute, relative) in spreads(runs).items()
        ],
        header=("case", "time", "time over the seed's code", "runs"),
        numeric=("time", "time over the seed's code", "runs"),
    )
    pairs = markdown_table(
        [
            [name, _percent(log_ratios(blocks)), str(len(blocks))]
            for name, blocks in processes.items()
        ],
        header=("case", "time", "pairs"),
        numeric=("time", "pairs"),
    )
    return (
        f"# How far the same code is from itself: {device.upper()}\n\n"
        "Asked: how much two measurements of identical code differ, beyond what the blocks of one "
        "process show. Each cell: standard deviation of the figure, and in brackets how far the "
        "slowest lay above the fastest.\n\n"
        f"Runs on {_machines(runs)}: {', '.join(map(_when, runs))}.\n\n"
        f"## Between runs\n\n{between}\n\n"
        "A case whose figures move by several per cent cannot show a change of 10 % from two "
        "records: `bench.compare` answers inconclusive there. Side by side it can.\n\n"
        f"## Between pairs of processes, side by side\n\n{pairs}\n\n"
        f"{_difference(device, processes)}## Again\n\n```bash\n{again(device, runs, processes)}"
        "```\n"
    )


def _difference(device: str, processes: Mapping[str, Blocks]) -> str:
    """Say where the cases that `bench.compare` takes are others than those recorded."""
    usual = revisions.usual(device)
    missing = "; ".join(name for name in usual if name not in processes)
    others = "; ".join(name for name in processes if name not in usual)
    return (
        f"Not recorded, though `bench.compare` takes it unless told otherwise: {missing}.\n\n"
        if missing
        else ""
    ) + (f"Recorded, though it takes it only where told: {others}.\n\n" if others else "")


def again(device: str, runs: Sequence[Record], processes: Mapping[str, Blocks]) -> str:
    """Return the commands that make a device's folder anew, from the repository's root."""
    folder = (FOLDER / device).relative_to(ROOT)
    command = runs[0].command if runs else "pytest bench/ --benchmark-only"
    pairs = max(map(len, processes.values()), default=revisions.PAIRS)
    return (
        "mkdir -p runs/bench && touch runs/bench/begun\n"
        f"for run in $(seq {len(runs)}); do {command}; sleep 300; done  # at different times\n"
        f"rm -rf {folder} && mkdir -p {folder}\n"
        f"(cd runs/bench && find {device} -name {record.FILE_NAME} -newer begun"
        f" | tar -cf - -T -) | tar -xf - -C {folder.parent}\n"
        f"python -m bench.compare HEAD HEAD --device {device} --pairs {pairs}"
        f" --save {folder}/{PROCESSES_FILE}\n"
        f"python -m bench.comparison.noise --device {device}\n"
    )


def main(arguments: list[str] | None = None) -> int:
    """Write the report of a device's noise."""
    parser = argparse.ArgumentParser(prog="python -m bench.comparison.noise")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    options = parser.parse_args(arguments)

    def command() -> int:
        path = FOLDER / options.device / "report.md"
        runs, processes = same_code(options.device), read_processes(options.device)
        write_atomically(path, render(options.device, runs, processes))
        print(f"wrote {path}")
        return 0

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
