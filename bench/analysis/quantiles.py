"""Percentiles of samples that come in blocks, with intervals, refused where samples are too few.

Two intervals, and each end is the further of the two. One runs from a sorted sample to another,
chosen so that it covers with the confidence asked for, whatever the distribution, if the samples
are independent (David & Nagaraja, Order Statistics, 3rd ed., section 7.1). The other comes from
drawing whole blocks with replacement, because the calls of a block are alike (Davison & Hinkley,
Bootstrap Methods, 1997, section 3.8); its tails are widened for few blocks as Student's t is
(Hesterberg, The American Statistician 69(4), 2015, section 5.3). No interval knows of a mode that
no block fell into.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from bench.analysis.ratios import CONFIDENCE, Estimate
from mnist_core.errors import UserError

FEWEST_BLOCKS = 6
RESAMPLES = 1000
_SEED = 0


class TooFewSamplesError(UserError):
    """Say that a percentile cannot have an interval yet, and how many samples it needs."""


def samples_needed(percentile: float) -> int:
    """Return the fewest samples with which a two-sided interval for the percentile exists.

    The widest interval, from the smallest sample to the largest, misses where all samples lie on
    one side of the percentile: with probability p^n + (1-p)^n.
    """
    p = _fraction(percentile)
    count = 2
    while p**count + (1.0 - p) ** count > 1.0 - CONFIDENCE:
        count += 1
    return count


def quantile(blocks: Sequence[Sequence[float]], percentile: float) -> Estimate:
    """Return the percentile of all samples of the blocks with its interval.

    Raises `TooFewSamplesError` where no two samples enclose it with enough confidence, or where
    too few blocks show how far blocks differ.
    """
    samples = [sample for block in blocks for sample in block]
    count, of_samples = len(samples), f"samples for a {CONFIDENCE:.0%} interval"
    for found, needed, what in (
        (count, samples_needed(percentile), of_samples),
        (len(blocks), FEWEST_BLOCKS, "blocks for an interval"),
    ):
        if found < needed:
            raise TooFewSamplesError(f"p{percentile:g} needs >= {needed} {what}, got {found}")
    p = _fraction(percentile)
    low, high = order_statistic_interval(samples, p)
    drawn_low, drawn_high = resampled_interval(blocks, p)
    return Estimate(
        value=sorted(samples)[max(0, math.ceil(p * count) - 1)],
        low=min(low, drawn_low),
        high=max(high, drawn_high),
        count=count,
    )


def percentiles(
    blocks: Sequence[Sequence[float]], wanted: Iterable[float]
) -> dict[float, Estimate | str]:
    """Return each percentile, or the reason why it cannot have an interval."""
    found: dict[float, Estimate | str] = {}
    for percentile in wanted:
        try:
            found[percentile] = quantile(blocks, percentile)
        except TooFewSamplesError as refusal:
            found[percentile] = str(refusal)
    return found


def resampled_interval(blocks: Sequence[Sequence[float]], p: float) -> tuple[float, float]:
    """Return the p-quantile's interval over draws of whole blocks; the same each time."""
    from scipy.stats import norm, t

    count = len(blocks)
    samples = np.concatenate([np.asarray(block, dtype=np.float64) for block in blocks])
    order = np.argsort(samples, kind="stable")
    block_of = np.repeat(np.arange(count), [len(block) for block in blocks])[order]
    draws = np.random.default_rng(_SEED).multinomial(count, [1.0 / count] * count, size=RESAMPLES)
    # Of each block's samples, how many lie at or under each sample of all, in order.
    under = np.cumsum(block_of == np.arange(count)[:, None], axis=1)
    cumulative = draws.astype(np.float32) @ under.astype(np.float32)
    ranks = np.argmax(cumulative >= np.ceil(p * cumulative[:, -1:]), axis=1)
    tail = norm.cdf(math.sqrt(count / (count - 1)) * t.ppf((1.0 - CONFIDENCE) / 2.0, count - 1))
    low, high = np.quantile(samples[order][ranks], [tail, 1.0 - tail], method="inverted_cdf")
    return float(low), float(high)


def order_statistic_interval(samples: Sequence[float], p: float) -> tuple[float, float]:
    """Return the two samples that enclose the p-quantile, whatever the distribution.

    Where the samples are too few for a tail on either side, one end is the outermost sample, and
    the other end has what that leaves of the doubt. `samples_needed` says from how many on.
    """
    from scipy.stats import quantile_test

    low, high = quantile_test(samples, p=p).confidence_interval(CONFIDENCE)
    if math.isnan(high):
        test = quantile_test(samples, p=p, alternative="greater")
        low = test.confidence_interval(CONFIDENCE + p ** len(samples)).low
    elif math.isnan(low):
        test = quantile_test(samples, p=p, alternative="less")
        high = test.confidence_interval(CONFIDENCE + (1.0 - p) ** len(samples)).high
    return float(np.fmax(low, min(samples))), float(np.fmin(high, max(samples)))


def _fraction(percentile: float) -> float:
    if not 0.0 < percentile < 100.0:
        raise UserError(f"percentile must be in (0, 100), got {percentile}")
    return percentile / 100.0
