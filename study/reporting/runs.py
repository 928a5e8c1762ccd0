"""The runs in a report, row by row: how long they took, which ended early, and all of them."""

import math
from collections.abc import Sequence

from mnist_core.runtime.formatting import percent
from study.analysis.summary import Summary
from study.records.incidents import Incidents
from study.records.run_folder import numbered
from study.reporting.page import Rows


def times(summary: Summary) -> Rows:
    """Return how long each confirmed configuration trained, and until the target."""
    return [
        (
            entry.label,
            entry.variant,
            median_time(entry.seconds),
            f"{entry.images_per_second:,.0f}",
            f"{sum(t is not None for t in entry.seconds_to_target)} of {len(entry.runs)}",
            median_time(entry.seconds_to_target),
        )
        for entry in summary.confirmed
    ]


def median_time(seconds: Sequence[float | None]) -> str:
    """Return the median and the range; a time that is None is longer than all others. Where the
    middle two are on both sides of that, the median is at least the lower one."""
    ordered = sorted(math.inf if value is None else value for value in seconds)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    if math.isinf(low):
        return "not reached by half"
    middle = f"{(low + high) / 2:.1f} s" if math.isfinite(high) else f"≥ {low:.1f} s"
    last = f"{ordered[-1]:.1f}" if math.isfinite(ordered[-1]) else "never"
    return f"{middle} ({ordered[0]:.1f} to {last})"


def ended_early(summary: Summary) -> Rows:
    """Return the runs that did not complete."""
    return [
        (
            record.key,
            summary.chosen(record),
            record.status if record.error is None else f"failed: {record.error}",
            record.diverged_at_step or f"epoch {len(record.epochs)}",
        )
        for record in summary.records.values()
        if not record.is_completed
    ]


def all_runs(summary: Summary) -> Rows:
    """Return every run with its number and the digest of its weights."""
    return [
        (
            kind,
            number,
            record.arm,
            record.variant or "",
            f"{record.config.learning_rate:.4g}"
            if summary.is_learning_rate_alone
            else summary.chosen(record),
            record.config.seed,
            "–" if record.validation_accuracy is None else percent(record.validation_accuracy),
            "–" if record.test is None else percent(record.test.accuracy),
            record.status,
            f"`{record.weights_sha256[:12]}`" if record.weights_sha256 else "–",
        )
        for kind, number, record in numbered(summary.plan, summary.records)
    ]


def events(incidents: Incidents) -> list[tuple[str, str]]:
    """Return what happened besides the runs: the time, and what it was."""
    return sorted(
        [(lost.time, f"{lost.key} was lost: {lost.how}") for lost in incidents.lost_runs]
        + [
            (outage.began, f"a process waited for the database until {outage.ended}")
            for outage in incidents.outages
        ]
    )
