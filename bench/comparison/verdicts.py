"""Faster, slower or inconclusive: the statistics of `bench.compare`, pure functions.

Identical code differs from itself between processes (by several per cent, with where its memory
happens to lie) and between runs (by much more, with what else the host does), and no number of
blocks within one process shows it. So the unit that counts is a pair of processes, or a whole run:

- side by side, each pair of fresh processes gives one ratio, and Student's t asks whether their
  mean lies beyond a margin;
- of two records each gives one figure, and how much such figures vary comes from runs of the same
  code that were made for that purpose (`bench.comparison.noise`); without them there is no
  verdict.

Holm's method keeps the chance of one or more false calls in a whole comparison below 5 %.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.analysis.ratios import CONFIDENCE, Ratio

Verdict = Literal["faster", "slower", "inconclusive"]
Blocks = list[tuple[list[float], list[float]]]
"""For each pair of processes, OLD's blocks and NEW's: block i of one ran beside block i of the
other."""
MARGIN = math.log(1.01)
"""A difference that is not worth a call, however sure."""
RUNS_CONFIDENCE = 0.98
"""Of two records. Runs differ with heavier tails than the t distribution's: at this level, real
pairs of runs of the same code are called different in fewer than 5 %. It was chosen on the 11 runs
that the test draws from, too few to be split: of other runs the test says nothing."""
FEWEST = 4
"""Pairs of processes, or runs of the same code: with fewer, a spread is hardly known."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was seen of one case, before all cases are judged together."""

    ratio: Ratio
    """NEW's time over OLD's: above 1 is slower."""
    chance_slower: float
    """Of seeing so large a ratio where NEW is slower by no more than the margin."""
    chance_faster: float

    @property
    def chance(self) -> float:
        """Return the two-sided chance."""
        return min(1.0, 2.0 * min(self.chance_slower, self.chance_faster))


def weigh(estimate: float, *, error: float, freedom: int, count: int, margin: float) -> Evidence:
    """Weigh the logarithm of a ratio that has a standard error with some degrees of freedom."""
    from scipy.stats import t

    error = max(error, 1e-12)
    half_width = float(t.ppf(0.5 + CONFIDENCE / 2.0, freedom)) * error
    return Evidence(
        ratio=Ratio(
            value=math.exp(estimate),
            low=math.exp(estimate - half_width),
            high=math.exp(estimate + half_width),
            count=count,
        ),
        chance_slower=float(t.sf((estimate - margin) / error, freedom)),
        chance_faster=float(t.sf((-estimate - margin) / error, freedom)),
    )


def side_by_side(log_ratios: Sequence[float], *, margin: float = MARGIN) -> Evidence:
    """Weigh one log ratio for each pair of processes."""
    count = len(log_ratios)
    if count < FEWEST:
        raise ValueError(f"a verdict needs >= {FEWEST} pairs of processes, got {count}")
    return weigh(
        statistics.fmean(log_ratios),
        error=statistics.stdev(log_ratios) / math.sqrt(count),
        freedom=count - 1,
        count=count,
        margin=margin,
    )


def two_runs(
    old: float, new: float, *, same_code: Sequence[float], margin: float = MARGIN
) -> Evidence:
    """Weigh two figures (logarithms), given those of runs of the same code."""
    count = len(same_code)
    if count < FEWEST:
        raise ValueError(f"a verdict needs >= {FEWEST} runs of the same code, got {count}")
    return weigh(
        new - old,
        error=statistics.stdev(same_code) * math.sqrt(2.0),
        freedom=count - 1,
        count=count,
        margin=margin,
    )


def judge(
    evidence: Mapping[str, Evidence], *, confidence: float = CONFIDENCE
) -> dict[str, Verdict]:
    """Call each case, with a chance of 5 % at most of any false call (Holm 1979)."""
    verdicts: dict[str, Verdict] = dict.fromkeys(evidence, "inconclusive")
    ordered = sorted(evidence, key=lambda name: evidence[name].chance)
    for done, name in enumerate(ordered):
        found = evidence[name]
        if found.chance > (1.0 - confidence) / (len(ordered) - done):
            break
        slower = found.chance_slower < found.chance_faster
        verdicts[name] = "slower" if slower else "faster"
    return verdicts
