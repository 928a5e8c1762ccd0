"""The roofline: which ceiling is above each case, computed apart from drawing it.

Williams, Waterman, Patterson 2009: speed is at most min(ceiling, intensity × bandwidth).
"""

import statistics
from dataclasses import dataclass

from bench.analysis.record import CaseRecord
from bench.analysis.summary import Row, Summary


@dataclass(frozen=True, kw_only=True)
class Roof:
    """One format's arithmetic ceiling and the memory's slope."""

    precision: str
    flops_per_second: float
    bytes_per_second: float


def roofs(summary: Summary) -> list[Roof]:
    """Return the roofs: each format's median over the groups in which it was timed."""
    cases = [
        case
        for group in summary.record.groups
        for case in group.cases
        if case.workload.has(role="limit", threads=None)
    ]
    copies = [rate(case, case.bytes) for case in cases if case.workload.kind == "copy"]
    found = []
    for precision in ("float32", "tf32", "bfloat16"):
        products = [case for case in cases if case.workload.has(kind="gemm", precision=precision)]
        if products and copies:
            speed = statistics.median(rate(case, case.flops) for case in products)
            slope = statistics.median(copies)
            found.append(Roof(precision=precision, flops_per_second=speed, bytes_per_second=slope))
    return found


def points(summary: Summary) -> list[tuple[float, Row]]:
    """Return the training and inference cases on all threads, each with its intensity."""
    return [
        (row.intensity, row)
        for group in summary.groups
        if group.record.kind in ("training-step", "inference")
        for row in group.rows
        if row.intensity is not None and row.workload.threads is None
    ]


def rate(case: CaseRecord, work: int) -> float:
    """Return how much work is done in a second."""
    return work / statistics.median(case.block_seconds())
