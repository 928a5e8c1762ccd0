"""Summary -> pictures of inference: the latency of one image, images a second over batch sizes."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from bench.analysis.ratios import Estimate
from bench.analysis.summary import GroupSummary, Row, Summary
from bench.reporting.axes import colour, plain, thousands, ticks
from bench.workloads.workload import Workload

_STYLES = {"plain": "o--", "compiled": "P-.", "onnxruntime": "D-", "captured": "D:"}
"""By mode; eager variants have one for their number format and memory layout."""


def _style(work: Workload) -> str:
    eager = "v:" if work.layout == "contiguous" else "s-"
    return _STYLES.get(work.mode, "^-" if work.precision == "bfloat16" else eager)


def known_percentiles(row: Row) -> dict[float, float]:
    """Return p5, p50, p95 and p99 in µs: those that the report's table does not refuse."""
    return {
        percentile: 1e6 * found.value
        for percentile, found in row.percentiles.items()
        if isinstance(found, Estimate)
    }


def latency(summary: Summary) -> Figure | None:
    """Draw p50, p95 and p99 of one image by variant."""
    groups = summary.of("inference", "latency")
    if not groups:
        return None
    figure = Figure(figsize=(8.5, 0.8 + 2.6 * len(groups)))
    panels = figure.subplots(len(groups), 1, sharex=True, squeeze=False)
    for axes, group in zip(panels[:, 0], groups, strict=True):
        right = 0.0
        for position, row in enumerate(group.rows):
            known = known_percentiles(row)
            if 5.0 in known and 95.0 in known:
                ends = [known[5.0], known[95.0]]
                axes.plot(ends, [position] * 2, color=colour(row), lw=6, alpha=0.35)
            if 50.0 in known:
                middle = known[50.0]
                axes.plot(middle, position, "o", color=colour(row), ms=7)
                axes.text(middle, position - 0.34, f"{middle:.0f}", ha="center", fontsize=9)
            if 99.0 in known:
                axes.plot(known[99.0], position, "|", color=colour(row), ms=11, mew=2)
            right = max(right, 1.02 * max(known.values(), default=0.0))
        axes.set_yticks(range(len(group.rows)), [row.workload.name for row in group.rows])
        axes.set_ylim(len(group.rows) - 0.5, -0.7)
        # The axis is shared, and once set it no longer grows with another panel's data.
        axes.set_xlim(0, max(axes.get_xlim()[1], right))
        plain(axes, title=f"Inference latency, {group.condition}")
    parts = "dot: p50; bar: p5 to p95; tick: p99"
    panels[-1, 0].set_xlabel(f"µs ({parts}; left out where samples are too few)")
    figure.tight_layout()
    return figure


def throughput(summary: Summary) -> Figure | None:
    """Draw images a second over batch sizes: a panel for each number of threads."""
    by_threads: dict[int | None, list[GroupSummary]] = {}
    for group in summary.of("inference"):
        by_threads.setdefault(group.reference.workload.threads, []).append(group)
    panels = [groups for groups in by_threads.values() if len(groups) > 1]
    if not panels:
        return None
    figure = Figure(figsize=(4.5 + 4.0 * len(panels), 4.2))
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, groups in zip(all_axes, panels, strict=True):
        labels = _lines(axes, groups, labelled=groups is panels[-1])
    figure.tight_layout()
    at = all_axes[-1].transData
    heights = [at.transform(label.xy)[1] * 72.0 / figure.dpi for label in labels]
    for label, shift in zip(labels, apart(heights), strict=True):
        label.xyann = (6, shift)
    return figure


def _lines(axes: Axes, groups: list[GroupSummary], *, labelled: bool) -> list[Annotation]:
    """Draw a line for each variant; return their labels, where they are to have some."""
    labels = []
    for name in dict.fromkeys(row.workload.name for group in groups for row in group.rows):
        points = [row for group in groups for row in group.rows if row.workload.name == name]
        sizes = [row.workload.batch_size for row in points]
        speeds = [row.per_second.value for row in points]
        axes.plot(sizes, speeds, _style(points[0].workload), color=colour(points[0]))
        if labelled:
            style: dict[str, Any] = {"va": "center", "color": colour(points[-1])}
            style |= {"xytext": (6, 0), "textcoords": "offset points"}
            labels.append(axes.annotate(name, (sizes[-1], speeds[-1]), **style))
    batches = [group.reference.workload.batch_size for group in groups]
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    ticks(axes.yaxis, *axes.get_ylim())
    axes.set_xticks(batches)
    thousands(axes.xaxis)
    axes.set_xlim(0.8 * batches[0], batches[-1] * (12 if labelled else 1.3))
    axes.set_xlabel("batch size")
    threads = groups[0].reference.workload.threads
    axes.grid(axis="y", which="major", color="#dddddd", lw=0.6)
    which = "one thread" if threads else "all threads"
    plain(axes, title=f"Images per second of inference, {which}")
    return labels


def apart(heights: Sequence[float], *, gap: float = 13.0) -> list[float]:
    """Return how far to move each label down so that no two are nearer than `gap`, in points."""
    shifts = [0.0] * len(heights)
    highest = math.inf
    for index in sorted(range(len(heights)), key=lambda index: -heights[index]):
        height = min(heights[index], highest)
        shifts[index] = height - heights[index]
        highest = height - gap
    return shifts
