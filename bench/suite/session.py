"""One run of the suite: tests add their cases, and each group ends with interleaved blocks.

A test times its case by itself through pytest-benchmark, for that plugin's table, JSON and
comparison. After the last test of a group, all of its cases are timed once more in turn, a block
of each at a time. Records, reports and every ratio come from these times.
"""

import datetime
import random
from dataclasses import dataclass, field

import torch

from bench.analysis.record import CaseRecord, GroupRecord
from bench.timing import blocks, host, measure
from bench.timing.measure import BlockPlan, WarmUp
from bench.workloads import prepare
from bench.workloads.controls import controls
from bench.workloads.prepared import Prepared, clock_for, enter, plan_for
from bench.workloads.workload import Workload

BLOCKS = 12
ORDER_SEED = 0


@dataclass
class _Case:
    workload: Workload
    prepared: Prepared
    warm_up: WarmUp

    def plan(self) -> BlockPlan:
        seconds = self.warm_up.window_seconds[-1]
        return plan_for(self.workload, self.prepared, call_seconds=seconds)


@dataclass
class Suite:
    """The cases of a run: those under way, those measured, those skipped and why."""

    dataset_name: str
    command: str = "pytest bench/ --benchmark-only"
    started: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))
    groups: list[GroupRecord] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    _open: dict[str, list[_Case]] = field(default_factory=dict)
    _sizes: dict[tuple[str, str, int | None], int] = field(default_factory=dict)
    """Of the fastest matrix product, by device, format and threads."""

    def groups_of(self, device: str) -> tuple[GroupRecord, ...]:
        """Return the groups of a device that were measured."""
        return tuple(group for group in self.groups if group.device == device)

    def prepare(self, workload: Workload) -> Prepared:
        """Make a case ready to be called."""
        return prepare.prepare(workload, dataset_name=self.dataset_name)

    def warm_up(self, workload: Workload, prepared: Prepared) -> WarmUp:
        """Warm a case up until its timings are steady."""
        enter(workload)
        return measure.warm_up(prepared.call, clock=clock_for(workload.device))

    def add(self, workload: Workload, prepared: Prepared, *, warm_up: WarmUp) -> None:
        """Take a case that was timed by itself into its group."""
        self._open.setdefault(workload.group, []).append(_Case(workload, prepared, warm_up))

    def finish_group(self, group: str) -> None:
        """Time the group's cases and their controls in turn, and close them."""
        cases = self._open.pop(group, [])
        try:
            if not cases:
                return
            selected = [case.workload for case in cases]
            for workload in controls(group, selected, fastest=self.fastest):
                prepared = self.prepare(workload)
                cases.append(_Case(workload, prepared, self.warm_up(workload, prepared)))
            self.groups.append(_interleave(group, cases))
        finally:
            for case in cases:
                case.prepared.close()
            if not self._open:
                # torch compiles one function for eight callers, then silently stops compiling it.
                torch.compiler.reset()

    def fastest(self, products: list[Workload]) -> Workload:
        """Return the product with most FLOP/s on this machine; tried once a run for its like."""
        like = (products[0].device, products[0].precision, products[0].threads)
        if like not in self._sizes:
            speeds = {}
            for product in products:
                prepared = self.prepare(product)
                warm_up = self.warm_up(product, prepared)
                speeds[product.size] = prepared.flops / min(warm_up.window_seconds)
                prepared.close()
            self._sizes[like] = max(speeds, key=lambda size: speeds[size])
        return next(product for product in products if product.size == self._sizes[like])

    def abandon(self) -> None:
        """Close the cases whose group was not finished."""
        for cases in self._open.values():
            for case in cases:
                case.prepared.close()
        self._open.clear()


def _interleave(group: str, cases: list[_Case]) -> GroupRecord:
    device = cases[0].workload.device
    plans = {case.workload.name: case.plan() for case in cases}
    before = host.state()
    times = blocks.interleave(
        {case.workload.name: case.prepared.call for case in cases},
        plans,
        blocks=BLOCKS,
        clock=clock_for(device),
        order=random.Random(ORDER_SEED),
    )
    return GroupRecord(
        name=group,
        device=device,
        host_before=before,
        host_after=host.state(),
        cases=tuple(
            CaseRecord(
                workload=case.workload,
                images=case.prepared.images,
                flops=case.prepared.flops,
                bytes=case.prepared.bytes,
                iterations=plans[case.workload.name].iterations,
                steady=case.warm_up.steady,
                blocks=tuple(map(tuple, times[case.workload.name])),
            )
            for case in cases
        ),
    )
