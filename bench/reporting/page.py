"""Summary -> page: report.md and its pictures from a record.

The words stand in templates/, a file a section; what they call are the typed functions of `tables`
and `rounding`.
"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment

from bench.analysis import record_file
from bench.analysis.host_load import host_load
from bench.analysis.key_figures import key_figures
from bench.analysis.record import Record
from bench.analysis.summary import GroupSummary, Summary, summarise
from bench.reporting import plots, rounding, tables
from bench.workloads.workload import DEVICES
from mnist_core.runtime.atomic_files import write_atomically
from mnist_core.runtime.formatting import duration
from mnist_core.runtime.templates import markdown_templates

FILE_NAME = "report.md"


@functools.cache
def _environment() -> Environment:
    filters: dict[str, Any] = {
        "duration": duration,
        "percent": rounding.percent_with_interval,
        "modes": lambda groups, mode: any(group.row(mode=mode) for group in groups),
        "paragraph": lambda text: " ".join(text.split()) + "\n",
    }
    environment = markdown_templates("bench.reporting", filters=filters)
    environment.globals["tables"] = tables
    return environment


def render(summary: Summary, pictures: list[str]) -> str:
    """Render a report as Markdown."""
    return _environment().get_template("report.md.j2").render(_context(summary, pictures))


def write(path: Path) -> Path:
    """Write the report and the pictures of a record, its file or its folder; return the report.

    It never goes over that of another record.
    """
    summary = summarise(record_file.read(path))
    folder = path
    if not path.is_dir():
        is_usual = path.name == record_file.FILE_NAME
        folder = path.parent if is_usual else path.with_suffix("")
    folder.mkdir(exist_ok=True)
    pictures = plots.draw(summary, folder)
    write_atomically(folder / FILE_NAME, render(summary, pictures))
    return folder / FILE_NAME


def _context(summary: Summary, pictures: list[str]) -> dict[str, Any]:
    record, groups = summary.record, summary.groups
    return {
        "summary": summary,
        "record": record,
        "pictures": pictures,
        "figures": key_figures(summary),
        "skipped": list(_skipped(record)),
        "host": host_load(record),
        "not_separated": [
            f"{row.workload.name} ({group.record.label})"
            for group in groups
            if group.record.kind != "limits"
            for row in group.not_separated
        ],
        "unstable": [
            f"{row.workload.name} ({group.record.label}): {row.instability}"
            for group in groups
            for row in group.rows
            if row.instability
        ],
        "not_steady": [
            f"{case.workload.name} ({group.label})"
            for group in record.groups
            for case in group.cases
            if not case.steady
        ],
        "loop_steps": " or ".join(sorted(set(map(_steps, summary.of("loop"))))),
    }


def _steps(group: GroupSummary) -> str:
    """Return the steps of a run of mnist_core, the same for all of a group."""
    run = group.row(kind="training-loop")
    return f"{run.case.images // run.workload.batch_size:,}" if run else "0"


def _skipped(record: Record) -> Iterator[tuple[str, str, list[str]]]:
    """Yield device, reason and names of the skipped cases, the record's own device first."""
    for device in sorted(DEVICES, key=lambda device: device != record.device):
        by_reason: dict[str, list[str]] = {}
        for name, reason in record.skipped.items():
            if name.startswith(f"{device}: "):
                by_reason.setdefault(reason, []).append(name)
        for reason, names in by_reason.items():
            yield device, reason, sorted(names)
