"""The comparisons in a report, row by row: the ranking, every pair of it, tuned beside untuned."""

import itertools

from study.analysis.summary import Summary
from study.reporting.page import Rows, accuracy, points


def ranking(summary: Summary) -> Rows:
    """Return the tuned configurations, best mean first, each beside the highest."""
    rows: Rows = []
    for place, ranked in enumerate(summary.ranking, start=1):
        if place == 1:
            behind = seeds_alone = misclassified = "–"
            verdict = "highest mean"
        else:
            behind = points(ranked.behind_best)
            seeds_alone = points(ranked.on_these_images)
            misclassified = (
                f"{ranked.only_it_misclassifies:.0f} / {ranked.only_best_misclassifies:.0f}"
            )
            verdict = "worse" if ranked.behind_best.is_separated else "not separated"
        rows.append(
            (
                place,
                ranked.confirmed.label,
                summary.chosen(ranked.confirmed.runs[0]),
                ranked.confirmed.estimate.n,
                accuracy(ranked.confirmed.estimate),
                behind,
                verdict,
                seeds_alone,
                misclassified,
            )
        )
    return rows


def pairs(summary: Summary) -> Rows:
    """Return the verdict on every pair."""
    labels = [entry.confirmed.label for entry in summary.ranking]
    return [
        (
            f"{labels[i]} − {labels[j]}",
            points(summary.pairs[i][j]),
            f"{labels[i]} is better" if summary.pairs[i][j].low > 0 else "not separated",
        )
        for i, j in itertools.combinations(range(len(labels)), 2)
    ]


def tuning(summary: Summary) -> Rows:
    """Return each tuned configuration beside its untuned one."""
    rows: Rows = []
    for arm, gain in summary.tuning_gains.items():
        tuned, default = summary.find(arm, "tuned"), summary.find(arm, "default")
        assert tuned is not None
        assert default is not None
        is_alone = summary.is_learning_rate_alone
        rows.append(
            (
                tuned.label,
                f"{default.learning_rate:g}" if is_alone else summary.chosen(default.runs[0]),
                accuracy(default.estimate),
                summary.chosen(tuned.runs[0]),
                accuracy(tuned.estimate),
                points(gain),
                "yes" if gain.is_separated else "not separated",
            )
        )
    return rows
