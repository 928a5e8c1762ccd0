"""A workload ready to be timed: its call, the work of a call, its clock and its block plan.

Work is counted where it is built: images, FLOPs and bytes of one call.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from bench.timing import blocks
from bench.timing.measure import BlockPlan, Call, Clock, Target, device_clock
from bench.workloads.workload import Workload
from mnist_core.models.cost import layer_costs, training_flops
from mnist_core.models.network import build_network
from mnist_core.runtime.device import available_cores

BLOCK_SECONDS = 0.03
LATENCY_BLOCK_SECONDS = 0.016
LATENCY_CALLS = 25
"""In a block, at least: 12 times as many are the 299 samples that a 99th percentile needs."""
NO_STEP = 1e-12
"""A learning rate that leaves the weights ordinary numbers after thousands of steps."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A workload ready to be timed, and the work of one call."""

    call: Target
    images: int = 0
    flops: int = 0
    bytes: int = 0
    close: Callable[[], None] = field(default=lambda: None)


def enter(workload: Workload) -> None:
    """Set what the workload wants of the process: its threads, and TF32 on or off."""
    torch.set_num_threads(workload.threads or available_cores())
    torch.backends.cuda.matmul.allow_tf32 = workload.precision == "tf32"
    torch.backends.cudnn.allow_tf32 = workload.precision == "tf32"


def timed(workload: Workload, function: Callable[..., object], **more: Any) -> Call:
    """Return a call of a function for which the process is set up before each block."""
    return Call(call=function, enter=lambda: enter(workload), **more)


def flops_per_image(*, training: bool, layers: tuple[str, ...] = ("Conv2d", "Linear")) -> int:
    """Return the FLOPs of one image in the layers of some kinds."""
    everything = layer_costs(build_network(seed=0, device=torch.device("cpu")))
    costs = [cost for cost in everything if cost.kind in layers]
    return training_flops(costs) if training else sum(c.forward_flops for c in costs)


def clock_for(device: str) -> Clock:
    """Return the clock of a device: one that waits for it, where work outlives its call."""
    if device == "cuda":
        return device_clock(torch.cuda.synchronize)
    return time.perf_counter


def plan_for(workload: Workload, prepared: Prepared, *, call_seconds: float) -> BlockPlan:
    """Return how the case is timed in each block."""
    latency = workload.metric == "latency"
    return blocks.plan(
        call_seconds=call_seconds,
        block_seconds=LATENCY_BLOCK_SECONDS if latency else BLOCK_SECONDS,
        latency=latency,
        fewest=LATENCY_CALLS if latency else 1,
        has_setup=isinstance(prepared.call, Call) and prepared.call.setup is not None,
    )
