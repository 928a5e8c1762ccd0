"""What is timed beside the cases of a group without being asked for: what they are measured by.

The group's reference, one case a second time, and the limits of the machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bench.workloads.registry import group_of
from bench.workloads.workload import GEMM_SIZES, Workload

TWIN_SUFFIX = ", the same again"
LIMIT_PREFIX = "limit: "
CONVOLUTIONS = f"{LIMIT_PREFIX}convolutions of a float32 step"
WHOLE_STEP = "whole step: Adam, float32, batch 64"
"""What the optimizers' own steps are a part of."""


def companions(
    group: str, selected: list[Workload], *, fastest: Callable[[list[Workload]], Workload]
) -> list[Workload]:
    """Return what is timed beside the selected cases of a group without being asked for.

    What ratios may be to, the twin of one case, and the limits of the machine for all of them;
    `fastest` chooses among the products that could be a limit. Optimizers get a whole step.
    """
    cases = group_of(group)
    reference = cases[0]
    yardsticks = [case for case in cases if case.mode in ("seed", "per-image")] or [reference]
    found = [case for case in yardsticks if case not in selected]
    if reference.kind not in ("gemm", "copy"):
        twin = next((case for case in selected if case.twin), selected[0])
        found.append(replace(twin, name=twin.name + TWIN_SUFFIX))
    if reference.kind == "training-step" and reference.device == "cpu":
        found.append(convolutions(reference))
    if reference.kind not in ("gemm", "copy", "data"):
        if reference.kind == "optimizer-step":
            found.append(whole_step(reference))
        else:
            found += {fastest(ceilings(case)): None for case in selected}
        found.append(bandwidth(reference))
    return found


def ceilings(workload: Workload) -> list[Workload]:
    """Return the matrix products the fastest of which bounds the workload's arithmetic."""
    return [
        Workload(
            group=workload.group,
            name=f"{LIMIT_PREFIX}GEMM {workload.precision}",
            kind="gemm",
            device=workload.device,
            precision=workload.precision,
            threads=workload.threads,
            size=size,
        )
        for size in GEMM_SIZES[workload.device]
    ]


def convolutions(workload: Workload) -> Workload:
    """Return the convolutions of a float32 step, which no code around them can pass on a CPU.

    On CUDA a captured step can: there single calls are bound by their launches.
    """
    return Workload(
        group=workload.group,
        name=CONVOLUTIONS,
        kind="training-step",
        device=workload.device,
        batch_size=workload.batch_size,
        mode="convolutions",
    )


def whole_step(workload: Workload) -> Workload:
    """Return the training step that an optimizer's own step is a part of."""
    return Workload(
        group=workload.group, name=WHOLE_STEP, kind="training-step", device=workload.device
    )


def bandwidth(workload: Workload) -> Workload:
    """Return the copy that bounds the workload's memory traffic."""
    return Workload(
        group=workload.group,
        name=f"{LIMIT_PREFIX}memory copy",
        kind="copy",
        device=workload.device,
        threads=workload.threads,
        size=128 if workload.device == "cpu" else 1024,
    )
