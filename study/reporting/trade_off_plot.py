"""The picture of accuracy against cost: trials and their Pareto fronts, and what was confirmed."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from study.analysis.trade_offs import COSTS, Candidate, TradeOffs

_Points = list[tuple[float, Candidate]]
"""Candidates whose cost is known, with it, the cheapest first."""
_GREY = "#606060"
_TITLES = {
    "parameters": "parameters",
    "FLOPs": "forward MFLOP for an image",
    "latency": "latency of an image (µs, p50)",
}


def draw(
    costs: TradeOffs, *, colours: Mapping[str, Any], data: Mapping[str, int]
) -> Figure | None:
    """Draw validation error of all trials, and test error of the confirmed, against each cost;
    None where nothing has completed. `data` has the numbers of images of the splits."""
    if not costs.trials:
        return None
    rows = 2 if costs.confirmed else 1
    figure = Figure(figsize=(11, 3.4 * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, len(COSTS), sharex="col", sharey="row", squeeze=False)
    for column, cost in enumerate(COSTS):
        points = _with_cost(costs.trials, cost)
        _draw_trials(grid[0][column], points, cost, colours=colours, count=data["validation"])
        if costs.confirmed:
            points = _with_cost(costs.confirmed, cost)
            _draw_confirmed(grid[1][column], points, cost, colours=colours, count=data["test"])
        grid[-1][column].set_xlabel(_TITLES[cost])
        for axes in grid[:, column]:
            if cost == "parameters":  # all within a factor of two
                axes.xaxis.set_major_locator(MaxNLocator(5))
                axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
            else:
                axes.set_xscale("log")
                plain_ticks(axes.xaxis)
            axes.set_yscale("log")
            plain_ticks(axes.yaxis)
    grid[0][0].set_ylabel("validation error (%), trials")
    if costs.confirmed:
        grid[1][0].set_ylabel("test error (%), fresh seeds")
    labels = {candidate.arm: candidate.label for candidate in costs.trials + costs.confirmed}
    marks = [
        Line2D([], [], marker="o", linestyle="", color=colours[arm], label=label)
        for arm, label in labels.items()
    ]
    marks.append(Line2D([], [], color=_GREY, linewidth=1.2, label="Pareto front (validation)"))
    diamond: dict[str, Any] = {"marker": "D", "linestyle": "", "color": _GREY}
    marks += [
        Line2D([], [], **diamond, label="tuned, 95 %"),
        Line2D([], [], **diamond, markerfacecolor="white", label="named network, 95 %"),
    ]
    figure.legend(
        handles=marks[: None if costs.confirmed else -2], loc="outside upper center", ncols=4
    )
    return figure


def plain_ticks(axis: Axis, *, subs: Sequence[float] = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)) -> None:
    """Write plain numbers at these multiples of the powers of ten of a logarithmic axis."""
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(FuncFormatter(lambda value, _: ""))


def drawable_error(accuracy: float, *, count: int) -> float:
    """Return the error in percent, for a logarithmic axis: none at all is half an image's."""
    return 100 * max(1 - accuracy, 0.5 / count)


def _with_cost(candidates: Sequence[Candidate], cost: str) -> _Points:
    pairs = [(COSTS[cost](candidate), candidate) for candidate in candidates]
    return sorted(
        ((value, candidate) for value, candidate in pairs if value is not None),
        key=lambda pair: pair[0],
    )


def _draw_trials(
    axes: Axes, points: _Points, cost: str, *, colours: Mapping[str, Any], count: int
) -> None:
    """Draw trials, and connect their front by steps: what is reached at a cost stays reached
    beyond it."""
    heights = [drawable_error(one.validation_accuracy, count=count) for _, one in points]
    front = [
        (value, height)
        for (value, candidate), height in zip(points, heights, strict=True)
        if cost in candidate.fronts
    ]
    costs, errors = [value for value, _ in front], [height for _, height in front]
    axes.step(costs, errors, where="post", color=_GREY, linewidth=1.2, zorder=1)
    for (value, candidate), height in zip(points, heights, strict=True):
        on = cost in candidate.fronts
        axes.plot(
            value,
            height,
            "o",
            color=colours[candidate.arm],
            markersize=8 if on else 5,
            markeredgecolor="black" if on else "none",
            alpha=1.0 if on else 0.6,
        )


def _draw_confirmed(
    axes: Axes, points: _Points, cost: str, *, colours: Mapping[str, Any], count: int
) -> None:
    for value, candidate in points:
        assert candidate.confirmed is not None
        estimate, colour = candidate.confirmed.estimate, colours[candidate.arm]
        is_tuned = candidate.confirmed.variant == "tuned"
        reached = (estimate.high, max(estimate.low, 0.0))
        ends = [drawable_error(accuracy, count=count) for accuracy in reached]
        axes.plot([value, value], ends, color=colour, linewidth=1.6)
        axes.plot(
            value,
            drawable_error(estimate.mean, count=count),
            "D",
            color=colour,
            markersize=7,
            markerfacecolor=colour if is_tuned else "white",
            markeredgecolor="black" if cost in candidate.fronts else colour,
        )
