"""Training times in a report, and the time to the target accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mnist_core.report import duration, markdown_table, percent
from study.summary import Summary


def section(summary: Summary) -> str:
    """Return how long each confirmed configuration trained, and until the target."""
    if not summary.confirmed:
        return "No configuration has been confirmed yet."
    rows = [
        (
            entry.label,
            entry.variant,
            f"{entry.seconds:.1f} s",
            f"{entry.images_per_second:,.0f}",
            f"{sum(t is not None for t in entry.seconds_to_target)} of {len(entry.runs)}",
            _median_time(entry.seconds_to_target),
        )
        for entry in summary.confirmed
    ]
    header = (
        summary.plan.subject.singular,
        "configuration",
        "median training time",
        "images/s",
        "runs that reached the target",
        "time to it, median",
    )
    target = summary.plan.target_accuracy
    total = sum(record["seconds"] for record in summary.records.values())
    return (
        markdown_table(rows, header=header, numeric=header[2:])
        + f"\n\nPer run on one worker with {summary.plan.threads} CPU thread(s), evaluation "
        "outside the clock; other workers ran beside it, so this is no benchmark. The target is "
        f"a validation accuracy of {percent(target)} at the end of an epoch; a median counts runs "
        "that missed it as longer than all others. All runs "
        f"together: {duration(total)} of one worker's time."
    )


def _median_time(seconds: Sequence[float | None]) -> str:
    """Return the median, where at least half of the runs have one."""
    reached = sorted(float("inf") if value is None else value for value in seconds)
    middle = reached[len(reached) // 2]
    return "not reached" if math.isinf(middle) else f"{middle:.1f} s"
