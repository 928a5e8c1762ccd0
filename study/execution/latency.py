"""A quick measurement of latency: how long one image takes each architecture of a study.

All architectures take turns in short rounds on one thread of one process, so that whatever else
the machine does falls on all of them. `latency.json` in the study's folder keeps the median of
every round; the report stands on that file, and measures nothing. The suite under bench/ is the
benchmark: this says which of a study's architectures are slower than others, and by about how
much.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from mnist_core.models.architecture import Architecture
from study.plans.architectures import ArchitecturePlan
from study.plans.base import StudyPlan
from study.plans.families import Limits
from study.records.latency import Measurement, read, write
from study.records.run_record import RunRecord

ROUNDS, CALLS, WARM_UP_CALLS = 15, 40, 10


def architectures_of(records: Iterable[RunRecord]) -> list[Architecture]:
    """Return the architectures of completed runs, each once, in an order of their own."""
    found = {record.config.architecture() for record in records if record.is_completed}
    return sorted(found, key=lambda entry: json.dumps(asdict(entry)))


def round_medians(
    calls: Sequence[Callable[[], object]],
    *,
    rounds: int,
    calls_per_round: int,
    warm_up_calls: int,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> list[list[float]]:
    """Time calls by turns; return for each the median of every round, in microseconds."""
    medians: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, found in zip(calls, medians, strict=True):
            for _ in range(warm_up_calls):
                call()
            nanoseconds = []
            for _ in range(calls_per_round):
                started = clock()
                call()
                nanoseconds.append(clock() - started)
            found.append(statistics.median(nanoseconds) / 1000)
    return medians


def measure(architectures: Sequence[Architecture], limits: Limits) -> Measurement:
    """Measure architectures on one thread of this machine's CPU, on random weights and an empty
    image of the limits' shape: what a network answers changes nothing in how long it takes."""
    import torch

    from mnist_core.models.network import build_network
    from mnist_core.runtime import provenance
    from mnist_core.runtime.device import prepare_process

    device = prepare_process(device="cpu", threads=1)
    image = torch.zeros(1, *limits.shape).to(memory_format=torch.channels_last)

    def call_of(architecture: Architecture) -> Callable[[], object]:
        network = build_network(
            architecture,
            seed=0,
            device=device,
            input_shape=limits.shape,
            classes=limits.classes,
        )
        network.eval()
        return lambda: network(image)

    with torch.inference_mode():
        medians = round_medians(
            [call_of(architecture) for architecture in architectures],
            rounds=ROUNDS,
            calls_per_round=CALLS,
            warm_up_calls=WARM_UP_CALLS,
        )
    return Measurement(
        environment=provenance.environment(device),
        rounds=ROUNDS,
        calls=CALLS,
        warm_up_calls=WARM_UP_CALLS,
        round_medians=dict(zip(architectures, medians, strict=True)),
    )


def measure_once(folder: Path, plan: StudyPlan, records: Mapping[str, RunRecord]) -> None:
    """Write the latencies of a study of architectures, unless the folder has them all: together,
    as those of two sittings would not compare. For other studies, do nothing."""
    if not isinstance(plan, ArchitecturePlan):
        return
    wanted = architectures_of(records.values())
    known = read(folder)
    if wanted and (known is None or not set(wanted) <= known.round_medians.keys()):
        print(f"measuring the latency of {len(wanted)} architectures", flush=True)
        write(folder, measure(wanted, plan.limits))
