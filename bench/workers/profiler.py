"""Where the time goes: torch.profiler over a few scenarios, in a process that times nothing else.

python -m bench.workers.profiler --device cpu --folder runs/bench/profile

Writes `profiles.json` (operators by self time, forward / backward / optimizer / data split, peak
memory, FLOPs) and, beside it, traces for TensorBoard and Perfetto. The suite starts it after its
last measurement: a profiled step is slower than an unprofiled one, so nothing here is a timing.
"""

import argparse
import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile, record_function, schedule
from torch.utils.flop_counter import FlopCounterMode

from bench.workloads import data, networks
from bench.workloads.workload import Precision, Workload
from mnist_core.config import TrainConfig
from mnist_core.errors import run_command
from mnist_core.optim.registry import build_optimizer
from mnist_core.runtime.atomic_files import write_atomically, write_json
from mnist_core.runtime.device import prepare_process
from mnist_core.training import batches
from mnist_core.training.step import training_step

PROFILES_FILE = "profiles.json"
WARM_UP_STEPS, FEWEST_ACTIVE_STEPS = 3, 5
OPERATORS = 12
"""Operators named in the table; the rest is one line."""
_BACKWARD = "autograd::engine::evaluate_function: "
_OPTIMIZER = ("Optimizer.step#", "Optimizer.zero_grad#")
_FORWARD, _DATA = "forward", "data"
_STEP = "ProfilerStep"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is profiled: whole training steps with their data, or forward passes."""

    name: str
    batch_size: int
    training: bool
    precision: Precision = "float32"

    @property
    def slug(self) -> str:
        """Return the name as a folder."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    @property
    def active_steps(self) -> int:
        """Return how many steps are profiled."""
        return active_steps(self.batch_size) if self.training else FEWEST_ACTIVE_STEPS


