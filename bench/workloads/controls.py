"""What is timed beside the selected cases of a group, to compare them with.

These are the group's reference, an A/A test, and the limits of the machine.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.workloads.registry import group_of
from bench.workloads.workload import GEMM_SIZES, Workload


def controls(
    group: str, selected: list[Workload], *, fastest: Callable[[list[Workload]], Workload]
) -> list[Workload]:
    """Return what is timed beside the selected cases of a group.

    The cases that ratios may be to, the A/A test of one case, and the limits of the machine for
    all of them; `fastest` chooses among the products that could be a limit. Optimizers get a
    whole step.
    """
    cases = group_of(group)
    first = cases[0]
    if first.group_kind == "limits":
        return []
    references = [case for case in cases if case.mode == "plain"]
    found = [replace(case, role="control") for case in references if case not in selected]
    found.append(a_a_test(next((case for case in selected if case.in_a_a_test), selected[0])))
    if first.group_kind == "training-step" and first.device == "cpu":
        found.append(convolutions(first))
    if first.group_kind == "optimizer-step":
        found.append(whole_step(first))
    elif first.group_kind != "data":
        found += {fastest(ceilings(case)): None for case in selected}
    if first.group_kind != "data":
        found.append(bandwidth(first))
    return found


def a_a_test(workload: Workload) -> Workload:
    """Return the workload as a second case of its group."""
    return replace(workload, name=f"{workload.name}, A/A test", role="a-a")


def is_a_a_test_of(test: Workload, workload: Workload) -> bool:
    """Tell whether `test` is the workload a second time."""
    return test.role == "a-a" and replace(test, name=workload.name, role="case") == workload


def _beside(workload: Workload, name: str, **fields: Any) -> Workload:
    """Return a workload of the same group and device."""
    same = {"group": workload.group, "group_kind": workload.group_kind, "device": workload.device}
    return Workload(**{**same, "name": name, **fields})


def ceilings(workload: Workload) -> list[Workload]:
    """Return the matrix products the fastest of which bounds the workload's arithmetic."""
    return [
        _beside(
            workload,
            f"limit: GEMM {workload.precision}",
            kind="gemm",
            role="limit",
            precision=workload.precision,
            threads=workload.threads,
            size=size,
        )
        for size in GEMM_SIZES[workload.device]
    ]


def bandwidth(workload: Workload) -> Workload:
    """Return the copy that bounds the workload's memory traffic."""
    size = 128 if workload.device == "cpu" else 1024
    threads = workload.threads
    return _beside(
        workload, "limit: memory copy", kind="copy", role="limit", threads=threads, size=size
    )


def convolutions(workload: Workload) -> Workload:
    """Return the convolutions of a float32 step, which no code around them can pass on a CPU.

    On CUDA a captured step can: there single calls are bound by their launches.
    """
    return _beside(
        workload,
        "limit: convolutions of a float32 step",
        kind="training-step",
        role="limit",
        batch_size=workload.batch_size,
        mode="convolutions",
    )


def whole_step(workload: Workload) -> Workload:
    """Return the training step that an optimizer's own step is a part of."""
    name = "whole step: Adam, float32, batch 64"
    return _beside(workload, name, kind="training-step", role="control")
