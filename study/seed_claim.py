"""What was measured beside the claims of the seed document about SGD and Adam."""

from __future__ import annotations

import statistics

from mnist_core.report import cell
from study.summary import Confirmed, Summary
from study.wording import accuracy

CLAIMED = {"sgd": 0.96, "adam": 0.98}
_FAST = 0.98
"""Validation accuracy to which convergence is counted: the accuracy claimed for Adam."""


def measured(summary: Summary) -> str | None:
    """Return what was measured beside the seed's claims, as Markdown; None without both."""
    rows = {
        (name, variant): summary.find(name, variant)
        for name in CLAIMED
        for variant in ("default", "tuned")
    }
    known = {key: entry for key, entry in rows.items() if entry is not None}
    if len(known) < len(rows):
        return None
    means = {key: entry.estimate.mean for key, entry in known.items()}
    before = 100 * (means["adam", "default"] - means["sgd", "default"])
    after = 100 * (means["adam", "tuned"] - means["sgd", "tuned"])
    plan = summary.plan
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
    text += (
        f"| Adam − SGD | ~2 points | {before:+.2f} points | {after:+.2f} points |\n\n"
        f"At the library's defaults the gap is {before:.2f} points; tuned, with equal budgets, it "
        f"is {after:.2f}. "
    )
    if abs(after) < 0.5 * abs(before):
        text += (
            "Most of the difference that the seed describes is therefore one of learning rates "
            "(torch's default for plain SGD, 0.001, is far too small for a run of this length), "
            "not of optimizers."
        )
    else:
        text += "Tuning the learning rate does not explain most of the difference."
    return f"{text}{_against_the_best(summary)}\n\n{_what_holds(known)}"


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


def _what_holds(known: dict[tuple[str, str], Confirmed]) -> str:
    """Hold each claim against the measured, one line each."""
    lines = []
    for name, claim in CLAIMED.items():
        sides = [
            f"{words} it is {_side(known[name, variant], claim)}"
            for variant, words in (("default", "at the library's default"), ("tuned", "tuned"))
        ]
        label = known[name, "tuned"].label
        lines.append(f"{label} reaches about {100 * claim:.0f} %: {', '.join(sides)}.")
    gains = {
        name: 100 * (known[name, "tuned"].estimate.mean - known[name, "default"].estimate.mean)
        for name in CLAIMED
    }
    lines.append(
        f"SGD needs careful tuning: tuning gains it {gains['sgd']:.2f} points, and Adam "
        f"{gains['adam']:.2f}."
    )
    epochs = {key: _epochs_until_fast(entry) for key, entry in known.items()}
    lines.append(
        f"Adam converges faster: {100 * _FAST:.0f} % of the validation images are read "
        + ", ".join(
            f"{epochs[name, variant]} ({known[name, 'tuned'].label}, {words})"
            for variant, words in (("default", "default"), ("tuned", "tuned"))
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
    return f"after {middle:g} epoch{'s' if middle != 1 else ''}"
