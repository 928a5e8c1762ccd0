"""Blocks: the cases of a group are timed in turn, a short block of each at a time."""

import math
import random
from collections.abc import Mapping

from bench.timing.measure import BlockPlan, Clock, RemoteCall, Target, measure

# Untimed, each time the turn comes to a case: its predecessor's data leave the caches, and where
# another process had the turn, its threads still spin at their barrier for milliseconds. All cases
# of a group get the same time, so that none starts colder than another. The first five calls of a
# latency's block were up to 1.4 times as long as the rest where only one was dropped.
WARM_UP_SECONDS = 0.01
LATENCY_WARM_UP_SECONDS = 0.02
NO_WARM_UP_IF_LONGER = 10
"""A call this many times as long as the block's warm-up loses little to a cold start."""


def plan(
    *, call_seconds: float, block_seconds: float, latency: bool, has_setup: bool, fewest: int = 1
) -> BlockPlan:
    """Fill a block: single calls for a latency, one mean of many for a throughput.

    However long a call takes, there are at least `fewest` of them. The untimed calls before them
    fill a time that does not depend on the case.
    """
    if has_setup:
        return BlockPlan(iterations=1, samples=1, warm_up_calls=0)
    call_seconds = max(call_seconds, 1e-9)
    calls = max(fewest, round(block_seconds / call_seconds))
    warm_up_seconds = LATENCY_WARM_UP_SECONDS if latency else WARM_UP_SECONDS
    is_long = call_seconds > NO_WARM_UP_IF_LONGER * warm_up_seconds
    return BlockPlan(
        iterations=1 if latency else calls,
        samples=calls if latency else 1,
        warm_up_calls=0 if is_long else math.ceil(warm_up_seconds / call_seconds),
    )


def interleave(
    targets: Mapping[str, Target],
    plans: Mapping[str, BlockPlan],
    *,
    blocks: int,
    clock: Clock,
    order: random.Random,
) -> dict[str, list[list[float]]]:
    """Time all cases in turn, `blocks` times, in a new random order each time.

    Return for each case its blocks, each a list of samples in seconds. Block i of one case and
    block i of another lie seconds apart: what the machine does over minutes is common to both.
    """
    if blocks < 1:
        raise ValueError(f"blocks must be >= 1, got {blocks}")
    result: dict[str, list[list[float]]] = {name: [] for name in targets}
    names = list(targets)
    for _ in range(blocks):
        order.shuffle(names)
        for name in names:
            result[name].append(time_block(targets[name], plans[name], clock=clock))
    return result


def time_block(target: Target, how: BlockPlan, *, clock: Clock) -> list[float]:
    """Time one case's share of one block."""
    if isinstance(target, RemoteCall):
        return target.time_block(how)
    if target.enter is not None:
        target.enter()
    if how.warm_up_calls:
        measure(target, iterations=how.warm_up_calls, clock=clock)
    return [measure(target, iterations=how.iterations, clock=clock) for _ in range(how.samples)]
