"""What a study's numbers say in words: the finding, and numbers with their intervals."""

from __future__ import annotations

from collections import Counter

from mnist_core.runtime.formatting import percent, percent_interval
from study.analysis.summary import Confirmed, Ranked, Summary
from study.records.run_record import RunRecord
from study.stats.comparisons import Comparison, detectable


def detectable_difference(summary: Summary) -> str:
    """Say how large a difference this study would have found; empty where nothing compares."""
    sizes = [
        100 * detectable(ranked.behind_best)
        for ranked in summary.ranking[1:]
        if ranked.behind_best.standard_error > 0
    ]
    if not sizes:
        return ""
    if max(sizes) >= 100:
        return (
            "*Not separated* is not *equal*: with its seeds and images and their spread, this "
            "study could not have told apart what it compares, whatever the difference."
        )
    low, high = f"{min(sizes):.2f}", f"{max(sizes):.2f}"
    reach = low if low == high else f"{low} to {high}"
    return (
        f"*Not separated* is not *equal*: with its seeds and images and their spread, this study "
        f"would have found a difference of {reach} points from the highest with a chance of 90 %, "
        "smaller ones less often."
    )


def _digits(low: float, high: float) -> int:
    """Return the decimals of a percentage that its interval supports."""
    return 1 if high - low > 0.02 else 2


def points(comparison: Comparison) -> str:
    """Format a difference of accuracies in percentage points with its interval."""
    low, high = max(comparison.low, -1.0), min(comparison.high, 1.0)
    digits = _digits(low, high)
    return (
        f"{100 * comparison.difference:+.{digits}f} "
        f"({100 * low:+.{digits}f} to {100 * high:+.{digits}f})"
    )


def accuracy(confirmed: Confirmed) -> str:
    """Format a mean test accuracy with its interval."""
    estimate = confirmed.estimate
    low, high = max(estimate.low, 0.0), min(estimate.high, 1.0)
    digits = _digits(low, high)
    return (
        f"{percent(estimate.mean, digits=digits)} ({percent_interval(low, high, digits=digits)})"
    )


def chosen(summary: Summary, record: RunRecord) -> str:
    """Return a run's learning rate, or all that was searched."""
    if summary.is_learning_rate_alone:
        return f"{record.config.learning_rate:.3g}"
    return summary.plan.chosen_text(record.arm, record.parameters)


def unequal_spaces(summary: Summary) -> str:
    """Say where budgets are equal and spaces are not; nothing where they are as large."""
    counts = {entry.label: len(entry.space.dimensions) for entry in summary.searched}
    if len(set(counts.values())) < 2:
        return ""
    each = ", ".join(
        f"{label} over {count} parameter{'s' if count > 1 else ''}"
        for label, count in counts.items()
    )
    return (
        f"Budgets are equal, search spaces are not: {each}; the same number of trials covers more "
        "parameters less densely, and has more of them to gain from."
    )


def separated_from_best(ranking: list[Ranked]) -> tuple[list[Ranked], list[Ranked]]:
    """Split all but the best into those that are separated from it and those that are not."""
    rest = ranking[1:]
    worse = [ranked for ranked in rest if ranked.behind_best.is_separated]
    return worse, [ranked for ranked in rest if not ranked.behind_best.is_separated]


def _labels(ranked: list[Ranked]) -> str:
    names = [entry.confirmed.label for entry in ranked]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def headline(summary: Summary) -> str:
    """Return the finding in one line, for the terminal and the index."""
    name = summary.header["data"]["label"]
    if not summary.ranking:
        return f"{name}: no configuration is confirmed yet"
    best = summary.ranking[0]
    worse, close = separated_from_best(summary.ranking)
    text = f"{name}: {best.confirmed.label} {percent(best.confirmed.estimate.mean)}"
    if worse and not close:
        text += f", better than {_others(summary)}"
    elif close:
        text += f"; not separated from it: {_labels(close)}"
        if worse:
            text += f"; separated: {_labels(worse)}"
    return text + (" (partial)" if summary.is_partial else "")


def _others(summary: Summary) -> str:
    if len(summary.ranking) == 2:
        return summary.ranking[1].confirmed.label
    if len(summary.ranking) == len(summary.plan.arms):
        return "all others"
    return "all others that are confirmed"


