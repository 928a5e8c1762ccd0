"""What was measured beside the claim of the seed document, that Adam is better than SGD."""

from __future__ import annotations

from study.summary import Summary
from study.wording import accuracy


def measured(summary: Summary) -> str | None:
    """Return what was measured beside the seed's claim, as Markdown; None without both."""
    rows = {
        (name, variant): summary.find(name, variant)
        for name in ("sgd", "adam")
        for variant in ("default", "tuned")
    }
    if any(entry is None for entry in rows.values()):
        return None
    known = {key: entry for key, entry in rows.items() if entry is not None}
    means = {key: entry.estimate.mean for key, entry in known.items()}
    before = 100 * (means["adam", "default"] - means["sgd", "default"])
    after = 100 * (means["adam", "tuned"] - means["sgd", "tuned"])
    ranked = {entry.confirmed.arm: entry for entry in summary.ranking}
    plan = summary.plan
    text = (
        "The project's seed document says: SGD about 96 %, Adam about 98 %, Adam is the better "
        'choice, and SGD "needs careful LR tuning". It names neither learning rates nor the '
        "number of runs. Here, with "
        f"{plan.epochs} epoch{'s' if plan.epochs > 1 else ''}, batch {plan.batch_size}, "
        f"{plan.schedule} schedule:\n\n"
        "| | seed's claim | library default | tuned |\n"
        "|:--|--:|--:|--:|\n"
    )
    for name, claim in (("sgd", "~96 %"), ("adam", "~98 %")):
        default, tuned = known[name, "default"], known[name, "tuned"]
        text += (
            f"| {tuned.label} | {claim} | {accuracy(default)} at {default.learning_rate:g} "
            f"| {accuracy(tuned)} at {tuned.learning_rate:.3g} |\n"
        )
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
    best = summary.ranking[0].confirmed
    if "adam" in ranked and best.arm != "adam":
        relation = (
            "better than Adam here"
            if ranked["adam"].behind_best.is_separated
            else "not separated from Adam"
        )
        text += f" The highest mean is {best.label}'s, {relation}."
    return text
