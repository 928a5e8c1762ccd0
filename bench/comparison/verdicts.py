"""Faster, slower or inconclusive: the statistics of `bench.compare`, pure functions.

Identical code differs from itself between processes by several per cent, depending on where its
memory lies. No number of blocks within one process shows that. So the unit that counts is a pair
of fresh processes: each gives one ratio, and Student's t asks whether their mean lies beyond a
margin. Holm's method keeps the chance of one or more false calls in a whole comparison below 5 %.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.analysis.ratios import CONFIDENCE, Estimate

Verdict = Literal["faster", "slower", "inconclusive"]
Blocks = list[tuple[list[float], list[float]]]
"""For each pair of processes, OLD's blocks and NEW's: block i of one ran beside block i of the
other."""
MARGIN = math.log(1.01)
"""A difference that is not worth a call, however sure."""
DETECTABLE = 1.10
"""The slow-down that a comparison must be able to exclude, or to find."""
FEWEST = 4
"""Pairs of processes: with fewer, a spread is hardly known."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was seen of one case, before all cases are judged together."""

    ratio: Estimate
    """NEW's time over OLD's: above 1 is slower."""
    chance_slower: float
    """Of seeing so large a ratio where NEW is slower by no more than the margin."""
    chance_faster: float

    @property
    def chance(self) -> float:
        """Return the two-sided chance."""
        return min(1.0, 2.0 * min(self.chance_slower, self.chance_faster))


def log_ratios(blocks: Blocks) -> list[float]:
    """Return one log ratio, NEW over OLD, for each pair of processes."""
    return [
        statistics.median(math.log(n / o) for o, n in zip(old, new, strict=True))
        for old, new in blocks
    ]


def weigh(log_ratios: Sequence[float]) -> Evidence:
    """Weigh one log ratio for each pair of processes."""
    from scipy.stats import t

    count = len(log_ratios)
    if count < FEWEST:
        raise ValueError(f"a verdict needs >= {FEWEST} pairs of processes, got {count}")
    estimate = statistics.fmean(log_ratios)
    error = max(statistics.stdev(log_ratios) / math.sqrt(count), 1e-12)
    half_width = float(t.ppf(0.5 + CONFIDENCE / 2.0, count - 1)) * error
    low, high = math.exp(estimate - half_width), math.exp(estimate + half_width)
    return Evidence(
        ratio=Estimate(value=math.exp(estimate), low=low, high=high, count=count),
        chance_slower=float(t.sf((estimate - MARGIN) / error, count - 1)),
        chance_faster=float(t.sf((-estimate - MARGIN) / error, count - 1)),
    )


def judge(evidence: Mapping[str, Evidence]) -> dict[str, Verdict]:
    """Call each case, with a chance of 5 % at most of any false call (Holm 1979)."""
    verdicts: dict[str, Verdict] = dict.fromkeys(evidence, "inconclusive")
    ordered = sorted(evidence, key=lambda name: evidence[name].chance)
    for done, name in enumerate(ordered):
        found = evidence[name]
        if found.chance > (1.0 - CONFIDENCE) / (len(ordered) - done):
            break
        slower = found.chance_slower < found.chance_faster
        verdicts[name] = "slower" if slower else "faster"
    return verdicts


def nothing_judged(evidence: Mapping[str, Evidence], called: Mapping[str, Verdict]) -> bool:
    """Tell whether noise hides the answer: no verdict, and no interval that excludes 10 %."""
    return all(
        called[name] == "inconclusive" and found.ratio.high >= DETECTABLE
        for name, found in evidence.items()
    )