def _not_ranked(summary: Summary) -> str:
    """Name the arms that are missing from the ranking for good, and why."""
    broken: dict[str, set[str]] = {}
    for record in summary.broken_confirmations:
        if record.variant == "tuned":
            broken.setdefault(record.arm, set()).add(record.status)
    none = f"none of its {summary.plan.trials_each_text}"
    reasons = [
        f"{searched.label} ({none} completed)"
        for searched in summary.searched
        if searched.best is None and len(searched.trials) == summary.plan.trials_each
    ] + [
        f"{searched.label} ({' and '.join(sorted(broken[searched.arm]))} when confirmed)"
        for searched in summary.searched
        if searched.arm in broken
    ]
    return f"Not ranked: {', '.join(reasons)}." if reasons else ""


def _collapsed(summary: Summary) -> str:
    """Say which tuned configurations learnt nothing on some of their seeds, and what it costs."""
    runs = Counter(record.arm for record in summary.guessing if record.variant == "tuned")
    each = ", ".join(
        f"{entry.confirmed.label} on {count} of {len(entry.confirmed.runs)} seeds"
        for entry in summary.ranking
        if (count := runs[entry.confirmed.arm])
    )
    if not each:
        return ""
    text = f"Tuned and yet no better than guessing: {each}."
    if any(0 < runs[entry.confirmed.arm] < len(entry.confirmed.runs) for entry in summary.ranking):
        _, close = separated_from_best(summary.ranking)
        text += (
            " What learns on some seeds alone is not stable from seed to seed; such a spread also "
            "widens the intervals of all pairs"
            f"{', so that *not separated* says little here' if close else ''}."
        )
    return text


def _failures(summary: Summary) -> str:
    """Say how many runs an exception of their optimizer ended."""
    counts = Counter(record.arm for record in summary.failed)
    each = ", ".join(
        f"{count} of {entry.label}" for entry in summary.searched if (count := counts[entry.arm])
    )
    return f"Runs that failed with an error of their optimizer: {each}." if each else ""


def finding(summary: Summary) -> str:
    """Return the finding in plain words, as Markdown."""
    not_ranked = _not_ranked(summary)
    if not summary.ranking:
        nothing = "No tuned configuration has been confirmed on all of its seeds"
        ended = " ".join(text for text in (not_ranked, _failures(summary)) if text)
        return f"{nothing}. {ended}" if ended else f"{nothing} yet."
    best = summary.ranking[0].confirmed
    n = best.estimate.n
    sentences = []
    if len(summary.ranking) > 1:
        worse, close = separated_from_best(summary.ranking)
        if close:
            sentences.append(
                f"**No single winner.** {best.label} has the highest mean test accuracy, "
                f"{accuracy(best)} over {n} seeds, but is **not separated** from "
                f"{_labels(close)}."
            )
        else:
            sentences.append(
                f"**{best.label} is better than {_others(summary)}**: "
                f"{accuracy(best)} mean test accuracy over {n} seeds."
            )
        if worse:
            gap = max(worse, key=lambda ranked: ranked.behind_best.high).behind_best
            sentences.append(
                f"It is better than {_labels(worse)}, by at least "
                f"{-100 * gap.high:.2f} points "
                f"({'closest of them: ' if len(worse) > 1 else ''}{points(gap)})."
            )
    else:
        sentences.append(f"{best.label}: {accuracy(best)} mean test accuracy over {n} seeds.")
    more = (not_ranked, _collapsed(summary), unequal_spaces(summary), _failures(summary))
    sentences += [text for text in more if text]
    gains = summary.tuning_gains
    subject = summary.plan.subject
    if gains:
        labels = {searched.arm: searched.label for searched in summary.searched}
        gained = [name for name in gains if gains[name].low > 0]
        if gained:
            largest = max(gained, key=lambda name: gains[name].difference)
            sentences.append(
                f"Tuning the {subject.tuned} raised {len(gained)} of {len(gains)} "
                f"{subject.plural} above their {subject.untuned} beyond doubt, most of all "
                f"{labels[largest]}: {points(gains[largest])} points."
            )
        else:
            sentences.append(
                f"No {subject.singular}'s tuned {subject.tuned} {subject.tuned_verb} separated "
                f"from its {subject.untuned}."
            )
    edges = [
        searched.label for searched in summary.searched if searched.edge in ("lower", "upper")
    ]
    if edges:
        sentences.append(
            f"The best learning rate of {', '.join(edges)} is the last one tried on its side: the "
            "optimum may lie further out (see the search table)."
        )
    return " ".join(sentences)
