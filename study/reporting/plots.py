"""The plots of a study's report, drawn from its summary. Opaque, so that they read on any page."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mnist_core.runtime.atomic_files import write_atomically
from study.analysis.summary import Summary
from study.analysis.trade_offs import TradeOffs
from study.reporting import trade_off_plot
from study.reporting.trade_off_plot import drawable_error, plain_ticks

_STYLE: dict[Any, Any] = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.titlesize": 11,
    "font.size": 10,
}
_DEFAULT_COLOUR = "#9a9a9a"


def draw_all(summary: Summary, folder: Path, *, costs: TradeOffs | None = None) -> list[str]:
    """Write every plot for which there are data; return the file names."""
    drawings: dict[str, Callable[[Summary], Figure | None]] = {
        "ranking.png": _ranking,
        "tuning.png": _tuning,
        "learning-rate.png": _learning_rate,
        "learning-curves.png": _learning_curves,
    }
    if costs is not None:
        drawings["cost.png"] = lambda summary: trade_off_plot.draw(
            costs, colours=_colours(summary), data=summary.header["data"]
        )
    written = []
    with sns.axes_style("whitegrid"), mpl.rc_context(_STYLE):
        for name, draw in drawings.items():
            figure = draw(summary)
            if figure is None:
                continue
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
            write_atomically(folder / name, buffer.getvalue())
            written.append(name)
    return written


def _colours(summary: Summary) -> dict[str, Any]:
    names = summary.plan.arms
    return dict(zip(names, sns.color_palette("colorblind", len(names)), strict=True))


def _ranking(summary: Summary) -> Figure | None:
    """Draw the mean test accuracy of each tuned arm, its interval and its seeds."""
    if not summary.ranking:
        return None
    entries = [ranked.confirmed for ranked in summary.ranking]
    figure, axes = _rows_of([entry.label for entry in entries], margin=1.4)
    colours = _colours(summary)
    for place, entry in enumerate(entries):
        colour = colours[entry.arm]
        ends = [100 * max(entry.estimate.low, 0), 100 * min(entry.estimate.high, 1)]
        axes.plot(ends, [place, place], color=colour, linewidth=2.5, solid_capstyle="butt")
        places = np.full(len(entry.accuracies), place + 0.2)
        axes.plot(100 * entry.accuracies, places, "o", color=colour, markersize=4, alpha=0.55)
        axes.plot(100 * entry.estimate.mean, place, "D", color=colour, markersize=7)
    axes.invert_yaxis()
    axes.set_xlabel("test accuracy (%)")
    axes.set_title("Tuned, on fresh seeds: mean (◆), its 95 % interval, seeds (●)")
    return figure


def _rows_of(labels: list[str], *, margin: float) -> tuple[Figure, Axes]:
    """Return a picture with one labelled row for each configuration, and a margin in inches."""
    figure = Figure(figsize=(7.5, 0.5 * len(labels) + margin), layout="constrained")
    axes: Axes = figure.add_subplot()
    axes.set_yticks(range(len(labels)), labels)
    axes.grid(visible=False, axis="y")
    return figure, axes


def _tuning(summary: Summary) -> Figure | None:
    """Draw library default beside tuned, as test errors on a logarithmic axis."""
    if not summary.tuning_gains:
        return None
    ordered = sorted(summary.tuning_gains, key=lambda arm: -_mean_error(summary, arm, "tuned"))
    figure, axes = _rows_of([summary.plan.spaces[arm].label for arm in ordered], margin=1.5)
    colours = _colours(summary)
    for place, name in enumerate(ordered):
        before = _mean_error(summary, name, "default")
        after = _mean_error(summary, name, "tuned")
        axes.plot([before, after], [place, place], color="#c8c8c8", linewidth=2, zorder=1)
        axes.plot(before, place, "o", color=_DEFAULT_COLOUR, markersize=8)
        axes.plot(after, place, "D", color=colours[name], markersize=8)
    axes.set_xscale("log")
    plain_ticks(axes.xaxis, subs=(1.0, 2.0, 3.0, 5.0, 7.0))
    axes.set_xlabel("test error (%), logarithmic")
    terms = summary.plan.terms
    axes.set_title(f"{terms.untuned.capitalize()} (●) and tuned {terms.tuned} (◆)")
    return figure


def _mean_error(summary: Summary, arm: str, variant: Any) -> float:
    entry = summary.find(arm, variant)
    assert entry is not None
    return drawable_error(entry.estimate.mean, count=summary.header["data"]["test"])


def _learning_rate(summary: Summary) -> Figure | None:
    """Draw validation error against learning rate, one panel per arm."""
    panels = [result for result in summary.searches if result.trials]
    if not panels:
        return None
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.3 * columns, 2.7 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    colours = _colours(summary)
    count = summary.header["data"]["validation"]
    for axes, result in zip(grid.flat, panels, strict=False):
        completed = sorted(
            (trial.config.learning_rate, drawable_error(trial.validation_accuracy, count=count))
            for trial in result.trials
            if trial.is_completed and trial.validation_accuracy is not None
        )
        others = [trial.config.learning_rate for trial in result.trials if not trial.is_completed]
        colour = colours[result.arm]
        # Where other parameters vary too, a line through the trials would be no function.
        mark = "o-" if result.space.is_learning_rate_alone else "o"
        axes.plot(*zip(*completed, strict=True), mark, color=colour) if completed else None
        for rate in others:
            axes.axvline(rate, color="#c03030", linestyle=":", linewidth=1.5)
        axes.set_xscale("log")
        axes.set_yscale("log")
        if result.space.learning_rate_range is not None:
            low, high = result.space.learning_rate_range
            axes.set_xlim(low * 0.85, high * 1.18)
        plain_ticks(axes.yaxis, subs=(1.0, 2.0, 5.0))
        axes.set_title(result.label)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    figure.supxlabel("learning rate (peak), over the range searched")
    figure.supylabel("validation error (%)")
    return figure


def _learning_curves(summary: Summary) -> Figure | None:
    """Draw the training loss of the tuned configurations along the run, over the seeds."""
    points = [
        {
            summary.plan.terms.singular: result.label,
            "seed": record.config.seed,
            "epoch": epoch.epoch - 1 + (place + 1) / len(epoch.window_losses),
            "training loss": loss,
        }
        for result in summary.searches
        for record in summary.records.values()
        if (record.arm, record.variant) == (result.arm, "tuned")
        for epoch in record.epochs
        for place, loss in enumerate(epoch.window_losses)
    ]
    if not points:
        return None
    colours = _colours(summary)
    labels = {result.label: colours[result.arm] for result in summary.searches}
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes: Axes = figure.add_subplot()
    sns.lineplot(
        pd.DataFrame(points),
        x="epoch",
        y="training loss",
        hue=summary.plan.terms.singular,
        palette=labels,
        errorbar=("pi", 100),
        ax=axes,
    )
    axes.set_yscale("log")
    plain_ticks(axes.yaxis, subs=(1.0, 2.0, 5.0))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("epochs")
    axes.set_title("Tuned configurations: training loss, mean over the seeds and their range")
    return figure
