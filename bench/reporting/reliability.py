"""Rows -> Markdown: how a report ends: how far to trust it, and how to make it again."""

from __future__ import annotations

from bench.analysis.record import Record
from bench.analysis.summary import is_companion, noise_floor, reference, rows
from bench.reporting import rounding, tables
from mnist_core.runtime.formatting import markdown_table


def trust(record: Record) -> str:
    """Report the noise floor, the host's state and what was not steady."""
    floors = []
    for group in record.groups:
        floor = noise_floor(group)
        if floor is not None:
            floors.append(
                [
                    group.label,
                    rounding.with_interval(floor),
                    f"± {tables.floor_percent(floor)}",
                    str(floor.count),
                ]
            )
    restless = [
        f"{case.workload.name} ({group.label})"
        for group in record.groups
        for case in group.cases
        if not case.steady
    ]
    moved = [
        f"{row.workload.name} ({group.label}): {row.restless}"
        for group in record.groups
        for row in rows(group)
        if row.restless
    ]
    parts = (
        "## How far to trust it",
        "Every interval here is within this run: it tells what other seconds of this run would "
        "show. Another run of the same code differs by more, and neither the intervals nor the "
        "noise floor know of it.",
        "The same code as two cases, interleaved with the others. A difference inside this floor "
        "is not called one above.\n\n"
        + markdown_table(
            floors,
            header=("group", "the same code, ratio", "floor", "n"),
            numeric=("the same code, ratio", "floor", "n"),
        )
        if floors
        else "",
        tables.host_text(record),
        "Before its data every case was called until three windows in a row agreed within 5 %, or "
        "for 1.5 s"
        + (f"; not steady by then: {'; '.join(restless)}." if restless else "; all did agree.")
        + " That tells of the warm-up alone. "
        + (
            f"Of the blocks that the figures come from, these were not alike: {'; '.join(moved)}."
            if moved
            else "The blocks that the figures come from were alike: none in two modes, none "
            "drifting by more than 5 %, none with a spread over 10 %."
        ),
        _references(record),
    )
    return "\n\n".join(part for part in parts if part)


def _references(record: Record) -> str:
    """Say what each group's ratios are to."""
    by_case: dict[str, list[str]] = {}
    for group in record.groups:
        if "limits" not in group.name and any(not is_companion(case) for case in group.cases):
            by_case.setdefault(reference(group).workload.name, []).append(group.label)
    return markdown_table(
        [[case, "; ".join(groups)] for case, groups in by_case.items()],
        header=("ratios are to", "in the groups"),
    )


def again(record: Record) -> str:
    """Print the command that makes the report again."""
    return (
        "## Again\n\n"
        f"```bash\n{record.command}\npython -m bench.report results/bench/…  # from the record\n"
        "python -m bench.compare OLD NEW  # two git revisions, side by side\n```"
    )