def active_steps(batch_size: int) -> int:
    """Return how many steps are profiled: a multiple of the batches that are prepared at once.

    Any such number of steps in a row holds each preparation once for the steps that it serves.
    """
    prepared = max(1, batches.PREPARED_IMAGES // batch_size)
    return prepared * math.ceil(FEWEST_ACTIVE_STEPS / prepared)


SCENARIOS = (
    Scenario(name="training, batch 64, float32", batch_size=64, training=True),
    Scenario(
        name="training, batch 64, bfloat16", batch_size=64, training=True, precision="bfloat16"
    ),
    Scenario(name="training, batch 1,024, float32", batch_size=1024, training=True),
    Scenario(name="inference, batch 1, float32", batch_size=1, training=False),
    Scenario(name="inference, batch 256, float32", batch_size=256, training=False),
)


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator's part of a step."""

    name: str
    calls: float
    """A step."""
    self_share: float
    """Of the profiled step."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What one scenario's profile says of one step; shares are of the profiled step's time."""

    scenario: Scenario
    steps: int
    """Profiled, one after another."""
    split: dict[str, float]
    operators: tuple[Operator, ...]
    peak_bytes: int
    """Live tensors at their most, above what was there before the step."""
    flops: int


class _Marked(nn.Sequential):
    """Mark the forward pass in the trace."""

    def forward(self, x: Tensor) -> Tensor:
        with record_function(_FORWARD):
            output: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return output


def _steps(scenario: Scenario, device: torch.device, dataset: str) -> Iterator[None]:
    """Take one step of the scenario for each element that is asked for."""
    workload = Workload(
        group="profile",
        group_kind="training-step",
        name=scenario.name,
        kind="training-step",
        batch_size=scenario.batch_size,
        precision=scenario.precision,
    )
    network = _Marked(networks.build(workload, device))
    if not scenario.training:
        network.eval()
        batch = networks.example(scenario.batch_size, device)
        while True:
            with torch.inference_mode():
                network(batch)
            yield
    optimizer = build_optimizer("adam", network.parameters(), learning_rate=1e-12)
    loaded = data.load_cached(dataset, device.type)
    config = TrainConfig(dataset=loaded.name, batch_size=scenario.batch_size)
    active = scenario.active_steps
    # In whole preparations: the last of an epoch is smaller where its images run out.
    needed = scenario.batch_size * active * math.ceil(2 * (WARM_UP_STEPS + active + 1) / active)
    loaded = data.repeated(loaded, needed)
    epoch = batches.epoch_batches(loaded, config, epoch=1)
    while True:
        with record_function(_DATA):
            batch, labels = next(epoch)
        training_step(network, optimizer, batch, labels)
        yield


def run(scenario: Scenario, *, device: torch.device, dataset: str, folder: Path) -> Profile:
    """Profile one scenario twice: bare for the shares, then in detail for the trace."""
    steps, active = _steps(scenario, device, dataset), scenario.active_steps
    next(steps)
    with FlopCounterMode(display=False) as counter:
        next(steps)
    table = list(_profiled(steps, device, active=active).key_averages())
    in_detail = {"record_shapes": True, "profile_memory": True, "with_flops": True}
    path = folder / scenario.slug / f"{scenario.slug}.pt.trace.json"  # as TensorBoard finds it
    path.parent.mkdir(parents=True, exist_ok=True)
    _profiled(steps, device, active=active, **in_detail).export_chrome_trace(str(path))
    trace = json.loads(path.read_text())
    for private in ("host_name", "traceName"):
        trace.pop(private, None)
    write_atomically(path, json.dumps(trace))
    # Of an event and its children: the kernels that they started, or their time on the CPU.
    time_of = attrgetter("device_time_total" if device.type == "cuda" else "cpu_time_total")
    return Profile(
        scenario=scenario,
        steps=active,
        split=split(table, training=scenario.training, time_of=time_of),
        operators=operators(table, steps=active, device=device.type),
        peak_bytes=peak_bytes(trace["traceEvents"], device=device.type),
        flops=counter.get_total_flops(),
    )


def _profiled(steps: Iterator[None], device: torch.device, *, active: int, **options: Any) -> Any:
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    plan = schedule(wait=0, warmup=WARM_UP_STEPS, active=active, repeat=1)
    with profile(activities=activities, schedule=plan, acc_events=True, **options) as profiler:
        for _ in range(WARM_UP_STEPS + active):
            next(steps)
            profiler.step()
    return profiler


def split(
    table: list[Any], *, training: bool, time_of: Callable[[Any], float]
) -> dict[str, float]:
    """Return the shares of data, forward, backward, optimizer and the rest in a step."""
    total = sum(time_of(event) for event in table if event.key.startswith(_STEP))
    parts = {
        "data": [event for event in table if event.key == _DATA],
        "forward": [event for event in table if event.key == _FORWARD],
        "backward": [event for event in table if event.key.startswith(_BACKWARD)],
        "optimizer": [event for event in table if event.key.startswith(_OPTIMIZER)],
    }
    if not training:
        parts = {"forward": parts["forward"]}
    shares = {name: sum(map(time_of, events)) / total for name, events in parts.items()}
    shares["rest"] = max(0.0, 1.0 - sum(shares.values()))
    return shares


def operators(table: list[Any], *, steps: int, device: str) -> tuple[Operator, ...]:
    """Return the operators with most self time, those that only group others left out."""
    self_time = attrgetter("self_device_time_total" if device == "cuda" else "self_cpu_time_total")
    whole = sum(self_time(event) for event in table)
    named = (e for e in table if not e.key.startswith(_STEP) and e.key not in (_FORWARD, _DATA))
    slowest = sorted(named, key=self_time, reverse=True)[:OPERATORS]
    return tuple(
        Operator(
            name=event.key.removeprefix(_BACKWARD),
            calls=event.count / steps,
            self_share=self_time(event) / whole,
        )
        for event in slowest
    )


def peak_bytes(events: list[dict[str, Any]], *, device: str) -> int:
    """Return how far the live tensors of a trace rose above their least."""
    kind = 1 if device == "cuda" else 0
    totals = [
        event["args"]["Total Allocated"]
        for event in events
        if event.get("name") == "[memory]" and event["args"].get("Device Type") == kind
    ]
    return int(max(totals) - min(totals)) if totals else 0


def main(arguments: list[str] | None = None) -> int:
    """Profile all scenarios."""
    parser = argparse.ArgumentParser(prog="python -m bench.workers.profiler")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--dataset", default="auto")
    options = parser.parse_args(arguments)

    def command() -> int:
        device = prepare_process(device=options.device)
        options.folder.mkdir(parents=True, exist_ok=True)
        profiles = [
            run(scenario, device=device, dataset=options.dataset, folder=options.folder)
            for scenario in SCENARIOS
            if scenario.precision != "bfloat16" or networks.bfloat16_is_native(device.type)
        ]
        write_json(options.folder / PROFILES_FILE, [asdict(profile) for profile in profiles])
        return 0

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
