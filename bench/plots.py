"""Rows -> pictures: PNGs with an opaque white ground, the same bytes for the same record."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench import roofline
from bench.quantiles import TooFewSamplesError, quantile
from bench.record import CaseRecord, GroupRecord, Record
from bench.summary import Row, rows
from bench.tables import SPLIT_PARTS

SEED_COLOUR, FLOAT32, BFLOAT16, EXPORTED = "#9a9a9a", "#3b6fb6", "#d9822b", "#3f8f5a"
PARTS = ("#b8a1d1", "#3b6fb6", "#20497e", "#d9822b", "#cccccc")
DPI = 110


def draw(record: Record, folder: Path) -> list[str]:
    """Draw what the record has data for into the folder; return the files' names."""
    drawn = []
    for name, picture in PICTURES.items():
        figure = picture(record)
        if figure is not None:
            save(figure, folder / name)
            drawn.append(name)
    return drawn


def save(figure: Figure, path: Path) -> None:
    """Write a figure, without the time or the version in its metadata."""
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=DPI, facecolor="white", metadata={"Software": None})


def colour(row: Row) -> str:
    """Return the colour of a form."""
    if row.workload.mode in ("seed", "naive"):
        return SEED_COLOUR
    if row.workload.mode == "onnxruntime":
        return EXPORTED
    return BFLOAT16 if row.workload.precision == "bfloat16" else FLOAT32


def _thousands(axis: Any) -> None:
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.set_minor_formatter(ticker.NullFormatter())


def _ticks(axis: Any, lowest: float, highest: float) -> None:
    """Label a logarithmic axis at 1, 2 and 5 times the powers of ten."""
    steps = [m * 10**e for e in range(7) for m in (1, 2, 5)]
    axis.set_ticks([step for step in steps if lowest <= step <= highest])
    _thousands(axis)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0)


def _bars(axes: Axes, found: list[Row], *, title: str) -> None:
    """Draw images a second, fastest form at the bottom, with intervals."""
    positions = range(len(found))
    values = [row.per_second.value for row in found]
    errors = [
        [row.per_second.value - row.per_second.low for row in found],
        [row.per_second.high - row.per_second.value for row in found],
    ]
    axes.barh(positions, values, xerr=errors, color=[colour(row) for row in found], height=0.7)
    axes.set_yticks(list(positions), [row.workload.name for row in found])
    axes.invert_yaxis()
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlim(right=1.1 * max(row.per_second.high for row in found))
    _thousands(axes.xaxis)
    _plain(axes)
    for position, row in zip(positions, found, strict=True):
        share = f"  {100 * row.share.value:.0f} %" if row.share else ""
        axes.text(row.per_second.high, position, share, va="center", fontsize=9)


def _groups(record: Record, word: str) -> list[GroupRecord]:
    return [group for group in record.groups if word in group.name]


def training(record: Record) -> Figure | None:
    """Draw the training steps: a panel a batch size."""
    groups = _groups(record, "training step")
    if not groups:
        return None
    tables = [rows(group) for group in groups]
    figure = Figure(figsize=(8.5, 0.6 + sum(0.75 + 0.34 * len(found) for found in tables)))
    heights = [len(found) + 1.0 for found in tables]
    panels = figure.subplots(len(groups), 1, sharex=True, squeeze=False, height_ratios=heights)
    for axes, group, found in zip(panels[:, 0], groups, tables, strict=True):
        _bars(axes, found, title=group.name.split(", ")[-1].capitalize().replace("1024", "1,024"))
    fastest = max(row.per_second.high for found in tables for row in found)
    panels[0, 0].set_xlim(0, 1.1 * fastest)
    panels[-1, 0].set_xlabel(
        "images/s (bars: median and 95 % interval; %: share of the arithmetic limit of the format)"
    )
    figure.tight_layout()
    return figure


