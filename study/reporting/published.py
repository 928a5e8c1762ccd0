"""What was measured beside the claims of the seed document about SGD and Adam."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from mnist_core.runtime.formatting import cell
from study.analysis.summary import Confirmed, Summary, misclassified_marks
from study.plans.base import VARIANTS, Variant
from study.reporting.finding import accuracy, points
from study.stats.comparisons import (
    Comparison,
    compare_at_looks,
    over_images_too,
    read_differences,
    verdict_confidence,
)

Known = Mapping[tuple[str, Variant], Confirmed]
CLAIMED = {"sgd": 0.96, "adam": 0.98}
_FAST = 0.98
"""Validation accuracy to which convergence is counted: the accuracy claimed for Adam."""


def measured(summary: Summary) -> str | None:
    """Return what was measured beside the seed's claims, as Markdown; None without both."""
    rows = {
        (name, variant): summary.find(name, variant) for name in CLAIMED for variant in VARIANTS
    }
    known = {key: entry for key, entry in rows.items() if entry is not None}
    if len(known) < len(rows):
        return None
    plan = summary.plan
    looks = len(plan.looks)
    gaps = {variant: _gap(known, variant, looks=looks) for variant in VARIANTS}
    schedules = {entry.runs[0]["config"]["schedule"] for entry in known.values()}
    text = (
        "The project's seed document says: SGD about 96 %, Adam about 98 %, Adam converges "
        'faster and is the better choice, and SGD "needs careful LR tuning". It names neither '
        "learning rates nor the number of runs. Here, with "
        f"{plan.epochs} epoch{'s' if plan.epochs > 1 else ''}, batch {plan.batch_size}"
        f"{f', {min(schedules)} schedule' if len(schedules) == 1 else ''}:\n\n"
        "| | seed's claim | library default | tuned |\n"
        "|:--|--:|--:|--:|\n"
    )
    for name, claim in CLAIMED.items():
        shown = [
            f"{accuracy(entry)} at {_chosen(entry, with_schedule=len(schedules) > 1)}"
            for entry in (known[name, "default"], known[name, "tuned"])
        ]
        label = cell(known[name, "tuned"].label)
        text += f"| {label} | ~{100 * claim:.0f} % | {' | '.join(shown)} |\n"
    differences = [
        f"{_difference(gaps[variant])}, n = {_common(known, variant)}"
        for variant in ("default", "tuned")
    ]
    level = f"{100 * verdict_confidence(looks):.4g}"
    text += (
        f"| Adam − SGD | ~2 points | {' | '.join(differences)} |\n\n"
        f"Adam − SGD is paired over the n seeds that both have, each with its {level} % interval, "
        "for other seeds and other images; both are tuned with equal budgets. "
        f"{_explained(summary, gaps)}"
    )
    return f"{text}{_against_the_best(summary)}\n\n{_what_holds(summary, known)}"


def _gap(known: Known, variant: Variant, *, looks: int) -> Comparison:
    """Return Adam minus SGD by the rule of the ranking, other images included, for this pair
    alone: the seed document names it before any data."""
    pair = [known[name, variant] for name in ("adam", "sgd")]
    of_seeds = compare_at_looks([entry.accuracies for entry in pair], looks=looks)[0][1]
    return over_images_too(
        of_seeds, read_differences(*(misclassified_marks(entry.runs) for entry in pair))
    )


def _common(known: Known, variant: Variant) -> int:
    """Count the seeds that both optimizers have."""
    return min(known[name, variant].estimate.n for name in CLAIMED)


def _difference(comparison: Comparison) -> str:
    """Format a difference with its interval, and say where that includes zero."""
    return f"{points(comparison)} points{'' if comparison.is_separated else ', not separated'}"


