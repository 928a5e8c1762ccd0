"""The roofline: which ceiling is above each case, computed apart from drawing it.

Williams, Waterman, Patterson 2009: speed is at most min(ceiling, intensity × bandwidth).
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from bench.analysis.record import CaseRecord, Record
from bench.analysis.summary import is_compared

MARKERS = {
    "o": "training step",
    "s": "inference, batch 16 and more",
    "D": "inference, batch 1",
}


@dataclass(frozen=True, kw_only=True)
class Roof:
    """One format's arithmetic ceiling and the memory's slope."""

    precision: str
    flops_per_second: float
    bytes_per_second: float


@dataclass(frozen=True, kw_only=True)
class Point:
    """One case under the roof."""

    marker: str
    precision: str
    is_plain: bool
    intensity: float
    flops_per_second: float


def _all_threads(record: Record) -> list[CaseRecord]:
    return [
        case for group in record.groups for case in group.cases if case.workload.threads is None
    ]


def roofs(record: Record) -> list[Roof]:
    """Return the roofs: each format's median over the groups in which it was timed."""
    cases = [case for case in _all_threads(record) if case.workload.role == "limit"]
    copies = [case for case in cases if case.workload.kind == "copy"]
    if not copies:
        return []
    bandwidth = statistics.median(_rate(case, case.bytes) for case in copies)
    found = []
    for precision in ("float32", "tf32", "bfloat16"):
        speeds = [
            _rate(case, case.flops)
            for case in cases
            if case.workload.kind == "gemm" and case.workload.precision == precision
        ]
        if speeds:
            found.append(
                Roof(
                    precision=precision,
                    flops_per_second=statistics.median(speeds),
                    bytes_per_second=bandwidth,
                )
            )
    return found


def points(record: Record) -> list[Point]:
    """Return the training and inference cases that have an intensity."""
    found = []
    for case in _all_threads(record):
        work = case.workload
        if not is_compared(work) or not case.bytes:
            continue
        if work.kind not in ("training-step", "inference"):
            continue
        marker = "o" if work.kind == "training-step" else "D" if work.batch_size == 1 else "s"
        found.append(
            Point(
                marker=marker,
                precision=work.precision,
                is_plain=work.mode == "plain",
                intensity=case.flops / case.bytes,
                flops_per_second=_rate(case, case.flops),
            )
        )
    return found


def _rate(case: CaseRecord, work: int) -> float:
    return work / statistics.median(case.block_seconds())
