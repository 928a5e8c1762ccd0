"""One run of the suite: cases register as their tests come, each group ends interleaved.

A test times its case by itself through pytest-benchmark, whose table, JSON and comparison stand on
that. When the last test of a group is through, all of its cases are timed once more in turn, a
block of each, and these times are what the records, the reports and every ratio stand on.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from bench.analysis.record import CaseRecord, GroupRecord
from bench.timing import host
from bench.timing import measure as timing
from bench.timing.measure import Clock, Elsewhere, Plan, WarmUp
from bench.workloads import prepare as build
from bench.workloads.controls import companions
from bench.workloads.prepare import Prepared
from bench.workloads.workload import Workload

Measure = Callable[[Workload], None]
"""What the fixture `measure` gives a test."""
BLOCK_SECONDS = 0.03
LATENCY_BLOCK_SECONDS = 0.016
BLOCKS = 12
LATENCY_CALLS = 25
"""In a block, at least: 12 times as many are the 299 samples that a 99th percentile needs."""
ORDER_SEED = 0


def clock_for(device: str) -> Clock:
    """Return the clock of a device: one that waits for it, where work outlives its call."""
    if device == "cuda":
        return timing.device_clock(torch.cuda.synchronize)
    return time.perf_counter


def plan_for(workload: Workload, prepared: Prepared, *, call_seconds: float) -> Plan:
    """Return how the case is timed in each block."""
    return timing.plan(
        call_seconds=call_seconds,
        block_seconds=LATENCY_BLOCK_SECONDS if workload.latency else BLOCK_SECONDS,
        latency=workload.latency,
        fewest=LATENCY_CALLS if workload.latency else 1,
        has_setup=not isinstance(prepared.call, Elsewhere) and prepared.call.setup is not None,
    )


@dataclass
class _Case:
    workload: Workload
    prepared: Prepared
    warm_up: WarmUp
    alone_seconds: list[float]


@dataclass
class Suite:
    """The cases of a run: those under way, those measured, those skipped and why."""

    dataset_name: str
    say: Callable[[str], None] = print
    groups: list[GroupRecord] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    _open: dict[str, list[_Case]] = field(default_factory=dict)
    _sizes: dict[tuple[str, str, int | None], int] = field(default_factory=dict)
    """Of the fastest matrix product, by device, format and threads."""

    def prepare(self, workload: Workload) -> Prepared:
        """Make a case ready to be called."""
        return build.prepare(workload, dataset_name=self.dataset_name)

    def warm_up(self, workload: Workload, prepared: Prepared) -> WarmUp:
        """Warm a case up until its timings are steady."""
        build.enter(workload)
        return timing.warm_up(prepared.call, clock=clock_for(workload.device))

    def add(
        self, workload: Workload, prepared: Prepared, *, warm_up: WarmUp, alone: list[float]
    ) -> None:
        """Take a case that was timed by itself into its group."""
        self._open.setdefault(workload.group, []).append(_Case(workload, prepared, warm_up, alone))

    def finish_group(self, group: str) -> None:
        """Time the group's cases and their companions in turn, and let go of them."""
        cases = self._open.pop(group, [])
        try:
            if not cases:
                return
            for workload in companions(
                group, [case.workload for case in cases], fastest=self.fastest
            ):
                prepared = build.prepare(workload, dataset_name=self.dataset_name)
                cases.append(_Case(workload, prepared, self.warm_up(workload, prepared), []))
            self.groups.append(_interleave(group, cases))
        finally:
            for case in cases:
                case.prepared.close()
            if not self._open:
                # torch compiles one function for eight callers, then silently stops compiling it.
                torch.compiler.reset()

    def fastest(self, products: list[Workload]) -> Workload:
        """Return the product with most FLOP/s on this machine; tried once a run for its like."""
        first = products[0]
        like = (first.device, first.precision, first.threads)
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
        """Let go of the cases whose group was not finished."""
        for cases in self._open.values():
            for case in cases:
                case.prepared.close()
        self._open.clear()


def _interleave(group: str, cases: list[_Case]) -> GroupRecord:
    seconds = [case.warm_up.window_seconds[-1] for case in cases]
    plans = [
        plan_for(case.workload, case.prepared, call_seconds=call_seconds)
        for case, call_seconds in zip(cases, seconds, strict=True)
    ]
    before = host.state()
    blocks = timing.interleave(
        {case.workload.name: case.prepared.call for case in cases},
        {case.workload.name: plan for case, plan in zip(cases, plans, strict=True)},
        blocks=BLOCKS,
        clock=clock_for(cases[0].workload.device),
        order=random.Random(ORDER_SEED),
    )
    return GroupRecord(
        name=group,
        device=cases[0].workload.device,
        host_before=before,
        host_after=host.state(),
        cases=tuple(
            CaseRecord(
                workload=case.workload,
                asked=bool(case.alone_seconds),
                images=case.prepared.images,
                flops=case.prepared.flops,
                bytes=case.prepared.bytes,
                iterations=plan.iterations,
                steady=case.warm_up.steady,
                warm_up_seconds=case.warm_up.window_seconds,
                alone_seconds=tuple(case.alone_seconds),
                blocks=tuple(map(tuple, blocks[case.workload.name])),
            )
            for case, plan in zip(cases, plans, strict=True)
        ),
    )