def loop(record: Record) -> Figure | None:
    """Draw the whole loops."""
    groups = _groups(record, "whole loop")
    if not groups:
        return None
    found = rows(groups[0])
    figure = Figure(figsize=(8.5, 1.2 + 0.36 * len(found)))
    axes = figure.subplots()
    _bars(axes, found, title="Whole loop, batch 64")
    axes.set_xlabel("images/s (median and 95 % interval; %: share of the arithmetic limit)")
    figure.tight_layout()
    return figure


def known_percentiles(case: CaseRecord) -> dict[float, float]:
    """Return p5, p50, p95 and p99 in µs: those that the report's table does not refuse."""
    found = {}
    for percentile in (5.0, 50.0, 95.0, 99.0):
        with contextlib.suppress(TooFewSamplesError):
            found[percentile] = 1e6 * quantile(case.blocks, percentile).value
    return found


def latency(record: Record) -> Figure | None:
    """Draw p50, p95 and p99 of one image by form."""
    groups = _groups(record, "latency")
    if not groups:
        return None
    figure = Figure(figsize=(8.5, 0.8 + 2.6 * len(groups)))
    panels = figure.subplots(len(groups), 1, sharex=True, squeeze=False)
    for axes, group in zip(panels[:, 0], groups, strict=True):
        right = 0.0
        for position, row in enumerate(rows(group)):
            case = group.case(row.workload.name)
            assert case is not None
            known = known_percentiles(case)
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
        axes.set_yticks(range(len(rows(group))), [row.workload.name for row in rows(group)])
        axes.set_ylim(len(rows(group)) - 0.5, -0.7)
        # The axis is shared, and once set it no longer grows with another panel's data.
        axes.set_xlim(0, max(axes.get_xlim()[1], right))
        axes.set_title(group.name.split(": ", 1)[1].capitalize(), loc="left", fontsize=11)
        _plain(axes)
    panels[-1, 0].set_xlabel(
        "µs (dot: p50; bar: p5 to p95; tick: p99; left out where samples are too few)"
    )
    figure.tight_layout()
    return figure


