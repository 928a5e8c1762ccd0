"""Record -> rows: what a report says, computed and not yet written.

Every figure comes from the interleaved blocks. A ratio pairs the blocks of two cases; a share
pairs a case with its limit, timed in the same blocks.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis import ratios
from bench.analysis.ratios import Ratio
from bench.analysis.record import CaseRecord, GroupRecord
from bench.analysis.stability import restless
from bench.workloads.controls import LIMIT_PREFIX, TWIN_SUFFIX, WHOLE_STEP
from bench.workloads.workload import Workload

COMPUTE, MEMORY = "arithmetic", "memory"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One case of a group."""

    workload: Workload
    seconds: Ratio
    """Of one call: the median of its blocks with its interval."""
    per_second: Ratio
    """Images, or calls where a case has none."""
    spread: float
    """Half the distance between the quartiles of the blocks, over their median."""
    blocks: int
    data: int
    versus: Ratio | None
    """Speed over the reference's; None for the reference."""
    separated: bool
    """Whether the ratio's interval lies outside the group's noise floor."""
    share: Ratio | None
    """Of the limit that is nearer."""
    limit: str | None
    of_a_step: Ratio | None
    """Its time over that of the whole step beside it."""
    intensity: float | None
    """FLOP a byte."""
    flops_per_second: float
    steady: bool
    restless: str | None
    """A word where the blocks were not alike."""


def item_seconds(case: CaseRecord) -> list[float]:
    """Return each block's seconds an image, or a call where the case has no images."""
    return [seconds / (case.images or 1) for seconds in case.block_seconds()]


def speed_ratio(case: CaseRecord, reference: CaseRecord) -> Ratio:
    """Return how many times as fast as the reference a case is, image by image."""
    return ratios.paired(item_seconds(reference), item_seconds(case))


def absolute(values: Sequence[float]) -> Ratio:
    """Return the centre of the blocks with its interval."""
    return ratios.paired(values, [1.0] * len(values))


def reference(group: GroupRecord) -> CaseRecord:
    """Return the case that the others are divided by: the seed's, at its best."""
    first = next(case for case in group.cases if not is_companion(case))
    if first.workload.kind in ("seed-loop", "data"):
        theirs = [
            case
            for case in group.cases
            if case.workload.mode in ("seed", "per-image") and not is_companion(case)
        ]
        return min(theirs, key=lambda case: statistics.median(item_seconds(case)))
    wanted = {"naive", "seed"}
    return next(
        (case for case in group.cases if case.workload.mode in wanted and not is_companion(case)),
        first,
    )


def is_companion(case: CaseRecord) -> bool:
    """Tell whether a case is a limit, a twin or the whole step beside an optimizer's."""
    name = case.workload.name
    return name.startswith(LIMIT_PREFIX) or name.endswith(TWIN_SUFFIX) or name == WHOLE_STEP


def noise_floor(group: GroupRecord) -> Ratio | None:
    """Return the ratio of a case to itself: the same code as two cases, interleaved."""
    for twin in group.cases:
        if twin.workload.name.endswith(TWIN_SUFFIX):
            original = group.case(twin.workload.name.removesuffix(TWIN_SUFFIX))
            if original is not None:
                return speed_ratio(twin, original)
    return None


def floor_width(floor: Ratio | None) -> float:
    """Return how far from 1 the same code was seen, as a logarithm."""
    if floor is None:
        return 0.0
    return max(abs(math.log(floor.low)), abs(math.log(floor.high)))


def is_separated(ratio: Ratio, floor: Ratio | None) -> bool:
    """Tell whether a whole interval lies further from 1 than the same code does from itself."""
    width = floor_width(floor)
    return math.log(ratio.low) > width or math.log(ratio.high) < -width


def limits(case: CaseRecord, group: GroupRecord) -> tuple[Ratio | None, str | None]:
    """Return the share of the nearer limit that a case reaches, and which limit that is."""
    found = shares(case, group)
    nearest = max(found, key=lambda name: found[name].value, default=None)
    return (None, None) if nearest is None else (found[nearest], nearest)


def shares(case: CaseRecord, group: GroupRecord) -> dict[str, Ratio]:
    """Return the share of each limit that a case reaches.

    The limit's time for the case's work is compared with the case's own, block by block.
    """
    gemm = group.case(f"{LIMIT_PREFIX}GEMM {case.workload.precision}")
    copy = group.case(f"{LIMIT_PREFIX}memory copy")
    found = {}
    for limit, work, its_work, name in (
        (gemm, case.flops, gemm.flops if gemm else 0, COMPUTE),
        (copy, case.bytes, copy.bytes if copy else 0, MEMORY),
    ):
        if limit is not None and work and its_work:
            share = ratios.paired(limit.block_seconds(), case.block_seconds())
            found[name] = share.scaled(work / its_work)
    return found


def _of_a_step(case: CaseRecord, group: GroupRecord) -> Ratio | None:
    step = group.case(WHOLE_STEP)
    return ratios.paired(case.block_seconds(), step.block_seconds()) if step else None


def rows(group: GroupRecord) -> list[Row]:
    """Return the rows of a group, limits and twins left out."""
    first, floor = reference(group), noise_floor(group)
    found = []
    for case in group.cases:
        if is_companion(case):
            continue
        versus = None if case is first else speed_ratio(case, first)
        share, limit = limits(case, group)
        seconds = absolute(case.block_seconds())
        found.append(
            Row(
                workload=case.workload,
                seconds=seconds,
                per_second=seconds.inverted().scaled(case.images or 1),
                spread=ratios.median_spread(case.block_seconds()),
                blocks=len(case.blocks),
                data=len(case.samples()),
                versus=versus,
                separated=versus is not None and is_separated(versus, floor),
                share=share,
                limit=limit,
                of_a_step=_of_a_step(case, group),
                intensity=case.flops / case.bytes if case.bytes else None,
                flops_per_second=case.flops / seconds.value,
                steady=case.steady,
                restless=restless(case.block_seconds()),
            )
        )
    return found
