"""The comparisons in a report: the ranking, every pair of it, and tuned beside untuned."""

from __future__ import annotations

import itertools

from mnist_core.runtime.formatting import markdown_table
from study.analysis.summary import Summary
from study.reporting import finding as wording
from study.reporting import rule

MAX_ARMS_UNFOLDED = 3


def ranking(summary: Summary) -> str:
    """Return the tuned configurations, best mean first, each beside the highest."""
    if not summary.ranking:
        return "No tuned configuration has been confirmed on all of its seeds yet."
    rows = []
    for place, ranked in enumerate(summary.ranking, start=1):
        if place == 1:
            behind = seeds_alone = misclassified = "–"
            verdict = "highest mean"
        else:
            behind = wording.points(ranked.behind_best)
            seeds_alone = wording.points(ranked.on_these_images)
            misclassified = (
                f"{ranked.only_it_misclassifies:.0f} / {ranked.only_best_misclassifies:.0f}"
            )
            verdict = "worse" if ranked.behind_best.is_separated else "not separated"
        rows.append(
            (
                place,
                ranked.confirmed.label,
                wording.chosen(summary, ranked.confirmed.runs[0]),
                ranked.confirmed.estimate.n,
                wording.accuracy(ranked.confirmed),
                behind,
                verdict,
                seeds_alone,
                misclassified,
            )
        )
    subject = summary.plan.subject
    header = (
        "",
        subject.singular,
        subject.chosen,
        "n",
        "mean test accuracy (95 %)",
        f"points from the highest (simultaneous {rule.level(summary.plan)} %)",
        "verdict",
        "the same on these images, other seeds alone",
        "misclassified by it alone / by the highest alone",
    )
    first = 2 if summary.is_learning_rate_alone else 3
    numeric = (*header[first:6], *header[7:])
    table = markdown_table(rows, header=header, numeric=numeric)
    return (
        f"{table}\n\nPaired over seeds and test images: both train on the same seeds and read the "
        "same images. The verdict speaks of other seeds and of other images like these; *on these "
        "images* leaves out how much such images differ, and decides nothing. The last column "
        "counts images of the test split, mean over the seeds. "
        + wording.detectable_difference(summary)
    ).rstrip()


def pairs(summary: Summary) -> str:
    """Return the verdict on every pair; nothing where the ranking already holds them all."""
    ranked = [entry.confirmed for entry in summary.ranking]
    if len(ranked) < 3:
        return ""
    rows = [
        (
            f"{ranked[i].label} − {ranked[j].label}",
            wording.points(summary.pairs[i][j]),
            f"{ranked[i].label} is better" if summary.pairs[i][j].low > 0 else "not separated",
        )
        for i, j in itertools.combinations(range(len(ranked)), 2)
    ]
    header = ("pair", f"points (simultaneous {rule.level(summary.plan)} %)", "verdict")
    table = markdown_table(rows, header=header, numeric=header[1:2])
    title = f"All {len(rows)} pairs, by the same rule"
    if len(ranked) <= MAX_ARMS_UNFOLDED:
        return f"{title}:\n\n{table}"
    return f"<details>\n<summary>{title}</summary>\n\n{table}\n\n</details>"


def tuning(summary: Summary) -> str:
    """Return each tuned configuration beside its untuned one."""
    subject = summary.plan.subject
    if not summary.tuning_gains:
        return f"No {subject.singular} has been confirmed both tuned and {subject.as_untuned} yet."
    alone = summary.is_learning_rate_alone
    rows = []
    for searched in summary.searched:
        gain = summary.tuning_gains.get(searched.arm)
        tuned = summary.find(searched.arm, "tuned")
        default = summary.find(searched.arm, "default")
        if gain is None or tuned is None or default is None:
            continue
        rows.append(
            (
                searched.label,
                f"{default.learning_rate:g}"
                if alone
                else wording.chosen(summary, default.runs[0]),
                wording.accuracy(default),
                wording.chosen(summary, tuned.runs[0]),
                wording.accuracy(tuned),
                wording.points(gain),
                "yes" if gain.is_separated else "not separated",
            )
        )
    header = (
        subject.singular,
        subject.untuned_column,
        f"test accuracy {subject.of_untuned} (95 %)",
        "tuned rate" if alone else "tuned",
        "test accuracy tuned (95 %)",
        "gain in points (95 %, all rows together)",
        "differs",
    )
    note = (
        f"{subject.untuned_note} Gains are paired by seed and test image (n = "
        f"{summary.plan.confirm_seeds}, Student t, widened for other images, Bonferroni over the "
        "rows)."
    )
    return markdown_table(rows, header=header, numeric=header[1:6]) + "\n\n" + note