def throughput(record: Record) -> Figure | None:
    """Draw images a second over batch sizes."""
    groups = _groups(record, "throughput")
    if len(groups) < 2:
        return None
    figure = Figure(figsize=(8.5, 4.2))
    axes = figure.subplots()
    forms = {
        "seed's model, called naively": "o--",
        "channels-last": "s-",
        "bfloat16": "^-",
        "ONNX Runtime": "D-",
    }
    labels = []
    for form, style in forms.items():
        points = [row for group in groups for row in rows(group) if row.workload.name == form]
        if not points:
            continue
        axes.plot(
            [row.workload.batch_size for row in points],
            [row.per_second.value for row in points],
            style,
            color=colour(points[0]),
        )
        last = points[-1]
        labels.append(
            axes.annotate(
                form,
                (last.workload.batch_size, last.per_second.value),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                color=colour(last),
            )
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    _ticks(axes.yaxis, *axes.get_ylim())
    axes.set_xticks([group.cases[0].workload.batch_size for group in groups])
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.margins(x=0.02)
    axes.set_xlim(right=groups[-1].cases[0].workload.batch_size * 6)
    axes.set_xlabel("batch size")
    axes.set_title("Images per second of inference, all threads", loc="left", fontsize=11)
    axes.grid(axis="y", which="major", color="#dddddd", lw=0.6)
    _plain(axes)
    figure.tight_layout()
    heights = [axes.transData.transform(label.xy)[1] * 72.0 / figure.dpi for label in labels]
    for label, shift in zip(labels, apart(heights), strict=True):
        label.xyann = (6, shift)
    return figure


def apart(heights: Sequence[float], *, gap: float = 13.0) -> list[float]:
    """Return how far to move each label down so that no two are nearer than `gap`, in points."""
    shifts = [0.0] * len(heights)
    highest = math.inf
    for index in sorted(range(len(heights)), key=lambda index: -heights[index]):
        height = min(heights[index], highest)
        shifts[index] = height - heights[index]
        highest = height - gap
    return shifts


def profile(record: Record) -> Figure | None:
    """Draw the split of a step as stacked bars."""
    if not record.profiles:
        return None
    figure = Figure(figsize=(8.5, 1.3 + 0.42 * len(record.profiles)))
    axes = figure.subplots()
    for position, found in enumerate(record.profiles):
        left = 0.0
        for part, shade in zip(SPLIT_PARTS, PARTS, strict=True):
            share = 100 * found["split"].get(part, 0.0)
            axes.barh(position, share, left=left, color=shade, height=0.7)
            if share >= 4:
                dark = part in ("forward", "backward")
                axes.text(
                    left + share / 2,
                    position,
                    f"{share:.0f}",
                    ha="center",
                    va="center",
                    fontsize=9,
                    color="white" if dark else "black",
                )
            left += share
    for part, shade in zip(SPLIT_PARTS, PARTS, strict=True):
        axes.barh(0, 0, color=shade, label=part)
    axes.set_yticks(
        range(len(record.profiles)), [found["scenario"]["name"] for found in record.profiles]
    )
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of a profiled step")
    axes.legend(ncols=5, frameon=False, loc="lower left", bbox_to_anchor=(0, 1.0), fontsize=9)
    _plain(axes)
    figure.tight_layout()
    return figure


def draw_roofline(record: Record) -> Figure | None:
    """Draw arithmetic intensity against speed, and the roofs above."""
    roofs, points = roofline.roofs(record), roofline.points(record)
    if not roofs or not points:
        return None
    figure = Figure(figsize=(8.5, 5.2))
    axes = figure.subplots()
    lowest, highest = 2.0, 256.0
    for roof in roofs:
        intensities = np.geomspace(lowest, highest, 200)
        speed = np.minimum(intensities * roof.bytes_per_second, roof.flops_per_second) / 1e9
        shade = BFLOAT16 if roof.precision == "bfloat16" else FLOAT32
        axes.plot(intensities, speed, color=shade, lw=1.6)
        axes.text(
            highest,
            roof.flops_per_second / 1e9 * 1.05,
            f"{roof.precision}: {roof.flops_per_second / 1e9:,.0f} GFLOP/s",
            ha="right",
            color=shade,
            fontsize=9,
        )
    bandwidth = roofs[0].bytes_per_second
    knee = math.sqrt(lowest * roofs[0].flops_per_second / bandwidth)
    axes.text(
        knee,
        knee * bandwidth / 1e9 * 1.12,
        f"memory: {bandwidth / 1e9:,.0f} GB/s",
        rotation=32,
        ha="center",
        fontsize=9,
    )
    for point in points:
        axes.plot(
            point.intensity,
            point.flops_per_second / 1e9,
            point.marker,
            color=BFLOAT16 if point.precision == "bfloat16" else FLOAT32,
            mfc="white" if point.seed else None,
            ms=7,
        )
    for marker, label in roofline.MARKERS.items():
        axes.plot([], [], marker, color="#555555", ls="none", label=label)
    axes.plot(
        [], [], "o", color="#555555", mfc="white", ls="none", label="hollow: the seed's code"
    )
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlim(lowest, highest)
    axes.set_ylim(bottom=10)
    _thousands(axes.xaxis)
    _ticks(axes.yaxis, *axes.get_ylim())
    axes.set_xlabel(
        "arithmetic intensity, FLOP/byte (traffic operator by operator: a lower bound)"
    )
    axes.set_ylabel("GFLOP/s")
    _plain(axes)
    figure.tight_layout()
    return figure


PICTURES: dict[str, Callable[[Record], Figure | None]] = {
    "roofline.png": draw_roofline,
    "training.png": training,
    "loop.png": loop,
    "latency.png": latency,
    "throughput.png": throughput,
    "profile.png": profile,
}
