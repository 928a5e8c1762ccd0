"""Record -> summary: what a report says, computed once and not yet written.

Every figure comes from the interleaved blocks. A ratio pairs the blocks of two cases; a share
pairs a case with its limit, timed in the same blocks.
"""

import itertools
import math
import statistics
from dataclasses import dataclass

from bench.analysis.quantiles import percentiles
from bench.analysis.ratios import Estimate, centre, median_spread, paired
from bench.analysis.record import CaseRecord, GroupRecord, Record
from bench.analysis.stability import instability
from bench.workloads.controls import is_a_a_test_of
from bench.workloads.workload import GroupKind, Metric, Workload

COMPUTE, MEMORY = "arithmetic", "memory"
PERCENTILES = (5.0, 50.0, 95.0, 99.0)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One case of a group: what a table and a picture say of it."""

    case: CaseRecord
    seconds: Estimate
    """Of one call: the median of its blocks with its interval."""
    per_second: Estimate
    """Images, or calls where a case has none."""
    spread: float
    """Half the distance between the quartiles of the blocks, over their median."""
    versus: Estimate | None
    """Speed over the reference's; None for the reference."""
    separated: bool
    """Whether the ratio's interval lies outside the group's noise floor."""
    shares: dict[str, Estimate]
    """Of each limit."""
    of_a_step: Estimate | None
    """Its time over that of the whole step beside it."""
    instability: str | None
    """A word where the blocks were not alike."""
    percentiles: dict[float, Estimate | str]
    """Of a latency; a text where one is refused."""

    @property
    def workload(self) -> Workload:
        return self.case.workload

    @property
    def limit(self) -> str | None:
        """Return the limit that is nearer."""
        return max(self.shares, key=lambda name: self.shares[name].value, default=None)

    @property
    def share(self) -> Estimate | None:
        """Return the share of the limit that is nearer."""
        return None if self.limit is None else self.shares[self.limit]

    @property
    def intensity(self) -> float | None:
        """Return FLOP a byte."""
        return self.case.flops / self.case.bytes if self.case.bytes else None


