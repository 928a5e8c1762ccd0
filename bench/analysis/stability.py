"""Whether the blocks of a case were alike: a word for those that were not, or None.

The warm-up shows that a case was steady before its samples; this looks at the interleaved blocks,
from which every figure of a report comes.
"""

import math
import statistics
from collections.abc import Sequence

from bench.analysis.ratios import median_spread
from bench.timing.measure import STEADY_TOLERANCE

BIMODAL, DRIFTING, NOISY = "bimodal", "drifting", "noisy"
FEWEST_IN_A_MODE = 3
NOISY_SPREAD = 0.1
"""Half the distance between the quartiles, relative to the median."""
_RARE = 0.005
"""The chance of such halves where the order means nothing; a report has about 100 cases."""


def instability(block_seconds: Sequence[float]) -> str | None:
    """Return the word for blocks that fall apart, move or scatter.

    Bimodal: a gap of more than 5 % that is wider than the blocks on either side of it. Drifting:
    the halves of the run differ by more than 5 %, and by rank (Mann and Whitney). Noisy: half the
    distance between the quartiles is more than 10 % of the median.
    """
    logs = [math.log(seconds) for seconds in block_seconds]
    if _is_bimodal(sorted(logs)):
        return BIMODAL
    if _is_drifting(logs):
        return DRIFTING
    return NOISY if median_spread(block_seconds) > NOISY_SPREAD else None


def _is_bimodal(ordered: list[float]) -> bool:
    for split in range(FEWEST_IN_A_MODE, len(ordered) - FEWEST_IN_A_MODE + 1):
        gap = ordered[split] - ordered[split - 1]
        within = max(ordered[split - 1] - ordered[0], ordered[-1] - ordered[split])
        if gap > max(within, math.log1p(STEADY_TOLERANCE)):
            return True
    return False


def _is_drifting(logs: list[float]) -> bool:
    from scipy.stats import mannwhitneyu

    half = len(logs) // 2
    first, second = logs[:half], logs[-half:]
    if not half or len(set(logs)) == 1:
        return False
    moved = abs(statistics.median(second) - statistics.median(first))
    chance = float(mannwhitneyu(first, second, method="exact").pvalue)
    return moved > math.log1p(STEADY_TOLERANCE) and chance < _RARE
