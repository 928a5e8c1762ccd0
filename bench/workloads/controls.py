"""What is timed beside the selected cases of a group, to compare them with."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.workloads.registry import group_of
from bench.workloads.workload import GEMM_SIZES, Workload


def controls(
    group: str, selected: list[Workload], *, fastest: Callable[[list[Workload]], Workload]
) -> list[Workload]:
    """Return what is timed beside the selected cases of a group.

    The references that ratios may be to, the A/A test of one case, and the limits of the machine
    for all of them; `fastest` chooses among the products that could be a limit. Optimizers get a
    whole step.
    """
    cases = group_of(group)
    first = cases[0]
    if first.group_kind == "limits":
        return []
    references = [case for case in cases if case.mode == "plain"]
    found = [replace(case, role="control") for case in references if case not in selected]
    repeated = next((case for case in selected if case.in_a_a_test), selected[0])
    found.append(replace(repeated, name=f"{repeated.name}, A/A test", role="a-a"))
    if first.group_kind == "training-step" and first.device == "cpu":
        found.append(convolutions(first))
    if first.group_kind == "optimizer-step":
        name = "whole step: Adam, float32, batch 64"
        found.append(_beside(first, name, kind="training-step", role="control"))
    elif first.group_kind != "data":
        found += {fastest(ceilings(case)): None for case in selected}
    if first.group_kind != "data":
        size, threads = (128 if first.device == "cpu" else 1024), first.threads
        found.append(_limit(first, "memory copy", kind="copy", threads=threads, size=size))
    return found


def is_a_a_test_of(test: Workload, workload: Workload) -> bool:
    """Tell whether `test` is the workload a second time."""
    return test.role == "a-a" and replace(test, name=workload.name, role="case") == workload


def _beside(case: Workload, name: str, **fields: Any) -> Workload:
    """Return a workload of the same group and device."""
    kind, device = case.group_kind, case.device
    return Workload(group=case.group, group_kind=kind, device=device, name=name, **fields)


def _limit(case: Workload, name: str, **fields: Any) -> Workload:
    return _beside(case, f"limit: {name}", role="limit", **fields)


def ceilings(case: Workload) -> list[Workload]:
    """Return the matrix products the fastest of which bounds the workload's arithmetic."""
    precision, threads = case.precision, case.threads
    return [
        _limit(
            case, f"GEMM {precision}", kind="gemm", precision=precision, threads=threads, size=n
        )
        for n in GEMM_SIZES[case.device]
    ]


def convolutions(case: Workload) -> Workload:
    """Return the convolutions of a float32 step, which no code around them can pass on a CPU.

    On CUDA a captured step can: there single calls are bound by their launches.
    """
    how: dict[str, Any] = {"mode": "convolutions", "batch_size": case.batch_size}
    return _limit(case, "convolutions of a float32 step", kind="training-step", **how)
