"""What the pictures have in common: the colour of a variant, and how axes are labelled."""

from typing import Any

from matplotlib import ticker
from matplotlib.axes import Axes

from bench.analysis.summary import Row

PLAIN_COLOUR, FLOAT32, BFLOAT16, EXPORTED = "#9a9a9a", "#3b6fb6", "#d9822b", "#3f8f5a"
COMPILED = "#7a5195"


def colour(row: Row) -> str:
    """Return the colour of a variant."""
    if row.workload.mode == "plain":
        return PLAIN_COLOUR
    if row.workload.mode == "onnxruntime":
        return EXPORTED
    if row.workload.mode in ("compiled", "ahead-of-time") and row.workload.precision == "float32":
        return COMPILED
    return BFLOAT16 if row.workload.precision == "bfloat16" else FLOAT32


def thousands(axis: Any) -> None:
    """Label an axis with whole numbers, commas between thousands."""
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.set_minor_formatter(ticker.NullFormatter())


def ticks(axis: Any, lowest: float, highest: float) -> None:
    """Label a logarithmic axis at 1, 2 and 5 times the powers of ten."""
    steps = [m * 10**e for e in range(7) for m in (1, 2, 5)]
    axis.set_ticks([step for step in steps if lowest <= step <= highest])
    thousands(axis)


def plain(axes: Axes, *, title: str = "") -> None:
    """Take away what frames nothing, and set the title, on the left."""
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", length=0)