def _explained(summary: Summary, gaps: Mapping[Variant, Comparison]) -> str:
    """Say how much of the difference at the defaults tuning takes away, where the intervals do."""
    names = [
        dimension.name for name in CLAIMED for dimension in summary.plan.spaces[name].dimensions
    ]
    searched = " and ".join(name.replace("_", " ") for name in dict.fromkeys(names))
    before, after = gaps["default"], gaps["tuned"]
    if not before.is_separated:
        return "At the library's defaults there is no difference beyond doubt to explain."
    if _farthest(after) < 0.5 * _nearest(before):
        return (
            f"Most of the difference at the library's defaults comes from the {searched}, not "
            "from the optimizers: tuned, even the far end of its interval is less than half of "
            "the near end at the defaults."
        )
    if _nearest(after) > 0.5 * _farthest(before):
        return f"Tuning the {searched} does not explain most of the difference at the defaults."
    return (
        f"Whether tuning the {searched} explains most of the difference at the defaults, the "
        "intervals leave open."
    )


def _nearest(comparison: Comparison) -> float:
    """Return the size of the smallest difference within an interval."""
    ends = abs(comparison.low), abs(comparison.high)
    return min(ends) if comparison.is_separated else 0.0


def _farthest(comparison: Comparison) -> float:
    """Return the size of the largest difference within an interval."""
    return max(abs(comparison.low), abs(comparison.high))


def _chosen(entry: Confirmed, *, with_schedule: bool) -> str:
    schedule = f", {entry.runs[0]['config']['schedule']}" if with_schedule else ""
    return f"{entry.learning_rate:.3g}{schedule}"


def _against_the_best(summary: Summary) -> str:
    ranked = {entry.confirmed.arm: entry for entry in summary.ranking}
    best = summary.ranking[0].confirmed
    if "adam" not in ranked or best.arm == "adam":
        return ""
    is_worse = ranked["adam"].behind_best.is_separated
    relation = "better than Adam here" if is_worse else "not separated from Adam"
    return f" The highest mean is {best.label}'s, {relation}."


def _what_holds(summary: Summary, known: Known) -> str:
    """Hold each claim against the measured, one line each."""
    lines = []
    words: dict[Variant, str] = {"default": "at the library's default", "tuned": "tuned"}
    for name, claim in CLAIMED.items():
        sides = [
            f"{where} it is {_side(known[name, variant], claim)}"
            for variant, where in words.items()
        ]
        label = known[name, "tuned"].label
        lines.append(f"{label} reaches about {100 * claim:.0f} %: {', '.join(sides)}.")
    gains = {
        name: f"{known[name, 'tuned'].label} {_difference(summary.tuning_gains[name])}"
        for name in CLAIMED
    }
    lines.append(
        f"SGD needs careful tuning: tuning gains {gains['sgd']}, and {gains['adam']} (95 %, "
        f"as in *Untuned beside tuned*, n = {summary.plan.confirm_seeds})."
    )
    epochs = {key: _epochs_until_fast(entry) for key, entry in known.items()}
    lines.append(
        f"Adam converges faster: {100 * _FAST:.0f} % of the validation images are read "
        + ", ".join(
            f"{epochs[name, variant]} ({known[name, 'tuned'].label}, {variant})"
            for variant in words
            for name in CLAIMED
        )
        + "."
    )
    return "What holds of it:\n\n" + "\n".join(f"- {line}" for line in lines)


def _side(entry: Confirmed, claim: float) -> str:
    """Say where the interval of a mean lies beside a claim."""
    if entry.estimate.low > claim:
        return "above that with the whole interval"
    if entry.estimate.high < claim:
        return "below that with the whole interval"
    return "not separated from that"


def _epochs_until_fast(entry: Confirmed) -> str:
    """Return the median number of epochs until the validation accuracy is `_FAST`."""
    needed = [
        next(
            (
                number
                for number, epoch in enumerate(run["epochs"], start=1)
                if (epoch["validation_accuracy"] or 0) >= _FAST
            ),
            None,
        )
        for run in entry.runs
    ]
    reached = [number for number in needed if number is not None]
    if len(reached) < len(needed):
        return f"by {len(reached)} of {len(needed)} runs"
    middle = statistics.median(reached)
    return (
        f"after {middle:g} epoch{'s' if middle != 1 else ''} in the median of {len(needed)} runs"
    )
