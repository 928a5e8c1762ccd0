"""Summary -> Markdown tables: what stands in each column of a report's tables."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from bench.analysis.key_figures import KeyFigure
from bench.analysis.ratios import Estimate, centre, median_spread
from bench.analysis.record import Record
from bench.analysis.summary import GroupSummary, Row, floor_width
from bench.reporting import rounding
from mnist_core.runtime.formatting import markdown_table

SPLIT_PARTS = ("data", "forward", "backward", "optimizer", "rest")
NOT_SEPARATED = " ≈"


def key_figures(figures: Sequence[KeyFigure]) -> str:
    """Return the figures that the suite exists for."""
    rows = []
    for figure in figures:
        form = rounding.percent_with_interval if figure.is_share else rounding.with_interval
        target = ""
        if figure.target is not None:
            bound = "≤" if figure.at_most else "≥"
            number = f"{100 * figure.target:.0f} %" if figure.is_share else f"{figure.target:g}"
            target = f"{bound} {number}"
        answer = f"{form(figure.ratio, target=figure.target)} {figure.answer}"
        rows.append((figure.question, answer, str(figure.ratio.count), target, figure.verdict))
    header = ("question", "answer", "n", "target", "")
    return markdown_table(rows, header=header, numeric=("n", "target"))


def limits(groups: Sequence[GroupSummary]) -> str:
    """Return the speed of each product and copy: GFLOP/s or GB/s."""
    rows = []
    for case in (row.case for group in groups for row in group.rows):
        seconds = case.block_seconds()
        work, unit = (case.flops, "GFLOP/s") if case.flops else (case.bytes, "GB/s")
        rate = centre(seconds).inverted().scaled(work / 1e9)
        reached = rounding.with_interval(rate, unit=f" {unit}")
        spread = rounding.spread(median_spread(seconds))
        rows.append((case.workload.name, reached, spread, str(len(case.blocks))))
    header = ("limit", "reached", "spread", "n")
    return markdown_table(rows, header=header, numeric=header[1:])


def limit_sizes(record: Record) -> str:
    """Name the sides of the matrix products that shares are of."""
    sizes = {
        (case.workload.precision, case.workload.threads, case.workload.size)
        for group in record.groups
        for case in group.cases
        if case.workload.kind == "gemm" and case.workload.role == "limit"
    }
    return "; ".join(
        f"{precision}{f', {threads} thread' if threads else ''}: {size:,}"
        for precision, threads, size in sorted(sizes, key=str)
    )


def group(summary: GroupSummary) -> str:
    """Return the cases of a group, with the columns that they can fill."""
    header = _header(summary)
    rows = [[COLUMNS[name](row) for name in header] for row in summary.rows]
    numeric = [name for name in header if name not in ("variant", "limit", "blocks")]
    return markdown_table(rows, header=header, numeric=numeric)


def _header(summary: GroupSummary) -> list[str]:
    rows = summary.rows
    if summary.record.metric == "latency":
        header = ["variant", "p50", "p95", "p99", "calls", "ratio", "share of limit", "limit"]
    else:
        optimizers = summary.record.kind == "optimizer-step"
        header = ["variant", "µs a step" if optimizers else "images/s", "ratio"]
        if any(row.of_a_step for row in rows):
            header.append("of a training step")
        if any(row.shares for row in rows):
            header += ["share of limit", "limit"]
        if any(row.intensity for row in rows) and not optimizers:
            header.append("FLOP/byte")
    header += ["spread", "n"]
    return [*header, "blocks"] if summary.instabilities else header


def _ratio(row: Row) -> str:
    """Return the ratio to the reference, marked where it is not separated from 1."""
    if row.versus is None:
        return "1"
    return rounding.with_interval(row.versus) + ("" if row.separated else NOT_SEPARATED)


def _percent(ratio: Estimate | None) -> str:
    return rounding.percent_with_interval(ratio) if ratio else ""


def _percentile(percentile: float) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        found = row.percentiles[percentile]
        if isinstance(found, str):
            return found
        return rounding.with_interval(found, scale=1e6, unit=" µs")

    return cell


COLUMNS: dict[str, Callable[[Row], str]] = {
    "variant": lambda row: row.workload.name,
    "images/s": lambda row: rounding.rounded(
        row.per_second.value, rounding.places_of(row.per_second)
    ),
    "µs a step": lambda row: rounding.with_interval(row.seconds, scale=1e6),
    "p50": _percentile(50.0),
    "p95": _percentile(95.0),
    "p99": _percentile(99.0),
    "calls": lambda row: f"{len(row.case.samples()):,}",
    "ratio": _ratio,
    "of a training step": lambda row: _percent(row.of_a_step),
    "share of limit": lambda row: _percent(row.share),
    "limit": lambda row: row.limit or "",
    "FLOP/byte": lambda row: f"{row.intensity:.0f}" if row.intensity else "",
    "spread": lambda row: rounding.spread(row.spread),
    "n": lambda row: str(len(row.case.blocks)),
    "blocks": lambda row: row.instability or "",
}


def floor_percent(floor: Estimate) -> str:
    """Return how far from itself the same code was."""
    return f"{100 * (math.exp(floor_width(floor)) - 1):.1f} %"


def noise_floors(groups: Sequence[GroupSummary]) -> str:
    """Return how far the same code was from itself in each group."""
    floors = [(group.record.label, group.noise_floor) for group in groups if group.noise_floor]
    rows = [
        (label, rounding.with_interval(floor), f"± {floor_percent(floor)}", floor.count)
        for label, floor in floors
    ]
    header = ("group", "the same code, ratio", "floor", "n")
    return markdown_table(rows, header=header, numeric=header[1:])


def references(groups: Sequence[GroupSummary]) -> str:
    """Return what each group's ratios are to."""
    by_case: dict[str, list[str]] = {}
    for summary in groups:
        if summary.record.kind != "limits":
            by_case.setdefault(summary.reference.workload.name, []).append(summary.record.label)
    rows = [(case, "; ".join(labels)) for case, labels in by_case.items()]
    return markdown_table(rows, header=("ratios are to", "in the groups"))


def splits(profiles: Sequence[dict[str, Any]]) -> str:
    """Return the parts of each profiled step."""
    rows = []
    for profile in profiles:
        split = {part: f"{100 * share:.0f} %" for part, share in profile["split"].items()}
        parts = (split.get(part, "–") for part in SPLIT_PARTS)
        peak, gigaflop = (
            f"{profile['peak_bytes'] / 2**20:.1f} MiB",
            f"{profile['flops'] / 1e9:.3g}",
        )
        rows.append((profile["scenario"]["name"], *parts, peak, gigaflop, profile["steps"]))
    header = ("scenario", *SPLIT_PARTS, "peak memory", "GFLOP", "n")
    return markdown_table(rows, header=header, numeric=header[1:])


def operators(profile: dict[str, Any]) -> str:
    """Return the operators of a profile by self time, the rest in one line."""
    rows = [
        [f"`{op['name']}`", f"{op['calls']:g}", f"{100 * op['self_share']:.1f} %"]
        for op in profile["operators"]
    ]
    rest = 1.0 - sum(op["self_share"] for op in profile["operators"])
    rows.append(["everything else", "", f"{100 * rest:.1f} %"])
    header = ("operator", "calls a step", "self time")
    return markdown_table(rows, header=header, numeric=header[1:])
