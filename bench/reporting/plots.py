"""Summary -> pictures: PNGs with an opaque white ground, the same bytes for the same record."""

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.analysis.summary import GroupSummary, Row, Summary
from bench.reporting import inference_plots, roofline_plot
from bench.reporting.axes import colour, plain, thousands
from bench.reporting.tables import SPLIT_PARTS

PARTS = ("#b8a1d1", "#3b6fb6", "#20497e", "#d9822b", "#cccccc")
DPI = 110


def draw(summary: Summary, folder: Path) -> list[str]:
    """Draw what the record has data for into the folder; return the files' names."""
    drawn = []
    for name, picture in PICTURES.items():
        figure = picture(summary)
        if figure is not None:
            FigureCanvasAgg(figure)
            without_version = {"Software": None}
            figure.savefig(folder / name, dpi=DPI, facecolor="white", metadata=without_version)
            drawn.append(name)
    return drawn


def _bars(axes: Axes, found: Sequence[Row], *, title: str) -> None:
    """Draw images a second, in the order of the table, with intervals."""
    names = [row.workload.name for row in found]
    values = [row.per_second.value for row in found]
    errors = [
        [row.per_second.value - row.per_second.low for row in found],
        [row.per_second.high - row.per_second.value for row in found],
    ]
    axes.barh(names, values, xerr=errors, color=[colour(row) for row in found], height=0.7)
    axes.invert_yaxis()
    thousands(axes.xaxis)
    plain(axes, title=title)
    for position, row in enumerate(found):
        share = f"  {100 * row.share.value:.0f} %" if row.share else ""
        axes.text(row.per_second.high, position, share, va="center", fontsize=9)


def _speeds(
    groups: list[GroupSummary], titles: list[str], *, height: float, remark: str
) -> Figure | None:
    """Draw images a second, a panel a group."""
    if not groups:
        return None
    figure = Figure(figsize=(8.5, height))
    ratios = [len(group.rows) + 1.0 for group in groups]
    panels = figure.subplots(len(groups), 1, sharex=True, squeeze=False, height_ratios=ratios)
    for axes, group, title in zip(panels[:, 0], groups, titles, strict=True):
        _bars(axes, group.rows, title=title)
    fastest = max(row.per_second.high for group in groups for row in group.rows)
    panels[0, 0].set_xlim(0, 1.1 * fastest)
    panels[-1, 0].set_xlabel(f"images/s ({remark})")
    figure.tight_layout()
    return figure


def training(summary: Summary) -> Figure | None:
    """Draw the training steps: a panel a batch size."""
    groups = summary.of("training-step")
    titles = [group.condition.capitalize() for group in groups]
    height = 0.6 + sum(0.75 + 0.34 * len(group.rows) for group in groups)
    remark = "bars: median and 95 % interval; %: share of the limit that is nearer"
    return _speeds(groups, titles, height=height, remark=remark)


def loop(summary: Summary) -> Figure | None:
    """Draw the whole loops."""
    groups = summary.of("loop")[:1]
    height = 1.2 + 0.36 * sum(len(group.rows) for group in groups)
    remark = "median and 95 % interval; %: share of the arithmetic limit"
    titles = ["Whole loop, batch 64" for _ in groups]
    return _speeds(groups, titles, height=height, remark=remark)


def profile(summary: Summary) -> Figure | None:
    """Draw the split of a step as stacked bars."""
    profiles = summary.record.profiles
    if not profiles:
        return None
    figure = Figure(figsize=(8.5, 1.3 + 0.42 * len(profiles)))
    axes = figure.subplots()
    for position, found in enumerate(profiles):
        left = 0.0
        for part, shade in zip(SPLIT_PARTS, PARTS, strict=True):
            share = 100 * found["split"].get(part, 0.0)
            bar = axes.barh(position, share, left=left, color=shade, height=0.7)
            if share >= 4:
                ink = "white" if part in ("forward", "backward") else "black"
                number = f"{share:.0f}"
                axes.bar_label(bar, [number], label_type="center", fontsize=9, color=ink)
            left += share
    for part, shade in zip(SPLIT_PARTS, PARTS, strict=True):
        axes.barh(0, 0, color=shade, label=part)
    axes.set_yticks(range(len(profiles)), [found["scenario"]["name"] for found in profiles])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of a profiled step")
    axes.legend(ncols=5, frameon=False, loc="lower left", bbox_to_anchor=(0, 1.0), fontsize=9)
    plain(axes)
    figure.tight_layout()
    return figure


PICTURES: dict[str, Callable[[Summary], Figure | None]] = {
    "roofline.png": roofline_plot.draw_roofline,
    "training.png": training,
    "loop.png": loop,
    "latency.png": inference_plots.latency,
    "throughput.png": inference_plots.throughput,
    "profile.png": profile,
}
