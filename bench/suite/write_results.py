"""The end of a run: one record and one report a device, and a line in the index.

The record is written before profiling, so that a failure there does not lose the timings. It is
written again with the profiles.
"""

import datetime
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import ROOT
from bench.analysis import record_file
from bench.analysis.key_figures import key_figures
from bench.analysis.quantiles import percentiles
from bench.analysis.record import GroupRecord, Record
from bench.analysis.summary import summarise
from bench.reporting import page, rounding
from bench.suite.session import Suite
from bench.workers.profiler import PROFILES_FILE
from bench.workloads import data, onnx_runtime
from bench.workloads.registry import WORKLOADS
from bench.workloads.workload import DEVICES
from mnist_core.runtime import results_index
from mnist_core.runtime.device import prepare_process
from mnist_core.runtime.provenance import environment

RESULTS = ROOT / "results"
PARTIAL = ROOT / "runs"
PERCENTILES = (50.0, 95.0, 99.0)


class ProfilingError(RuntimeError):
    """Say why there is no profile, with the exit code that the run ends with."""

    def __init__(self, reason: str, *, exit_code: int = pytest.ExitCode.TESTS_FAILED) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


def write_reports(suite: Suite, *, passed: bool) -> list[str]:
    """Write what was measured, and say where.

    Only a whole run goes under results/. Raises `ProfilingError` once everything is written that
    does not need the profiles.
    """
    lines: list[str] = []
    errors: list[ProfilingError] = []
    for device in DEVICES:
        if not suite.groups_of(device):
            continue
        complete = passed and is_complete(suite, device)
        folder, record = _write_record(suite, device, complete=complete)
        if record.complete:
            try:
                profiles = _profile(device, folder.name, suite.dataset_name)
            except ProfilingError as error:
                errors.append(error)
            else:
                record = replace(record, profiles=profiles, seconds=_since(suite.started))
                record_file.write(folder, record)
        lines.append(f"report: {page.write(folder).relative_to(ROOT)}")
        if record.complete:
            _add_to_index(folder, record)
        else:
            lines.append("  (a part of the suite: kept out of results/)")
    if errors:
        exit_code = max(error.exit_code for error in errors)
        raise ProfilingError("\n".join([*lines, *map(str, errors)]), exit_code=exit_code)
    return lines


def keep_finished(suite: Suite) -> list[str]:
    """Write the records of an interrupted run's finished groups, and say how to render them."""
    devices = [device for device in DEVICES if suite.groups_of(device)]
    folders = [_write_record(suite, device, complete=False)[0] for device in devices]
    command = "interrupted; the finished groups: python -m bench.report"
    return [f"{command} {folder.relative_to(ROOT)}" for folder in folders]


def _write_record(suite: Suite, device: str, *, complete: bool) -> tuple[Path, Record]:
    """Write a device's record without profiles; return its folder and the record."""
    stamp = suite.started.strftime("%Y%m%dT%H%M%SZ")
    folder = (RESULTS if complete else PARTIAL) / "bench" / device / stamp
    groups = suite.groups_of(device)
    record = Record(
        created_utc=suite.started.strftime("%Y-%m-%d %H:%M"),
        device=device,
        complete=complete,
        command=suite.command,
        seconds=_since(suite.started),
        environment=_environment(groups, device),
        dataset=_dataset(suite, device),
        groups=groups,
        skipped=suite.skipped,
        trace_folder=f"runs/bench/{device}/{stamp}/traces" if complete else None,
    )
    record_file.write(folder, record)
    return folder, record


def _since(started: datetime.datetime) -> float:
    return round((datetime.datetime.now(datetime.UTC) - started).total_seconds(), 1)


def _environment(groups: Sequence[GroupRecord], device: str) -> dict[str, Any]:
    found = environment(prepare_process(device=device))
    if any(case.workload.mode == "onnxruntime" for group in groups for case in group.cases):
        found["packages"]["onnxruntime"] = onnx_runtime.version()
    return found


def _profile(device: str, stamp: str, dataset_name: str) -> list[dict[str, Any]]:
    """Profile in a process that times nothing; the traces stay in a folder that git ignores."""
    folder = PARTIAL / "bench" / device / stamp / "traces"
    command = [sys.executable, "-m", "bench.workers.profiler", "--device", device]
    command += ["--folder", str(folder), "--dataset", dataset_name]
    try:
        completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    except KeyboardInterrupt:
        reason = "interrupted while profiling: the timings are kept, without profiles"
        raise ProfilingError(reason, exit_code=pytest.ExitCode.INTERRUPTED) from None
    if completed.returncode:
        raise ProfilingError(f"profiling failed:\n{completed.stderr[-2000:]}")
    found: list[dict[str, Any]] = json.loads((folder / PROFILES_FILE).read_text())
    return found


def _add_to_index(folder: Path, record: Record) -> None:
    finding = "; ".join(
        f"{rounding.percent_with_interval(figure.ratio)} {figure.answer}, float32 step"
        for figure in key_figures(summarise(record))
        if figure.is_share and figure.target is not None and not figure.at_most
    )
    machine = record.environment
    what = machine["device"] if record.device == "cuda" else machine["processor"]
    results_index.add_line(
        RESULTS / "README.md",
        section="bench",
        title="Benchmarks",
        header=("started", "machine", "training step, batch 64"),
        key=folder.relative_to(RESULTS).as_posix(),
        cells=(record.created_utc, f"{what}, {machine['cores']} cores", finding),
    )


def is_complete(suite: Suite, device: str) -> bool:
    """Tell whether every case of the device was measured, or could not be on this machine."""
    cases = (case.workload for group in suite.groups for case in group.cases)
    done = {workload.id for workload in cases if workload.role == "case"} | set(suite.skipped)
    return all(workload.id in done for workload in WORKLOADS if workload.device == device)


def _dataset(suite: Suite, device: str) -> dict[str, Any]:
    dataset = data.load_cached(suite.dataset_name, device)
    return {
        "name": dataset.name,
        "label": dataset.label,
        "sha256": dataset.sha256,
        "notice": dataset.notice.splitlines()[-1] if dataset.notice else None,
    }


def percentiles_of(suite: Suite) -> dict[str, dict[str, Any]]:
    """Return p50, p95 and p99 in seconds of each case whose samples are single calls."""
    cases = [case for group in suite.groups for case in group.cases]
    found: dict[str, dict[str, Any]] = {}
    for case in (case for case in cases if case.workload.metric == "latency"):
        values = found[case.workload.id] = {"samples": len(case.samples())}
        for percentile, estimate in percentiles(case.blocks, PERCENTILES).items():
            if isinstance(estimate, str):
                values[f"p{percentile:g}_refused"] = estimate
            else:
                values[f"p{percentile:g}_seconds"] = estimate.value
    return found
