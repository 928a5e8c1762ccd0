"""What a study finds, as values: who is separated from the best, who is not ranked and why, and
what tuning gained."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from study.analysis.summary import Ranked, Summary
from study.stats.comparisons import Comparison, detectable


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What the report says first."""

    worse: list[Ranked]
    """Those that are separated from the best."""
    close: list[Ranked]
    """Those that are not."""
    detectable: tuple[float, float] | None
    """The smallest and the largest difference from the best that would have been found with a
    chance of 90 %; None where nothing compares."""
    not_ranked: Mapping[str, list[str]]
    """By label, how the confirmations of arms ended that are missing from the ranking for good;
    an arm whose trials all failed has none."""
    collapsed: list[tuple[str, int, int]]
    """Label, runs at chance level and all runs of tuned configurations that have such runs."""
    is_unstable: bool
    """Whether one of these learnt on some of its seeds."""
    failures: Mapping[str, int]
    """By label, the runs that an exception of their optimizer ended."""
    space_sizes: Mapping[str, int]
    """By label, the number of searched parameters."""
    gains: int
    """Number of arms that are confirmed both tuned and untuned."""
    gained: int
    """How many of them tuning raised."""
    largest_gain: tuple[str, Comparison] | None
    """Label and gain of the one that tuning raised most."""
    edges: list[str]
    """Labels of arms whose best learning rate is the last one tried on its side."""

    @property
    def smallest_gap(self) -> Comparison:
        """Return the difference from the best of the closest one that is separated."""
        gaps = [ranked.behind_best for ranked in self.worse]
        return max(gaps, key=lambda gap: gap.high)


def finding_of(summary: Summary) -> Finding:
    """Return what a study finds."""
    rest = summary.ranking[1:]
    collapsed = _collapsed(summary)
    raised = {arm: gain for arm, gain in summary.tuning_gains.items() if gain.low > 0}
    gains = [(summary.plan.spaces[arm].label, gain) for arm, gain in raised.items()]
    largest = max(gains, key=lambda entry: entry[1].difference, default=None)
    failures = Counter(summary.plan.spaces[record.arm].label for record in summary.failed)
    labels = {result.label: result for result in summary.searches}
    space_sizes = {label: len(result.space.dimensions) for label, result in labels.items()}
    gaps = [ranked.behind_best for ranked in rest]
    sizes = [detectable(gap) for gap in gaps if gap.standard_error > 0]
    return Finding(
        worse=[ranked for ranked in rest if ranked.behind_best.is_separated],
        close=[ranked for ranked in rest if not ranked.behind_best.is_separated],
        detectable=(min(sizes), max(sizes)) if sizes else None,
        not_ranked=_not_ranked(summary),
        collapsed=collapsed,
        is_unstable=any(runs < seeds for _, runs, seeds in collapsed),
        failures={label: failures[label] for label in labels if failures[label]},
        space_sizes=space_sizes if summary.ranking else {},
        gains=len(summary.tuning_gains),
        gained=len(raised),
        largest_gain=largest,
        edges=[label for label, result in labels.items() if result.edge in ("lower", "upper")],
    )


def _not_ranked(summary: Summary) -> dict[str, list[str]]:
    broken: dict[str, set[str]] = {}
    for record in summary.broken_confirmations:
        if record.variant == "tuned":
            broken.setdefault(record.arm, set()).add(record.status)
    without_best: dict[str, list[str]] = {
        result.label: []
        for result in summary.searches
        if result.best is None and len(result.trials) == summary.plan.trials_each
    }
    return without_best | {
        result.label: sorted(broken[result.arm])
        for result in summary.searches
        if result.arm in broken
    }


def _collapsed(summary: Summary) -> list[tuple[str, int, int]]:
    runs = Counter(record.arm for record in summary.at_chance if record.variant == "tuned")
    return [
        (entry.confirmed.label, runs[entry.confirmed.arm], len(entry.confirmed.runs))
        for entry in summary.ranking
        if runs[entry.confirmed.arm]
    ]
