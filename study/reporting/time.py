"""Training times in a report, and the time to the target accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mnist_core.runtime.formatting import duration, markdown_table, percent
from study.analysis.summary import Summary
from study.plans.base import StudyPlan


def section(summary: Summary) -> str:
    """Return how long each confirmed configuration trained, and until the target."""
    if not summary.confirmed:
        return "No configuration has been confirmed yet."
    rows = [
        (
            entry.label,
            entry.variant,
            _median(entry.seconds),
            f"{entry.images_per_second:,.0f}",
            f"{sum(t is not None for t in entry.seconds_to_target)} of {len(entry.runs)}",
            _median(entry.seconds_to_target),
        )
        for entry in summary.confirmed
    ]
    header = (
        summary.plan.subject.singular,
        "configuration",
        "training time, median (range)",
        "images/s",
        "runs that reached the target",
        "time to it, median (range)",
    )
    target = summary.plan.target_accuracy
    total = sum(record.seconds for record in summary.records.values())
    return (
        markdown_table(rows, header=header, numeric=header[2:])
        + f"\n\nPer run on one worker with {summary.plan.threads} CPU thread(s), evaluation "
        "outside the clock; other workers ran beside it, so this is no benchmark (docs/method.md, "
        f"*Time*). The target is a validation accuracy of {percent(target)} at the end of an "
        f"epoch.{_one_epoch(summary.plan)} All runs together: {duration(total)} of one worker's "
        "time."
    )


def _one_epoch(plan: StudyPlan) -> str:
    if plan.epochs > 1:
        return ""
    return " One epoch cannot resolve the time to it, which is that of the whole run."


def _median(seconds: Sequence[float | None]) -> str:
    """Return the median and the range; a time that is None is longer than all others. Where the
    middle two are on both sides of that, the median is at least the lower one."""
    ordered = sorted(math.inf if value is None else value for value in seconds)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    if math.isinf(low):
        return "not reached by half"
    middle = f"{(low + high) / 2:.1f} s" if math.isfinite(high) else f"≥ {low:.1f} s"
    last = f"{ordered[-1]:.1f}" if math.isfinite(ordered[-1]) else "never"
    return f"{middle} ({ordered[0]:.1f} to {last})"