@dataclass(frozen=True, kw_only=True)
class GroupSummary:
    """The cases of one group, compared with one another."""

    record: GroupRecord
    reference: CaseRecord
    """What the other cases are divided by."""
    rows: tuple[Row, ...]
    noise_floor: Estimate | None
    """The ratio of a case to itself: the same code as two cases, interleaved."""
    convolutions: Estimate | None
    """Share of the arithmetic limit that the convolutions of a step reach by themselves."""

    @property
    def condition(self) -> str:
        """Say what tells the group from the others of its kind."""
        work = self.record.cases[0].workload
        if work.group_kind == "data":
            return "augmented" if work.augment else "not augmented"
        all_threads = ", all threads" if work.metric == "latency" else ""
        threads = ", one thread" if work.threads else all_threads
        is_of_a_cpu = work.group_kind == "inference" and work.device == "cpu"
        return f"batch {work.batch_size:,}{threads if is_of_a_cpu else ''}"

    @property
    def instabilities(self) -> set[str]:
        """Return the words of the rows whose blocks were not alike."""
        return {row.instability for row in self.rows if row.instability}

    @property
    def not_separated(self) -> list[Row]:
        """Return the rows that the noise floor does not let tell from the reference."""
        return [row for row in self.rows if row.versus is not None and not row.separated]

    def row(self, **values: object) -> Row | None:
        """Return the first row whose workload has these values of its fields."""
        return next((row for row in self.rows if row.workload.has(**values)), None)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Everything that a report says of a run."""

    record: Record
    groups: tuple[GroupSummary, ...]

    def of(self, kind: GroupKind, metric: Metric = "throughput") -> list[GroupSummary]:
        """Return the groups of a kind."""
        return [g for g in self.groups if (g.record.kind, g.record.metric) == (kind, metric)]


def summarise(record: Record) -> Summary:
    """Compute what a report says of a run."""
    return Summary(record=record, groups=tuple(map(_group, record.groups)))


def _group(group: GroupRecord) -> GroupSummary:
    compared = [case for case in group.cases if is_compared(case.workload)]
    reference = _reference(compared)
    floor = _noise_floor(group)
    convolutions = _beside(group, role="limit", mode="convolutions")
    return GroupSummary(
        record=group,
        reference=reference,
        rows=tuple(_row(case, group, reference, floor) for case in compared),
        noise_floor=floor,
        convolutions=shares(convolutions, group).get(COMPUTE) if convolutions else None,
    )


def is_compared(workload: Workload) -> bool:
    """Tell whether a table shows the case: it was selected, or others are divided by it."""
    return workload.role == "case" or (workload.role == "control" and workload.mode == "plain")


def _reference(compared: list[CaseRecord]) -> CaseRecord:
    """Return the case that the others are divided by: plain PyTorch, at its best."""
    plain = [case for case in compared if case.workload.mode == "plain"]
    return min(plain, key=lambda case: statistics.median(case.item_seconds()), default=compared[0])


def _beside(group: GroupRecord, **values: object) -> CaseRecord | None:
    """Return the first case whose workload has these values of its fields."""
    return next((case for case in group.cases if case.workload.has(**values)), None)


def speed_ratio(case: CaseRecord, reference: CaseRecord) -> Estimate:
    """Return how many times as fast as the reference a case is, image by image."""
    return paired(reference.item_seconds(), case.item_seconds())


def _noise_floor(group: GroupRecord) -> Estimate | None:
    pairs = itertools.product(group.cases, repeat=2)
    tests = (pair for pair in pairs if is_a_a_test_of(pair[0].workload, pair[1].workload))
    return next((speed_ratio(test, case) for test, case in tests), None)


def floor_width(floor: Estimate | None) -> float:
    """Return how far from 1 the same code was seen, as a logarithm."""
    return max(abs(math.log(floor.low)), abs(math.log(floor.high))) if floor else 0.0


def is_separated(ratio: Estimate, floor: Estimate | None) -> bool:
    """Tell whether a whole interval lies further from 1 than the same code does from itself."""
    width = floor_width(floor)
    return math.log(ratio.low) > width or math.log(ratio.high) < -width


def shares(case: CaseRecord, group: GroupRecord) -> dict[str, Estimate]:
    """Return the share of each limit that a case reaches.

    The limit's time for the case's work is compared with the case's own, block by block.
    """
    gemm = _beside(group, role="limit", kind="gemm", precision=case.workload.precision)
    copy = _beside(group, role="limit", kind="copy")
    work = {}
    if gemm and gemm.flops and case.flops:
        work[COMPUTE] = (gemm, case.flops / gemm.flops)
    if copy and copy.bytes and case.bytes:
        work[MEMORY] = (copy, case.bytes / copy.bytes)
    seconds = case.block_seconds()
    return {
        name: paired(limit.block_seconds(), seconds).scaled(times)
        for name, (limit, times) in work.items()
    }


def _row(
    case: CaseRecord, group: GroupRecord, reference: CaseRecord, floor: Estimate | None
) -> Row:
    block_seconds = case.block_seconds()
    seconds = centre(block_seconds)
    versus = None if case is reference else speed_ratio(case, reference)
    whole_step = {"group_kind": "optimizer-step", "role": "control", "kind": "training-step"}
    step = _beside(group, **whole_step)
    latency = case.workload.metric == "latency"
    return Row(
        case=case,
        seconds=seconds,
        per_second=seconds.inverted().scaled(case.images or 1),
        spread=median_spread(block_seconds),
        versus=versus,
        separated=versus is not None and is_separated(versus, floor),
        shares=shares(case, group),
        of_a_step=paired(block_seconds, step.block_seconds()) if step else None,
        instability=instability(block_seconds),
        percentiles=percentiles(case.blocks, PERCENTILES) if latency else {},
    )
